"""Typing as the child."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable

from agent.ports import Clock, Listening, Screen
from agent.turn import Utterance


class Keyboard:
    """Ears for a typing child."""

    def __init__(self, clock: Clock, screen: Screen, commands: Callable[[str, str], str | None]) -> None:
        self._clock, self._screen, self._commands = clock, screen, commands
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="keyboard", daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line.strip())
        self._lines.put(None)

    def listen(self, how: Listening) -> Utterance:
        started = self._clock.now()
        until = time.monotonic() + max(how.patience * 6, 30.0)
        while time.monotonic() < until:
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                continue
            return Utterance("stop" if line is None else line, 1.0, started, self._clock.now())
        return Utterance("", 1.0, started, self._clock.now())

    def overheard(self) -> Utterance | None:
        return None

    def close(self) -> None: ...
