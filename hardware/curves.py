"""The shapes movements are made of. All of them start and end without a jerk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hardware.workspace import Rows


def smooth(u: Rows) -> Rows:
    """From 0 to 1 as ``u`` goes from 0 to 1: the minimum-jerk step (Flash & Hogan 1985), flat outside."""
    u = np.minimum(np.maximum(u, 0.0), 1.0)  # np.clip takes three times as long on short rows
    step: Rows = u**3 * (10 + u * (6 * u - 15))
    return step


def bump(u: Rows) -> Rows:
    """From 0 up to 1 (at ``u`` = 0.5) and back, with no velocity and no acceleration at both ends."""
    u = np.minimum(np.maximum(u, 0.0), 1.0)
    hill: Rows = 64 * (u * (1 - u)) ** 3
    return hill


@dataclass(frozen=True)
class Settle:
    """What is left of an earlier movement: an offset with a velocity that fades to nothing in ``duration`` seconds.

    A change of plan adds one of these, so that position and velocity go on as they were. It is the quintic with the given
    start and an end at rest.
    """

    start: float
    duration: float
    offset: Rows
    velocity: Rows

    def at(self, times: Rows) -> Rows:
        u = np.minimum(np.maximum((times - self.start) / self.duration, 0.0), 1.0)[:, None]
        rows: Rows = self.offset * (1 - u**3 * (10 + u * (6 * u - 15)))
        rows += self.velocity * self.duration * (u - u**3 * (6 + u * (3 * u - 8)))
        return rows


class Track:
    """A smooth curve through rows at given times (seconds, rising), at rest at both ends.

    Between two rows it is a quintic without acceleration at either, whose velocities are those of a monotone cubic (Fritsch &
    Carlson 1980): where an axis turns back it is at rest, so nothing shoots past a row that was written down.
    """

    def __init__(self, times: Sequence[float], rows: Rows) -> None:
        self.times = np.asarray(times, dtype=np.float64)
        spans = np.diff(self.times)[:, None]
        steps = np.diff(rows, axis=0)
        secants = steps / spans
        inner = secants[:-1] * secants[1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = np.where(inner > 0, 2 * inner / (secants[:-1] + secants[1:]), 0.0)
        still = np.zeros((1, rows.shape[1]))
        slopes = np.vstack([still, slopes, still])
        begin, end = slopes[:-1] * spans, slopes[1:] * spans
        self._spans = spans[:, 0]
        self._terms = np.array(
            [
                rows[:-1],
                begin,
                10 * steps - 6 * begin - 4 * end,
                -15 * steps + 8 * begin + 7 * end,
                6 * steps - 3 * begin - 3 * end,
            ]
        )
        self.duration = float(self.times[-1])

    def at(self, times: Rows) -> Rows:
        """The rows at ``times``, in seconds from the start; before and after it stays where it begins and ends."""
        inside = np.minimum(np.maximum(times, 0.0), self.duration)
        piece = np.searchsorted(self.times[1:-1], inside, side="right")
        u = ((inside - self.times[piece]) / self._spans[piece])[:, None]
        zero, one, three, four, five = self._terms[:, piece]
        rows: Rows = zero + u * (one + u**2 * (three + u * (four + u * five)))
        return rows
