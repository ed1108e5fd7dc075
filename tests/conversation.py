"""Conversations as YAML: what the child says, and what the robot must do about it.

A scenario is a file of steps; each says what the child says (or does) and what is expected of the robot's turn after it::

    settings: {language: en, story: rainbow, age: "6-7"}
    steps:
      - child: "yes please"
        robot: {strategy: ELICIT_PRIOR}
      - child: <wrong>            # a misconception of the open question; also <right> <partial> <silence> <noise> <choice:boat>
        robot: {verdict: wrong, strategy: SCAFFOLD_HINT, rung: 1, never: "snail"}

``says`` and ``never`` are regular expressions over the robot's whole turn; ``asks`` is the kind of question that is open
afterwards.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from agent.config import Settings
from agent.ports import Listening
from agent.run import Wiring
from agent.turn import Utterance
from benchmarks.witness import Witness, run


class ScriptedChild:
    """Ears that hear a script; once it is over, the child wants to stop."""

    def __init__(self, wiring: Wiring, script: list[str]) -> None:
        self.wiring, self.script, self.heard = wiring, list(script), 0
        self.breaking_in: list[str] = []

    def listen(self, how: Listening) -> Utterance:
        self.wiring.clock.sleep(1.0)
        self.heard += 1
        said = self.script.pop(0) if self.script else "stop"
        while said.startswith("<break in> "):  # said while the robot was speaking, before this turn
            said = self.script.pop(0) if self.script else "stop"
        if self.script and self.script[0].startswith("<break in> "):
            self.breaking_in.append(self.script.pop(0).removeprefix("<break in> "))
        now = self.wiring.clock.now()
        if said == "<noise>":
            return Utterance("ksh brr", 0.1, now, now)
        return Utterance(self._words(said, how), 1.0, now, now)

    def overheard(self) -> Utterance | None:
        if not self.breaking_in:
            return None
        now = self.wiring.clock.now()
        return Utterance(self.breaking_in.pop(0), 1.0, now, now)

    def close(self) -> None:
        """Nothing to close."""

    def _words(self, said: str, how: Listening) -> str:
        if not said.startswith("<"):
            return said
        name, _, detail = said.strip("<>").partition(":")
        kind, _, place = how.about.partition(":")
        beat, _, prompt = place.partition("/")
        story = self.wiring.story(how.language)
        if name == "silence":
            return ""
        if name == "choice":
            return story.beat(beat).words.choices[detail].says[0]
        if kind != "prompt":
            return "yes" if how.language == "en" else "oui" if how.language == "fr" else "ja"
        words = story.prompt(beat, prompt).words
        if name == "right":
            return words.accepted[int(detail or 0)]
        if name == "partial":
            return words.key_ideas[0]
        return words.misconceptions[int(detail or 0)].says[0] if words.misconceptions else "a green banana"


def play(scenario: dict[str, Any]) -> tuple[Witness, list[str]]:
    """Run a scenario; what was seen, and what was not as expected (a line each)."""
    steps = scenario["steps"]
    script = [step["child"] for step in steps]
    settings = Settings.model_validate({"child": "simulated", "speed": "fast", "log": False, **scenario.get("settings", {})})
    seen = run(settings, ears=lambda wiring: ScriptedChild(wiring, script)).seen
    turns = _turns(seen)
    wrong = []
    for number, step in enumerate(steps):
        if number >= len(turns):
            wrong.append(f"step {number + 1}: the session was over")
            break
        wrong += [
            f"step {number + 1} ({step['child']!r}): {fault}" for fault in _faults(step.get("robot") or {}, turns[number])
        ]
    return seen, wrong


def _turns(seen: Witness) -> list[dict[str, Any]]:
    """What happened from one thing heard to the next."""
    turns: list[dict[str, Any]] = []
    for event in seen.events:
        if event["kind"] == "heard":
            turns.append({"said": [], "strategies": [], "alert": False, "asks": "", "ending": ""})
        if not turns:
            continue
        here = turns[-1]
        if event["kind"] == "judged":
            here["verdict"], here["language"] = event["verdict"], event["language"]
        elif event["kind"] == "planned":
            here["strategies"].append(event)
        elif event["kind"] == "said":
            here["said"].append(event["text"])
            here["spoken"] = event["language"]
        elif event["kind"] == "alert":
            here["alert"] = True
        elif event["kind"] == "turn":
            here["asks"] = event["open"].partition(":")[0]
            here["ending"] = event["ending"]
    return turns


def _faults(expected: dict[str, Any], turn: dict[str, Any]) -> list[str]:
    first = turn["strategies"][0] if turn["strategies"] else {"strategy": None, "rung": 0, "rule": ""}
    text = " ".join(turn["said"])
    faults = []
    for key, wanted in expected.items():
        if key in ("strategy", "rung", "rule", "target"):
            found: Any = first[key]
        elif key == "says":
            found, wanted = bool(re.search(wanted, text, re.I)), True
        elif key == "never":
            found, wanted = bool(re.search(wanted, text, re.I)), False
        else:
            found = turn.get(key)
        good = found in wanted if isinstance(wanted, list) else found == wanted
        if not good:
            faults.append(f"{key} is {found!r}, expected {expected[key]!r}; the robot said: {text!r}")
    return faults


def scenarios(folder: Path) -> list[Path]:
    """All scenario files, by name."""
    return sorted(folder.glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    """One scenario."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded
