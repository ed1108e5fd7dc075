from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hardware.curves import Settle, Track, bump, smooth
from hardware.workspace import Rows

_KNOTS = st.lists(st.floats(-50, 50), min_size=1, max_size=6)


def _track(values: list[float]) -> Track:
    rows = np.array([0.0, *values, 0.0])[:, None]
    return Track([0.4 * index for index in range(len(rows))], rows)


@given(_KNOTS)
def test_a_track_passes_its_rows_and_never_shoots_past(values: list[float]) -> None:
    track = _track(values)
    knots = np.array([0.0, *values, 0.0])
    assert np.allclose(track.at(track.times)[:, 0], knots)
    for index in range(len(knots) - 1):
        part = track.at(np.linspace(track.times[index], track.times[index + 1], 50))[:, 0]
        low, high = sorted(knots[index : index + 2])
        assert part.min() >= low - 1e-6
        assert part.max() <= high + 1e-6


@given(_KNOTS)
def test_a_track_has_no_jump_in_velocity_or_acceleration(values: list[float]) -> None:
    track = _track(values)
    step = 1e-4
    for knot in track.times[1:-1]:
        around = track.at(knot + step * np.arange(-2, 3))[:, 0]
        velocity = np.diff(around) / step
        assert abs(velocity[1] - velocity[2]) < 0.5
        assert abs(np.diff(velocity)[1] / step) < 1000  # a corner would give 1/step
    ends = track.at(np.array([-1.0, 0.0, step, track.duration - step, track.duration, 99.0]))[:, 0]
    assert np.abs(ends).max() < 1e-3


def test_settling_starts_where_and_as_fast_as_it_was_and_ends_at_rest() -> None:
    settle = Settle(10.0, 0.5, np.array([4.0]), np.array([-30.0]))
    rows = settle.at(np.array([10.0, 10.00001, 10.49999, 10.5, 12.0]))[:, 0]
    assert rows[0] == 4.0
    assert abs((rows[1] - rows[0]) / 1e-5 + 30.0) < 0.1
    assert abs(rows[2]) < 1e-9
    assert rows[3] == rows[4] == 0.0


def test_steps_and_bumps_are_flat_outside() -> None:
    u: Rows = np.array([-3.0, 0.0, 0.5, 1.0, 7.0])
    assert smooth(u).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert bump(u).tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]
