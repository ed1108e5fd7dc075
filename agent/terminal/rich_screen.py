"""The screen on a terminal: a transcript that scrolls, and below it a picture of what is happening now.

A finished sentence is printed for good. The few lines at the bottom are drawn again with each word and each key, and ten
times a second by a thread of their own: the robot, the sentence being spoken with its word marked, how far the story is,
and what is being typed. Every colour stands beside words that say the same, so that the screen reads as well without it.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.ports import Robot, Word
from agent.terminal.explaining import Explainer
from agent.terminal.stage_picture import StagePicture
from agent.terminal.transcript import WIDEST, Transcript
from agent.terminal.words import known_language
from agent.turn import Sentence

if TYPE_CHECKING:
    from rich.live import Live

    from agent.terminal.screen import Steady

FRAME = 0.1  # seconds between two pictures


class RichScreen:
    """A story to look at. All methods may be called from any thread; once the terminal has gone they do nothing."""

    def __init__(
        self, out: Steady, *, explain: bool, robot: Robot, title: str, beats: int, interactive: bool, live: bool
    ) -> None:
        from rich.console import Console

        self._out, self._explain = out, explain
        self._console = Console(file=out, highlight=False)  # type: ignore[arg-type]  # as much of a stream as rich uses
        self._transcript = Transcript(self._console, typed=interactive)
        self._picture = StagePicture(robot, beats, interactive, plain=not out.encoding.lower().startswith("utf"))
        self._explainer = Explainer()
        self._heard: Mapping[str, object] | None = None
        self._events: list[Mapping[str, object]] = []
        self._lock = threading.RLock()  # one thread draws at a time, or the pictures' heights would not add up
        self._transcript.title(title)
        self._live: Live | None = None
        self._width = self._console.width
        self._dark = threading.Event()
        if live:
            self._light()

    @property
    def echoes(self) -> bool:
        """What is typed shows in the picture, while there is one."""
        return self._live is not None

    # ------------------------------------------------------------------ the picture

    def _light(self) -> None:
        from rich.live import Live

        self._live = Live(
            console=self._console,
            get_renderable=lambda: self._picture.draw(min(self._console.width, WIDEST), self._console.height),
            auto_refresh=False,
            transient=True,
            redirect_stderr=sys.stderr.isatty(),  # errors sent to a file stay there
            vertical_overflow="crop",
        )
        self._live.start()
        atexit.register(self._darken)
        threading.Thread(target=self._redraw, name="screen", daemon=True).start()

    def _redraw(self) -> None:
        while not self._dark.wait(FRAME) and not self._out.gone:
            self._refresh()

    def _refresh(self) -> None:
        with self._lock:
            if self._live is not None:
                self._reflow(self._live)
                self._live.refresh()

    def _reflow(self, live: Live) -> None:
        """After the window has become narrower the terminal has folded the picture's lines; rich must take away all of them."""
        width, before = self._console.width, self._width
        self._width = width
        if width >= before:
            return
        options = self._console.options.update(width=before)
        drawn = live._live_render  # rich has no public way to say how tall its last picture is now
        lines = self._console.render_lines(drawn.renderable, options, pad=False)
        rows = sum(max(1, -(-sum(segment.cell_length for segment in line) // width)) for line in lines)
        if drawn._shape is not None:
            drawn._shape = (width, min(rows, self._console.height))

    def _darken(self) -> None:
        """Take the picture away and give the cursor back."""
        self._dark.set()
        with self._lock:
            live, self._live = self._live, None
            if live is not None:
                self._reflow(live)
                live.stop()
                atexit.unregister(self._darken)

    def word(self, sentence: Sentence, word: Word) -> None:
        """The word being spoken now is marked at once."""
        with self._lock:
            self._picture.word = word
            self._refresh()

    def typing(self, text: str, awaited: bool) -> None:
        """What has been typed so far, and whether an answer is being waited for."""
        with self._lock:
            self._picture.typed, self._picture.awaited = text, awaited
            self._refresh()

    # ------------------------------------------------------------------ the transcript

    def toggle_explain(self) -> bool:
        """Switch the explanations on or off; returns whether they are on now."""
        self._explain = not self._explain
        return self._explain

    def show(self, event: Mapping[str, object]) -> None:
        """One event of the session."""
        with self._lock:
            if self._live is not None:
                self._reflow(self._live)
            kind = event["kind"]
            if kind not in ("saying", "notice"):
                self._events.append(event)
            if kind == "heard":
                self._heard = event  # printed together with what it was judged to be
                return
            if self._heard is not None and kind != "notice":
                judged = event if kind == "judged" else {}
                self._transcript.child(self._heard, judged, self._picture.language)
                self._heard = None
            self._picture.language = known_language(event.get("language"), self._picture.language)
            self._tell(event)
            reasons = self._explainer.lines(event)
            if self._explain:
                self._transcript.reasons(reasons, event.get("verdict"))

    def _tell(self, event: Mapping[str, object]) -> None:
        picture, transcript = self._picture, self._transcript
        match event["kind"]:
            case "saying":
                picture.text, picture.word = str(event["text"]), None
            case "said":
                picture.text, picture.word = "", None
                transcript.robot(event, picture.language, self._explain)
            case "planned":
                picture.planned(str(event.get("target", "")))
            case "turn":
                picture.reached(str(event["beat"]), int(str(event["beats_told"])), str(event["ending"]))
            case "alert":
                transcript.alert(str(event["text"]))
            case "concern":
                transcript.notice(str(event["text"]))
            case "notice":
                transcript.notice(str(event["line"]))
            case "manner":
                transcript.notice(f"personality: {event['personality']} (level {event['level']})")
            case "resumed":
                transcript.notice("the session goes on where it stopped")
            case "checkpoint_failed":
                transcript.notice(f"the state cannot be saved for --resume ({event['reason']}); the session goes on")
            case "fault":
                transcript.notice(f"something went wrong, the session goes on: {event['error']}")
            case "closed":
                self._darken()

    def close(self) -> None:
        """The last thing to see: the figures of the session."""
        self._darken()
        with self._lock:
            events, self._events = self._events, []
            if events and not self._out.gone:
                from agent.terminal.summary import rows, summarise

                self._transcript.figures(rows(summarise(events)))
