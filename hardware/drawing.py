"""The robot as seven lines of text, 24 columns wide, as the child sees it: its left is on our right.

The face turns with yaw, looks up and down with pitch, tilts with roll and rises with z; the antennas stand, lean or fold; the
gesture stands on its collar. Pure text without colour; ``plain`` keeps to ASCII.
"""

from __future__ import annotations

from agent.ports import Pose

WIDTH, HEIGHT = 24, 7
_INSIDE = 14  # columns inside the head
_ASCII = str.maketrans("╭╮╰╯─│╱╲●•‾–◡", "..''-|/\\Oo'-u")


def draw(pose: Pose, gesture: str = "", *, plain: bool = False) -> list[str]:
    """Seven lines of exactly 24 characters."""
    lean = _steps(-pose.roll, 8, 2)  # columns the top of the head moves to our right
    left = (WIDTH - _INSIDE - 2) // 2 + _steps(pose.y, 10, 2) + _steps(pose.body, 15, 1)
    canvas = [[" "] * WIDTH for _ in range(HEIGHT)]
    # From the crown down each row moves a little less: that is the tilt.
    shift = [lean, round(lean / 2), 0, -round(lean / 2), -lean]
    _antenna(canvas, left + shift[0] + 4, pose.right, -1)
    _antenna(canvas, left + shift[0] + _INSIDE - 3, pose.left, +1)
    _put(canvas, 2, left + shift[0], "╭" + "─" * _INSIDE + "╮")
    for row in (3, 4, 5):
        edge = "│" if not lean else ("╱" if lean > 0 else "╲")
        _put(canvas, row, left + shift[row - 2], edge + " " * _INSIDE + edge)
    _eyes(canvas, pose, left, shift)
    label = f" {gesture.replace('_', ' ')[: _INSIDE - 4]} " if gesture else ""
    _put(canvas, 6, left + shift[4], "╰" + label.center(_INSIDE, "─") + "╯")
    lines = ["".join(row) for row in canvas]
    return [line.translate(_ASCII) for line in lines] if plain else lines


def _eyes(canvas: list[list[str]], pose: Pose, left: int, shift: list[int]) -> None:
    asleep = pose.pitch > 12 and min(pose.left, pose.right) > 80
    row = 4 + _steps(pose.pitch, 9, 1)
    tilt = _steps(pose.roll, 9, 1)  # positive roll lifts the left side, which is on our right
    turn = _steps(pose.yaw - pose.body, 6, 3)
    eye = "–" if asleep else "●"
    for column, way in ((4, +1), (_INSIDE - 3, -1)):
        at = min(5, max(3, row + (tilt if way > 0 else 0)))
        if tilt and row + tilt > 5 and way < 0:
            at = 4  # at the lower edge the other eye rises instead
        elif tilt and row + tilt < 3 and way < 0:
            at = 4
        _put(canvas, at, left + shift[at - 2] + column + turn, eye)


def _antenna(canvas: list[list[str]], root: int, angle: float, side: int) -> None:
    """Two rows above the head; ``side`` +1 leans to our right when the angle is positive."""
    outwards, inwards = ("╱", "╲") if side > 0 else ("╲", "╱")
    if angle > 95:  # folded down beside the head
        corner = root + 6 * side
        _put(canvas, 1, min(root, corner - side), "─" * 6)
        _put(canvas, 1, corner, "╮" if side > 0 else "╭")
        for row in (2, 3):
            _put(canvas, row, corner, "│")
    elif angle > 62:
        _put(canvas, 1, root, "╯" if side < 0 else "╰")
        _put(canvas, 1, min(root + side, root + 4 * side), "────")
    elif angle > 22:
        _put(canvas, 1, root, outwards)
        _put(canvas, 0, root + side, outwards)
    elif angle > -5:
        _put(canvas, 1, root, "│")
        _put(canvas, 0, root, "│")
    else:
        _put(canvas, 1, root, inwards)
        _put(canvas, 0, root - side, inwards)


def _steps(value: float, size: float, most: int) -> int:
    """How many whole steps of ``size`` the value is from 0, at most ``most`` to either side."""
    return max(-most, min(most, round(value / size)))


def _put(canvas: list[list[str]], row: int, column: int, text: str) -> None:
    for offset, character in enumerate(text):
        if 0 <= column + offset < WIDTH:
            canvas[row][column + offset] = character
