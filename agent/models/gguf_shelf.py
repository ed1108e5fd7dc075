"""What a GGUF model holds in its memory: texts that were read before, each under the adapter it was read with.

Keys and values depend on the adapter as much as on the words, so a text is only ever gone on from under its own adapter:
the shelf compares adapters first and words second, and there is no way to a text of another adapter. Texts in use are
never touched by others; of the rest the least recently used go when room is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.models.gguf_library import LlamaProblem
from agent.models.gguf_llama import Llama


class Text:
    """One text in memory: its place, the adapter it was read with, its tokens, and whether somebody works on it."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.adapter = ""
        self.tokens: list[int] = []
        self.busy = False
        self.used = 0


class Shelf:
    """Room for ``texts`` texts and ``scratch`` trials at a time. Not thread-safe: its owner holds a lock at every call."""

    def __init__(self, llama: Llama, texts: int, scratch: int) -> None:
        self.llama, self.scratch = llama, scratch
        self._texts = [Text(place) for place in range(texts)]
        self._first = texts  # the first place for trials
        self._clock = itertools.count(1)

    def take(self, adapter: str, tokens: Sequence[int]) -> Text:
        """A text for this adapter that already holds as much of the beginning of ``tokens`` as there is, and nothing else.

        Raises :class:`LlamaProblem` if all places are in use. Hand it back with :meth:`give_back`.
        """
        own = [text for text in self._texts if text.adapter == adapter and text.tokens]
        best = max(own, key=lambda text: _shared(text.tokens, tokens), default=None)
        shared = _shared(best.tokens, tokens) if best else 0
        if best is not None and not best.busy and 2 * shared >= min(len(best.tokens), len(tokens)):
            taken = best
        else:
            free = [text for text in self._texts if not text.busy and text is not best] or (
                [best] if best is not None and not best.busy else []
            )
            if not free:
                raise LlamaProblem(f"the model is busy with {len(self._texts)} other texts; ask again later")
            taken = min(free, key=lambda text: text.used)
            if taken is not best:
                self.llama.drop(taken.place)
                if best is not None and shared:
                    self.llama.copy(best.place, taken.place, shared)
        self.llama.drop(taken.place, shared)
        taken.adapter, taken.tokens, taken.busy = adapter, list(tokens[:shared]), True
        taken.used = next(self._clock)
        return taken

    def give_back(self, text: Text) -> None:
        """Nobody works on it any more; its words stay for the next who begins with them."""
        text.busy = False

    def forget(self, text: Text, length: int = 0) -> None:
        """Keep only the first ``length`` tokens."""
        self.llama.drop(text.place, length)
        del text.tokens[length:]

    def read(self, text: Text, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Go on in ``text`` with at most one batch of ``tokens``; the prediction after the last one, as logits."""
        self.llama.use(text.adapter)
        begin = len(text.tokens)
        batch = [(token, begin + at, text.place) for at, token in enumerate(tokens)]
        rows = self._decode(batch, [len(batch) - 1])
        text.tokens.extend(tokens)
        return np.asarray(rows[0])

    def trials(self, text: Text, endings: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """The predictions after each token of each ending, had the text gone on with it; the text stays as it is.

        At most ``scratch`` endings. Each gets an array with a row of logits for each of its tokens.
        """
        self.llama.use(text.adapter)
        length, places = len(text.tokens), range(self._first, self._first + len(endings))
        try:
            for place in places:
                self.llama.copy(text.place, place, length)
            flat = [
                (token, length + at, place)
                for place, ending in zip(places, endings, strict=True)
                for at, token in enumerate(ending)
            ]
            step = min(self.llama.batch, self.llama.outputs)
            parts = [flat[begin : begin + step] for begin in range(0, len(flat), step)]
            none = np.empty((0, self.llama.pieces), np.float32)
            rows = np.concatenate([none, *(self._decode(part, range(len(part))) for part in parts)])
        finally:
            for place in places:
                self.llama.drop(place)
        cuts = np.cumsum([len(ending) for ending in endings])[:-1]
        return np.split(rows, cuts)

    def state(self, text: Text) -> bytes:
        """What was computed for a text; see :meth:`restore`."""
        return self.llama.state(text.place)

    def restore(self, text: Text, tokens: Sequence[int], state: bytes) -> bool:
        """Put ``tokens`` and what was computed for them in place of what ``text`` holds; False where it does not fit."""
        self.forget(text)
        if not self.llama.restore(state, text.place):
            self.llama.drop(text.place)
            return False
        text.tokens = list(tokens)
        return True

    def _decode(self, batch: Sequence[tuple[int, int, int]], wanted: Sequence[int]) -> NDArray[np.float32]:
        while (rows := self.llama.read(batch, wanted)) is None:
            idle = [text for text in self._texts if text.tokens and not text.busy]
            if not idle:
                raise LlamaProblem(f"the model's room for {self.llama.context} tokens is all in use; ask again later")
            self.forget(min(idle, key=lambda text: text.used))
        return rows


def _shared(held: Sequence[int], wanted: Sequence[int]) -> int:
    """How many tokens the two begin with alike; one of ``wanted`` is always left to be read, for its prediction."""
    most = min(len(held), len(wanted) - 1)
    return next((at for at in range(most) if held[at] != wanted[at]), most)
