"""What the open question expects of the child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.turn import Language
from agent.understanding.normalise import pattern, plain


@dataclass(frozen=True)
class Expectation:
    """What the open question expects.

    ``misconceptions`` are the ways of saying each wrong idea. ``names`` are words of the story. ``answer`` "open"
    welcomes every answer. ``choices`` are the ways to say each choice the story offers, by its id.
    """

    language: Language
    question: str
    accepted: tuple[str, ...]
    key_ideas: tuple[str, ...]
    misconceptions: tuple[tuple[str, ...], ...] = ()
    answer: Literal["closed", "open", "yes_no"] = "closed"
    names: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def about_the_child(expected: Expectation) -> bool:
    """Whether an open question is about the child itself ("what would you do?") rather than how the story goes on."""
    asked = pattern(expected.language, "frames").sub(" ", plain(expected.question, expected.language))
    return bool(pattern(expected.language, "you").search(asked))


def addresses_child(expected: Expectation) -> bool:
    """Whether the question is about the child's own life ("what do you do when it rains?").

    "What do you think?" is only put to the child; it is about the story.
    """
    if expected.answer == "open":
        return True
    asked = pattern(expected.language, "frames").sub(" ", plain(expected.question, expected.language))
    return bool(pattern(expected.language, "address").search(asked))
