"""``python -m agent.run``: the command line, and the only place where things are wired together.

Exit codes: 0 the session ended in a goodbye, 2 an argument is wrong, 3 something must be installed or mended first, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import time
from collections.abc import Sequence

from pydantic import ValidationError

from agent import config
from agent.config import Settings
from agent.toml_file import FileProblem
from agent.turn import BANDS

GOODBYE, WRONG_ARGUMENT, MISSING, INTERRUPTED = 0, 2, 3, 130


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
    from pathlib import Path

    base = config.read(Path(arguments.config) if arguments.config else None)
    given = {key: value for key, value in vars(arguments).items() if value is not None and key in Settings.model_fields}
    if arguments.no_log:
        given["log"] = False
    try:
        return Settings.model_validate({**base.model_dump(), **given})
    except ValidationError as error:
        first = error.errors()[0]
        flag = "--" + str(first["loc"][0]).replace("_", "-")
        raise ValueError(f"{flag} {first['input']}: {_choices(first)}") from None


def _choices(error: object) -> str:
    assert isinstance(error, dict) or hasattr(error, "get")
    context = error.get("ctx", {})  # type: ignore[attr-defined]
    if "expected" in context:
        return f"choose {context['expected']}"
    return str(error["msg"])  # type: ignore[index]


def nearest(kind: str, name: str, known: Sequence[str]) -> ValueError:
    """The error for an unknown name, with the nearest known one."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean “{near[0]}”?" if near else "there are:"
    return ValueError(f"there is no {kind} “{name}”; {hint} ({', '.join(known)})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one session. Returns the exit code."""
    started = time.monotonic()
    parsed = parser().parse_args(arguments)
    try:
        if parsed.list:
            from agent.listing import show

            show()
            return GOODBYE
        from agent.wiring import run_session

        return run_session(settings_from(parsed), resume=parsed.resume, explain=parsed.explain, started=started)
    except FileProblem as problem:
        print(problem, file=sys.stderr)
        return MISSING
    except ValueError as wrong:
        print(f"python -m agent.run: {wrong}", file=sys.stderr)
        return WRONG_ARGUMENT
    except BrokenPipeError:
        # The reader of our output went away; nothing is left to be said to it.
        sys.stderr.close()
        return GOODBYE


if __name__ == "__main__":
    sys.exit(main())
