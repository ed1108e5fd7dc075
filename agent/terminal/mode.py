"""The terminal while keys are read one by one: no echo, no waiting for Enter; and given back whatever happens."""

from __future__ import annotations

import atexit
import os
import signal
import termios
import threading
from contextlib import suppress
from types import FrameType

from agent.terminal.line_editor import PASTE_OFF, PASTE_ON

_SHOW_CURSOR = "\x1b[?25h"  # whoever hid it may not get to show it again


class KeyByKey:
    """Takes the terminal ``fd`` over until :meth:`close`. Raises ``termios.error`` if it is none.

    Ctrl-C stays what it is. The terminal is also given back at exit and when the process is ended by SIGTERM or SIGHUP, and
    taken again when a suspended process goes on.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before = termios.tcgetattr(fd)
        self._open = True
        self._take()
        atexit.register(self.close)
        if threading.current_thread() is threading.main_thread():
            for number, handler in ((signal.SIGTERM, self._end), (signal.SIGHUP, self._end), (signal.SIGCONT, self._go_on)):
                if signal.getsignal(number) == signal.SIG_DFL:
                    signal.signal(number, handler)

    def _take(self) -> None:
        mode = termios.tcgetattr(self._fd)
        mode[0] &= ~termios.IXON  # Ctrl-S would stop the screen, and the robot with it
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)
        self._write(PASTE_ON)

    def close(self) -> None:
        """Give the terminal back as it was; once is enough, more do no harm."""
        if not self._open:
            return
        self._open = False
        atexit.unregister(self.close)
        self._write(PASTE_OFF + _SHOW_CURSOR)
        with suppress(termios.error, OSError):  # a terminal that has gone needs nothing back
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def _write(self, text: str) -> None:
        with suppress(OSError):  # opened for reading only, or gone: pasting several lines then makes several answers
            os.write(self._fd, text.encode())

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.close()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _go_on(self, number: int, frame: FrameType | None) -> None:
        with suppress(termios.error, OSError):
            if self._open and os.tcgetpgrp(self._fd) == os.getpgrp():  # in the background the terminal is somebody else's
                self._take()
