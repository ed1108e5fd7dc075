"""How children talk, as data: ``words/children/*.toml``, read once per language."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from agent.story import Strict, Text
from agent.toml_file import read_toml
from agent.turn import Language

FOLDER = Path(__file__).resolve().parents[1] / "words" / "children"
# The ways of talking: a "whole" sentence is what a child says who changes to its other language.
Way = Literal["plain", "short", "rambling", "broken", "whole", "silly"]


def _with_answer(frames: tuple[str, ...]) -> tuple[str, ...]:
    for frame in frames:
        if "{a}" not in frame:
            raise ValueError(f"“{frame}” has no place for the answer: write {{a}}")
    return frames


def _with_both(frames: tuple[str, ...]) -> tuple[str, ...]:
    for frame in _with_answer(frames):
        if "{x}" not in frame:
            raise ValueError(f"“{frame}” has no place for what was wrong: write {{x}}")
    return frames


def _with_word(frames: tuple[str, ...]) -> tuple[str, ...]:
    for frame in frames:
        if "{w}" not in frame:
            raise ValueError(f"“{frame}” has no place for the word: write {{w}}")
    return frames


Many = Annotated[tuple[Text, ...], Field(min_length=15)]
Answers = Annotated[Many, AfterValidator(_with_answer)]
AboutWords = Annotated[Many, AfterValidator(_with_word)]


class ChildWords(Strict):
    """How children talk in one language. In a frame ``{a}`` is an answer, ``{w}`` a story word, ``{x}`` a wrong idea.

    ``thing_starts`` are the beginnings by which an answer is known to be a thing ("a frog"), which takes other frames.
    ``slips`` maps a word to what somebody who is still learning the language says for it ("" leaves it out);
    ``sounds_like`` to what a recogniser may write for it.
    """

    hesitations: Many
    thing_starts: tuple[Text, ...]
    answers: Answers
    thing_answers: Answers
    reasons: Answers
    corrections: Annotated[Many, AfterValidator(_with_both)]
    parts: Answers
    dont_know: Many
    ramble_before: Many
    ramble_after: Many
    broken: Answers
    questions: Many
    word_questions: AboutWords
    off_topic: Many
    imagined: Annotated[tuple[Text, ...], Field(min_length=20)]
    told: Annotated[tuple[Text, ...], Field(min_length=20)]
    word_talk: AboutWords
    comments: Many
    hums: Many
    yes: Many
    yes_quiet: Many
    yes_teasing: Many
    choices: Answers
    repeats: Answers
    recalls: Answers
    stops: Many
    silly: Many
    refusals: Many
    limits: Many
    borrowed: Many
    noises: Annotated[tuple[Text, ...], Field(min_length=1)]
    slips: dict[str, str]
    sounds_like: dict[str, Text]


@lru_cache(maxsize=3)
def read(language: Language) -> ChildWords:
    """Raises :class:`FileProblem` for a broken file."""
    return read_toml(FOLDER / f"{language}.toml", ChildWords)
