"""A session in this process, without a screen, whose events are at hand: what benchmarks and tests run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.clock import VirtualClock
from agent.config import Settings
from agent.ports import LLM, Clock, Ears, Word
from agent.run import Wiring, start_language
from agent.turn import Sentence


@dataclass
class Witness:
    """A screen that shows nothing and remembers every event."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def show(self, event: Mapping[str, object]) -> None:
        self.events.append(dict(event))

    def word(self, sentence: Sentence, word: Word) -> None:
        """Nobody is looking."""

    def close(self) -> None:
        """Nothing was opened."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind, in order."""
        return [event for event in self.events if event["kind"] == kind]


@dataclass(frozen=True)
class Run:
    """One finished session: exit code, its events, and the wiring it ran on."""

    code: int
    seen: Witness
    wiring: Wiring


def run(
    settings: Settings,
    *,
    llm: Callable[[Clock], LLM] | None = None,
    ears: Callable[[Wiring], Ears] | None = None,
    folder: Path | None = None,
    resume: bool = False,
) -> Run:
    """Run one session on a virtual clock to its end."""
    seen, clock = Witness(), VirtualClock()
    model = llm(clock) if llm else None
    wiring = Wiring(settings, start_language(settings), clock, folder, screen=seen, llm=model, ears=ears)
    return Run(wiring.run(resume=resume), seen, wiring)
