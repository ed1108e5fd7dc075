"""Plain lines, for pipes, files and terminals that cannot move their cursor."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.ports import Word
from agent.terminal.explaining import Explainer
from agent.terminal.words import child_line, friendly_sign, known_language, printable, screen_words
from agent.turn import Language, Sentence

if TYPE_CHECKING:
    from agent.terminal.screen import Steady


class PlainScreen:
    """One line for whatever happens, written at once so that a reader at the other end of a pipe can follow."""

    echoes = False

    def __init__(self, out: Steady, *, explain: bool, title: str, interactive: bool) -> None:
        self._out, self._explain, self._interactive = out, explain, interactive
        self._explainer = Explainer()
        self._language: Language = "en"
        self._heard: Mapping[str, object] | None = None
        self._events: list[Mapping[str, object]] = []
        self._prompted = False
        self._line(f"*** {title} ***")

    def show(self, event: Mapping[str, object]) -> None:
        kind = event["kind"]
        if kind not in ("saying", "notice"):
            self._events.append(event)
        if kind == "heard":
            self._heard = event  # said together with what it was judged to be
            return
        if self._heard is not None and kind != "notice":
            self._child(self._heard, event if kind == "judged" else {})
            self._heard = None
        self._language = known_language(event.get("language"), self._language)
        match kind:
            case "said":
                broken = " –" if event.get("broken_off") else ""
                self._line(f"{screen_words(self._language).robot}: {event['text']}{broken}")
            case "alert":
                self._line(f"!!! ALERT: {event['text']} !!!")
            case "concern":
                self._line(f"--- {event['text']}")
            case "notice":
                self._line(f"--- {event['line']}")
            case "manner":
                self._line(f"--- personality: {event['personality']} (level {event['level']})")
            case "resumed":
                self._line("--- the session goes on where it stopped")
            case "checkpoint_failed":
                self._line(f"--- the state cannot be saved for --resume ({event['reason']}); the session goes on")
            case "fault" if not self._explain:
                self._line(f"--- something went wrong, the session goes on: {event['error']}")
        for line in self._explainer.lines(event):
            if self._explain:
                self._line(f"    | {line}")

    def _child(self, heard: Mapping[str, object], judged: Mapping[str, object]) -> None:
        words = screen_words(known_language(judged.get("language"), self._language))
        sign = friendly_sign(judged, words)
        name = words.you if self._interactive else words.child
        self._line(f"{name}: {child_line(heard, judged, words)}{f'  [{sign}]' if sign else ''}")

    def word(self, sentence: Sentence, word: Word) -> None: ...

    def typing(self, text: str, awaited: bool) -> None:
        if awaited and not self._prompted and self._interactive and _typed_by_hand():
            self._out.write("> ")
            self._out.flush()
        self._prompted = awaited

    def toggle_explain(self) -> bool:
        self._explain = not self._explain
        return self._explain

    def close(self) -> None:
        """The last lines: the figures of the session."""
        from agent.terminal.summary import rows, summarise

        events, self._events = self._events, []
        if not events:
            return
        table = rows(summarise(events))
        width = max(len(name) for name, _ in table)
        self._line("")
        for name, value in table:
            self._line(f"{name:<{width}}  {value}")

    def _line(self, text: str) -> None:
        self._out.write(printable(text) + "\n")
        self._out.flush()


def _typed_by_hand() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
