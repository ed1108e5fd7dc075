"""Which poses the robot can take, the nearest one that it can, and how fast it may change them.

A pose is a row of nine numbers in the order of :data:`AXES`: head roll, pitch, yaw in degrees (extrinsic x, y, z; positive
pitch looks down, positive yaw to the robot's left), head x, y, z in millimetres (forward, left, up), then the left and right
antenna (0 is straight up, positive leans outwards on its own side) and the body's turn, in degrees. Neutral is all zeros.

The head stands on six legs, each a motor arm of 40 mm and a rod of 85 mm. A pose can be reached exactly when every rod can
span the distance from its arm to its joint on the head, which is what couples the axes with z: at z = +20 mm little more than
8 degrees of roll are left. The geometry is that of the robot's public description (kinematics_data.json of its SDK, 1.12);
within the limits below the answer is that of the SDK's own inverse kinematics.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.ports import Pose

Rows = NDArray[np.float64]

AXES = ("roll", "pitch", "yaw", "x", "y", "z", "left", "right", "body")
UNITS = ("deg", "deg", "deg", "mm", "mm", "mm", "deg", "deg", "deg")

LOW = np.array([-51.0, -45.0, -220.0, -62.0, -54.0, -55.0, -170.0, -170.0, -160.0])
HIGH = np.array([51.0, 45.0, 220.0, 52.0, 54.0, 24.0, 170.0, 170.0, 160.0])
HEAD_TURN = 60.0
"""How far, in degrees, the head may turn from where the body points."""

SPEED = np.array([300.0, 300.0, 300.0, 250.0, 250.0, 250.0, 600.0, 600.0, 120.0])
"""The fastest a target may change, in degrees or millimetres a second: ours, about half of what the motors do unloaded."""

SLEEP = np.array([0.0, 24.0, 0.0, -21.0, 0.0, -44.0, 170.0, 170.0, 0.0])
"""Head down, antennas folded: the pose the SDK calls sleeping."""

_ARM, _ROD, _RISE = 0.040, 0.085, 0.177  # metres; the rise is the height of the head's frame above the base
_JOINTS = np.array(  # where each rod holds the head, in the head's frame
    [
        [0.020648, 0.021764, 0.0],
        [0.008524, 0.028764, 0.0],
        [-0.029172, 0.007000, 0.0],
        [-0.029172, -0.007000, 0.0],
        [0.008524, -0.028764, 0.0],
        [0.020648, -0.021764, 0.0],
    ]
)
_MOTORS = np.array(  # where each motor sits, in the body's frame
    [
        [0.026991, 0.026749, 0.076633],
        [0.009670, 0.036749, 0.076633],
        [-0.036661, 0.010000, 0.076633],
        [-0.036661, -0.010000, 0.076633],
        [0.009670, -0.036749, 0.076633],
        [0.026990, -0.026749, 0.076633],
    ]
)
_SHAFTS = np.array([[-0.5, -0.866025, 0.0], [-0.5, -0.866025, 0.0], [1.0, 0.0, 0.0]])
_SHAFTS = np.vstack([_SHAFTS, _SHAFTS[::-1] * [1.0, -1.0, 1.0]])  # the axis each arm turns about
_SLACK = 5e-7  # m⁴ kept from a stretched leg, where rounding could decide

# Around neutral everything fits, and most of a session happens there: such rows need no geometry.
_EASY_HIGH = np.array([16.0, 18.0, 36.0, 9.0, 9.0, 6.0])
_EASY_LOW = np.array([-16.0, -18.0, -36.0, -9.0, -9.0, -28.0])


def as_row(pose: Pose) -> Rows:
    return np.array([getattr(pose, axis) for axis in AXES], dtype=np.float64)


def as_pose(row: Rows) -> Pose:
    return Pose(*(float(value) for value in row))


def reachable(rows: Rows) -> NDArray[np.bool_]:
    """For each row, whether the robot can take that pose. A row with NaN or infinity cannot be taken."""
    rows = np.atleast_2d(rows)
    turn = rows[:, 2] - rows[:, 8]
    low, high = rows.min(axis=0, initial=0.0), rows.max(axis=0, initial=0.0)
    low[2], high[2] = turn.min(initial=0.0), turn.max(initial=0.0)
    if (low[:6] >= _EASY_LOW).all() and (high[:6] <= _EASY_HIGH).all() and (low >= LOW).all() and (high <= HIGH).all():
        return np.ones(len(rows), dtype=bool)  # the whole batch at once, as nearly always
    fits: NDArray[np.bool_] = ((rows >= LOW) & (rows <= HIGH)).all(axis=1) & (np.abs(turn) <= HEAD_TURN)
    head = rows[:, :6].copy()
    head[:, 2] = turn
    hard = fits & ((head > _EASY_HIGH) | (head < _EASY_LOW)).any(axis=1)
    if hard.any():
        fits[hard] = _legs_span(rows[hard], turn[hard])
    return fits


def _legs_span(rows: Rows, turn: Rows) -> NDArray[np.bool_]:
    """Whether every leg spans its distance, seen from the body. (2·arm)²·(distance² across the shaft) ≥ (d² + arm² − rod²)²."""
    roll, pitch, yaw = np.radians(rows[:, 0]), np.radians(rows[:, 1]), np.radians(turn)
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    rotation = np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )
    body = np.radians(rows[:, 8])
    x, y, z = rows[:, 3] / 1000, rows[:, 4] / 1000, rows[:, 5] / 1000 + _RISE
    moved = np.array([np.cos(body) * x + np.sin(body) * y, np.cos(body) * y - np.sin(body) * x, z])
    legs = np.einsum("ijn,lj->nli", rotation, _JOINTS) + moved.T[:, None, :] - _MOTORS
    along = np.einsum("nli,li->nl", legs, _SHAFTS)
    square = np.einsum("nli,nli->nl", legs, legs)
    room = 4 * _ARM**2 * (square - along**2) - (square + _ARM**2 - _ROD**2) ** 2
    spanned: NDArray[np.bool_] = (room >= _SLACK).all(axis=1)
    return spanned


def clamp(rows: Rows) -> tuple[Rows, NDArray[np.bool_]]:
    """The nearest reachable poses, and which rows had to change. Rows must be finite.

    Antennas and body stop at their limits; a head pose is scaled towards neutral (as seen from the body) until it fits.
    """
    fits = reachable(rows)
    if fits.all():
        return rows, ~fits
    found = rows.copy()
    bad = np.clip(rows[~fits], LOW, HIGH)
    body = bad[:, 8]
    head = bad[:, :6].copy()
    head[:, 2] = np.clip(head[:, 2] - body, -HEAD_TURN, HEAD_TURN)
    low, high = np.zeros(len(bad)), np.ones(len(bad))
    whole = reachable(_with_head(bad, head))
    low[whole] = 1.0
    for _ in range(14):  # to a ten-thousandth of the pose
        middle = (low + high) / 2
        inside = reachable(_with_head(bad, head * middle[:, None]))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    low[whole] = 1.0
    found[~fits] = _with_head(bad, head * low[:, None])
    return found, ~fits


def _with_head(rows: Rows, head: Rows) -> Rows:
    """``rows`` with other heads, whose yaw is given from the body."""
    whole = rows.copy()
    whole[:, :6] = head
    whole[:, 2] += rows[:, 8]
    return whole


def limit_steps(before: Rows, rows: Rows, seconds: float) -> tuple[Rows, NDArray[np.bool_]]:
    """Rows that no axis leaves faster than :data:`SPEED` allows, ``seconds`` apart, starting from the row ``before``."""
    most = SPEED * seconds * (1 + 1e-9)
    steps = np.abs(np.diff(rows, axis=0, prepend=before[None, :]))
    too_far = np.asarray((steps > most).any(axis=1), dtype=bool)
    if not too_far.any():
        return rows, too_far
    slowed = rows.copy()
    changed = np.zeros(len(rows), dtype=bool)
    last = before
    for index in range(int(np.argmax(too_far)), len(rows)):
        last = slowed[index - 1] if index else before
        step = rows[index] - last
        share = float((most / np.maximum(np.abs(step), most)).min())
        if share < 1.0:  # all axes together, so that the head goes there in a straight line
            there = last + step * share
            slowed[index] = there if reachable(there)[0] else last
            changed[index] = True
        else:
            slowed[index] = rows[index]
    return slowed, changed
