from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ports import Pose
from hardware import workspace
from hardware.workspace import HEAD_TURN, HIGH, LOW, SLEEP, SPEED, Rows, as_pose, as_row, clamp, limit_steps, reachable

_ANY = st.tuples(*(st.floats(1.5 * low, 1.5 * high) for low, high in zip(LOW, HIGH, strict=True))).map(np.array)


def _one(**axes: float) -> Rows:
    return as_row(Pose(**axes))


def _limit(axis: str, sign: int, z: float) -> int:
    """The last whole degree that can be reached on one axis at a height."""
    return next(v - 1 for v in range(120) if not reachable(_one(**{axis: sign * v, "z": z}))[0]) * sign


@pytest.mark.parametrize(
    ("z", "up", "down", "roll"),
    [(10, -41, 28, 28), (20, -11, 8, 8)],
)
def test_the_head_tilts_less_the_higher_it_is(z: float, up: int, down: int, roll: int) -> None:
    assert _limit("pitch", -1, z) == pytest.approx(up, abs=1)
    assert _limit("pitch", +1, z) == pytest.approx(down, abs=1)
    assert _limit("roll", +1, z) == pytest.approx(roll, abs=1)
    assert _limit("roll", -1, z) == pytest.approx(-roll, abs=1)


@pytest.mark.parametrize(
    ("z", "back", "front", "aside"),
    [(10, -47, 40, 41), (20, -24, 20, 20)],
)
def test_the_head_moves_less_far_the_higher_it_is(z: float, back: int, front: int, aside: int) -> None:
    assert _limit("x", -1, z) == pytest.approx(back, abs=1)
    assert _limit("x", +1, z) == pytest.approx(front, abs=1)
    assert _limit("y", +1, z) == pytest.approx(aside, abs=1)


def test_the_limits_of_a_level_head() -> None:
    assert not reachable(_one(z=24.5))[0]
    assert reachable(_one(z=23))[0]
    assert not reachable(_one(z=-56))[0]
    assert reachable(_one(z=-52))[0]
    assert reachable(_one(yaw=100, body=50))[0]
    assert not reachable(_one(yaw=100))[0]
    assert not reachable(_one(left=171))[0]
    assert reachable(SLEEP)[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_cannot_be_reached(value: float) -> None:
    rows = np.zeros((3, 9))
    rows[1, 4] = value
    assert reachable(rows).tolist() == [True, False, True]


def test_the_shortcut_around_neutral_is_true() -> None:
    low, high = workspace._EASY_LOW, workspace._EASY_HIGH
    rows = np.zeros((3**6, 9))
    rows[:, :6] = list(itertools.product(*zip(low, (low + high) / 2, high, strict=True)))
    assert workspace._legs_span(rows, rows[:, 2]).all()


def test_a_body_that_turned_changes_nothing_for_the_head() -> None:
    still = np.array([_one(pitch=20, z=z, x=12) for z in np.linspace(-50, 22, 60)])
    turned = still.copy()
    turned[:, [2, 8]] = 70.0
    cos, sin = np.cos(np.radians(70)), np.sin(np.radians(70))
    turned[:, 3], turned[:, 4] = cos * still[:, 3], sin * still[:, 3]
    assert 0 < reachable(still).sum() < 60
    assert (reachable(still) == reachable(turned)).all()


@given(_ANY)
def test_the_nearest_pose_can_be_reached_and_a_reachable_one_stays(row: Rows) -> None:
    near, moved = clamp(row[None, :])
    assert reachable(near)[0]
    assert moved[0] == (not reachable(row)[0])
    assert (near[0] == row).all() or moved[0]
    assert np.allclose(clamp(near)[0], near, atol=1e-6)


@given(_ANY)
def test_the_nearest_pose_lies_on_the_way_to_neutral(row: Rows) -> None:
    rows, moved = clamp(row[None, :])
    near = rows[0]
    wanted = np.clip(row, LOW, HIGH)
    wanted[2] = np.clip(wanted[2] - wanted[8], -HEAD_TURN, HEAD_TURN)
    got = near[:6].copy()
    got[2] -= near[8]
    if wanted[:6] @ wanted[:6] < 1e-6:
        return  # so near to neutral that a direction means nothing
    share = got @ wanted[:6] / max(wanted[:6] @ wanted[:6], 1e-30)
    assert np.abs(got - share * wanted[:6]).max() < 1e-6
    assert -1e-6 <= share <= 1 + 1e-6
    further = as_row(as_pose(near))
    further[:6] = wanted[:6] * min(1.0, share + 1e-3)
    further[2] += near[8]
    assert not moved[0] or share > 0.999 or not reachable(further)[0]


@given(_ANY, st.floats(0, 0.01))
def test_a_small_change_stays_small(row: Rows, more: float) -> None:
    one, other = clamp(np.array([row, row * (1 - more)]))[0]
    assert np.abs(one - other).max() <= 4 * np.abs(row * more).max() + 0.1


def test_no_step_is_larger_than_the_speed_allows() -> None:
    rows = np.zeros((100, 9))
    rows[10:, 0], rows[20:, 6], rows[50:, 0] = 30.0, 150.0, -30.0
    slow, held = limit_steps(np.zeros(9), rows, 0.02)
    assert (np.abs(np.diff(slow, axis=0, prepend=np.zeros((1, 9)))) <= SPEED * 0.02 * 1.0001).all()
    assert held[10]
    assert not held[:10].any()
    assert (slow[-1] == rows[-1]).all()
    same, held = limit_steps(np.zeros(9), rows * 0.01, 0.02)
    assert (same == rows * 0.01).all()
    assert not held.any()


def test_pose_and_row_are_the_same_thing() -> None:
    pose = Pose(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert as_pose(as_row(pose)) == pose
    assert as_row(pose).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
