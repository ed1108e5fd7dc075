"""Against the SDK's own daemon: only where the extra ``robot`` is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.clock import RealClock
from agent.ports import MotionStyle
from hardware import reachy
from hardware.connect import Missing, connect
from hardware.daemon import Daemon, free_port, state
from hardware.motion import Motion
from hardware.workspace import AXES, Rows, as_row, clamp, reachable

pytest.importorskip("reachy_mini", reason="the extra robot is not installed (make install EXTRAS=robot)")
pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own


@pytest.fixture
def robot() -> Iterator[Motion]:
    motion = connect("mockup", RealClock())
    assert isinstance(motion, Motion)
    yield motion
    motion.close()


def _daemon(motion: Motion) -> Daemon:
    assert isinstance(motion._body, reachy.ReachyBody)
    daemon = motion._body._daemon
    assert daemon is not None
    return daemon


def test_a_session_with_the_mock(robot: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachy, "_WAITS", (0.2, 0.5))
    style = MotionStyle()
    time.sleep(1.3)
    assert np.abs(as_row(robot.pose())[:3]).max() < 2  # awake
    robot.perform("look_left", style)
    time.sleep(0.9)
    assert robot.gesture == "look_left"
    pose = robot.pose()
    assert pose.yaw > 20
    assert pose.left > pose.right + 5
    robot.speak([0.8] * 40, 0.05, style)
    time.sleep(0.5)
    robot.listen(True)
    time.sleep(0.3)
    held = robot.pose()
    time.sleep(0.4)
    assert robot.pose() == held
    robot.listen(False)
    assert robot.reports() == []

    daemon = _daemon(robot)
    assert state(daemon.port) == "running"
    assert daemon.pid is not None
    os.kill(daemon.pid, 9)  # as if it had crashed
    lines: list[str] = []
    until = time.monotonic() + 30
    while "The robot is back." not in lines and time.monotonic() < until:
        time.sleep(0.1)
        robot.perform("nod", style)
        lines += robot.reports()
    assert "by voice" in lines[0]
    assert lines[-1] == "The robot is back."
    time.sleep(1.2)
    robot.perform("look_right", style)
    time.sleep(0.9)
    assert robot.pose().yaw < -20

    pid = daemon.pid
    robot.close()
    assert not Path(f"/proc/{pid}").exists()
    assert state(daemon.port) == ""
    assert not any(thread.name == "motion" for thread in threading.enumerate())


def test_a_daemon_that_cannot_start_is_told_and_leaves_nothing() -> None:
    with pytest.raises(Missing, match="did not start"):
        Daemon("mockup", options=("--no-such-option",))


def test_the_daemon_ends_with_a_program_that_is_killed(tmp_path: Path) -> None:
    program = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from hardware.daemon import Daemon\n"
        "daemon = Daemon('mockup'); print(daemon.pid, daemon.port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid, port = map(int, process.stdout.readline().split())
        assert state(port) == "running"
        process.kill()
    until = time.monotonic() + 15
    while state(port) and time.monotonic() < until:
        time.sleep(0.2)
    assert state(port) == ""
    assert port != free_port()
    until = time.monotonic() + 10
    while (stat := Path(f"/proc/{pid}/stat")).exists() and " Z " not in stat.read_text() and time.monotonic() < until:
        time.sleep(0.1)
    assert not stat.exists() or " Z " in stat.read_text()  # in a container nobody may be there to bury it


def _sdk_reaches(rows: Rows) -> list[bool]:
    from reachy_mini.kinematics.analytical_kinematics import AnalyticalKinematics

    engine = AnalyticalKinematics(automatic_body_yaw=True)
    found = []
    for row in rows:
        head, _, body = reachy._command(row)
        try:
            found.append(bool(np.isfinite(engine.ik(head, body_yaw=body)).all()))
        except ValueError:
            found.append(False)
    return found


def test_what_we_call_reachable_the_sdk_can_reach() -> None:
    random = np.random.default_rng(7)
    most = np.array([51, 45, 60, 60, 54, 55, 0, 0, 0])
    rows = random.uniform(-1, 1, (4000, len(AXES))) * most * random.choice([0.0, 0.3, 0.6, 1.0], (4000, len(AXES)))
    ours, theirs = reachable(rows), np.array(_sdk_reaches(rows))
    inside = (np.abs(rows[:, 1]) <= 45) & (rows[:, 5] <= 24) & (rows[:, 3] <= 52)
    assert 0.2 < ours[inside].mean() < 0.98
    assert not (ours & ~theirs).any()
    assert (ours == theirs)[inside].mean() > 0.98
    assert np.mean(_sdk_reaches(clamp(rows)[0])) > 0.999
