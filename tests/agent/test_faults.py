"""Every stage of a turn may break, and anybody may press Ctrl-C at any moment: the child hears a kind line, the log is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.lines import FOLDER, MANNERS, bank, expansions
from agent.ports import Sound, VoiceStyle
from agent.record import EVENTS
from agent.run import HungUp, Wiring, start_language
from agent.turn import LANGUAGES, Language
from benchmarks.witness import Witness
from tests.conftest import Answering, agreeable, quick, virtual

STAGES = ("hear", "judge", "plan", "answer", "speak")


@dataclass
class Trouble:
    """A session in which one stage fails, the given number of times, once it has worked ``after`` times."""

    wiring: Wiring
    seen: Witness
    struck: int = 0

    def break_stage(self, stage: str, error: BaseException, times: int = 1, after: int = 2) -> None:
        """Let ``stage`` raise ``error``. The stage works as often as ``after`` says before it fails."""
        ports = self.wiring.session.ports
        target, name = {
            "hear": (ports.ears, "listen"),
            "judge": (ports.judge, "judge"),
            "plan": (ports.strategist, "plan"),
            "answer": (ports.storyteller, "draft"),
            "speak": (ports.speaker, "wait"),
        }[stage]
        works = getattr(target, name)
        calls = {"count": 0}

        def failing(*arguments: Any, **options: Any) -> Any:
            calls["count"] += 1
            strikes = calls["count"] > after and self.struck < times
            done = works(*arguments, **options) if stage == "speak" or not strikes else None  # a voice breaks while it speaks
            if strikes:
                self.struck += 1
                raise error
            return done

        object.__setattr__(target, name, failing)


def trouble(answer: str = "hm", folder: Path | None = None, **changes: object) -> Trouble:
    settings = quick(log=folder is not None, **changes)
    clock, seen = virtual(), Witness()
    ears = Answering(clock, agreeable(lambda how: answer))
    wiring = Wiring(settings, start_language(settings), clock, folder, screen=seen, ears=lambda wiring: ears)
    # Lines are compared word for word below: no style on them.
    wiring.session.ports.storyteller.stylist.realise = lambda text, *rest, **options: text  # type: ignore[method-assign]
    return Trouble(wiring, seen)


def is_line(text: str, key: str, language: Language) -> bool:
    """Whether a text is one of the tutor's lines for ``key``, in whatever manner."""
    frames = [frame for manner in MANNERS for frame in bank(language)[key].frames(manner)]
    return any(text == line for frame in frames for line in expansions(frame))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines()]


def said_after(seen: Witness, kind: str) -> list[dict[str, Any]]:
    """What was said after the first event of a kind."""
    place = next(number for number, event in enumerate(seen.events) if event["kind"] == kind)
    return [event for event in seen.events[place:] if event["kind"] == "said"]


# ---------------------------------------------------------------------- stages that raise


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_a_broken_stage_costs_one_turn(stage: str, language: Language) -> None:
    broken = trouble(language=language, turns=8)
    broken.break_stage(stage, RuntimeError("a wire came loose"))
    assert broken.wiring.run(resume=False) == 0
    assert broken.struck == 1
    [fault] = broken.seen.of("fault")
    assert fault["error"] == "RuntimeError: a wire came loose"
    first = said_after(broken.seen, "fault")[0]
    assert first["language"] == language
    assert is_line(first["text"], "trouble", language), first["text"]
    assert broken.seen.of("closed")[0]["ending"] == "turns", "the session lives on to its own end"
    assert broken.seen.of("turn")[-1]["turn"] >= 8


@pytest.mark.parametrize("stage", STAGES)
def test_the_question_that_was_open_is_asked_again(stage: str) -> None:
    broken = trouble(turns=8)
    broken.break_stage(stage, ValueError("no"), after=3)
    broken.wiring.run(resume=False)
    open_before = next(
        (event["open"] for event in reversed(broken.seen.events[: _place(broken.seen, "fault")]) if event["kind"] == "turn"),
        "assent:/",
    )
    after = [event for event in broken.seen.events[_place(broken.seen, "fault") :] if event["kind"] == "judged"]
    assert after[0]["about"] == open_before


def _place(seen: Witness, kind: str) -> int:
    return next(number for number, event in enumerate(seen.events) if event["kind"] == kind)


@pytest.mark.parametrize("stage", STAGES)
def test_three_faults_end_in_a_goodbye(stage: str) -> None:
    broken = trouble(language="fr")
    broken.break_stage(stage, OSError("gone"), times=99)
    assert broken.wiring.run(resume=False) == 0
    assert len(broken.seen.of("fault")) >= 3
    closing = broken.seen.of("closed")[0]
    assert closing["ending"] == "left"
    texts = [event["text"] for event in broken.seen.of("said")]
    assert any(is_line(text, "bye", "fr") for text in texts[-3:]), texts[-3:]


def test_a_fault_in_another_language_is_answered_in_it() -> None:
    """The child has switched to German; what breaks after that is excused in German."""
    broken = trouble("ich weiß das nicht, wir reden immer deutsch", language="en", turns=9)
    broken.break_stage("plan", RuntimeError("no"), after=4)
    broken.wiring.run(resume=False)
    first = said_after(broken.seen, "fault")[0]
    assert broken.seen.of("judged")[-1]["language"] == "de"
    assert (first["language"], is_line(first["text"], "trouble", "de")) == ("de", True)


@pytest.mark.parametrize("stage", STAGES)
def test_the_very_first_turn_may_break(stage: str) -> None:
    broken = trouble(turns=4)
    broken.break_stage(stage, RuntimeError("at once"), after=1 if stage in ("answer", "speak") else 0)
    assert broken.wiring.run(resume=False) == 0
    assert broken.seen.of("closed")[0]["ending"] == "turns"


@pytest.mark.parametrize("stage", ["answer", "speak"])
def test_the_greeting_may_break(stage: str) -> None:
    broken = trouble(turns=4)
    broken.break_stage(stage, RuntimeError("at once"), after=0)
    assert broken.wiring.run(resume=False) == 0
    assert len(broken.seen.of("fault")) == 1


@pytest.mark.parametrize("turn", [0, 2], ids=["from the start", "later"])
@pytest.mark.parametrize("part", ["speak", "perform", "hush"])
def test_a_body_that_is_broken_for_good_does_not_end_the_words(part: str, turn: int) -> None:
    broken = trouble(turns=5)
    works = getattr(broken.wiring.robot, part)

    def fails(*arguments: Any) -> None:
        if len(broken.seen.of("turn")) >= turn:
            raise RuntimeError("the motor is gone")
        works(*arguments)

    setattr(broken.wiring.robot, part, fails)
    assert broken.wiring.run(resume=False) == 0
    assert [fault["error"] for fault in broken.seen.of("fault")] == ["the body: RuntimeError: the motor is gone"]
    assert broken.seen.of("closed")[0]["ending"] == "turns", "the story goes on by voice"


class Failing:
    """A voice that works until ``turn`` turns are over, and never again."""

    name, rate = "failing", 8_000

    def __init__(self, seen: Witness, turn: int) -> None:
        self.seen, self.turn = seen, turn

    def say(self, text: str, language: Language, style: VoiceStyle) -> Iterator[Sound]:
        if len(self.seen.of("turn")) >= self.turn:
            raise OSError("no voice")
        yield Sound(np.zeros(800, np.int16))

    def close(self) -> None:
        """Nothing was opened."""


@pytest.mark.parametrize("turn", [0, 2], ids=["from the start", "later"])
def test_a_voice_that_is_broken_for_good_leaves_captions(turn: int) -> None:
    broken = trouble(turns=5)
    broken.wiring.session.ports.speaker.voice = Failing(broken.seen, turn)
    assert broken.wiring.run(resume=False) == 0
    assert [fault["error"] for fault in broken.seen.of("fault")] == ["the voice: OSError: no voice"]
    assert broken.seen.of("closed")[0]["ending"] == "turns"


def test_a_fault_and_its_repair_are_in_the_log(tmp_path: Path) -> None:
    broken = trouble(folder=tmp_path, turns=6)
    broken.break_stage("answer", RuntimeError("x"))
    broken.wiring.run(resume=False)
    log = rows(tmp_path)
    assert [row["seq"] for row in log] == list(range(len(log)))
    assert [row["kind"] for row in log].count("fault") == 1
    assert log[-1]["kind"] == "closed"


# ---------------------------------------------------------------------- Ctrl-C, hanging up, SIGTERM


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_in_any_stage_says_goodbye_and_closes_the_log(stage: str, language: Language, tmp_path: Path) -> None:
    broken = trouble(folder=tmp_path, language=language)
    broken.break_stage(stage, KeyboardInterrupt())
    assert broken.wiring.run(resume=False) == 130
    assert broken.struck == 1
    log = rows(tmp_path)
    assert [row["seq"] for row in log] == list(range(len(log)))
    assert (log[-1]["kind"], log[-1]["ending"]) == ("closed", "left")
    last = [row for row in log if row["kind"] == "said"][-1]
    assert (last["language"], is_line(last["text"], "bye", language)) == (language, True), last["text"]
    assert not [row for row in log if row["kind"] == "fault"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_hang_up_ends_like_a_goodbye(stage: str, tmp_path: Path) -> None:
    broken = trouble(folder=tmp_path)
    broken.break_stage(stage, HungUp())
    assert broken.wiring.run(resume=False) == 0
    assert rows(tmp_path)[-1]["kind"] == "closed"


@pytest.mark.parametrize("stage", ["answer", "speak"])
def test_ctrl_c_during_the_greeting_says_goodbye(stage: str, tmp_path: Path) -> None:
    broken = trouble(folder=tmp_path)
    broken.break_stage(stage, KeyboardInterrupt(), after=0)
    assert broken.wiring.run(resume=False) == 130
    log = rows(tmp_path)
    assert (log[-1]["kind"], log[-1]["ending"]) == ("closed", "left")
    assert any(row["kind"] == "said" and is_line(row["text"], "bye", "en") for row in log)


def test_ctrl_c_while_a_fault_is_being_excused(tmp_path: Path) -> None:
    broken = trouble(folder=tmp_path)
    session = broken.wiring.session
    broken.break_stage("plan", RuntimeError("x"))
    excuse = session._say_lines

    def interrupted(*keys: str) -> None:
        if "trouble" in keys:
            raise KeyboardInterrupt
        excuse(*keys)

    session._say_lines = interrupted  # type: ignore[method-assign]
    assert broken.wiring.run(resume=False) == 130
    assert rows(tmp_path)[-1]["kind"] == "closed"


@pytest.mark.parametrize("part", ["ears", "robot", "sink", "record"])
def test_what_cannot_be_closed_does_not_keep_the_rest_open(part: str, tmp_path: Path) -> None:
    broken = trouble(folder=tmp_path, turns=3)
    closed, works = [], getattr(broken.wiring, part).close

    def stuck() -> None:
        closed.append(part)
        works()
        raise OSError("stuck")

    getattr(broken.wiring, part).close = stuck
    assert broken.wiring.run(resume=False) == 0
    assert closed == [part]
    assert rows(tmp_path)[-1]["kind"] == "closed"


def test_the_lines_for_trouble_and_goodbye_are_there() -> None:
    for language in LANGUAGES:
        assert (FOLDER / f"{language}.toml").is_file()
        for key in ("trouble", "bye"):
            assert bank(language)[key]
