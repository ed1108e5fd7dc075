"""Adapters in memory: the least recently used one leaves when room is needed. Thread-safe; hot swap without a pause.

The budget is in bytes and is never exceeded, not even while something is being loaded: room is made first. What somebody is
using stays until they let go of it. Each thing is loaded once however many ask for it at the same time, and loading one does
not hold up those who use another. A thread must not ask for a second thing while it holds one and the budget has room for
one only: it would wait for itself, and gets :class:`TimeoutError` after ``patience`` seconds.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Place(Generic[Value]):
    """Room for one thing: being loaded (no value yet), there, or leaving (no new users)."""

    def __init__(self, size: int) -> None:
        self.size, self.users = size, 0
        self.value: Value | None = None
        self.ready = self.leaving = False


class Pool(Generic[Key, Value]):
    """``load`` brings a thing into memory, ``size`` says beforehand how many bytes it takes, ``close`` lets it go."""

    def __init__(
        self,
        budget: int,
        size: Callable[[Key], int],
        load: Callable[[Key], Value],
        close: Callable[[Value], None] = lambda value: None,
        patience: float = 30.0,
    ) -> None:
        if budget <= 0:
            raise ValueError(f"the budget is {budget} bytes; it must be more than nothing")
        self.budget, self.patience = budget, patience
        self._size, self._load, self._close = size, load, close
        self._changed = threading.Condition()
        self._places: OrderedDict[Key, _Place[Value]] = OrderedDict()  # least recently used first
        self._leaving: list[_Place[Value]] = []  # replaced while in use
        self._instead: dict[Key, Key] = {}
        self._closed = threading.Event()

    @contextmanager
    def use(self, key: Key) -> Iterator[Value]:
        """The thing, for as long as the ``with`` lasts. Raises what ``load`` raises, ValueError for a thing larger than the
        budget, TimeoutError when no room became free in time."""
        place = self._enter(key)
        try:
            assert place.value is not None
            yield place.value
        finally:
            self._leave(place)

    def held(self) -> list[Key]:
        """What is in memory, least recently used first."""
        with self._changed:
            return [key for key, place in self._places.items() if place.ready]

    def bytes(self) -> int:
        """What is in memory, being loaded or on its way out, in bytes."""
        with self._changed:
            return self._taken()

    def swap(self, old: Key, new: Key) -> None:
        """From now on whoever asks for ``old`` gets ``new``. ``new`` is loaded first where there is room for both; who uses
        ``old`` keeps it to the end. When ``new`` cannot be loaded nothing changes. Swapping back undoes it."""
        with self._changed:
            now = self._meant(old)
        if now == new:
            return
        if self._size(now) + self._size(new) <= self.budget:
            with self._loaded(new):
                self._point(now, new)
        else:
            self._point(now, new)
            try:
                with self._loaded(new):
                    pass
            except BaseException:
                self._point(new, now)
                raise

    @contextmanager
    def _loaded(self, key: Key) -> Iterator[None]:
        place = self._enter(key, follow=False)
        try:
            yield
        finally:
            self._leave(place)

    def _point(self, now: Key, new: Key) -> None:
        """All names that meant ``now`` mean ``new``, and ``now`` leaves. One step each, so there are no circles."""
        with self._changed:
            for name in [now, *(name for name, meant in self._instead.items() if meant == now)]:
                if name == new:
                    self._instead.pop(name, None)
                else:
                    self._instead[name] = new
            place = self._places.get(now)
            if place is not None and place.ready:
                self._evict(now, place)
            self._changed.notify_all()

    def close(self) -> None:
        """Lets everything go; what is in use goes when its users do. Nothing can be asked for afterwards."""
        with self._changed:
            self._closed.set()
            for key, place in list(self._places.items()):
                if place.ready:
                    self._evict(key, place)
            self._changed.notify_all()

    def _meant(self, key: Key) -> Key:
        return self._instead.get(key, key)

    def _taken(self) -> int:
        return sum(place.size for place in (*self._places.values(), *self._leaving))

    def _enter(self, asked: Key, follow: bool = True) -> _Place[Value]:
        """The place of ``asked`` with one more user; loads it when nobody has."""
        limit = time.monotonic() + self.patience
        with self._changed:
            while True:
                if self._closed.is_set():
                    raise RuntimeError("the pool is closed")
                key = self._meant(asked) if follow else asked
                place = self._places.get(key)
                if place is not None and place.ready:
                    self._places.move_to_end(key)
                    place.users += 1
                    return place
                if place is None and self._room(key):
                    place = self._places[key] = _Place(self._size(key))
                    break
                if not self._changed.wait(limit - time.monotonic()):
                    raise TimeoutError(f"no room for {key} within {self.patience:g} s: everything in memory is in use")
        try:
            value = self._load(key)
        except BaseException:
            with self._changed:
                del self._places[key]
                self._changed.notify_all()
            raise
        with self._changed:
            place.value, place.ready, place.users = value, True, 1
            self._places.move_to_end(key)
            if self._closed.is_set():
                self._evict(key, place)
            self._changed.notify_all()
            return place

    def _room(self, key: Key) -> bool:
        """Makes room for ``key`` by letting the least recently used things go; False when what is in use leaves too little."""
        size = self._size(key)
        if not 0 <= size <= self.budget:
            raise ValueError(f"{key} takes {size:,} bytes; the budget is {self.budget:,}")
        free = self.budget - self._taken()
        idle = [(name, place) for name, place in self._places.items() if place.ready and not place.users]
        if free + sum(place.size for _, place in idle) < size:
            return False
        for name, place in idle:
            if free >= size:
                break
            free += place.size
            self._evict(name, place)
        return True

    def _evict(self, key: Key, place: _Place[Value]) -> None:
        del self._places[key]
        place.leaving = True
        if place.users:
            self._leaving.append(place)
        else:
            assert place.value is not None
            self._close(place.value)

    def _leave(self, place: _Place[Value]) -> None:
        with self._changed:
            place.users -= 1
            if place.leaving and not place.users:
                self._leaving.remove(place)
                assert place.value is not None
                self._close(place.value)
            self._changed.notify_all()
