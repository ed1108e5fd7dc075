"""Where the words as a whole may overrule the rules, and where never."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.classifiers.features import PLACES
from agent.classifiers.linear import LinearModel
from agent.language import Heard, hear
from agent.turn import LANGUAGES, VERDICTS, Language, Verdict
from agent.understanding import acts
from agent.understanding.acts import act_instead
from agent.understanding.expectation import Expectation
from agent.understanding.prepared import Weighed

QUESTION = Expectation("en", "Who hid in the wood?", ("a snail",), ("snail",))
ACTS: tuple[Verdict, ...] = ("dont_know", "question", "off_topic", "not_understood", "stop")
NO_ACTS = ("answer", "disclosure")
FIRM = ("matches “a snail”", "says the key idea", "made a choice", "points at one of two")


def asked(language: Language, **more: object) -> Expectation:
    return Expectation(language, "?", ("xyz",), ("xyz",), **more)  # type: ignore[arg-type]


def instead(text: str, verdict: Verdict = "wrong", reason: str = "", expected: Expectation = QUESTION) -> Verdict | None:
    return act_instead(text, verdict, Weighed("none", reason=reason), expected, hear(text, expected.language))


SAID: list[tuple[Language, str, Verdict]] = [
    ("en", "I don't know", "dont_know"),
    ("en", "can we stop now please", "stop"),
    ("en", "what is your favourite colour", "question"),
    ("en", "we have a new puppy at home", "off_topic"),
    ("en", "bla bla wub", "not_understood"),
    ("fr", "je sais pas", "dont_know"),
    ("fr", "on peut arrêter maintenant s'il te plaît", "stop"),
    ("fr", "c'est quoi ta couleur préférée", "question"),
    ("de", "weiß ich nicht", "dont_know"),
    ("de", "können wir jetzt bitte aufhören", "stop"),
]


@pytest.mark.parametrize(("language", "said", "act"), SAID)
def test_what_is_no_answer_is_told_by_its_words(language: Language, said: str, act: Verdict) -> None:
    assert instead(said, expected=asked(language)) == act
    assert instead(said, act, expected=asked(language)) is None, "nothing new"


@pytest.mark.parametrize(("language", "said", "act"), SAID)
@pytest.mark.parametrize("reason", FIRM)
def test_a_firm_answer_is_never_overruled(language: Language, said: str, act: Verdict, reason: str) -> None:
    assert instead(said, "correct", reason, asked(language)) is None
    assert instead(said, "correct", "names something", asked(language)) == act, "one that is not firm is"


@pytest.mark.parametrize(("language", "said", "act"), SAID)
def test_yes_or_no_and_choices_are_the_rules_business(language: Language, said: str, act: Verdict) -> None:
    assert instead(said, "correct", expected=asked(language, answer="yes_no")) is None
    assert instead(said, "wrong", expected=asked(language, answer="yes_no")) is None
    assert instead(said, "wrong", expected=asked(language, choices={"boat": ("the boat",)})) is None


def test_an_answer_is_no_act() -> None:
    assert instead("because the snail was too slow") is None
    assert instead("weil die Schnecke zu langsam war", expected=asked("de")) is None
    assert instead("parce que l'escargot était trop lent", expected=asked("fr")) is None


class Says:
    """Puts a model in place that gives one label a probability, and "answer" (or "stop") the rest, whatever is said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, label: str, share: float = 0.9999) -> None:
        other = "stop" if label == "answer" else "answer"
        bias = np.log(np.array([share, 1 - share], np.float64))
        none = np.zeros((PLACES, 2), np.int8)
        made = LinearModel((label, other), none, np.ones(2, np.float32), bias.astype(np.float32), 1.0, 1.0, "")
        self._monkeypatch.setattr(acts, "model", lambda task, language: made)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    return Says(monkeypatch)


@pytest.mark.parametrize("text", ["", "   ", "[...]", "…", "?!", "[ ]"])
@pytest.mark.parametrize("act", ACTS)
def test_where_nothing_was_said_no_act_is_seen(says: Says, text: str, act: Verdict) -> None:
    says(act)
    assert instead(text) is None
    assert instead("7") == act


@pytest.mark.parametrize("act", ACTS)
def test_harm_and_silence_stay_what_they_are(says: Says, act: Verdict) -> None:
    says(act)
    for verdict in VERDICTS:
        wanted = None if verdict in ("disclosure", "silence", act) else act
        found = instead("hm hm", verdict)
        # Half an answer with "I don't know" behind it stays half an answer.
        assert found == (None if (act, verdict) == ("dont_know", "partial") else wanted), verdict


def test_a_fourth_language_is_left_alone(says: Says) -> None:
    says("stop")
    weighed = Weighed("none")
    assert act_instead("hm hm", "wrong", weighed, QUESTION, Heard("en", True, False, 0.0)) is None
    assert act_instead("hm hm", "wrong", weighed, QUESTION, Heard("en", False, False, 0.0)) == "stop"


@pytest.mark.parametrize("label", NO_ACTS)
@pytest.mark.parametrize("verdict", VERDICTS)
def test_only_acts_are_put_in_place_of_a_verdict(says: Says, label: str, verdict: Verdict) -> None:
    """Harm is the guard's business: the model of acts neither finds it nor takes it away."""
    says(label)
    assert instead("hm hm", verdict) is None


@pytest.mark.parametrize("act", ACTS)
def test_a_model_that_is_not_sure_is_not_asked(says: Says, act: Verdict) -> None:
    says(act, 0.7)
    assert instead("hm hm", "correct", "names something") is None
    says(act, 0.9)
    assert instead("hm hm", "correct", "names something") == (None if act == "stop" else act), "an end cannot be taken back"
    says(act, 0.97)
    assert instead("hm hm", "correct", "names something") == act


def test_the_language_that_was_heard_is_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of: list[tuple[str, str]] = []

    def remembering(task: str, language: Language) -> LinearModel:
        asked_of.append((task, language))
        none = np.zeros((PLACES, 1), np.int8)
        return LinearModel(("answer",), none, np.ones(1, np.float32), np.zeros(1, np.float32), 1.0, 1.0, "")

    monkeypatch.setattr(acts, "model", remembering)
    for language in LANGUAGES:
        act_instead("hm", "wrong", Weighed("none"), QUESTION, Heard(language, False, False, 1.0))
    assert asked_of == [("acts", language) for language in LANGUAGES]


@given(
    text=st.text(max_size=40),
    reason=st.sampled_from([*FIRM, "", "names something", "key idea"]),
    verdict=st.sampled_from(VERDICTS),
    sure=st.booleans(),
    answer=st.sampled_from(["closed", "open", "yes_no"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_said_only_an_act_comes_of_it_and_never_against_the_rules(
    text: str, reason: str, verdict: Verdict, sure: bool, answer: str
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        Says(monkeypatch)("stop", 0.9999 if sure else 0.3)
        found = instead(text, verdict, reason, asked("en", answer=answer))
    overruled = (
        sure
        and verdict not in ("stop", "silence", "disclosure")
        and not (verdict == "correct" and reason in FIRM)
        and answer != "yes_no"
        and any(sign.isalnum() for sign in text)
        and not hear(text, "en").foreign
    )
    assert found == ("stop" if overruled else None)
