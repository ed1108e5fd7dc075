"""The figures of a session, from its events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.style.measure import index
from agent.terminal.summary import Summary, main, rows, summarise
from agent.turn import VERDICTS

Event = Mapping[str, object]
STORY = "The fox ran home through the deep snow because it was so very cold that night. "


def judged(about: str, verdict: str) -> Event:
    return {"kind": "judged", "about": about, "verdict": verdict}


def planned(strategy: str, target: str = "") -> Event:
    return {"kind": "planned", "strategy": strategy, "target": target}


def said(text: str, source: str = "line", role: str = "talk", refused: int = 0, language: str = "en") -> Event:
    return {"kind": "said", "text": text, "source": source, "role": role, "refused": refused, "language": language}


def test_nothing_happened() -> None:
    empty = summarise([])
    assert empty == Summary()
    assert rows(empty) == [("session", "not closed · 0 s · 0 turns"), ("story", "0 scenes told")]


def test_answers_and_strategies_are_counted_in_the_order_of_the_domain() -> None:
    events = [judged("prior:/", "silence"), judged("prompt:a/1", "wrong"), judged("prompt:a/1", "correct")]
    events += [planned("GREET"), planned("GO_ON"), planned("SCAFFOLD_HINT"), planned("GO_ON")]
    found = summarise(events)
    assert list(found.answers.items()) == [("correct", 1), ("wrong", 1), ("silence", 1)]
    assert list(found.strategies.items()) == [("SCAFFOLD_HINT", 1), ("GREET", 1), ("GO_ON", 2)]


def test_first_try_counts_the_first_real_answer_to_each_question() -> None:
    found = summarise(
        [
            judged("assent:/", "correct"),  # a yes is no answer to a question of the story
            judged("prompt:a/1", "silence"),
            judged("prompt:a/1", "correct"),
            judged("prompt:a/2", "wrong"),
            judged("prompt:a/2", "correct"),
            judged("prompt:b/1", "partial"),
            judged("prompt:b/2", "question"),
        ]
    )
    assert (found.right_first, found.tried) == (1, 3)
    assert dict(rows(found))["right at first try"] == "1 of 3 (33%)"


def test_question_types_come_from_the_plan_once_for_each_question() -> None:
    events = [planned("DR_WH", "a/1"), planned("DR_WH", "a/1")]
    events += [planned("DR_RECALL", "b/2"), planned("DR_OPEN"), planned("GO_ON", "c/")]
    assert summarise(events).crowds == {"recall": 1, "wh": 1}


def test_what_the_session_says_of_itself_at_the_end() -> None:
    closed = {
        "kind": "closed",
        "ending": "finished",
        "seconds": 754.4,
        "folder": "sessions/x",
        "new_words": ["prism", "droplet", "prism"],
        "types": {"wh": 3, "open": 2, "recall": 0},
        "questions": 8,
        "implicit": 3,
    }
    found = summarise([{"kind": "turn", "turn": 4, "beats_told": 2}, planned("DR_WH", "a/1"), closed])
    assert found.new_words == ("prism", "droplet")
    assert found.crowds == {"open": 2, "wh": 3}
    table = dict(rows(found))
    assert table["session"] == "finished · 12 min 34 s · 4 turns"
    assert table["story"] == "2 scenes told"
    assert table["implicit questions"] == "3 of 8 (38%)"
    assert table["new words"] == "prism, droplet"
    assert table["log"] == "sessions/x"


def test_a_session_that_was_never_closed_lasted_as_long_as_its_rows() -> None:
    assert summarise([{"kind": "resumed", "t": 10.5}, {"kind": "turn", "t": 75.0, "turn": 1}]).seconds == 64.5


def test_sentences_and_refusals_by_source() -> None:
    found = summarise([said("A.", "model"), said("B.", "line", refused=2), said("C.", "line", refused=1), said("D.", "story")])
    assert found.sources == {"model": 1, "line": 2, "story": 1}
    assert found.refused == {"line": 3}


def test_style_is_measured_by_language_without_the_fixed_words() -> None:
    events = [said(STORY * 4, "story", "tell"), said("Super !", language="fr"), said("Go! Go! Go!", "safety", "fixed")]
    english, french = summarise(events).styles
    text = (STORY * 4).strip()
    assert (english.language, english.words, english.exclamations) == ("en", 64, 0.0)
    assert english.index == pytest.approx(index(text, "en"))
    assert (french.language, french.exclamations) == ("fr", 1.0)
    table = dict(rows(summarise(events)))
    assert table["style (en)"].startswith(f"extraversion index {english.index:+.1f}")
    assert table["style (fr)"] == "1 words: too few to measure"


def test_what_went_wrong_is_counted() -> None:
    events: list[Event] = [{"kind": "alert"}, {"kind": "fault"}, {"kind": "fault"}, {"kind": "heard", "broke_in": True}]
    table = dict(rows(summarise([*events, {"kind": "heard", "broke_in": False}])))
    assert (table["alerts"], table["faults"], table["child broke in"]) == ("1", "2", "1")


@given(st.lists(st.tuples(st.sampled_from(["prompt:a/1", "prompt:b/1", "recall:/"]), st.sampled_from(VERDICTS))))
def test_no_more_right_answers_than_answers(answers: list[tuple[str, str]]) -> None:
    found = summarise([judged(about, verdict) for about, verdict in answers])
    assert found.right_first <= found.tried <= 2
    assert found.right_first <= found.answers.get("correct", 0)
    assert sum(found.answers.values()) == len(answers)


def test_a_kept_session_is_read_from_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [planned("GREET"), judged("prompt:a/1", "correct")]
    lines = [json.dumps({"seq": n, "t": n / 2, **event}) for n, event in enumerate(events)]
    (tmp_path / "events.jsonl").write_text("\n".join(lines) + '\n{"seq": 2, "ki', encoding="utf-8")  # torn by a kill
    assert main([str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "right at first try  1 of 1 (100%)" in shown
    assert str(tmp_path) in shown


def test_no_such_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "events.jsonl" in capsys.readouterr().err
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
