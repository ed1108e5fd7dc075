"""An expectation, read once: what the child's words are compared with, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from agent.turn import Language
from agent.understanding.coverage import Cover, Target, cover, target
from agent.understanding.normalise import fold, is_break, pattern, plain, tokens
from agent.understanding.vocabulary import ARTICLES, Word, read

Sort = Literal["correct", "partial", "wrong", "none"]


@dataclass(frozen=True)
class Prepared:
    """An expectation, read once. ``polarity`` is off when the question itself is negated ("what did it
    not have?"). ``welcome`` are the concepts that some answer holds, so that none of them speaks against another.
    ``any_idea``: no accepted answer holds two of the key ideas, so that each of them is enough by itself.
    ``word_for_word`` are the answers and misconceptions as :func:`literal` has them, to the misconception's index."""

    language: Language
    question: tuple[Word, ...]
    accepted: tuple[Target, ...]
    ideas: tuple[Target, ...]
    misconceptions: tuple[tuple[Target, ...], ...]
    names: tuple[Target, ...]
    polarity: bool
    numbers: frozenset[int]
    welcome: frozenset[str]
    word_for_word: Mapping[str, int | None] = field(default_factory=dict, hash=False, compare=False)
    two_parts: bool = False
    any_idea: bool = False


@dataclass(frozen=True)
class Weighed:
    """``none``: nothing in the words bears on the question. ``pairs`` are the words that decided, with the expected ones."""

    sort: Sort
    score: float = 0.0
    matched: str = ""
    pairs: tuple[tuple[Word, Word], ...] = ()
    misconception: int | None = None
    reason: str = ""


@lru_cache(maxsize=512)
def prepare(
    language: Language,
    question: str,
    accepted: tuple[str, ...],
    ideas: tuple[str, ...],
    misconceptions: tuple[tuple[str, ...], ...],
    names: tuple[str, ...],
) -> Prepared:
    """Read everything once; a session asks each question several times."""
    asked = read(question, language)
    news = () if pattern(language, "two_part").search(plain(question, language)) else asked
    targets = tuple(target(text, news, language) for text in accepted)
    numbers = [[word.number for word in item.words if word.number is not None] for item in targets]
    wanted = tuple(target(text, news, language) for text in ideas)
    single = all(numbers) and sum(len(found) == 1 for found in numbers) * 2 >= len(numbers)
    single = single and all(any(word.number is not None for word in idea.words) for idea in wanted)
    return Prepared(
        language,
        asked,
        targets,
        wanted,
        tuple(tuple(target(text, asked, language) for text in ways) for ways in misconceptions),
        tuple(target(text, (), language) for text in names),
        not any(word.negated for word in asked),
        frozenset(found[0] for found in numbers if single and len(found) == 1 and found[0] is not None),
        frozenset(
            name for item in (*targets, *wanted) for word in item.words if not word.negated for name in word.meaning.concepts
        ),
        {literal(way, language): index for index, ways in enumerate(misconceptions) for way in ways}
        | {literal(answer, language): None for answer in (*accepted, *(ideas if len(ideas) == 1 else ()))},
        bool(pattern(language, "two_part").search(plain(question, language))),
        len(wanted) > 1 and not any(_holds_two(item, wanted, language) for item in targets),
    )


def _holds_two(answer: Target, ideas: Sequence[Target], language: Language) -> bool:
    return sum(cover(answer.words, idea, language, polarity=False).share > 0 for idea in ideas) >= 2


@lru_cache(maxsize=4_000)
def literal(text: str, language: Language) -> str:
    """A text word for word, without capitals, accents, punctuation and articles: equal texts are the same answer."""
    words = [fold(token, language) for token in tokens(text, language) if not is_break(token)]
    return " ".join([word for word in words if word not in ARTICLES] or words)


def said_word_for_word(text: str, expected: Prepared) -> Weighed | None:
    """What was said exactly as the story has it needs no reading: an accepted answer, or else a misconception."""
    said = literal(text, expected.language)
    if not said or said not in expected.word_for_word:
        return None
    index = expected.word_for_word[said]
    if index is not None:
        return Weighed("wrong", 0.0, first_text(expected, index), (), index, "a known misconception, word for word")
    found = next(
        (item for item in (*expected.accepted, *expected.ideas) if literal(item.text, expected.language) == said), None
    )
    words = found.words if found else ()
    pairs = tuple((word, word) for word in words)
    return Weighed("correct", 1.0, found.text if found else "", pairs, reason="an accepted answer, word for word")


def first_text(expected: Prepared, index: int | None) -> str:
    return expected.misconceptions[index][0].text if index is not None and expected.misconceptions[index] else ""


def misconception_in(said: Sequence[Word], expected: Prepared) -> tuple[Cover | None, int | None]:
    best: Cover | None = None
    index: int | None = None
    for number, ways in enumerate(expected.misconceptions):
        for way in ways:
            found = cover(said, way, expected.language, expected.polarity)
            if (
                found.share >= 0.5
                and not found.against
                and (best is None or (found.share, found.weight) > (best.share, best.weight))
            ):
                best, index = found, number
    return best, index
