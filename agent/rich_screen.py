"""The screen on a terminal: a transcript that scrolls, and below it what is happening now.

A finished sentence is printed for good. The few lines at the bottom are drawn again ten times a second by a thread of
rich's: the robot, the sentence being spoken with its word marked, how far the story is, and what is being typed. Every
colour stands beside words that say the same, so that the screen reads as well without colour.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.explaining import Explainer
from agent.ports import Robot, Word
from agent.screen_words import known_language, printable, screen_words
from agent.turn import Language, Sentence

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

    from agent.screen import Steady

FRAMES = 10  # pictures a second
WIDEST = 92  # columns; longer lines are hard to read
_LABELS = 8  # columns for who speaks
_VERDICTS = {"correct": "green", "partial": "yellow", "wrong": "magenta", "dont_know": "magenta", "disclosure": "bold red"}


class RichScreen:
    """A story to look at. All methods may be called from any thread; after the terminal has gone they do nothing."""

    def __init__(
        self, out: Steady, *, explain: bool, robot: Robot, title: str, beats: int, interactive: bool, live: bool
    ) -> None:
        from rich.console import Console

        from agent.stage_light import StageLight

        self._console = Console(file=out, highlight=False)  # type: ignore[arg-type]  # a stream as far as rich needs one
        self._explain, self._interactive = explain, interactive
        self._explainer = Explainer()
        self._language: Language = "en"
        self._heard: Mapping[str, object] | None = None
        self._events: list[Mapping[str, object]] = []
        self._last = ""
        self._lock = threading.RLock()
        self._light = StageLight(robot, beats, interactive, plain=not out.encoding.lower().startswith("utf"))
        self._headline(title)
        self._live = self._start() if live else None
