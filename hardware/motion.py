"""The one owner of the motors.

Design. What the robot should do is a plan: a few layers (gesture, speech, gaze, breathing), each a pure function of time, that
are added up. Every call of the port changes the plan and leaves behind a ``Settle``: the difference between the old plan and
the new one at that moment, in position and velocity, which fades away. So nothing ever jumps, however calls follow each other.
The sum is brought to the nearest reachable pose, held to the fastest allowed change, and given to the body as a batch of rows.

Threads. With a real clock one daemon thread evaluates the plan 50 times a second and is the only caller of ``Body.follow``;
calls of the port come from any thread, change the plan under a lock and return at once. With a virtual clock there is no
thread: each call first evaluates all ticks since the last one in a single batch. The code is the same.

Units. Degrees, millimetres, seconds on the session's clock; rows and axes as in ``hardware.workspace``.

Safety. NaN and infinity are refused where they come in, and a row that is not finite never reaches the body. While listening
the target is frozen to the digit from the next tick on: motor noise destroys recognition. ``close`` always tries the sleep pose
and then lets go. Nothing here raises for what a motor cannot do; ``reports`` tells it, once per gesture.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from agent.ports import Clock, MotionStyle, Pose
from hardware.curves import Settle
from hardware.gestures import gestures, track
from hardware.layers import ANTENNA_SIZE, Gaze, Idle, Layer, Performance, Speech, Still, beats_in
from hardware.workspace import AXES, SLEEP, UNITS, Rows, as_pose, clamp, limit_steps

TICK = 0.02
HUSH = 0.08  # seconds until the sway of a sentence that was broken off has ended
_WAKE, _FALL_ASLEEP = 1.0, 1.2
_BATCH = 4096  # ticks evaluated at once
_LATE = 25  # ticks: a computer that slept is not made up for on a real robot
_PROBE = 1e-4  # seconds between the two samples that give a velocity


class Body(Protocol):
    """Something with motors: a simulator or the SDK."""

    @property
    def name(self) -> str: ...

    def present(self) -> Rows:
        """The pose it is in now."""
        ...

    def follow(self, targets: Rows) -> None:
        """Go through these targets, one a tick; the last one is for now. Never raises for a lost connection."""
        ...

    def troubles(self) -> list[str]:
        """What went wrong since the last call, a line each."""
        ...

    def close(self) -> None: ...


class Motion:
    """Moves a body as the conversation asks: the port ``agent.ports.Robot``."""

    def __init__(self, body: Body, clock: Clock) -> None:
        self._body, self._clock = body, clock
        self._lock = threading.RLock()
        self._origin = clock.now()
        self._ticks = 0  # ticks evaluated since the origin
        self._command = clamp(np.array(body.present(), dtype=np.float64)[None, :])[0][0]
        self._style = MotionStyle()
        self._layers: dict[str, Layer] = {}
        self._settles: list[Settle] = []
        self._frozen: Rows | None = None
        self._after_listening: tuple[str, MotionStyle] | None = None
        self._side = 1.0
        self._owed_beats = 0.5
        self._lines: deque[str] = deque(maxlen=100)
        self._told: set[str] = set()
        self._closing = self._closed = False
        with self._lock:
            self._layers["rest"] = Still(self._command)
            self._change(self._origin, _WAKE, rest=None, idle=Idle(self._style, self._origin))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if not clock.virtual:
            self._thread = threading.Thread(target=self._run, name="motion", daemon=True)
            self._thread.start()

    # The port

    @property
    def name(self) -> str:
        return self._body.name

    @property
    def gesture(self) -> str:
        """The gesture being performed now, or ""."""
        with self._lock:
            now = self._catch_up()
            current = self._layers.get("gesture")
            return current.name if isinstance(current, Performance) and now < current.end else ""

    def perform(self, gesture: str, style: MotionStyle) -> None:
        """Start a gesture now. While listening it waits until listening ends; an unknown name or style is reported."""
        with self._lock:
            now = self._catch_up()
            if self._closing or not gesture or not self._usable(style):
                return
            if gesture not in gestures():
                self._say(f"there is no gesture “{gesture}”")
            elif self._frozen is not None:
                self._after_listening = (gesture, style)
            else:
                self._start(gesture, style, now)

    def speak(self, loudness: Sequence[float], hop: float, style: MotionStyle) -> None:
        """Sway with a sentence that starts now: ``loudness`` from 0 to 1, one value every ``hop`` seconds."""
        with self._lock:
            now = self._catch_up()
            if self._closing or not self._usable(style):
                return
            values = np.asarray(loudness, dtype=np.float64)
            if not (np.isfinite(values).all() and 0 < hop <= 10):
                self._say("the loudness of a sentence was not a number: it is spoken without sway")
                return
            self._take_on(style, now)
            if len(values):
                values = np.clip(values, 0.0, 1.0)
                self._owed_beats += len(values) * hop * max(style.beats, 0.0) / 60
                due = min(int(self._owed_beats), len(values))
                self._owed_beats -= due
                speech = Speech(values, hop, beats_in(values, hop, due), style, now)
                self._told.discard("speech")
                self._change(now, 0.2, speech=speech, gaze=None)

    def hush(self) -> None:
        """The sentence was broken off: the sway has ended within :data:`HUSH` seconds. A gesture goes on."""
        with self._lock:
            now = self._catch_up()
            if not self._closing:
                self._change(now, HUSH, speech=None)

    def listen(self, on: bool) -> None:
        """Hold still while the microphone is open. Afterwards the gaze wanders for as long as the style says."""
        with self._lock:
            now = self._catch_up()
            if self._closing or on == (self._frozen is not None):
                return
            if on:
                self._frozen = self._command
                self._layers.pop("gesture", None)
                self._layers.pop("gaze", None)
                return
            self._thaw(now, 0.4)
            if self._style.aversion > 0:
                self._side = -self._side
                self._change(now, 0.2, gaze=Gaze(self._style.aversion, self._side, now))
            if waiting := self._after_listening:
                self._after_listening = None
                self._start(*waiting, now)

    def pose(self) -> Pose:
        """Where the body is now, as far as it tells."""
        with self._lock:
            self._catch_up()
        return as_pose(self._body.present())

    def reports(self) -> list[str]:
        """What had to be clamped or went wrong since the last call, a line each."""
        with self._lock:
            self._catch_up()
            lines = [*self._lines, *self._body.troubles()]
            self._lines.clear()
            return lines

    def close(self) -> None:
        """Go to sleep (it takes about a second on a real clock) and let go of the motors. Twice is once."""
        with self._lock:
            if self._closing:
                return
            now = self._catch_up()
            self._closing = True
            self._thaw(now, 0.3)
            asleep: dict[str, Layer | None] = {**dict.fromkeys(self._layers), "rest": Still(SLEEP)}
            self._change(now, _FALL_ASLEEP, **asleep)
            if self._thread is None:
                self._advance(now + _FALL_ASLEEP + 2 * TICK)
        if self._thread is not None:
            self._stop.wait(_FALL_ASLEEP + 3 * TICK)  # the thread sets it when it cannot go on
            self._stop.set()
            self._thread.join(timeout=2.0)
        self._closed = True
        try:
            self._body.close()
        except Exception as error:  # a driver's own failure: the session must end in any case, and says why
            self._say(f"the robot could not be let go: {error}")

    # The plan

    def _start(self, gesture: str, style: MotionStyle, now: float) -> None:
        self._take_on(style, now)
        self._told.discard("gesture")
        self._change(now, 0.35, gesture=Performance(gesture, track(gesture), style, now))

    def _take_on(self, style: MotionStyle, now: float) -> None:
        if (style.breathing, style.antennas) != (self._style.breathing, self._style.antennas):
            self._change(now, 0.6, idle=Idle(style, now))
        self._style = style

    def _thaw(self, now: float, within: float) -> None:
        """Move again, from the pose that was held, at rest, into the layers."""
        if self._frozen is not None:
            held, self._frozen = self._frozen, None
            place, speed = _ends(list(self._layers.values()), now)
            self._settles = [Settle(now, within, held - place, -speed)]

    def _change(self, now: float, within: float, **layers: Layer | None) -> None:
        """Put layers in place of those of the same name (None: nothing); what that changes fades within seconds."""
        old = [self._layers[name] for name in layers if name in self._layers and self._layers[name].end > now]
        new = [layer for layer in layers.values() if layer is not None]
        for name, layer in layers.items():
            if layer is None:
                self._layers.pop(name, None)
            else:
                self._layers[name] = layer
        (was, was_going), (is_, is_going) = _ends(old, now), _ends(new, now)
        if np.abs(was - is_).max() > 1e-9 or np.abs(was_going - is_going).max() > 1e-9:
            self._settles.append(Settle(now, within, was - is_, was_going - is_going))

    def _usable(self, style: MotionStyle) -> bool:
        numbers = (style.amplitude, style.velocity, style.beats, style.aversion, style.breathing)
        usable = style.antennas in ANTENNA_SIZE and all(math.isfinite(value) for value in numbers)
        if not usable:
            self._say(f"a way of moving that is none was ignored: {style}")
        return usable

    # Time

    def _catch_up(self) -> float:
        """The time now; on a virtual clock all ticks until now are behind us afterwards."""
        now = self._clock.now()
        if self._thread is None and not self._closing:
            self._advance(now)
        return now

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                rows = self._rows_until(self._clock.now(), skip=True)
            if len(rows):
                try:
                    self._body.follow(rows)
                except Exception as error:  # whatever a driver throws must not end the only thread that can go to sleep
                    self._tell(f"driver {error}", f"the robot did not take a movement: {error}")
            self._stop.wait(max(0.0, self._origin + (self._ticks + 1) * TICK - self._clock.now()))

    def _advance(self, now: float) -> None:
        while len(rows := self._rows_until(now)):
            self._body.follow(rows)

    def _rows_until(self, now: float, skip: bool = False) -> Rows:
        """The next targets up to ``now``, at most a batch of them. ``skip``: what lies far back is left out."""
        last = math.floor((now - self._origin) / TICK + 1e-6)
        first = self._ticks + 1
        if skip and last - first > _LATE:
            first = last
        last = min(last, first + _BATCH - 1)
        if last < first:
            return np.empty((0, 9))
        self._ticks = last
        times: Rows = self._origin + np.arange(first, last + 1, dtype=np.float64) * TICK
        if self._frozen is not None:
            return np.repeat(self._frozen[None, :], len(times), axis=0)
        rows = self._within_reach(self._sum(times))
        self._command = rows[-1]
        return rows

    def _sum(self, times: Rows) -> Rows:
        rows = np.zeros((len(times), 9))
        for layer in self._layers.values():
            if layer.end > times[0]:
                rows += layer.at(times)
        for settle in self._settles:
            rows += settle.at(times)
        self._settles = [settle for settle in self._settles if settle.start + settle.duration > times[-1]]
        return rows

    def _within_reach(self, rows: Rows) -> Rows:
        """What of the wanted rows the robot may be given; what had to give way is reported."""
        finite = np.asarray(np.isfinite(rows).all(axis=1), dtype=bool)
        if not finite.all():
            self._tell("finite", "a pose that is not a number was refused")
            rows = np.where(finite[:, None], rows, self._command)
        near, moved = clamp(rows)
        if moved.any():
            self._tell_of("out of reach, held at the nearest pose", rows, near)
        slow, held = limit_steps(self._command, near, TICK)
        if held.any():
            self._tell_of("too fast, slowed down", near, slow)
        return slow

    # What to tell

    def _tell_of(self, what: str, wanted: Rows, given: Rows) -> None:
        row, axis = np.unravel_index(int(np.abs(wanted - given).argmax()), wanted.shape)
        current = self._layers.get("gesture")
        kind = "gesture" if isinstance(current, Performance) else "speech"
        who = f"gesture “{current.name}”" if isinstance(current, Performance) else "movement"
        values = f"{wanted[row, axis]:.1f} → {given[row, axis]:.1f} {UNITS[axis]}"
        self._tell(kind, f"{who}: {what} ({AXES[axis]} {values})")

    def _tell(self, kind: str, line: str) -> None:
        """Say it once: ``kind`` is forgotten when the next gesture or sentence starts."""
        if kind not in self._told:
            self._told.add(kind)
            self._say(line)

    def _say(self, line: str) -> None:
        self._lines.append(line)


def _ends(layers: list[Layer], now: float) -> tuple[Rows, Rows]:
    """Position and velocity, at ``now``, of a sum of layers."""
    rows = np.zeros((2, 9))
    for layer in layers:
        rows += layer.at(np.array([now, now + _PROBE]))
    velocity: Rows = (rows[1] - rows[0]) / _PROBE
    return rows[0], velocity
