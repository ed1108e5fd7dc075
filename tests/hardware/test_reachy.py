from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import RealClock, VirtualClock
from agent.ports import MotionStyle, Pose
from hardware import connect as connecting
from hardware import reachy
from hardware.connect import Missing, connect
from hardware.motion import Motion
from hardware.reachy import ReachyBody, _command, _row
from hardware.simulator import Simulator
from hardware.workspace import SLEEP, Rows, as_row

_ANGLE = st.floats(-80, 80)
_HERE = st.tuples(_ANGLE, _ANGLE, _ANGLE, *[st.floats(-50, 50)] * 3, _ANGLE, _ANGLE, _ANGLE).map(np.array)


class _Robot:
    """The part of reachy_mini.ReachyMini that is used. Goes at once where it is told; ``away`` makes it unreachable."""

    def __init__(self, row: Rows = SLEEP) -> None:
        self.head, self.antennas, self.body = _command(row)
        self.away = self.hung_up = False
        self.motors: bool | None = None
        self.targets: list[Rows] = []

    def _check(self) -> None:
        if self.away:
            raise ConnectionError("Lost connection with the server.")

    def set_target(self, head: Any, antennas: list[float], body_yaw: float) -> None:
        self._check()
        self.head, self.antennas, self.body = head, antennas, body_yaw
        self.targets.append(_row(head, antennas, body_yaw))

    def get_current_head_pose(self) -> Any:
        self._check()
        return self.head

    def get_current_joint_positions(self) -> tuple[list[float], list[float]]:
        self._check()
        return [self.body] + [0.0] * 6, self.antennas

    def disable_motors(self) -> None:
        self._check()
        self.motors = False

    def __exit__(self, *_: object) -> None:
        self.hung_up = True


@given(_HERE)
def test_a_pose_survives_the_way_to_the_robot_and_back(row: Rows) -> None:
    assert np.allclose(_row(*_command(row)), row, atol=1e-6)


def test_the_signs_are_those_of_the_sdk() -> None:
    head, antennas, body = _command(as_row(Pose(yaw=90.0, x=10.0, left=10.0, right=20.0, body=30.0)))
    assert np.allclose(head[:3, 0], [0, 1, 0])  # its nose points to its left
    assert head[0, 3] == pytest.approx(0.01)
    assert np.degrees(antennas) == pytest.approx([-20.0, 10.0])  # [right, left]; outwards is negative on the right
    assert np.degrees(body) == pytest.approx(30.0)
    down = _command(as_row(Pose(pitch=30.0)))[0]
    assert down[2, 0] == pytest.approx(-0.5)  # the nose goes down


def test_only_the_newest_target_is_sent() -> None:
    robot = _Robot()
    body = ReachyBody("reachy", lambda: robot, None)
    body.follow(np.array([SLEEP, as_row(Pose(pitch=5.0))]))
    assert len(robot.targets) == 1
    assert np.allclose(body.present(), as_row(Pose(pitch=5.0)))


def test_a_robot_that_goes_away_is_called_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachy, "_WAITS", (0.02, 0.04))
    first, second = _Robot(), _Robot()
    answers: list[Any] = [first, ConnectionError("no"), Missing("not yet"), second]

    def dial() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    body = ReachyBody("reachy", dial, None)
    target = np.array([as_row(Pose(pitch=10.0))])
    body.follow(target)
    first.away = True
    for _ in range(3):
        body.follow(target)
    lines = body.troubles()
    assert len(lines) == 1
    assert "by voice" in lines[0]
    assert np.allclose(body.present(), SLEEP)  # what it told last
    until = time.monotonic() + 3
    while not (lines := body.troubles()) and time.monotonic() < until:
        time.sleep(0.01)
    assert lines == ["The robot is back."]
    assert first.hung_up
    body.follow(target)
    assert np.abs(second.targets[0] - SLEEP).max() < 20  # led there, not thrown
    monkeypatch.setattr(reachy, "_EASE", 0.0)
    body.follow(target)
    assert np.allclose(second.targets[-1], target[0])
    body.close()
    assert second.motors is False
    assert second.hung_up


def test_closing_while_it_is_away_ends_the_calling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachy, "_WAITS", (0.05,))
    robots = [_Robot()]
    body = ReachyBody("reachy", robots[0:1].pop, None)
    robots[0].away = True
    body.follow(SLEEP[None, :])
    body.close()
    time.sleep(0.15)
    assert not any(thread.name == "call the robot" for thread in threading.enumerate())
    body.follow(SLEEP[None, :])


def test_a_session_goes_on_without_its_robot() -> None:
    robot = _Robot()
    motion = Motion(ReachyBody("reachy", lambda: robot, None), RealClock())
    robot.away = True
    motion.perform("nod", MotionStyle())
    time.sleep(0.2)
    assert any("by voice" in line for line in motion.reports())
    motion.pose()
    motion.close()


@pytest.mark.parametrize(
    ("kind", "words"),
    [("mujocko", "mujoco"), ("simulator:here", "there are"), ("", "simulator, mockup, mujoco, reachy"), ("Reachy", "reachy")],
)
def test_an_unknown_robot_names_the_nearest(kind: str, words: str) -> None:
    with pytest.raises(ValueError, match="there is no robot") as caught:
        connect(kind, VirtualClock())
    assert words in str(caught.value)


def test_the_simulator_is_always_there() -> None:
    robot = connect("simulator", VirtualClock())
    assert robot.name == Simulator.name == "simulator"
    robot.close()


@pytest.mark.parametrize("kind", ["mockup", "mujoco", "reachy", "reachy:robot.local:8123"])
def test_without_the_sdk_it_says_what_to_install(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "reachy_mini", None)
    with pytest.raises(Missing, match="EXTRAS=robot"):
        connect(kind, VirtualClock())
    assert "EXTRAS=robot" in connecting.INSTALL
