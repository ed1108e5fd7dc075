"""What several test files share: stories at hand, settings of a quick session, and ears that answer as a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from agent.clock import VirtualClock
from agent.config import Settings
from agent.ports import Clock, Listening, Prompt
from agent.story import Story, load
from agent.turn import Language, Utterance

ROOT = Path(__file__).resolve().parent.parent
ENDLESS = 150  # turns after which a test's session is taken to have no end
YES: dict[Language, str] = {"en": "yes", "fr": "oui", "de": "ja"}


@cache
def story_of(slug: str, language: Language) -> Story:
    """A shipped story, loaded once for all tests."""
    return load(slug, language)


def quick(**changes: object) -> Settings:
    """Settings of a session on the virtual clock that keeps no record."""
    base: dict[str, object] = {"child": "simulated", "speed": "fast", "log": False, "language": "en"}
    return Settings.model_validate({**base, **changes})


class Answering:
    """Ears whose child says what ``answer`` returns; an exception that it raises comes out of ``listen``."""

    def __init__(self, clock: Clock, answer: Callable[[Listening], str]) -> None:
        self.clock, self.answer = clock, answer
        self.asked: list[Listening] = []
        self.over: list[Utterance | None] = []  # what breaks in, one entry a sentence

    def listen(self, how: Listening) -> Utterance:
        self.clock.sleep(1.0)
        self.asked.append(how)
        if len(self.asked) > ENDLESS:
            pytest.fail("the session never ends")
        now = self.clock.now()
        return Utterance(self.answer(how), 1.0, now, now)

    def overheard(self) -> Utterance | None:
        return self.over.pop(0) if self.over else None

    def close(self) -> None:
        """Nothing to close."""


class Ranking:
    """A model whose ``rank`` gives what a test wants, and which writes nothing."""

    name = "ranking"

    def __init__(self, rank: Callable[[Sequence[str]], list[float]]) -> None:
        self._rank = rank

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        return iter(())

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        return self._rank(options)


def agreeable(right: Callable[[Listening], str]) -> Callable[[Listening], str]:
    """A child that says yes to the robot, and ``right`` to everything else."""

    def answer(how: Listening) -> str:
        return YES[how.language] if how.about.startswith("assent") else right(how)

    return answer


def virtual() -> VirtualClock:
    """A clock on which nothing waits."""
    return VirtualClock()
