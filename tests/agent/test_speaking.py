"""Sentences → sound → body: what is heard, in which order, and what happens when something breaks into it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.clock import RealClock, VirtualClock
from agent.personality import Profile, load
from agent.ports import Clock, Listening, MotionStyle, Pose, Sound, VoiceStyle, Word
from agent.readability import words
from agent.speaking import Speaker, Spoken
from agent.turn import Language, Sentence, Utterance
from benchmarks.witness import Witness
from hardware.audio import SilentSink

RATE = 8_000
WORD = 0.02  # seconds that a word of the tone takes


class Body:
    """A robot that remembers what it was asked to do."""

    name, gesture = "body", ""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.breaks = ""

    def perform(self, gesture: str, style: MotionStyle) -> None:
        if gesture == self.breaks:
            raise RuntimeError("a wire came loose")
        self.did.append(gesture)

    def speak(self, loudness: Sequence[float], hop: float, style: MotionStyle) -> None:
        assert all(0 <= value <= 1 for value in loudness)
        self.did.append("sway")

    def hush(self) -> None:
        self.did.append("hush")

    def listen(self, on: bool) -> None:
        self.did.append(f"listen {on}")

    def pose(self) -> Pose:
        return Pose()

    def reports(self) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing to let go of."""


class Tone:
    """A voice of 20 ms a word, in pieces of one word; ``breaks_on`` is a word that it cannot say."""

    name, rate = "tone", RATE

    def __init__(self, breaks_on: str = "") -> None:
        self.breaks_on = breaks_on
        self.said: list[str] = []

    def say(self, text: str, language: Language, style: VoiceStyle) -> Iterator[Sound]:
        self.said.append(text)
        at, begin = 0.0, 0
        for word in words(text):
            if word == self.breaks_on:
                raise RuntimeError("the voice lost its tongue")
            begin = text.index(word, begin)
            yield Sound(np.full(round(RATE * WORD), 4_000, np.int16), (Word(begin, begin + len(word), at),))
            begin, at = begin + len(word), at + WORD

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class Ear:
    """Overhears the n-th sentence, counted from one; 0 never."""

    at: int = 0
    sentences: int = 0

    def listen(self, how: Listening) -> Utterance:
        raise AssertionError("a speaker does not listen")

    def overheard(self) -> Utterance | None:
        self.sentences += 1
        return Utterance("stop", 1.0) if self.sentences == self.at else None

    def close(self) -> None:
        """Nothing to let go of."""


class Watching(Witness):
    """A screen that also remembers each word."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.on_word: Callable[[str], None] = lambda word: None

    def word(self, sentence: Sentence, word: Word) -> None:
        self.words.append(sentence.text[word.begin : word.end])
        self.on_word(self.words[-1])


def hasty() -> Profile:
    """A personality that makes no pauses, so that tests on the real clock are short."""
    profile = load("neutral")
    return profile.model_copy(update={"voice": replace(profile.voice, pause_before=0.0, pause_between=0.0)})


@dataclass
class Stage:
    """A speaker and all that it acts through."""

    clock: Clock
    voice: Tone | None = None
    ear: Ear = field(default_factory=Ear)
    body: Body = field(default_factory=Body)
    screen: Watching = field(default_factory=Watching)
    events: list[dict[str, Any]] = field(default_factory=list)

    def speaker(self) -> Speaker:
        def record(kind: str, values: Mapping[str, object]) -> None:
            self.events.append({"kind": kind, **values})

        profile = hasty()
        return Speaker(
            clock=self.clock,
            robot=self.body,
            screen=self.screen,
            ears=self.ear,
            voice=self.voice,
            sink=SilentSink(self.clock),
            profile=lambda: profile,
            record=record,
        )


def clocks() -> list[Clock]:
    return [VirtualClock(), RealClock()]


@pytest.fixture(params=["virtual", "real"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return VirtualClock() if request.param == "virtual" else RealClock()


def sentences(*texts: str) -> list[Sentence]:
    return [Sentence(text, "en", gesture="nod" if place == 0 else "") for place, text in enumerate(texts)]


def say(speaker: Speaker, *texts: str) -> Spoken:
    for sentence in sentences(*texts):
        speaker.add(sentence)
    return speaker.wait()


def texts_of(spoken: Sequence[Sentence]) -> list[str]:
    return [sentence.text for sentence in spoken]


THREE = ("One fox ran.", "Two fell down.", "Three got up.")


@pytest.mark.parametrize("voice", [None, Tone()], ids=["captions", "voice"])
def test_sentences_are_heard_in_order_with_every_word(clock: Clock, voice: Tone | None) -> None:
    stage = Stage(clock, voice)
    spoken = say(stage.speaker(), *THREE)
    assert texts_of(spoken.heard) == list(THREE)
    assert (spoken.unsaid, spoken.interruption) == ((), None)
    assert [event["text"] for event in stage.events] == list(THREE)
    assert stage.screen.words == words(" ".join(THREE))
    assert stage.body.did == ["nod", "sway", "hush", "sway", "hush", "sway", "hush"]


def test_the_log_says_when_each_sentence_began_and_how_long_it_took(clock: Clock) -> None:
    stage = Stage(clock, Tone())
    say(stage.speaker(), *THREE)
    starts = [event["started"] for event in stage.events]
    assert starts == sorted(starts)
    assert all(2.5 * WORD <= event["seconds"] < 1.0 for event in stage.events), stage.events
    assert all("broken_off" not in event for event in stage.events)


def test_pauses_are_the_personalitys() -> None:
    stage = Stage(VirtualClock(), Tone())
    speaker, profile = stage.speaker(), load("introvert")
    speaker.profile = lambda: profile
    for _ in range(2):
        say(speaker, "One.", "Two.")
    first, second, third, fourth = (event["started"] for event in stage.events)
    assert first == 0, "nobody waits before the first words"
    assert second - first - WORD == pytest.approx(profile.voice.pause_between, abs=0.01)
    assert third - second - WORD == pytest.approx(profile.voice.pause_before, abs=0.01)
    assert fourth - third - WORD == pytest.approx(profile.voice.pause_between, abs=0.01)


def test_a_sentence_is_over_when_its_sound_is() -> None:
    """The last hundredths of a position may be lost to rounding; nobody is kept waiting for them."""

    class Rounding(SilentSink):
        def position(self) -> float:
            return super().position() * (1 - 1e-9)

    stage = Stage(RealClock(), Tone())
    speaker = stage.speaker()
    speaker.sink = Rounding(stage.clock)
    started = time.monotonic()
    say(speaker, "One.")
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_child_that_breaks_in_leaves_the_rest_unsaid(clock: Clock, at: int) -> None:
    stage = Stage(clock, Tone(), ear=Ear(at=at))
    spoken = say(stage.speaker(), *THREE)
    assert texts_of(spoken.heard) == list(THREE[:at])
    assert texts_of(spoken.unsaid) == list(THREE[at:])
    assert spoken.interruption == Utterance("stop", 1.0)


@given(st.integers(1, 6), st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_every_sentence_is_either_heard_or_unsaid(count: int, at: int) -> None:
    stage = Stage(VirtualClock(), None, ear=Ear(at=at))
    texts = [f"Sentence {number}." for number in range(count)]
    spoken = say(stage.speaker(), *texts)
    assert texts_of(spoken.heard) + texts_of(spoken.unsaid) == texts
    assert len(spoken.heard) == (min(at, count) if at else count)


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("breaks_on", ["", "Two"])
def test_both_clocks_give_the_same_list(at: int, breaks_on: str) -> None:
    outcomes = []
    for clock in clocks():
        stage = Stage(clock, Tone(breaks_on), ear=Ear(at=at))
        heard = say(stage.speaker(), *THREE)
        outcomes.append(([event.get("text", "a fault") for event in stage.events], heard))
    assert outcomes[0] == outcomes[1]


def test_cancel_in_the_middle_of_a_sentence_stops_it_and_what_follows() -> None:
    stage = Stage(RealClock(), Tone())
    speaker = stage.speaker()
    stage.screen.on_word = lambda word: speaker.cancel() if word == "Two" else None
    spoken = say(speaker, *THREE)
    assert "down" not in stage.screen.words
    assert texts_of(spoken.unsaid) == [THREE[2]]
    assert stage.events[-1]["text"] == THREE[1]
    assert stage.events[-1]["broken_off"] is True
    assert stage.body.did[-1] == "hush"


def test_cancel_falls_silent_at_once() -> None:
    stage = Stage(RealClock(), Tone())
    speaker = stage.speaker()
    speaker.add(Sentence(" ".join(["word"] * 150) + ".", "en"))  # three seconds
    time.sleep(0.2)
    started = time.monotonic()
    speaker.cancel()
    speaker.wait()
    assert time.monotonic() - started < 0.5


def test_after_a_cancel_the_next_reply_is_said_whole() -> None:
    stage = Stage(RealClock(), Tone())
    speaker = stage.speaker()
    speaker.add(Sentence(" ".join(["word"] * 30) + ".", "en"))
    speaker.cancel()
    speaker.wait()
    assert texts_of(say(speaker, "Again.").heard) == ["Again."]


def test_a_voice_that_breaks_leaves_captions_and_no_word_is_lost(clock: Clock) -> None:
    stage = Stage(clock, Tone(breaks_on="fell"))
    speaker = stage.speaker()
    spoken = say(speaker, *THREE)
    assert texts_of(spoken.heard) == list(THREE)
    assert [event["error"] for event in stage.events if "error" in event] == [
        "the voice: RuntimeError: the voice lost its tongue"
    ]
    assert speaker.voice is None
    assert stage.screen.words[-1] == "up"


def test_a_body_that_breaks_is_noted_once_and_left_alone(clock: Clock) -> None:
    stage = Stage(clock, Tone())
    stage.body.breaks = "nod"
    spoken = say(stage.speaker(), *THREE)
    assert texts_of(spoken.heard) == list(THREE)
    assert len([event for event in stage.events if "error" in event]) == 1


def test_anything_else_that_breaks_is_raised_by_wait_and_nothing_more_is_said(clock: Clock) -> None:
    stage = Stage(clock, Tone())
    speaker = stage.speaker()

    def finish(sentence: Sentence) -> Sentence:
        if sentence.text == THREE[1]:
            raise LookupError("no style")
        return sentence

    speaker.finish = finish
    with pytest.raises(LookupError, match="style"):
        say(speaker, *THREE)
    assert [event["text"] for event in stage.events] == [THREE[0]]
    if not clock.virtual:
        assert speaker.wait() == Spoken((), (), None), "the failure is told once"


def test_ctrl_c_while_waiting_leaves_nobody_speaking() -> None:
    """An interrupted wait is waited for again: only then is the speaker really silent."""
    stage = Stage(RealClock(), Tone())
    speaker = stage.speaker()
    for sentence in sentences(" ".join(["word"] * 50) + ".", "Nobody hears this."):
        speaker.add(sentence)
    main = threading.main_thread().ident
    assert main is not None
    alarm = threading.Timer(0.15, signal.pthread_kill, (main, signal.SIGINT))
    alarm.start()
    with pytest.raises(KeyboardInterrupt):
        speaker.wait()
    speaker.cancel()
    speaker.wait()
    alarm.join()
    said = list(stage.events)
    assert texts_of(say(speaker, "Goodbye.").heard) == ["Goodbye."]
    time.sleep(0.2)
    assert [event["text"] for event in stage.events[len(said) :]] == ["Goodbye."], "nothing comes after the goodbye"
    assert [event.get("broken_off") for event in said] == [True]


def test_every_sentence_has_its_last_look(clock: Clock) -> None:
    stage = Stage(clock, Tone())
    speaker = stage.speaker()
    looked: list[str] = []

    def finish(sentence: Sentence) -> Sentence:
        looked.append(sentence.text)
        return replace(sentence, text=sentence.text.upper())

    speaker.finish = finish
    spoken = say(speaker, *THREE)
    assert looked == list(THREE)
    assert texts_of(spoken.heard) == [text.upper() for text in THREE]
    assert stage.voice is not None
    assert stage.voice.said == [event["text"] for event in stage.events] == [text.upper() for text in THREE]


def test_an_unsaid_sentence_comes_back_as_it_was_written() -> None:
    stage = Stage(VirtualClock(), None, ear=Ear(at=1))
    speaker = stage.speaker()
    speaker.finish = lambda sentence: replace(sentence, text=sentence.text.upper())
    assert texts_of(say(speaker, *THREE).unsaid) == list(THREE[1:])


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    for breaks_on, at in (("", 0), ("fell", 0), ("", 1)):
        say(Stage(RealClock(), Tone(breaks_on), ear=Ear(at=at)).speaker(), *THREE)
    deadline = time.monotonic() + 1
    while not set(threading.enumerate()) <= before and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread that has said its last needs a moment to end
    assert set(threading.enumerate()) <= before


def test_a_virtual_clock_starts_no_thread() -> None:
    before = set(threading.enumerate())
    stage = Stage(VirtualClock(), Tone())
    speaker = stage.speaker()
    speaker.add(Sentence("One.", "en"))
    assert set(threading.enumerate()) <= before
    assert [event["text"] for event in stage.events] == ["One."], "said at once"
    speaker.wait()


def test_the_first_sentence_is_spoken_while_the_next_is_written() -> None:
    stage = Stage(RealClock(), Tone())
    speaker = stage.speaker()
    speaker.add(Sentence("One.", "en"))
    deadline = time.monotonic() + 2
    while not stage.screen.words and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stage.screen.words == ["One"]
    speaker.add(Sentence("Two.", "en"))
    assert texts_of(speaker.wait().heard) == ["One.", "Two."]


def test_waiting_for_nothing_gives_nothing() -> None:
    for clock in clocks():
        assert Stage(clock).speaker().wait() == Spoken((), (), None)


def test_busy_says_whether_a_reply_has_begun() -> None:
    speaker = Stage(VirtualClock()).speaker()
    busy = [speaker.busy]
    speaker.add(Sentence("One.", "en"))
    busy.append(speaker.busy)
    speaker.wait()
    assert [*busy, speaker.busy] == [False, True, False]


def test_loudness_and_samples_reach_body_and_sink() -> None:
    played: list[int] = []

    class Counting(SilentSink):
        def play(self, samples: NDArray[np.int16], rate: int) -> None:
            played.append(len(samples))
            super().play(samples, rate)

    stage = Stage(VirtualClock(), Tone())
    speaker = stage.speaker()
    speaker.sink = Counting(stage.clock)
    say(speaker, "Two words.")
    assert played == [round(RATE * WORD)] * 2
