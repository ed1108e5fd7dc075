"""What the body does at one time, as layers that are added up. Each is a pure function of time.

A gesture is the primary movement. Breathing, the sway of speech with its beats, and the gaze that wanders before an answer
lie on top. All times are seconds on the session's clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from agent.ports import MotionStyle
from hardware.curves import Track, bump, smooth
from hardware.workspace import SPEED, Rows

ROLL, PITCH, YAW, Z, LEFT, RIGHT = 0, 1, 2, 5, 6, 7
ANTENNA_SIZE = {"sway": 0.7, "normal": 1.0, "perk": 1.2}
_REST = 10.0  # degrees outwards: antennas that stand straight up tremble
_SPARE = 0.6  # of the allowed speed is for the gesture, the rest for what lies on top and for blending
_LEAST, _MOST = 0.1, 3.0  # a style's factors are held between these: nothing freezes, nothing is flung


class Layer(Protocol):
    """One part of the movement."""

    @property
    def end(self) -> float:
        """From then on it is neutral, or for ever the same."""
        ...

    def at(self, times: Rows) -> Rows: ...


class Still:
    """A pose that is kept."""

    end = math.inf

    def __init__(self, row: Rows) -> None:
        self._row = row

    def at(self, times: Rows) -> Rows:
        return np.repeat(self._row[None, :], len(times), axis=0)


class Performance:
    """A gesture, sized and timed by a style. It is slowed down where the style would make it faster than the robot may move."""

    def __init__(self, name: str, track: Track, style: MotionStyle, start: float) -> None:
        self.name, self.start, self._track = name, start, track
        size = float(np.clip(style.amplitude, _LEAST, _MOST))
        self._size = np.full(9, size)
        self._size[[LEFT, RIGHT]] *= ANTENNA_SIZE[style.antennas]
        fastest = float((peak_speed(track) * self._size / SPEED).max())
        self.velocity = min(float(np.clip(style.velocity, _LEAST, _MOST)), _SPARE / max(fastest, 1e-9))
        self.end = start + track.duration / self.velocity

    def at(self, times: Rows) -> Rows:
        rows: Rows = self._track.at((times - self.start) * self.velocity) * self._size
        return rows


def peak_speed(track: Track) -> Rows:
    """The highest speed of each axis, a second, measured at 200 Hz."""
    rows = track.at(np.arange(0, track.duration + 0.005, 0.005))
    fastest: Rows = np.abs(np.diff(rows, axis=0)).max(axis=0) / 0.005
    return fastest


class Idle:
    """Breathing, and what the antennas do by themselves: a slow sway, nothing much, or quick perks with small glances."""

    end = math.inf

    def __init__(self, style: MotionStyle, start: float) -> None:
        self.start = start
        self._rate = float(np.clip(style.breathing, 0.05, 0.6))
        self._antennas = style.antennas

    def at(self, times: Rows) -> Rows:
        t = times - self.start
        breath = np.sin(2 * math.pi * self._rate * t)
        rows = np.zeros((len(times), 9))
        rows[:, Z] = 2.5 * breath
        rows[:, LEFT] = rows[:, RIGHT] = _REST
        if self._antennas == "sway":
            sway = 7.0 * np.sin(math.pi * self._rate * t)
            rows[:, LEFT] += sway
            rows[:, RIGHT] -= sway
        elif self._antennas == "perk":
            cycle = t * self._rate
            perk = -12.0 * bump(np.mod(cycle, 1.0) / (0.5 * self._rate))
            rows[:, LEFT] += perk
            rows[:, RIGHT] += perk
            turn = np.floor(cycle / 2)
            glance = bump((np.mod(cycle, 2.0) - 1.0) / (1.4 * self._rate))
            rows[:, YAW] = 6.0 * glance * np.where(np.mod(turn, 2) == 0, 1.0, -1.0)
        else:
            rows[:, LEFT] += 3.0 * breath
            rows[:, RIGHT] += 3.0 * breath
        return rows


class Speech:
    """The sway of a spoken sentence: three sines (pitch 4.5° at 2.2 Hz, yaw 7.5° at 0.6 Hz, roll 2.25° at 1.3 Hz) as large as
    the voice is loud, and small nods at the moments given in ``beats`` (seconds from the start)."""

    def __init__(self, loudness: Rows, hop: float, beats: Sequence[float], style: MotionStyle, start: float) -> None:
        self.start, self.beats = start, tuple(beats)
        self._size = float(np.clip(style.amplitude, _LEAST, _MOST))
        self._times, self._envelope = _softened(loudness, hop)
        self._beat_length = 0.36 / float(np.clip(style.velocity, 0.7, 1.5))
        self._perk = {"sway": 0.0, "normal": 5.0, "perk": 10.0}[style.antennas]
        last_beat = self.beats[-1] + self._beat_length if self.beats else 0.0
        self.end = start + max(float(self._times[-1]), last_beat)

    def at(self, times: Rows) -> Rows:
        t = times - self.start
        loud = np.interp(t, self._times, self._envelope) * self._size
        rows = np.zeros((len(times), 9))
        rows[:, PITCH] = 4.5 * loud * np.sin(2 * math.pi * 2.2 * times)
        rows[:, YAW] = 7.5 * loud * np.sin(2 * math.pi * 0.6 * times)
        rows[:, ROLL] = 2.25 * loud * np.sin(2 * math.pi * 1.3 * times)
        for beat in self.beats:
            hill = bump((t - beat) / self._beat_length)
            rows[:, PITCH] += 4.0 * self._size * hill
            rows[:, LEFT] -= self._perk * hill
            rows[:, RIGHT] -= self._perk * hill
        return rows


def _softened(loudness: Rows, hop: float) -> tuple[Rows, Rows]:
    """Loudness as a curve without corners, every 10 ms, from 0 to 0: a Hann window of 0.16 s over the steps."""
    grid = np.arange(0, len(loudness) * hop + 0.2, 0.01)
    steps = np.interp(grid - 0.08, (np.arange(len(loudness)) + 0.5) * hop, loudness, left=0.0, right=0.0)
    window = np.hanning(19)[1:-1]
    curve = np.convolve(steps, window / window.sum(), mode="same")
    curve *= smooth(grid / 0.1) * smooth((grid[-1] - grid) / 0.1)
    return grid, curve


def beats_in(loudness: Rows, hop: float, count: int) -> list[float]:
    """The loudest moment of each of ``count`` equal parts of a sentence, in seconds: where a speaker would nod."""
    parts = np.array_split(np.arange(len(loudness)), count) if count else []
    return [(int(part[np.argmax(loudness[part])]) + 0.5) * hop for part in parts if len(part)]


class Gaze:
    """Looking away for a moment, up and to one side (+1 left, -1 right), as a person does who is looking for words."""

    def __init__(self, seconds: float, side: float, start: float) -> None:
        self.start = start
        self._length = float(np.clip(seconds, 0.2, 3.0))
        self._size = min(1.0, self._length / 0.6)
        self._side = side
        self.end = start + self._length

    def at(self, times: Rows) -> Rows:
        t = times - self.start
        ramp = min(0.3, self._length / 2)
        away = smooth(t / ramp) * (1 - smooth((t - self._length + ramp) / ramp)) * self._size
        rows = np.zeros((len(times), 9))
        rows[:, YAW] = 13.0 * self._side * away
        rows[:, PITCH] = -6.0 * away
        return rows
