"""Slots: filling and slotting are each other's inverse, and only the turn's own material becomes a slot."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.data.slots import MOST, SLOTS, after_colon, compact, fill, slot, values
from agent.ports import Message, Prompt
from agent.prompts import joined
from agent.replies import Author
from agent.strategist import Setting
from agent.turn import Pending, Progress, Strategy
from tests.conftest import story_of

_WORDS = st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1, max_size=8)
_SENTENCES = st.builds(
    lambda parts, end: " ".join(parts) + end, st.lists(_WORDS, min_size=1, max_size=5), st.sampled_from(".?!…")
)
_QUOTES = (("“", "”"), ("„", "“"), ("«\u202f", "\u202f»"))


@st.composite
def _facts(draw: st.DrawFn) -> dict[str, str]:
    return {
        "strategy": draw(st.sampled_from(["SCAFFOLD_HINT", "RECAST_EXPAND", "DIRECT_INSTRUCTION"])),
        "language": draw(st.sampled_from(["en", "fr", "de"])),
        "material": joined(tuple(draw(st.lists(_SENTENCES, max_size=3)))),
        "correction": draw(st.one_of(st.just(""), _SENTENCES)),
        "child_word": draw(st.one_of(st.just(""), _WORDS)),
        "words": joined(tuple(draw(st.lists(_WORDS, max_size=3)))),
        "question": draw(st.one_of(st.just(""), _SENTENCES)),
        "names": joined(tuple(draw(st.lists(_WORDS, max_size=2)))),
    }


@st.composite
def _replies(draw: st.DrawFn) -> tuple[dict[str, str], str]:
    """Facts, and a text in which their values stand among other words, in and out of quotation marks."""
    facts = draw(_facts())
    known = list(values(facts).values())
    parts = []
    for _ in range(draw(st.integers(0, 6))):
        part = draw(st.sampled_from([*known, draw(_SENTENCES)]))
        opening, closing = draw(st.sampled_from((*_QUOTES, ("", ""), (": ", ""))))
        parts.append(f"{opening}{part}{closing}")
    return facts, draw(st.sampled_from([" ", ", "])).join(parts)


@given(_replies())
@settings(max_examples=400, deadline=None)
def test_filling_undoes_slotting(case: tuple[dict[str, str], str]) -> None:
    facts, text = case
    slotted = slot(text, facts)
    assert fill(slotted, facts) == text
    assert slot(fill(slotted, facts), facts) == slotted


_DISTINCT: dict[str, str] = {
    "strategy": "SCAFFOLD_HINT",
    "language": "en",
    "material": "It is high up in the sky.",
    "correction": "That one shines at night.",
    "child_word": "moon",
    "words": "longs | bright",
    "question": "What does Pip want to see?",
    "names": "Pip | Mina",
}


@given(
    st.lists(
        st.sampled_from(["<hint>", "<correction>", "“<child_word>”", "“<word1>”", ": <word1>, <word2>", ": <ask>", "Well."])
    )
)
def test_slotting_undoes_filling(parts: list[str]) -> None:
    text = " ".join(parts)
    assert slot(fill(text, _DISTINCT), _DISTINCT) == text


def test_each_strategy_has_its_slots() -> None:
    assert values(_DISTINCT) == {
        "<correction>": "That one shines at night.",
        "<hint>": "It is high up in the sky.",
        "<child_word>": "moon",
        "<word1>": "longs",
        "<word2>": "bright",
        "<ask>": "what does Pip want to see?",
    }
    told = {**_DISTINCT, "strategy": "DIRECT_INSTRUCTION", "material": "One. | Two. | Three."}
    assert [values(told)[token] for token in ("<idea>", "<idea2>", "<idea3>")] == ["One.", "Two.", "Three."]
    assert "<hint>" not in values(told)


def test_a_word_of_the_childs_is_a_slot_only_between_quotation_marks() -> None:
    facts = {"child_word": "idea", "language": "en"}
    assert slot("“idea”, that is a nice idea.", facts) == "“<child_word>”, that is a nice idea."
    assert slot("«\u202fidea\u202f» va bien.", facts) == "«\u202f<child_word>\u202f» va bien."
    assert slot("„idea“ passt.", facts) == "„<child_word>“ passt."


def test_a_part_of_a_longer_value_stays_in_it() -> None:
    facts = {"strategy": "RECAST_EXPAND", "material": "Yes, “rain” falls.", "child_word": "rain", "words": "rain"}
    assert slot("You said “rain”. Yes, “rain” falls.", facts) == "You said “<child_word>”. <idea>"


def test_a_slot_without_a_value_stays_for_the_guard_to_refuse() -> None:
    assert fill("<hint> Now you.", {"strategy": "RECAST_EXPAND"}) == "<hint> Now you."


def test_what_a_slot_brings_in_is_not_filled_again() -> None:
    facts = {"child_word": "<hint>", "strategy": "SCAFFOLD_HINT", "material": "It is round."}
    assert fill("“<child_word>”", facts) == "“<hint>”"


def test_a_text_is_slotted_only_once() -> None:
    with pytest.raises(ValueError, match="<hint>"):
        slot("<hint> It is round.", _DISTINCT)


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_a_question_stands_after_a_colon_as_the_tutor_says_it(language: str) -> None:
    told = story_of("seed", language)
    for beat in told.beats:
        for prompt in beat.prompts:
            ask = prompt.words.ask["6-7"]
            pending = Pending("prompt", ask, beat.id, prompt.shape.id)
            progress = Progress(told.language, phase="story", beat=beat.id, told=True, pending=pending)
            lines = _Colon()
            author = Author(told, progress, "neutral", Setting("6-7"), lines)  # type: ignore[arg-type]
            author.compose(Strategy("BRING_BACK"), None)
            assert lines.asked == after_colon(ask, language, told.wording.names)


class _Colon:
    """Lines that keep the question they were given."""

    rng = random.Random(0)
    asked = ""

    def pick(self, key: str, *rest: object, **slots: str) -> str:
        self.asked = slots.get("ask", self.asked)
        return f"Well: {slots['ask']}" if "ask" in slots else "Well."


def test_a_compact_prompt_holds_nothing_of_the_story() -> None:
    facts: Mapping[str, str] = {**_DISTINCT, "age": "6-7", "level": "3", "close": "invite", "accepted": "the sun"}
    made = compact(Prompt((Message("system", "s"), Message("user", "u")), facts))
    user = made.messages[-1].content
    assert "slots: <correction> <hint> <child_word> <word1> <word2> <ask>" in user
    assert "level: 3" in user
    assert not any(word in user for word in ("sky", "moon", "Pip", "sun", "longs"))
    assert made.facts == facts


def test_slots_are_few_and_distinct() -> None:
    assert len(set(SLOTS)) == len(SLOTS) == 2 * MOST + 4
