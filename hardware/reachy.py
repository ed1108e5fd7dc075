"""The SDK's robots: its simulators and the real Reachy Mini, behind ``hardware.motion.Body``.

The SDK does not come back by itself when its daemon goes away: then a thread of ours knocks again and again, the story goes on
by voice, and once the robot is back it is led from where it is to where it should be.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hardware.connect import INSTALL, PORT, Missing
from hardware.curves import smooth
from hardware.daemon import Daemon, prepare_environment
from hardware.workspace import SLEEP, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EASE = 1.0  # seconds in which a robot that came back is led to the present target
_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds between two attempts; the last one for ever

Dial = Callable[[], Any]  # gives a connected reachy_mini.ReachyMini


def simulated_body(kind: str) -> ReachyBody:
    """``mockup`` or ``mujoco``: starts the daemon for it, and stops it at the end."""
    daemon = Daemon(kind)

    def dial() -> Any:
        if not daemon.running:
            daemon.start()
        return _dial(port=daemon.port, connection_mode="localhost_only")

    try:
        return ReachyBody(kind, dial, daemon)
    except _gone() as error:
        daemon.stop()
        raise Missing(f"The {kind} simulator started but does not answer: {error}") from None


def real_body(address: str) -> ReachyBody:
    """The robot at ``HOST[:PORT]``, or at this machine's own daemon or reachy-mini.local when nothing is given."""
    host, _, port = address.partition(":")
    number = int(port) if port.isdecimal() else PORT

    def dial() -> Any:
        where = {"host": host, "connection_mode": "network"} if host else {"connection_mode": "auto"}
        robot = _dial(port=number, **where)
        robot.enable_motors()
        return robot

    try:
        return ReachyBody("reachy", dial, None)
    except _gone():
        raise Missing(
            f"No Reachy Mini answers at {host or 'localhost and reachy-mini.local'}, port {number}. Is it switched on? "
            "A Reachy Mini Lite needs reachy-mini-daemon running on the computer it is plugged into."
        ) from None


@cache
def _gone() -> tuple[type[Exception], ...]:
    """What the SDK raises when its daemon is away. It lets the errors of its own transport through."""
    try:
        from websockets.exceptions import WebSocketException
    except ImportError:
        return (OSError, TimeoutError)
    return (OSError, TimeoutError, WebSocketException)  # a ConnectionError is an OSError


def _dial(**where: Any) -> Any:
    prepare_environment()
    try:
        from reachy_mini import ReachyMini
    except ImportError as error:
        raise Missing(f"{INSTALL} ({error})") from None
    logging.getLogger("reachy_mini").setLevel(logging.ERROR)
    return ReachyMini(media_backend="no_media", log_level="ERROR", timeout=10.0, **where)


class ReachyBody:
    """A robot of the SDK. ``follow`` is called by one thread only."""

    def __init__(self, name: str, dial: Dial, daemon: Daemon | None) -> None:
        self.name = name
        self._dial, self._daemon = dial, daemon
        self._lines: deque[str] = deque(maxlen=20)
        self._closed = threading.Event()
        self._seen: Rows = SLEEP.copy()
        self._from: Rows | None = None
        self._since = 0.0
        self._robot: Any = dial()
        self._seen = self.present()

    def present(self) -> Rows:
        """Where the robot says that it is; while it is away, where it was last."""
        robot = self._robot
        if robot is not None:
            with contextlib.suppress(*_gone()):
                joints, antennas = robot.get_current_joint_positions()
                self._seen = _row(robot.get_current_head_pose(), antennas, joints[0])
        return self._seen

    def follow(self, targets: Rows) -> None:
        robot = self._robot
        if robot is None or self._closed.is_set():
            return
        target = self._eased(targets[-1])
        try:
            head, antennas, body = _command(target)
            robot.set_target(head=head, antennas=antennas, body_yaw=body)
        except _gone() as error:
            self._robot = None
            self._lines.append(f"The robot does not answer ({error}). The story goes on by voice; the robot is called again.")
            threading.Thread(target=self._call_again, args=(robot,), name="call the robot", daemon=True).start()

    def _eased(self, target: Rows) -> Rows:
        """After an absence: from where the robot is to where it should be, in :data:`_EASE` seconds."""
        if self._from is None:
            return target
        passed = time.monotonic() - self._since
        if passed >= _EASE:
            self._from = None
            return target
        eased: Rows = self._from + float(smooth(np.array(passed / _EASE))) * (target - self._from)
        return eased

    def _call_again(self, old: Any) -> None:
        _let_go(old)
        attempt = 0
        while not self._closed.wait(_WAITS[min(attempt, len(_WAITS) - 1)]):
            attempt += 1
            try:
                robot = self._dial()
            except Missing:
                continue
            except _gone():
                continue
            if self._closed.is_set():
                _let_go(robot)
                if self._daemon is not None:
                    self._daemon.stop()
                return
            self._robot = robot
            self._from, self._since = self.present(), time.monotonic()
            self._lines.append("The robot is back.")
            return

    def troubles(self) -> list[str]:
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return lines

    def close(self) -> None:
        """Let go of the motors of a real robot (it is asleep by now), hang up, and stop the daemon if it is ours."""
        self._closed.set()
        robot, self._robot = self._robot, None
        if robot is not None:
            if self._daemon is None:
                with contextlib.suppress(*_gone()):
                    robot.disable_motors()
            _let_go(robot)
        if self._daemon is not None:
            self._daemon.stop()


def _let_go(robot: Any) -> None:
    """The SDK hangs up in ``__exit__`` (which gives back the media, too)."""
    with contextlib.suppress(*_gone()):
        robot.__exit__(None, None, None)


def _command(row: Rows) -> tuple[NDArray[np.float64], list[float], float]:
    """A row as the SDK wants it: a 4x4 matrix in metres, antennas [right, left] and the body's yaw in radians.

    In the SDK both antennas turn the same way round: outwards is positive on the left and negative on the right.
    """
    roll, pitch, yaw = np.radians(row[:3])
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, yaw))
    head = np.eye(4)
    head[0, :3] = cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr
    head[1, :3] = sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr
    head[2, :3] = -sp, cp * sr, cp * cr
    head[:3, 3] = row[3:6] / 1000
    return head, [float(-np.radians(row[7])), float(np.radians(row[6]))], float(np.radians(row[8]))


def _row(head: NDArray[np.float64], antennas: list[float], body: float) -> Rows:
    """The inverse of :func:`_command`."""
    head = np.asarray(head)
    roll = np.arctan2(head[2, 1], head[2, 2])
    pitch = np.arcsin(np.clip(-head[2, 0], -1, 1))
    yaw = np.arctan2(head[1, 0], head[0, 0])
    angles = np.degrees([roll, pitch, yaw])
    return np.array([*angles, *(head[:3, 3] * 1000), *np.degrees([antennas[1], -antennas[0], body])])
