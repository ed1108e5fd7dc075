from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ports import Pose
from hardware.drawing import HEIGHT, WIDTH, draw
from hardware.gestures import gestures
from hardware.workspace import HIGH, LOW

_POSES = st.tuples(*(st.floats(2 * low, 2 * high) for low, high in zip(LOW, HIGH, strict=True))).map(lambda row: Pose(*row))
_REST = Pose(left=10, right=10)


def _eyes(pose: Pose) -> list[tuple[int, int]]:
    """Row and column of each eye, the one on our left first."""
    lines = draw(pose)
    found = [(row, column) for row in range(HEIGHT) for column in range(WIDTH) if lines[row][column] in "●–"]
    return sorted(found, key=lambda at: at[1])


@given(_POSES, st.sampled_from(["", *sorted(gestures()), "a_name_that_is_far_too_long"]), st.booleans())
def test_it_is_always_seven_lines_of_24_with_two_eyes(pose: Pose, gesture: str, plain: bool) -> None:
    lines = draw(pose, gesture, plain=plain)
    assert [len(line) for line in lines] == [WIDTH] * HEIGHT
    assert len(_eyes(pose)) == 2
    assert not plain or "\n".join(lines).isascii()


@pytest.mark.parametrize("name", sorted(gestures()))
def test_every_gesture_can_be_read(name: str) -> None:
    assert name.replace("_", " ") in draw(_REST, name)[-1]


def test_the_face_looks_where_the_robot_looks() -> None:
    (row, left), (_, right) = _eyes(_REST)
    assert _eyes(Pose(yaw=25))[0][1] > left  # its left is our right
    assert _eyes(Pose(yaw=-25))[1][1] < right
    assert _eyes(Pose(pitch=-15))[0][0] < row < _eyes(Pose(pitch=15))[0][0]
    tilted = _eyes(Pose(roll=15))
    assert tilted[0][0] > tilted[1][0]
    assert _eyes(Pose(roll=-15))[0][0] < _eyes(Pose(roll=-15))[1][0]
    turned = _eyes(Pose(yaw=20, body=20))  # the whole robot stands a little aside and looks straight ahead
    assert [column for _, column in turned] == [left + 1, right + 1]


def test_antennas_stand_lean_and_fold() -> None:
    up, out, flat, folded = ("\n".join(draw(Pose(left=angle, right=angle))[:2]) for angle in (0, 40, 80, 160))
    assert up.count("│") == 4
    assert out.count("╱") == out.count("╲") == 2
    assert flat.count("─") == 8
    assert folded.count("╭") == 1
    assert len({up, out, flat, folded}) == 4
    one = draw(Pose(left=80, right=0))
    assert "╰────" in one[1]
    assert "╯" not in one[1]


def test_it_closes_its_eyes_to_sleep() -> None:
    assert "–" in "".join(draw(Pose(pitch=20, left=120, right=120)))
    assert "–" not in "".join(draw(_REST))
