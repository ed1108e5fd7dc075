"""Typing as the child: ears that read a keyboard, or lines from a pipe.

A thread reads, so that the child may type while the robot speaks; the session takes finished lines when it listens. On a
terminal the screen shows what is being typed (if it can), because the terminal's own echo would run into the story. A line
that begins with ``/`` is the operator's and never reaches the child's words.
"""

from __future__ import annotations

import os
import queue
import select
import sys
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from agent.ports import Clock, Listening, Screen
from agent.terminal.line_editor import LineEditor
from agent.terminal.mode import KeyByKey
from agent.terminal.screen import Stage
from agent.turn import Utterance

READING = 300.0  # seconds for the first question: a newcomer is still reading the screen
SLOWER = 6.0  # typing takes a child this many times as long as speaking
LEAST = 30.0  # seconds without a key before it counts as silence, at least
STOP = "stop"  # understood in all three languages
_TICK = 0.05
COMMANDS = "/personality NAME or 1-9, /explain, /again, /stop, /help"


@dataclass(frozen=True)
class _Line:
    text: str
    started: float
    ended: float
    last: bool = False  # the input is over


class Keyboard:
    """Ears for a typing child. ``commands(name, argument)`` carries out an operator's command and returns the line to show,
    or None if it knows no such command. ``source`` is the file descriptor to read, ``least`` see :data:`LEAST`.

    On a terminal a line typed while the robot speaks is overheard; lines from a pipe wait for the next question. The end of
    the input (Ctrl-D, a closed pipe or terminal) is "stop", once; after that the child is silent.
    """

    def __init__(
        self,
        clock: Clock,
        screen: Screen,
        commands: Callable[[str, str], str | None],
        *,
        source: int | None = None,
        least: float = LEAST,
    ) -> None:
        self._clock, self._screen, self._commands, self._least = clock, screen, commands, least
        self._stage = screen if isinstance(screen, Stage) else None
        self._fd = _standard_input() if source is None else source
        self._by_hand = self._fd is not None and os.isatty(self._fd)
        self._mode = self._take_terminal()
        self._editor = LineEditor()
        self._lines: queue.SimpleQueue[_Line] = queue.SimpleQueue()
        self._awaited = False
        self._last_key = time.monotonic()
        self._over = self._closed = False
        self._wake, self._waker = os.pipe()
        self._reader = threading.Thread(target=self._read, name="keyboard", daemon=True)
        self._reader.start()

    def _take_terminal(self) -> KeyByKey | None:
        if self._fd is None or not self._by_hand or self._stage is None or not self._stage.echoes:
            return None
        try:
            return KeyByKey(self._fd)
        except termios.error:  # a terminal in name only: it keeps its own echo
            return None

    # ------------------------------------------------------------------ the child's turn

    def listen(self, how: Listening) -> Utterance:
        """Wait for a line. An empty line is silence, and so is no key for ``max(6 * how.patience, least)`` seconds."""
        began = self._clock.now()
        patience = max(how.patience * SLOWER, self._least)
        if how.about.startswith("assent"):
            patience = max(patience, READING)
        self._await(True)
        try:
            since = time.monotonic()
            while not self._over and time.monotonic() < max(since, self._last_key) + patience:
                try:
                    line = self._lines.get(timeout=_TICK)  # short, so that Ctrl-C is heard at once
                except queue.Empty:
                    continue
                if not line.text.startswith("/"):
                    return self._said(line)
                if line.text.split()[0] == "/stop":
                    return Utterance(STOP, started=line.started, ended=line.ended)
                self._carry_out(line.text, how.question)
                since = time.monotonic()
        finally:
            self._await(False)
        return Utterance("", started=began, ended=self._clock.now())

    def overheard(self) -> Utterance | None:
        """The line that was typed while the robot spoke. Commands typed meanwhile are carried out here."""
        while self._by_hand and not self._over:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return None
            if not line.text.startswith("/"):
                if line.text or line.last:
                    return self._said(line)
            elif line.text.split()[0] == "/stop":
                return Utterance(STOP, started=line.started, ended=line.ended)
            else:
                self._carry_out(line.text, "")
        return None

    def _said(self, line: _Line) -> Utterance:
        self._over = line.last
        return Utterance(STOP if line.last else line.text, started=line.started, ended=line.ended)

    def _await(self, awaited: bool) -> None:
        self._awaited = awaited
        if self._stage is not None:
            self._stage.typing(self._editor.text, awaited)

    # ------------------------------------------------------------------ the operator's commands

    def _carry_out(self, line: str, question: str) -> None:
        """A command of the session's (those of the keyboard's own were answered as they were typed)."""
        name, _, argument = line[1:].partition(" ")
        shown = self._own(name) or self._commands(name, argument.strip())
        if shown is None and name == "again":
            shown = question or "No question is open."
        if shown is None:
            shown = f"“/{name}” is not a command. There are {COMMANDS}."
        if shown:
            self._show(shown)

    def _own(self, name: str) -> str | None:
        if name == "help":
            return COMMANDS
        if name == "explain" and self._stage is not None:
            return f"explanations {'on' if self._stage.toggle_explain() else 'off'}"
        return None

    def _show(self, line: str) -> None:
        self._screen.show({"kind": "notice", "line": line})

    # ------------------------------------------------------------------ the reading thread

    def _read(self) -> None:
        started: float | None = None
        while (keys := self._keys()) is not None:
            now = self._clock.now()
            self._last_key = time.monotonic()
            started = now if started is None else started
            for text in self._editor.feed(keys):
                self._finished(text, started, now)
                started = now
            if not self._editor.text:
                started = None
            if self._stage is not None and self._mode is not None:
                self._stage.typing(self._editor.text, self._awaited)
            if self._editor.ended:
                break
        now = self._clock.now()
        if rest := self._editor.rest():
            self._finished(rest, now if started is None else started, now)
        self._lines.put(_Line("", now, now, last=True))

    def _finished(self, text: str, started: float, ended: float) -> None:
        """Only the session may touch the session: its commands wait until it looks, the keyboard's own do not."""
        if self._by_hand and text in ("/help", "/explain"):
            self._show(self._own(text[1:]) or COMMANDS)
        else:
            self._lines.put(_Line(text, started, ended))

    def _keys(self) -> bytes | None:
        """What was typed, as soon as something was; None when the input is over or the keyboard is closed."""
        if self._fd is None:
            return None
        try:
            ready, _, _ = select.select([self._fd, self._wake], [], [])
            if self._wake in ready:
                return None
            return os.read(self._fd, 4096) or None
        except (OSError, ValueError):  # the terminal has gone
            return None

    def close(self) -> None:
        """Stop reading and give the terminal back; more than once does no harm."""
        if self._closed:
            return
        self._closed = True
        os.write(self._waker, b".")
        self._reader.join(1.0)
        if self._mode is not None:
            self._mode.close()
        if not self._reader.is_alive():
            os.close(self._waker)
            os.close(self._wake)

    def __enter__(self) -> Keyboard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _standard_input() -> int | None:
    """Standard input's file descriptor; None if there is none."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # started without one, or it has been closed
        return None
