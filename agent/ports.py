"""What the conversation asks of the world. Every tenant (a model, a voice, a body) is one of these protocols.

Nothing in here does anything; ``agent.run`` is the only place that chooses tenants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from agent.turn import Language, Sentence, Utterance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Clock(Protocol):
    """Time as the session sees it: real, or virtual for a session that runs as fast as it can."""

    @property
    def virtual(self) -> bool: ...

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def utc(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Listening:
    """How to listen: which question is open, in which language, and for how long.

    ``patience`` is seconds of silence before it counts as an answer of its own. ``words`` are names and answers a
    recogniser may expect. ``about`` names the open question (``Pending.about``).
    """

    question: str
    language: Language
    patience: float
    words: tuple[str, ...] = ()
    about: str = ""


class Ears(Protocol):
    """Hears the child."""

    def listen(self, how: Listening) -> Utterance:
        """Wait for the child's turn. Silence is an utterance with an empty text, never an exception."""
        ...

    def overheard(self) -> Utterance | None:
        """What the child said while the robot was speaking, without waiting; None if nothing."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Message:
    """One chat message: role is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """A request to a language model: the messages, and the same facts as named values for tenants without one."""

    messages: tuple[Message, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


class LLM(Protocol):
    """A language model with adapters."""

    @property
    def name(self) -> str: ...

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        """The answer, piece by piece, as it is written. Closing the iterator cancels the writing."""
        ...

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        """The log-likelihood of each option, parallel to ``options``."""
        ...


@dataclass(frozen=True)
class VoiceStyle:
    """How a personality sounds. ``rate`` 1.0 is the voice's own; ``pitch`` in semitones; ``range`` 1.0 is the voice's
    own intonation; ``loudness`` in dB; pauses in seconds: before an answer and between two sentences."""

    rate: float = 1.0
    pitch: float = 0.0
    range: float = 1.0
    loudness: float = 0.0
    pause_before: float = 1.0
    pause_between: float = 0.5


@dataclass(frozen=True)
class MotionStyle:
    """How a personality moves. ``amplitude`` and ``velocity`` scale gestures (1.0 as authored); ``beats`` are emphasis
    beats a minute while speaking; ``antennas`` is ``sway``, ``normal`` or ``perk``; ``aversion`` seconds of looking away before
    speaking; ``breathing`` in Hz."""

    amplitude: float = 1.0
    velocity: float = 1.0
    beats: float = 11.0
    antennas: str = "normal"
    aversion: float = 0.6
    breathing: float = 0.2


@dataclass(frozen=True)
class Word:
    """One spoken word: the slice ``text[begin:end]`` of its sentence, and when it starts, in seconds of its audio."""

    begin: int
    end: int
    start: float


@dataclass(frozen=True)
class Sound:
    """A piece of speech: mono int16 samples, and the words that start within it (times from the sentence's start)."""

    samples: NDArray[np.int16]
    words: tuple[Word, ...] = ()


class Voice(Protocol):
    """Turns one sentence into sound, piece by piece. Closing the iterator cancels."""

    @property
    def name(self) -> str: ...

    @property
    def rate(self) -> int:
        """Samples a second."""
        ...

    def say(self, text: str, language: Language, style: VoiceStyle) -> Iterator[Sound]: ...

    def close(self) -> None: ...


class Sink(Protocol):
    """Where sound goes: a loudspeaker, a file, nowhere. It plays in order and never makes its caller wait."""

    def play(self, samples: NDArray[np.int16], rate: int) -> None:
        """Queue sound behind what is still to be heard."""
        ...

    def position(self) -> float:
        """Seconds of the present sentence heard so far; a sentence begins when sound arrives after all before it was heard."""
        ...

    def cancel(self) -> None:
        """Fall silent now; what has not been heard is dropped."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Pose:
    """Where the body is: head in degrees and millimetres, antennas (left, right) and body in degrees."""

    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    left: float = 0.0
    right: float = 0.0
    body: float = 0.0


class Robot(Protocol):
    """The body. No call waits for a movement to end, and none raises for what a motor cannot do: see ``reports``."""

    @property
    def name(self) -> str: ...

    @property
    def gesture(self) -> str:
        """The gesture being performed now, or ""."""
        ...

    def perform(self, gesture: str, style: MotionStyle) -> None:
        """Start a gesture now; one that is running is blended out."""
        ...

    def speak(self, loudness: Sequence[float], hop: float, style: MotionStyle) -> None:
        """Sway with a sentence that starts now: ``loudness`` from 0 to 1, one value every ``hop`` seconds."""
        ...

    def hush(self) -> None:
        """The sentence was broken off: stop swaying at once."""
        ...

    def listen(self, on: bool) -> None:
        """Hold still (apart from nothing at all) while the microphone is open."""
        ...

    def pose(self) -> Pose: ...

    def reports(self) -> list[str]:
        """What had to be clamped or went wrong since the last call, a line each."""
        ...

    def close(self) -> None:
        """Go to sleep and let go of the motors, whatever state they are in."""
        ...


class Screen(Protocol):
    """What a person beside the robot sees. Gets every event of the session, and each word as it is spoken."""

    def show(self, event: Mapping[str, object]) -> None: ...

    def word(self, sentence: Sentence, word: Word) -> None: ...

    def close(self) -> None: ...


class Log(Protocol):
    """The record of the session: append-only, gapless."""

    def write(self, kind: str, **values: object) -> None: ...
