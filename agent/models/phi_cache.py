"""Keys and values of prompt beginnings that were read before, so that the personality is not read again every turn.

They depend on the adapter as much as on the words: the key is both, always. An activated LoRA leaves what stands before
its invocation as the base has it, so base and activated adapters share theirs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

Key = tuple[str, tuple[int, ...]]


class PrefixCache:
    """The least recently used beginnings go when ``most`` bytes are full. Not thread-safe: its owner holds a lock."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self.hits = self.misses = 0
        self._entries: OrderedDict[Key, list[tuple[Any, Any]]] = OrderedDict()

    def longest(self, digest: str, ids: Sequence[int]) -> tuple[int, Any]:
        """How many of ``ids`` are known under ``digest``, and a cache that holds just these; (0, an empty one) if none."""
        best: Key | None = None
        for key in self._entries:
            known = key[1]
            if key[0] == digest and len(known) <= len(ids) and tuple(ids[: len(known)]) == known:
                best = key if best is None or len(known) > len(best[1]) else best
        if best is None:
            self.misses += 1
            return 0, _cache([])
        self.hits += 1
        self._entries.move_to_end(best)
        return len(best[1]), _cache(self._entries[best])

    def keep(self, digest: str, ids: Sequence[int], cache: Any) -> None:
        """Remember what ``cache`` holds now, which is ``ids`` from first to last."""
        key = (digest, tuple(ids))
        layers = [(layer.keys, layer.values) for layer in cache.layers]
        size = _bytes(layers)
        if key in self._entries or not ids or size > self.most:
            return
        while self._entries and self.held + size > self.most:
            self.held -= _bytes(self._entries.popitem(last=False)[1])
        self._entries[key] = layers
        self.held += size

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.held = 0

    def __len__(self) -> int:
        return len(self._entries)


def _cache(layers: Sequence[tuple[Any, Any]]) -> Any:
    """A cache of the model's own kind. Nothing is copied: a layer that grows makes new tensors and leaves these alone."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    cache = DynamicCache()
    for keys, values in layers:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache


def _bytes(layers: Sequence[tuple[Any, Any]]) -> int:
    return sum(part.numel() * part.element_size() for pair in layers for part in pair)
