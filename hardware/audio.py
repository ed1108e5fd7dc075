"""Where the robot's voice goes: a loudspeaker, a WAV file, nowhere, or two of these at once.

A sink plays in order and never makes its caller wait. ``position`` is how many seconds of the present sentence have been heard:
it counts from 0 again when sound arrives after everything before it was heard. Samples are mono int16.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.ports import Clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXACT = 1e-6  # seconds: less than a sample, more than rounding
_FADE = 0.005  # seconds in which a sound that is broken off fades, so that it does not click
_HEADER = 44


class Sink(Protocol):
    """A way to be heard."""

    def play(self, samples: NDArray[np.int16], rate: int) -> None:
        """Queue sound behind what is still to be heard. Returns at once."""
        ...

    def position(self) -> float:
        """Seconds of the present sentence heard so far; keeps its value when the sentence is over."""
        ...

    def cancel(self) -> None:
        """Fall silent now; what has not been heard is dropped."""
        ...

    def close(self) -> None: ...


class SilentSink:
    """Is not heard, but takes the time that it would take on the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._until = clock.now()

    def play(self, samples: NDArray[np.int16], rate: int) -> None:
        now = self._clock.now()
        if now >= self._until - _EXACT:
            self._began = self._until = now
        self._until += len(samples) / rate

    def position(self) -> float:
        return max(0.0, min(self._clock.now(), self._until) - self._began)

    def cancel(self) -> None:
        self._until = max(self._began, min(self._clock.now(), self._until))

    def close(self) -> None:
        self.cancel()


class WavSink:
    """Writes the robot's side into one WAV file, each sentence at its time, with silence between, and only what was heard.

    The header grows with the file, so the file can be played even when the program is killed. The first sound decides the rate;
    another one is resampled. Raises OSError when the file cannot be written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock, self._rate = clock, 0
        self._zero = clock.now()
        self._timing = SilentSink(clock)
        self._lock = threading.Lock()
        self._end = 0  # samples in the file
        self._start = 0  # first sample of the present sentence
        self._file = path.open("wb")
        self._write_header(16000)

    def play(self, samples: NDArray[np.int16], rate: int) -> None:
        with self._lock:
            if self._file.closed:
                return
            self._rate = self._rate or rate
            fresh = self._clock.now() >= self._timing._until - _EXACT
            self._timing.play(samples, rate)
            if fresh:  # silence since the last sentence: the file is longer, and zero there
                self._start = max(self._end, round((self._clock.now() - self._zero) * self._rate))
                self._end = self._start
                self._file.truncate(_HEADER + 2 * self._end)
            data = resampled(samples, rate, self._rate).astype("<i2").tobytes()
            self._file.seek(_HEADER + 2 * self._end)
            self._file.write(data)
            self._end += len(data) // 2
            self._write_header(self._rate)

    def position(self) -> float:
        return self._timing.position()

    def cancel(self) -> None:
        with self._lock:
            self._timing.cancel()
            heard = self._start + round(self._timing.position() * self._rate)
            if not self._file.closed and heard < self._end:
                self._end = heard
                self._file.truncate(_HEADER + 2 * heard)
                self._write_header(self._rate)

    def close(self) -> None:
        self.cancel()
        with self._lock:
            self._file.close()

    def _write_header(self, rate: int) -> None:
        size = 2 * self._end
        header = struct.pack(
            "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size
        )
        self._file.seek(0)
        self._file.write(header)
        self._file.flush()


class SpeakerSink:
    """Plays through the default sound device. Raises sounddevice.PortAudioError when there is none (see :func:`speaker`).

    PortAudio's own thread fetches blocks; ``position`` follows the device's clock: it is what is heard, not what is queued.
    """

    def __init__(self, sounddevice: Any, rate: int = 22050) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._queue: deque[NDArray[np.int16]] = deque()
        self._given = 0  # samples of the present sentence handed to the device
        self._waiting = 0  # samples in the queue
        self._block_begin = 0.0  # device time at which the last block is heard
        self._block_given = 0  # samples given before that block
        self._stream = sounddevice.RawOutputStream(samplerate=rate, channels=1, dtype="int16", callback=self._fetch)
        self._stream.start()

    def play(self, samples: NDArray[np.int16], rate: int) -> None:
        sound = resampled(samples, rate, self._rate)
        with self._lock:
            if not self._waiting and self._heard() >= self._given:
                self._given = self._block_given = 0
            self._queue.append(sound)
            self._waiting += len(sound)

    def position(self) -> float:
        with self._lock:
            return self._heard() / self._rate

    def cancel(self) -> None:
        with self._lock:
            rest = self._take(int(_FADE * self._rate))
            self._queue.clear()
            self._waiting = len(rest)
            if len(rest):
                self._queue.append((rest * [1 - i / len(rest) for i in range(len(rest))]).astype("int16"))

    def close(self) -> None:
        self.cancel()
        self._stream.stop()  # after the fade has been heard
        self._stream.close()

    def _heard(self) -> float:
        passed = (float(self._stream.time) - self._block_begin) * self._rate
        return min(float(self._given), self._block_given + max(0.0, passed))

    def _fetch(self, out: Any, frames: int, time: Any, status: object) -> None:
        """PortAudio asks for the next block."""
        with self._lock:
            block = self._take(frames)
            self._waiting -= len(block)
            if len(block):
                self._block_begin, self._block_given = time.outputBufferDacTime, self._given
                self._given += len(block)
        data = block.tobytes()
        out[: len(data)] = data
        out[len(data) :] = bytes(2 * frames - len(data))

    def _take(self, count: int) -> NDArray[np.int16]:
        import numpy as np

        taken: list[NDArray[np.int16]] = []
        while count and self._queue:
            first = self._queue.popleft()
            taken.append(first[:count])
            if len(first) > count:
                self._queue.appendleft(first[count:])
            count -= len(taken[-1])
        return np.concatenate(taken) if taken else np.zeros(0, np.int16)


class BothSinks:
    """Heard in two places, for a loudspeaker and a file. The first one tells the time."""

    def __init__(self, first: Sink, second: Sink) -> None:
        self._sinks = (first, second)

    def play(self, samples: NDArray[np.int16], rate: int) -> None:
        for sink in self._sinks:
            sink.play(samples, rate)

    def position(self) -> float:
        return self._sinks[0].position()

    def cancel(self) -> None:
        for sink in self._sinks:
            sink.cancel()

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()


def speaker(clock: Clock, rate: int = 22050) -> tuple[Sink, str]:
    """The loudspeaker and "", or a silent sink and why it is silent, in a line. Never a loudspeaker on a virtual clock."""
    if clock.virtual:
        return SilentSink(clock), ""
    try:
        import sounddevice
    except ImportError:
        return SilentSink(clock), "No sound: the package sounddevice is missing (make install EXTRAS=voice)."
    except OSError:
        return SilentSink(clock), "No sound: PortAudio is missing (on Debian and Ubuntu: apt install libportaudio2)."
    try:
        return SpeakerSink(sounddevice, rate), ""
    except (sounddevice.PortAudioError, OSError, ValueError) as error:
        return SilentSink(clock), f"No sound: there is no sound device ({str(error).splitlines()[0]})."


def resampled(samples: NDArray[np.int16], rate: int, wanted: int) -> NDArray[np.int16]:
    """Samples at another rate, by straight lines between them: enough for speech that changes its voice mid-session."""
    if rate == wanted or not len(samples):
        return samples
    import numpy as np

    count = round(len(samples) * wanted / rate)
    return np.interp(np.arange(count) * rate / wanted, np.arange(len(samples)), samples).astype(np.int16)
