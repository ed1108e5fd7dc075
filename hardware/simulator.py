"""A robot without a robot: follows targets as the SDK's mock does, and ignores what it cannot reach, as the real one does.

A target shows in the present pose with a first-order lag of 33 ms, the median of the SDK's mock daemon. A pose out of reach
is dropped without a word, so that a fault in the clamping above shows as a robot that stands still; ``ignored`` counts them.
"""

from __future__ import annotations

import math

import numpy as np

from hardware.workspace import SLEEP, Rows, reachable

LAG = 0.033
_TICK = 0.02
_SHARE = 1 - math.exp(-_TICK / LAG)  # of the way to the target, each tick
_MEMORY = 64  # ticks after which an earlier pose has faded below 1e-16
_KERNEL = _SHARE * (1 - _SHARE) ** np.arange(_MEMORY)


class Simulator:
    """A body in this process. ``keep`` ticks of (targets, poses) are kept as a trace; it starts asleep."""

    name = "simulator"

    def __init__(self, keep: int = 0) -> None:
        self.ignored = 0
        self.closed = False
        self._target: Rows = SLEEP.copy()
        self._pose: Rows = SLEEP.copy()
        self._keep = keep
        self._trace: list[tuple[Rows, Rows]] = []
        self._kept = 0

    def present(self) -> Rows:
        return self._pose

    def follow(self, targets: Rows) -> None:
        can = reachable(targets)
        self.ignored += int((~can).sum())
        if not can.all():  # an ignored target leaves the one before in force
            last = np.maximum.accumulate(np.where(can, np.arange(1, len(targets) + 1), 0))
            taken = np.vstack([self._target, targets])[last]
        else:
            taken = targets
        if self._keep:
            poses = self._lagging(taken)
            self._remember(targets, poses)
            self._pose = poses[-1]
        else:
            recent = taken[-_MEMORY:]
            self._pose = _KERNEL[len(recent) - 1 :: -1] @ recent + (1 - _SHARE) ** len(recent) * self._pose
        self._target = taken[-1]

    def _lagging(self, targets: Rows) -> Rows:
        """The pose at every tick: :meth:`follow`'s last line for each of them."""
        fading = (1 - _SHARE) ** np.arange(1, len(targets) + 1)
        columns = [np.convolve(column, _KERNEL)[: len(targets)] for column in targets.T]
        poses: Rows = np.column_stack(columns) + fading[:, None] * self._pose
        return poses

    def _remember(self, targets: Rows, poses: Rows) -> None:
        self._trace.append((targets, poses))
        self._kept += len(targets)
        while self._kept - len(self._trace[0][0]) >= self._keep:
            self._kept -= len(self._trace.pop(0)[0])

    def trace(self) -> tuple[Rows, Rows]:
        """The last ``keep`` ticks: what was asked for, and where the body was."""
        if not self._trace:
            return np.empty((0, 9)), np.empty((0, 9))
        targets, poses = (np.vstack(part) for part in zip(*self._trace, strict=True))
        return targets[-self._keep :], poses[-self._keep :]

    def troubles(self) -> list[str]:
        return []

    def close(self) -> None:
        self.closed = True
