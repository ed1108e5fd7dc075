"""Sentences → sound → body, and what was really heard.

The speaker takes sentences one by one, as they are written, and says them in order: style and the guard's last look first
(``finish``), then voice, gesture and the screen together. With a real clock a thread speaks while the next sentence is
still being written;
with a virtual clock ``add`` speaks at once. Between two sentences the child may break in; what was not said by then is
given back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.ports import Clock, Ears, Robot, Screen, Sink, Voice, Word
from agent.readability import syllables, words
from agent.turn import Sentence, Utterance

if TYPE_CHECKING:
    from agent.personality import Profile

_SYLLABLE = 0.24  # seconds of speech a syllable, for captions without a voice
_TICK = 0.02  # seconds between two looks at how far the sound is
_HOP = 0.05  # seconds of one loudness value


@dataclass(frozen=True)
class Spoken:
    """What became of one reply: the sentences heard, those left unsaid, and the child's words that broke in."""

    heard: tuple[Sentence, ...]
    unsaid: tuple[Sentence, ...]
    interruption: Utterance | None


class Speaker:
    """Says one reply at a time. ``record`` gets an event for each sentence."""

    def __init__(
        self,
        *,
        clock: Clock,
        robot: Robot,
        screen: Screen,
        ears: Ears,
        voice: Voice | None,
        sink: Sink,
        profile: Callable[[], Profile],
        record: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        self.clock, self.robot, self.screen, self.ears = clock, robot, screen, ears
        self.voice, self.sink, self.profile, self.record = voice, sink, profile, record
        self.finish: Callable[[Sentence], Sentence] = lambda sentence: sentence
        self._queue: queue.SimpleQueue[Sentence | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None
        self._done = threading.Event()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._heard: list[Sentence] = []
        self._unsaid: list[Sentence] = []
        self._interruption: Utterance | None = None
        self._added = 0
        self._moves = True
        self._answering = False  # nobody waits before the first words of a session

    @property
    def busy(self) -> bool:
        """Whether this reply has sentences already."""
        return self._added > 0

    def add(self, sentence: Sentence) -> None:
        """Say ``sentence`` after those added before."""
        self._added += 1
        if self.clock.virtual:
            self._turn(sentence)
            return
        if self._worker is None:
            self._queue = queue.SimpleQueue()  # an interrupted wait() may have left its end mark in the old one
            self._done = threading.Event()
            self._worker = threading.Thread(target=self._work, name="speaker", daemon=True)
            self._worker.start()
        self._queue.put(sentence)

    def wait(self) -> Spoken:
        """Until everything added has been said or left unsaid. Raises what the voice or the body raised."""
        if self._worker is not None:
            self._queue.put(None)
            # Not join(): one that Ctrl-C breaks into takes a living thread for a finished one (Python 3.11).
            while not self._done.wait(0.1):
                pass
            self._worker = None
        spoken = Spoken(tuple(self._heard), tuple(self._unsaid), self._interruption)
        failure, self._failure = self._failure, None
        self._heard, self._unsaid, self._interruption, self._added = [], [], None, 0
        self._stop.clear()
        if failure is not None:
            raise failure
        return spoken

    def cancel(self) -> None:
        """Fall silent now; what follows of this reply stays unsaid."""
        self._stop.set()
        self.sink.cancel()
        self._move(self.robot.hush)

    def _work(self) -> None:
        waiting, done = self._queue, self._done
        while (sentence := waiting.get()) is not None:
            try:
                self._turn(sentence)
            except Exception as failure:  # handed to wait(), which raises it in the session's own thread
                self._failure = self._failure or failure
                self._unsaid.append(sentence)
        done.set()

    def _turn(self, sentence: Sentence) -> None:
        if self._stop.is_set() or self._interruption is not None or self._failure is not None:
            self._unsaid.append(sentence)
            return
        style = self.profile().voice
        if self._heard:
            self._pause(style.pause_between)
        elif self._answering:
            self._pause(style.pause_before)
        self._answering = True
        if self._stop.is_set() or self._interruption is not None:
            self._unsaid.append(sentence)
            return
        sentence = self.finish(sentence)
        self._say(sentence)
        self._heard.append(sentence)
        self._interruption = self.ears.overheard()

    def _say(self, sentence: Sentence) -> None:
        profile = self.profile()
        if sentence.gesture:
            self._move(lambda: self.robot.perform(sentence.gesture, profile.motion))
        event = {
            "text": sentence.text,
            "language": sentence.language,
            "source": sentence.source,
            "role": sentence.role,
            "gesture": sentence.gesture,
            "refused": sentence.refused,
            "level": profile.level,
            **({"plain": sentence.plain} if sentence.plain else {}),
        }
        self.screen.show({"kind": "saying", **event})
        started = self.clock.now()
        marks, duration = self._sound(sentence) if self.voice else self._caption(sentence)
        self._follow(sentence, marks, duration, started)
        broken = self._stop.is_set()
        self._move(self.robot.hush)
        took = round(self.clock.now() - started, 3)
        self.record(
            "said", {**event, "seconds": took, "started": round(started, 3), **({"broken_off": True} if broken else {})}
        )

    def _move(self, movement: Callable[[], None]) -> None:
        """Words come first: a body that fails is noted once and left alone."""
        if not self._moves:
            return
        try:
            movement()
        except Exception as error:  # a motor, a cable, a daemon: whatever it is, the story goes on by voice
            self._moves = False
            self.record("fault", {"error": f"the body: {type(error).__name__}: {error}"})

    def _sound(self, sentence: Sentence) -> tuple[list[Word], float]:
        try:
            return self._spoken(sentence)
        except Exception as error:  # whatever breaks a voice, the words still come, as captions
            self.voice = None
            self.record("fault", {"error": f"the voice: {type(error).__name__}: {error}"})
            return self._caption(sentence)

    def _spoken(self, sentence: Sentence) -> tuple[list[Word], float]:
        import numpy as np

        assert self.voice is not None
        profile, rate = self.profile(), self.voice.rate
        marks: list[Word] = []
        samples = []
        for sound in self.voice.say(sentence.text, sentence.language, profile.voice):
            if self._stop.is_set():
                break
            self.sink.play(sound.samples, rate)
            samples.append(sound.samples)
            marks += sound.words
        whole = np.concatenate(samples) if samples else np.zeros(0, np.int16)
        hop = int(rate * _HOP)
        frames = np.abs(whole[: len(whole) // hop * hop].astype(np.float32)).reshape(-1, hop).mean(axis=1) / 8000
        self._move(lambda: self.robot.speak(np.minimum(frames, 1.0).tolist(), _HOP, profile.motion))
        return marks, len(whole) / rate

    def _caption(self, sentence: Sentence) -> tuple[list[Word], float]:
        """Timing without a voice, from the syllables."""
        style, at, begin, marks = self.profile().voice, 0.0, 0, []
        for word in words(sentence.text):
            begin = sentence.text.index(word, begin)
            marks.append(Word(begin, begin + len(word), at))
            begin += len(word)
            at += _SYLLABLE * syllables(word, sentence.language) / style.rate
        self._move(lambda: self.robot.speak([0.6] * int(at / _HOP), _HOP, self.profile().motion))
        return marks, at

    def _follow(self, sentence: Sentence, marks: list[Word], duration: float, started: float) -> None:
        """Show each word as it is heard, until the sentence is over or broken off."""
        if self.clock.virtual:
            for spoken in marks:
                self.screen.word(sentence, spoken)
            self.clock.sleep(duration)
            return
        following = iter(marks)
        mark = next(following, None)
        while not self._stop.is_set():
            heard = self.sink.position() if self.voice else self.clock.now() - started
            while mark is not None and mark.start <= heard:
                self.screen.word(sentence, mark)
                mark = next(following, None)
            if heard >= duration - 0.001 or self.clock.now() - started > duration + 2.0:
                break
            self.clock.sleep(_TICK)

    def _pause(self, seconds: float) -> None:
        if self.clock.virtual:
            self.clock.sleep(seconds)
        else:
            self._stop.wait(seconds)
