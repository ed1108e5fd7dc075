"""Real time, and a virtual time in which nothing waits: the same session, as fast as the machine can."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class RealClock:
    """The machine's monotonic clock. ``start`` is what ``now()`` says at first: a resumed session goes on counting."""

    virtual = False

    def __init__(self, start: float = 0.0) -> None:
        self._zero = time.monotonic() - start

    def now(self) -> float:
        return time.monotonic() - self._zero

    def utc(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class VirtualClock:
    """Time that passes only when somebody sleeps. Single-threaded by nature."""

    virtual = True

    def __init__(self, start: float = 0.0, utc: datetime | None = None) -> None:
        self._now = start
        self._utc = (utc or datetime.now(UTC)) - timedelta(seconds=start)

    def now(self) -> float:
        return self._now

    def utc(self) -> datetime:
        return self._utc + timedelta(seconds=self._now)

    def sleep(self, seconds: float) -> None:
        self._now += max(0.0, seconds)
