"""The misbehaving models misbehave, in three languages, and the guard stops what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

import pytest

from agent.guard import Contract, reply_faults, robot, sentence_fault
from agent.models.fakes import (
    MISBEHAVING,
    Asked,
    Clingy,
    Empty,
    Endless,
    Leaky,
    Misbehaving,
    ModelFailed,
    Raising,
    Rambling,
    Scripted,
    Sloppy,
    Slow,
    Unsafe,
    WrongLanguage,
)
from agent.ports import LLM, Prompt
from agent.readability import sentences
from agent.turn import LANGUAGES, Language

ANSWERS: dict[Language, str] = {
    "en": "the snail | a snail with a shell",
    "fr": "l'escargot | un petit escargot",
    "de": "die Schnecke | eine Schnecke mit Haus",
}


def prompt(language: Language) -> Prompt:
    return Prompt(
        messages=(),
        facts={
            "language": language,
            "accepted": ANSWERS[language],
            "strategy": "SCAFFOLD_HINT",
            "question": "",
            "names": "Mila",
        },
    )


def contract(language: Language) -> Contract:
    return Contract(language=language, band="8-10", hidden=tuple(ANSWERS[language].split(" | ")), names=("Mila",))


def answers(model: LLM, language: Language, count: int) -> Iterator[list[str]]:
    for _ in range(count):
        yield sentences("".join(islice(model.stream(prompt(language), adapter="response"), 400)))


class Ticking:
    """A clock that only sleeping moves."""

    virtual = True

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Leaky, WrongLanguage, Unsafe, Clingy])
def test_no_sentence_of_a_harmful_model_passes(kind: type[Misbehaving], language: Language) -> None:
    heard = [sentence for answer in answers(kind(seed=3), language, 60) for sentence in answer]
    harmless = {"Here is a hint.", "Voici un indice.", "Hier ist ein Tipp."}
    passed = {sentence for sentence in heard if not sentence_fault(sentence, contract(language))} - harmless
    assert heard
    assert not passed


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Sloppy, Rambling, Endless])
def test_no_reply_of_a_careless_model_keeps_the_contract(kind: type[Misbehaving], language: Language) -> None:
    for answer in answers(kind(seed=5), language, 20):
        assert reply_faults(answer, contract(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_unsafe_line_is_refused_whatever_the_age(language: Language) -> None:
    said = {sentence for answer in answers(Unsafe(seed=1), language, 300) for sentence in answer}
    assert len(said) >= 16
    assert {robot(sentence, language, "8-10").verdict for sentence in said} == {"refuse"}


@pytest.mark.parametrize("kind", MISBEHAVING)
def test_the_same_seed_says_the_same_and_languages_differ(kind: type[Misbehaving]) -> None:
    def said(seed: int, language: Language) -> list[str]:
        model = kind(seed)
        try:
            return list(islice(model.stream(prompt(language), adapter="response"), 60))
        except ModelFailed:
            return []

    assert said(1, "en") == said(1, "en")
    if kind not in (Empty, Raising, WrongLanguage):
        assert len({tuple(said(1, language)) for language in LANGUAGES}) == 3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Rambling, Endless])
def test_ramblers_hardly_repeat_themselves(kind: type[Misbehaving], language: Language) -> None:
    text = "".join(islice(kind(seed=2).stream(prompt(language), adapter="response"), 300))
    said = sentences(text)
    assert len(said) > 10
    assert len(set(said)) > 0.9 * len(said)


def test_endless_goes_on_and_can_be_closed() -> None:
    model = Endless()
    stream = model.stream(prompt("en"), adapter="response")
    assert sum(1 for _ in islice(stream, 50_000)) == 50_000
    stream.close()  # type: ignore[attr-defined]
    assert next(stream, None) is None


def test_every_other_endless_answer_has_no_full_stop() -> None:
    model = Endless()
    texts = ["".join(islice(model.stream(prompt("de"), adapter="response"), 500)) for _ in range(2)]
    assert "." in texts[0]
    assert "." not in texts[1]


def test_empty_has_no_word_in_it() -> None:
    model = Empty()
    assert all(not any(sign.isalnum() for sign in "".join(model.stream(prompt("en"), adapter="response"))) for _ in range(30))
    assert model.rank(prompt("en"), ["WAIT", "REPAIR"], adapter="strategy") == []


def test_slow_lets_the_clock_run_before_every_word() -> None:
    clock = Ticking()
    model = Slow(clock, seconds=3.0)
    stream = model.stream(prompt("fr"), adapter="response")
    next(stream)
    assert clock.now() == 3.0
    words = 1 + sum(1 for _ in stream)
    assert clock.now() == 3.0 * words
    model.rank(prompt("fr"), ["WAIT"], adapter="strategy")
    assert clock.now() == 3.0 * (words + 1)


def test_raising_fails_at_once_and_in_the_middle() -> None:
    model = Raising()
    with pytest.raises(ModelFailed):
        next(model.stream(prompt("en"), adapter="response"))
    stream = model.stream(prompt("en"), adapter="response")
    assert next(stream).strip()
    with pytest.raises(ModelFailed):
        list(stream)
    with pytest.raises(ModelFailed):
        model.rank(prompt("en"), ["WAIT"], adapter="strategy")
    assert len(model.rank(prompt("en"), ["WAIT"], adapter="strategy")) == 2


def test_sloppy_ranks_are_no_use() -> None:
    model = Sloppy()
    first = model.rank(prompt("en"), ["WAIT", "REPAIR"], adapter="strategy")
    second = model.rank(prompt("en"), ["WAIT", "REPAIR"], adapter="strategy")
    assert all(math.isnan(rank) for rank in first)
    assert len(second) == 1


def test_the_others_rank_every_option() -> None:
    ranks = Clingy().rank(prompt("en"), ["WAIT", "REPAIR", "CLOSE"], adapter="strategy")
    assert len(ranks) == 3
    assert all(math.isfinite(rank) for rank in ranks)


def test_scripted_says_its_script_and_keeps_the_history() -> None:
    model = Scripted("One.", ["Two", " three."])
    model.enqueue(ModelFailed("lost"))
    model.enqueue_ranks([0.5, 0.1])
    asked = prompt("en")
    assert list(model.stream(asked, adapter="response")) == ["One."]
    assert "".join(model.stream(asked, adapter="response")) == "Two three."
    with pytest.raises(ModelFailed):
        list(model.stream(asked, adapter="response"))
    assert list(model.stream(asked, adapter="response")) == []
    assert model.rank(asked, ["WAIT", "REPAIR"], adapter="strategy") == [0.5, 0.1]
    assert model.rank(asked, ["WAIT", "REPAIR"], adapter="strategy") == [0.0, 0.0]
    assert model.history[0] == Asked(asked, "response")
    assert model.history[-1] == Asked(asked, "strategy", ("WAIT", "REPAIR"))
    assert len(model.history) == 6


def test_all_are_language_models() -> None:
    models: list[LLM] = [kind() for kind in MISBEHAVING]
    models += [Slow(Ticking()), Scripted()]
    assert len({model.name for model in models}) == len(models)
