"""Tokens in, likelihoods out: one model, one stack of adapters at a time, one step at a time.

Threads: any. Each step takes the lock, makes its adapters the active ones and runs, so requests may interleave step by
step and none is answered by another's adapter. A deadline is looked at before every step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from agent.models.phi_cache import PrefixCache
from agent.models.phi_files import PhiProblem
from agent.models.phi_loading import Loaded

CHUNK = 512  # tokens of a prompt read in one step


@dataclass(frozen=True)
class Stack:
    """Adapters that are active together; their effects add up. ``names`` are PEFT's. ``before`` is the digest of those that
    work before ``invocation`` too, and ``digest`` of all; they are the same where nothing waits for an invocation."""

    names: tuple[str, ...]
    digest: str
    before: str
    invocation: tuple[int, ...] = ()


@dataclass
class Reading:
    """A prompt that was read: its cache, the place where activated adapters begin, and the next token's logits."""

    stack: Stack
    cache: Any
    length: int
    start: int | None
    logits: Any


class Engine:
    """Runs a loaded model. ``cache_bytes`` bounds what is kept of prompts."""

    def __init__(self, loaded: Loaded, cache_bytes: int) -> None:
        self.loaded = loaded
        self.prefixes = PrefixCache(cache_bytes)
        self.switches = 0
        self._lock = threading.RLock()
        self._active: list[str] = []  # shared by all layers of the model
        self._closed = False

    def read(self, stack: Stack, ids: Sequence[int], head: int, deadline: float) -> Reading:
        """Read a prompt. Its first ``head`` tokens are looked up in the cache of prefixes, or put there."""
        start = self._start(stack, ids)
        with self._lock:
            digest = stack.before if start is None or head <= start else stack.digest
            known, cache = self.prefixes.longest(digest, ids[:head] if head < len(ids) else ids[:-1])
        reading = Reading(stack, cache, known, start, None)
        if known < head < len(ids):
            self._feed(reading, ids[known:head], deadline)
            with self._lock:
                self.prefixes.keep(digest, ids[:head], reading.cache)
        self._feed(reading, ids[reading.length :], deadline)
        return reading

    def step(self, reading: Reading, token: int, deadline: float) -> None:
        """Read one token more."""
        self._feed(reading, [token], deadline)

    def branches(self, reading: Reading, tails: Sequence[Sequence[int]], deadline: float) -> list[float]:
        """The log-likelihood of each tail after what was read, all in one step on one copy of the cache.

        The tails lie behind each other as one sequence; a mask lets each see the prompt and itself alone.
        """
        import torch

        after = torch.log_softmax(reading.logits.float(), dim=-1)
        scores = [float(after[tail[0]]) for tail in tails]
        inner = [list(tail[:-1]) for tail in tails]
        total = sum(map(len, inner))
        if total == 0:
            return scores
        device = reading.logits.device
        mask = torch.zeros((total, reading.length + total), dtype=torch.bool, device=device)  # True: may be looked at
        mask[:, : reading.length] = True
        places: list[int] = []
        for tokens in inner:
            begin = len(places)
            for place in range(begin, begin + len(tokens)):
                mask[place, reading.length + begin : reading.length + place + 1] = True
            places += range(reading.length, reading.length + len(tokens))
        logits = self._forward(
            reading,
            [token for tokens in inner for token in tokens],
            deadline,
            attention_mask=mask[None, None],
            position_ids=torch.tensor([places], device=device),
        )
        after = torch.log_softmax(logits.float(), dim=-1)
        place = 0
        for option, tail in enumerate(tails):
            for token in tail[1:]:
                scores[option] += float(after[place, token])
                place += 1
        return scores

    def close(self) -> None:
        """Let go of the weights; what is still asked is refused."""
        with self._lock:
            self._closed = True
            self.prefixes.clear()
            self.loaded.model = None

    def _feed(self, reading: Reading, ids: Sequence[int], deadline: float) -> None:
        for begin in range(0, len(ids), CHUNK):
            chunk = ids[begin : begin + CHUNK]
            reading.logits = self._forward(reading, chunk, deadline, logits_to_keep=1)[-1]
            reading.length += len(chunk)

    def _forward(self, reading: Reading, ids: Sequence[int], deadline: float, **extra: Any) -> Any:
        """The logits after each of ``ids``, as (tokens, vocabulary). The cache grows by them."""
        import torch

        if time.monotonic() > deadline:
            raise PhiProblem("the model was not ready in time: a smaller one, a GPU or more seconds would help")
        with self._lock, torch.inference_mode():
            if self._closed:
                raise PhiProblem("the model was closed")
            self._activate(reading.stack)
            if reading.stack.invocation and reading.start is not None:
                behind = reading.length + len(ids) - reading.start  # tokens at the end of this chunk that the adapter acts on
                extra["alora_offsets"] = [max(0, behind)]
            given = torch.tensor([list(ids)], device=self.loaded.device)
            try:
                made = self.loaded.model(input_ids=given, past_key_values=reading.cache, use_cache=True, **extra)
            except torch.OutOfMemoryError:
                self.prefixes.clear()
                raise PhiProblem("the GPU's memory is full: close other programs, or lower cache_bytes") from None
            return made.logits[0]

    def _activate(self, stack: Stack) -> None:
        if tuple(self._active) != stack.names:
            self._active[:] = stack.names
            self.switches += 1

    def adapters_changed(self) -> None:
        """Adapters were added or taken away; the caller holds the lock.

        Every layer is given one and the same list of active adapters, so that a switch is one assignment: PEFT's own walks over
        all modules and takes 12 ms at Phi-3-mini's size. What is active together adds up.
        """
        from peft import PeftModel
        from peft.tuners.tuners_utils import BaseTunerLayer

        self._active = []
        if isinstance(self.loaded.model, PeftModel):
            self.loaded.model.base_model.set_adapter([], inference_mode=True)  # and nothing is trained
            for layer in self.loaded.model.modules():
                if isinstance(layer, BaseTunerLayer):
                    assert isinstance(layer._active_adapter, list), "PEFT keeps the names of active adapters elsewhere now"
                    layer._active_adapter = self._active

    @property
    def lock(self) -> threading.RLock:
        """Held while the model itself is changed."""
        return self._lock

    @staticmethod
    def _start(stack: Stack, ids: Sequence[int]) -> int | None:
        """Where the stack's activated adapters begin: at the last occurrence of their invocation. None without any."""
        call = stack.invocation
        if not call:
            return None
        for begin in range(len(ids) - len(call), -1, -1):
            if tuple(ids[begin : begin + len(call)]) == call:
                return begin
        raise PhiProblem("the adapter waits for an invocation that this prompt does not hold: it was made for other prompts")


def common(sequences: Sequence[Sequence[int]]) -> int:
    """How many first items all sequences share."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*sequences, strict=False)))
