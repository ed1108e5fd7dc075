from __future__ import annotations

import numpy as np
import pytest

from agent.ports import Pose
from hardware.simulator import LAG, Simulator
from hardware.workspace import SLEEP, as_row


def test_it_follows_with_the_lag_of_the_mock() -> None:
    simulator = Simulator(keep=1000)
    simulator.follow(np.zeros((200, 9)))
    goal = as_row(Pose(pitch=10.0, left=90.0))
    simulator.follow(np.repeat(goal[None, :], 50, axis=0))
    _, poses = simulator.trace()
    rising = poses[200:, 1] / 10.0
    seconds = 0.02 * np.arange(1, 51)
    assert np.abs(rising - (1 - np.exp(-seconds / LAG))).max() < 1e-6
    assert np.allclose(simulator.present(), goal)


def test_one_tick_at_a_time_is_the_same_as_all_at_once() -> None:
    targets = np.cumsum(np.random.default_rng(1).normal(0, 0.3, (300, 9)), axis=0)
    once, often, traced = Simulator(), Simulator(), Simulator(keep=10)
    once.follow(targets)
    traced.follow(targets)
    for target in targets:
        often.follow(target[None, :])
    assert np.allclose(once.present(), often.present(), atol=1e-9)
    assert np.allclose(once.present(), traced.present(), atol=1e-9)


@pytest.mark.parametrize("bad", [Pose(pitch=80.0), Pose(pitch=20.0, z=20.0), Pose(x=float("nan"))])
def test_what_it_cannot_reach_it_ignores_without_a_word(bad: Pose) -> None:
    simulator = Simulator()
    good = as_row(Pose(pitch=5.0))
    simulator.follow(np.array([good] * 60 + [as_row(bad)] * 60))
    assert np.allclose(simulator.present(), good)
    assert simulator.ignored == 60
    assert simulator.troubles() == []
    simulator.follow(np.array([as_row(bad)]))
    assert np.allclose(simulator.present(), good)


def test_it_starts_asleep_and_keeps_a_bounded_trace() -> None:
    simulator = Simulator(keep=100)
    assert (simulator.present() == SLEEP).all()
    for _ in range(50):
        simulator.follow(np.zeros((30, 9)))
    targets, poses = simulator.trace()
    assert len(targets) == len(poses) == 100
    assert len(simulator._trace) <= 5
