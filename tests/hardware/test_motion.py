from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import RealClock, VirtualClock
from agent.ports import MotionStyle, Pose
from hardware.gestures import gestures
from hardware.layers import Performance, Speech
from hardware.motion import TICK, Motion
from hardware.simulator import Simulator
from hardware.workspace import SLEEP, SPEED, Rows, as_row

CALM = MotionStyle(0.6, 0.75, 6, "sway", 1.0, 0.15)
LIVELY = MotionStyle(1.25, 1.25, 16, "perk", 0.3, 0.25)


def _awake(keep: int = 20_000) -> tuple[Motion, Simulator, VirtualClock]:
    clock, simulator = VirtualClock(), Simulator(keep)
    motion = Motion(simulator, clock)
    clock.sleep(2.0)
    motion.pose()
    return motion, simulator, clock


def _since(simulator: Simulator, seconds: float) -> Rows:
    return simulator.trace()[0][-round(seconds / TICK) :]


def test_it_wakes_up_performs_and_comes_back() -> None:
    motion, simulator, clock = _awake()
    assert np.abs(as_row(motion.pose())[:3]).max() < 1
    motion.perform("look_left", MotionStyle())
    clock.sleep(0.8)
    assert motion.gesture == "look_left"
    assert motion.pose().yaw > 20
    clock.sleep(1.2)
    assert motion.gesture == ""
    assert abs(motion.pose().yaw) < 1
    assert motion.reports() == []
    assert simulator.ignored == 0


def test_what_was_commanded_depends_on_the_calls_not_on_how_often_somebody_looks() -> None:
    def run(looks: int) -> Rows:
        motion, simulator, clock = _awake()
        motion.perform("dance", LIVELY)
        for _ in range(looks):
            clock.sleep(2.0 / looks)
            motion.pose()
        motion.hush()
        return simulator.trace()[0]

    assert np.allclose(run(1), run(37), atol=1e-9)


_CALLS = st.lists(
    st.tuples(
        st.sampled_from(["perform", "speak", "hush", "listen", "hear"]),
        st.sampled_from(sorted(gestures())),
        st.sampled_from([CALM, MotionStyle(), LIVELY]),
        st.floats(0.01, 1.5),
    ),
    max_size=14,
)


@given(_CALLS)
@settings(max_examples=60, deadline=None)
def test_nothing_jumps_however_calls_follow_each_other(calls: list[tuple[str, str, MotionStyle, float]]) -> None:
    motion, simulator, clock = _awake()
    frozen = []
    for what, gesture, style, wait in calls:
        before = motion._ticks
        if what == "perform":
            motion.perform(gesture, style)
        elif what == "speak":
            motion.speak([0.2, 0.9, 0.5, 1.0] * 10, 0.05, style)
        elif what == "hush":
            motion.hush()
        else:
            motion.listen(what == "listen")
        if what == "listen":
            frozen.append(before)
        clock.sleep(wait)
        motion.pose()
    targets, _ = simulator.trace()
    steps = np.diff(targets, axis=0)
    assert (np.abs(steps) <= SPEED * TICK * 1.001).all()
    jerks = np.abs(np.diff(steps, axis=0)) / TICK  # how much the velocity changes within one tick
    for tick in frozen:  # standing still at once is the point of listening
        jerks[max(0, tick - 4) : tick + 2] = 0
    slowed = any("too fast" in line for line in motion.reports())
    hushed = any(what == "hush" for what, *_ in calls)  # 80 ms are short for a wide sway
    assert slowed or jerks[:, :3].max() < (260 if hushed else 110)
    assert slowed or jerks[:, 6:8].max() < (500 if hushed else 320)
    assert simulator.ignored == 0


def test_blending_keeps_position_and_velocity() -> None:
    motion, simulator, clock = _awake()
    motion.perform("look_left", MotionStyle())
    clock.sleep(0.26)  # in full swing
    motion.perform("look_right", MotionStyle())
    clock.sleep(0.5)
    motion.pose()
    yaw = _since(simulator, 0.76)[:, 2]
    velocity = np.diff(yaw) / TICK
    assert velocity[11] > 60
    assert np.abs(np.diff(velocity)).max() < 60  # turning round takes that; a jump would be twice the speed
    assert yaw[-1] < 0


def test_listening_freezes_the_target_to_the_digit() -> None:
    motion, simulator, clock = _awake()
    motion.speak([1.0] * 100, 0.05, LIVELY)
    motion.perform("joy", LIVELY)
    clock.sleep(0.4)
    motion.listen(True)
    clock.sleep(5.0)
    motion.hush()
    motion.speak([1.0] * 100, 0.05, LIVELY)
    clock.sleep(3.0)
    motion.pose()
    still = _since(simulator, 8.0)
    assert len(still) == 400
    assert (still == still[0]).all()
    assert motion.gesture == ""
    motion.listen(False)
    clock.sleep(0.1)
    motion.pose()
    assert (_since(simulator, 0.06) != still[0]).any()
    assert motion.reports() == []


def test_a_gesture_asked_for_while_listening_waits_its_turn() -> None:
    motion, _, clock = _awake()
    motion.listen(True)
    motion.perform("nod", CALM)
    motion.perform("look_up", CALM)
    clock.sleep(3.0)
    assert motion.gesture == ""
    motion.listen(False)
    assert motion.gesture == "look_up"
    clock.sleep(3.0)
    motion.listen(True)
    motion.listen(False)
    assert motion.gesture == ""


def test_after_listening_the_gaze_wanders_to_alternate_sides_and_speech_calls_it_back() -> None:
    motion, _, clock = _awake()
    motion.perform("", CALM)
    motion.speak([], 0.05, CALM)
    clock.sleep(2.0)
    sides = []
    for _ in range(2):
        motion.listen(True)
        clock.sleep(1.0)
        motion.listen(False)
        clock.sleep(0.5)
        sides.append(np.sign(motion.pose().yaw) * (abs(motion.pose().yaw) > 8))
        motion.speak([0.0] * 40, 0.05, CALM)
        clock.sleep(0.3)
        assert abs(motion.pose().yaw) < 1
        clock.sleep(2.0)
    assert sorted(sides) == [-1, 1]


def test_hush_ends_the_sway_and_leaves_the_gesture() -> None:
    motion, simulator, clock = _awake()
    motion.speak([1.0] * 200, 0.05, MotionStyle(beats=0))
    clock.sleep(1.0)
    motion.hush()
    clock.sleep(0.08 + 2 * TICK)
    motion.pose()
    assert np.abs(_since(simulator, TICK)[:, :3]).max() < 1e-6
    assert np.abs(_since(simulator, 0.5)[:, :3]).max() > 2
    motion.speak([1.0] * 200, 0.05, MotionStyle())
    motion.perform("look_left", MotionStyle())
    clock.sleep(0.5)
    motion.hush()
    clock.sleep(0.3)
    assert motion.pose().yaw > 20


def test_the_style_sets_how_many_beats_a_minute() -> None:
    for style in (CALM, LIVELY):
        motion, _, clock = _awake()
        beats = 0
        for _ in range(60):
            motion.speak(np.abs(np.sin(np.arange(40))).tolist(), 0.05, style)
            speech = motion._layers["speech"]
            assert isinstance(speech, Speech)
            beats += len(speech.beats)
            clock.sleep(2.5)
        assert beats == pytest.approx(2 * style.beats, abs=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda motion: motion.perform("somersault", MotionStyle()),
        lambda motion: motion.perform("nod", MotionStyle(amplitude=float("nan"))),
        lambda motion: motion.perform("nod", MotionStyle(velocity=float("inf"))),
        lambda motion: motion.perform("nod", MotionStyle(antennas="wobble")),
        lambda motion: motion.speak([0.5, float("nan")], 0.05, MotionStyle()),
        lambda motion: motion.speak([0.5, 0.5], 0.0, MotionStyle()),
    ],
)
def test_nonsense_is_refused_and_told(call: Any) -> None:
    motion, simulator, clock = _awake()
    call(motion)
    assert motion.gesture == ""
    clock.sleep(1.0)
    assert np.abs(as_row(motion.pose())[:3]).max() < 0.5
    assert len(motion.reports()) == 1
    assert motion.reports() == []
    assert np.isfinite(simulator.trace()[0]).all()


def test_what_is_out_of_reach_is_held_and_told_once_a_gesture() -> None:
    motion, simulator, clock = _awake()
    for _ in range(2):
        motion.perform("sleep", MotionStyle(amplitude=3.0))
        clock.sleep(6.0)
        lines = motion.reports()
        assert len(lines) == 1
        assert "sleep" in lines[0]
        assert "out of reach" in lines[0]
    assert simulator.ignored == 0


def test_whoever_drives_it_too_hard_is_slowed_down_and_told() -> None:
    motion, simulator, clock = _awake()
    wild = MotionStyle(amplitude=3.0, velocity=3.0, antennas="perk")
    for turn in range(40):
        motion.perform(("fly", "squash", "shake", "jump")[turn % 4], wild)
        motion.speak([1.0] * 10, 0.05, wild)
        clock.sleep(0.13)
        motion.hush()
    assert any("too fast" in line for line in motion.reports())
    steps = np.abs(np.diff(simulator.trace()[0], axis=0))
    assert (steps <= SPEED * TICK * 1.001).all()
    assert simulator.ignored == 0


def test_it_starts_from_rest_after_listening() -> None:
    motion, simulator, clock = _awake()
    motion.speak([1.0] * 200, 0.05, MotionStyle(beats=0, aversion=0.0))
    for wait in (0.31, 0.37, 0.41, 0.53):
        clock.sleep(1.0)
        motion.listen(True)
        clock.sleep(wait)
        motion.listen(False)
        clock.sleep(2 * TICK)
        motion.pose()
        held, *after = _since(simulator, 3 * TICK)[:, :3]
        assert np.abs(after[0] - held).max() < 0.25


def test_it_falls_asleep_in_whatever_state_it_is_and_then_keeps_still() -> None:
    motion, simulator, clock = _awake()
    motion.perform("dance", LIVELY)
    clock.sleep(0.5)
    motion.listen(True)
    motion.close()
    assert simulator.closed
    assert np.allclose(simulator.trace()[0][-1], SLEEP, atol=1e-6)
    ticks = len(simulator.trace()[0])
    motion.perform("nod", CALM)
    motion.speak([1.0], 0.05, CALM)
    motion.listen(False)
    motion.hush()
    clock.sleep(5.0)
    motion.pose()
    motion.close()
    assert len(simulator.trace()[0]) == ticks
    assert motion.gesture == ""


def test_twenty_minutes_on_a_virtual_clock_cost_next_to_nothing() -> None:
    def session() -> float:
        clock, simulator = VirtualClock(), Simulator()
        begin = time.process_time()
        motion = Motion(simulator, clock)
        names = sorted(gestures())
        for turn in range(120):
            motion.perform(names[turn % len(names)], LIVELY)
            motion.speak([0.7] * 80, 0.05, LIVELY)
            clock.sleep(4.5)
            motion.hush()
            motion.listen(True)
            clock.sleep(5.0)
            motion.listen(False)
            motion.pose()
            motion.reports()
            clock.sleep(0.5)
        motion.close()
        assert clock.now() >= 1200
        return time.process_time() - begin

    assert min(session() for _ in range(3)) < 0.3


class _Recorder(Simulator):
    """A simulator that notes who calls it and when."""

    def __init__(self) -> None:
        super().__init__(keep=1000)
        self.callers: set[int] = set()
        self.calls: list[float] = []
        self.fail = False

    def follow(self, targets: Rows) -> None:
        self.callers.add(threading.get_ident())
        self.calls.append(time.monotonic())
        if self.fail:
            raise RuntimeError("the cable is out")
        super().follow(targets)


def test_on_a_real_clock_one_thread_owns_the_motors_at_50_hz() -> None:
    body = _Recorder()
    motion = Motion(body, RealClock())
    begin = time.monotonic()
    for _ in range(20):
        motion.perform("joy", LIVELY)
        motion.speak([0.8] * 20, 0.05, LIVELY)
        motion.hush()
        motion.pose()
    assert time.monotonic() - begin < 0.25  # no call waits for a movement
    time.sleep(1.0)
    assert motion.gesture == "joy"
    motion.listen(True)
    time.sleep(0.06)
    held = body.trace()[0][-1]
    time.sleep(0.3)
    assert (body.trace()[0][-8:] == held).all()
    assert 25 <= sum(begin <= call < begin + 1 for call in body.calls) <= 55
    motion.close()
    assert len(body.callers) == 1
    assert threading.get_ident() not in body.callers
    assert np.allclose(body.trace()[0][-1], SLEEP, atol=1e-6)
    assert body.closed
    assert not any(thread.name == "motion" for thread in threading.enumerate())


def test_a_driver_that_fails_is_told_once_and_the_session_still_closes() -> None:
    body = _Recorder()
    motion = Motion(body, RealClock())
    body.fail = True
    time.sleep(0.2)
    lines = motion.reports()
    assert len(lines) == 1
    assert "the cable is out" in lines[0]
    motion.close()
    assert body.closed


def test_a_computer_that_slept_is_not_made_up_for() -> None:
    class Jumping(RealClock):
        ahead = 0.0

        def now(self) -> float:
            return super().now() + self.ahead

    body, clock = _Recorder(), Jumping()
    motion = Motion(body, clock)
    time.sleep(0.1)
    clock.ahead = 3600.0
    time.sleep(0.1)
    motion.close()
    assert len(body.trace()[0]) < 200


def test_gestures_are_scaled_by_the_style() -> None:
    motion, _, _ = _awake()
    motion.perform("nod", CALM)
    performance = motion._layers["gesture"]
    assert isinstance(performance, Performance)
    assert performance.velocity == 0.75
    assert motion.pose() != Pose()
