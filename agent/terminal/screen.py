"""What a person beside the robot sees: which screen fits where the output goes, and what the screens share."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Protocol, TextIO, runtime_checkable

from agent.ports import Robot, Screen


@runtime_checkable
class Stage(Protocol):
    """A screen that a keyboard can use: it shows what is being typed, and explains more or less when asked to."""

    @property
    def echoes(self) -> bool:
        """Whether typed characters appear by :meth:`typing`; otherwise the terminal must echo them itself."""
        ...

    def typing(self, text: str, awaited: bool) -> None:
        """What has been typed so far, and whether an answer is being waited for."""
        ...

    def toggle_explain(self) -> bool:
        """Switch the explanations on or off; returns whether they are on now."""
        ...


class Steady:
    """A text stream that may go away: once writing fails, what follows is dropped and the session goes on.

    A character that the stream cannot encode is written as ``?``.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.gone = False

    @property
    def encoding(self) -> str:
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        if not self.gone:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
            except (OSError, ValueError):  # ValueError: somebody has closed the stream
                self._lose()
        return len(text)

    def flush(self) -> None:
        if not self.gone:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def _lose(self) -> None:
        self.gone = True
        with suppress(OSError, ValueError):  # what the stream still holds must not fail again when Python exits
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def isatty(self) -> bool:
        try:
            return not self.gone and self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        return self._stream.fileno()


def open_screen(*, explain: bool, robot: Robot, title: str, beats: int, interactive: bool, live: bool = True) -> Screen:
    """The rich screen on a terminal, plain lines everywhere else (a pipe, a file, ``TERM=dumb``).

    ``beats`` is how many scenes the story has, ``interactive`` whether a person types as the child, ``live`` whether time
    is real: without it only finished sentences are printed, and nothing is drawn in between.
    """
    out = Steady(sys.stdout)
    if moves_its_cursor(out):
        from agent.terminal.rich_screen import RichScreen

        return RichScreen(out, explain=explain, robot=robot, title=title, beats=beats, interactive=interactive, live=live)
    from agent.terminal.plain_screen import PlainScreen

    return PlainScreen(out, explain=explain, title=title, interactive=interactive)


def moves_its_cursor(out: Steady) -> bool:
    """Whether ``out`` is a terminal on which lines can be drawn again."""
    return out.isatty() and os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown")
