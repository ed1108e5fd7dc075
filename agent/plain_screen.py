"""Plain lines, for pipes, files and simple terminals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.ports import Word
from agent.turn import Sentence

if TYPE_CHECKING:
    from agent.screen import Steady


class PlainScreen:
    """One line for whatever happens."""

    echoes = False

    def __init__(self, out: Steady, *, explain: bool, title: str, interactive: bool) -> None:
        self._out, self._explain = out, explain
        self._line(title)

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()

    def show(self, event: Mapping[str, object]) -> None:
        match event["kind"]:
            case "said":
                self._line(f"Fabula: {event['text']}")
            case "heard":
                self._line(f"Child: {event['text']}")
            case "notice":
                self._line(str(event["line"]))

    def word(self, sentence: Sentence, word: Word) -> None: ...

    def typing(self, text: str, awaited: bool) -> None: ...

    def explain_more(self) -> bool:
        self._explain = not self._explain
        return self._explain

    def close(self) -> None: ...
