"""The command line of ``python -m agent.run``: flags and settings file together, with answers to wrong ones."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent import config
from agent.config import Settings
from agent.turn import BANDS


def parser() -> argparse.ArgumentParser:
    """The contract that scripts rely on. Every flag's default is None: "not given", so that a settings file can speak."""
    made = argparse.ArgumentParser(
        prog="python -m agent.run",
        description="Tells a child a story, asks, listens and answers. Without arguments: a session in the simulator.",
        epilog="Exit codes: 0 goodbye said, 2 wrong argument, 3 something is missing, 130 Ctrl-C.",
    )
    add = made.add_argument
    add("--sim", action="store_true", help="run in simulation (the default: --robot simulator)")
    add("--child", metavar="typed|simulated[:PERSONA]", help="who answers (default: typed in a terminal, otherwise simulated)")
    add("--language", metavar="en|fr|de|auto", help="language to begin in (default: auto, the system's)")
    add("--personality", metavar="NAME|1..9", help="the robot's manner: extravert, introvert, neutral or a level")
    add("--story", metavar="SLUG", help="which story (see --list)")
    add("--age", metavar="|".join(BANDS), help="age band (default: 6-7)")
    add("--model", metavar="authored", help="who words the replies")
    add("--participant", metavar="CODE", help="a pseudonymous code for the log (default: guest)")
    add("--seed", type=int, metavar="N", help="the same seed, the same session (default: 0)")
    add("--turns", type=int, metavar="N", help="end kindly after N turns")
    add("--minutes", type=float, metavar="N", help="end kindly after N minutes (default: by age)")
    add("--speed", metavar="real|fast", help="fast runs on a virtual clock, without waiting")
    add("--voice", metavar="espeak|none", help="whether the robot is heard")
    add("--robot", metavar="simulator|mockup|mujoco|reachy[:HOST]", help="which body (default: simulator)")
    add("--adult", metavar="NAME", help="the grown-up the robot names when a child needs one")
    add("--second-language", action="store_true", default=None, help="the child is still learning the session's language")
    add("--save-audio", action="store_true", default=None, help="keep the robot's side as one WAV in the session's folder")
    add("--no-log", action="store_true", help="keep no record of the session")
    add("--data", metavar="DIR", help="where sessions are kept (default: sessions)")
    add("--resume", metavar="SESSION", help="go on with a session that was interrupted")
    add("--config", metavar="FILE", help="settings as TOML (default: fabula.toml, if there is one)")
    add("--explain", action="store_true", help="show how answers are judged and why a strategy is chosen")
    add("--list", action="store_true", help="list stories, personalities, languages and personas")
    return made


def settings_from(arguments: argparse.Namespace) -> Settings:
    """File and flags together. Raises FileProblem, or ValueError with the valid or nearest choice."""
    base = config.read(Path(arguments.config) if arguments.config else None)
    given = {key: value for key, value in vars(arguments).items() if value is not None and key in Settings.model_fields}
    if arguments.no_log:
        given["log"] = False
    try:
        return Settings.model_validate({**base.model_dump(), **given})
    except ValidationError as error:
        first: Any = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-")
        raise ValueError(f"{flag} {first['input']}: {_choices(first)}") from None


def _choices(error: Any) -> str:
    expected = error.get("ctx", {}).get("expected")
    if error["type"] == "string_pattern_mismatch":
        return "use letters, digits, - and _ only, 32 at most"
    return f"choose {expected}" if expected else str(error["msg"])


def nearest(kind: str, name: str, known: Sequence[str]) -> ValueError:
    """The error for an unknown name, with the nearest known one."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean “{near[0]}”?" if near else "there are:"
    return ValueError(f"there is no {kind} “{name}”; {hint} ({', '.join(known)})")


def check_names(settings: Settings) -> None:
    """Every name a person may mistype, before anything starts. Raises ValueError with the nearest one."""
    from agent.children.child import persona_names
    from agent.personality import load
    from agent.story import slugs
    from hardware.connect import KINDS

    if settings.story not in slugs():
        raise nearest("story", settings.story, slugs())
    load(settings.personality)
    if settings.robot.partition(":")[0] not in KINDS:
        raise nearest("robot", settings.robot, KINDS)
    kind, _, persona = settings.child.partition(":")
    if kind not in ("typed", "simulated"):
        raise nearest("child", settings.child, ["typed", "simulated"])
    if persona and persona not in persona_names():
        raise nearest("persona", persona, persona_names())
    if kind == "typed" and settings.speed == "fast":
        raise ValueError("--speed fast needs --child simulated: nobody can type on a virtual clock")
