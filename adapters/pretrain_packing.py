"""Documents as rows of tokens: which document comes next, and how several share a row without seeing one another.

The order depends on the seed alone and can be taken up again anywhere: :meth:`Packer.state` is a few numbers. A source's
documents come in a new order each time round; the source that is furthest behind its share of tokens gives the next one.
Documents are never cut, apart from plain text longer than a row, which becomes several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adapters.pretrain_rows import Row
from adapters.template import END_OF_TEXT
from adapters.tokenizer import encode, id_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WAITING = 16  # documents that may wait for a row with room


@dataclass(frozen=True)
class Document:
    """Token ids, the last one ends the text; the first ``prompt`` of them were given, not said."""

    ids: NDArray[np.uint16]
    prompt: int = 0


@dataclass(frozen=True)
class Batch:
    """Arrays of (rows, context). ``positions`` begin again at 0 with each document; ``weights`` say what predicting
    ``targets`` counts, 0 for what ends a document or fills a row up."""

    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    positions: NDArray[np.int64]
    weights: NDArray[np.float32]

    def micro(self, rows: int) -> list[Batch]:
        """The same in portions of ``rows``."""
        cuts = range(0, len(self.ids), rows)
        parts = (self.ids, self.targets, self.positions, self.weights)
        return [Batch(*(part[cut : cut + rows] for part in parts)) for cut in cuts]  # type: ignore[arg-type]


def documents(rows: Sequence[Row], tokenizer: Tokenizer, context: int) -> tuple[list[Document], int]:
    """Rows as documents, and how many chats did not fit into ``context`` tokens and were left out."""
    end = id_of(tokenizer, END_OF_TEXT)
    prompts = {text: encode(tokenizer, text) for text in sorted({row.prompt for row in rows if row.prompt})}
    made: list[Document] = []
    left_out = 0
    for row in rows:
        prompt = prompts.get(row.prompt, [])
        ids = np.array([*prompt, *encode(tokenizer, row.text), end], dtype=np.uint16)
        if len(ids) <= context:
            made.append(Document(ids, len(prompt)))
        elif prompt:
            left_out += 1
        else:
            made += [Document(ids[cut : cut + context]) for cut in range(0, len(ids) - 1, context)]
    return made, left_out


class Packer:
    """An endless supply of batches."""

    def __init__(
        self, sources: Mapping[str, Sequence[Document]], context: int, seed: int, prompt_weight: float, pad: int
    ) -> None:
        self._sources = {name: sources[name] for name in sorted(sources)}
        self._context, self._seed, self._prompt_weight, self.pad = context, seed, prompt_weight, pad
        self._at = dict.fromkeys(self._sources, 0)  # documents given so far, all rounds together
        self._given = dict.fromkeys(self._sources, 0.0)  # tokens given so far, divided by the weight they were given under
        self._waiting: list[tuple[str, int]] = []
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}

    def state(self) -> dict[str, Any]:
        """Where the supply stands, as plain values."""
        return {"at": dict(self._at), "given": dict(self._given), "waiting": [list(pair) for pair in self._waiting]}

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Take up the supply where ``state`` was written."""
        self._at, self._given = dict(state["at"]), dict(state["given"])
        self._waiting = [(str(name), int(number)) for name, number in state["waiting"]]

    def rounds(self) -> dict[str, float]:
        """How many times each source has been gone through."""
        return {name: self._at[name] / len(self._sources[name]) for name in self._sources}

    def batch(self, rows: int, weights: Mapping[str, float]) -> Batch:
        """The next ``rows`` rows, tokens drawn by ``weights``."""
        placed: list[list[Document]] = [[] for _ in range(rows)]
        room = [self._context] * rows
        waiting, self._waiting = self._waiting, []
        while len(self._waiting) < WAITING:
            source, number = waiting.pop(0) if waiting else self._next(weights)
            document = self._sources[source][number]
            length = len(document.ids)
            fits = [row for row in range(rows) if room[row] >= length]
            if not fits:
                self._waiting.append((source, number))
                continue
            row = min(fits, key=lambda row: room[row])  # the tightest place: few tokens are wasted
            placed[row].append(document)
            room[row] -= length
            if not any(room):
                break
        self._waiting += waiting
        return batch_of(placed, self._context, self._prompt_weight, self.pad)

    def all(self, rows: int) -> list[Batch]:
        """Every document once, ``rows`` rows at a time: for looking, not for learning."""
        placed: list[list[Document]] = []
        for document in sorted((found for source in self._sources.values() for found in source), key=lambda one: -len(one.ids)):
            room = [row for row in placed if sum(len(one.ids) for one in row) + len(document.ids) <= self._context]
            if room:
                room[0].append(document)
            else:
                placed.append([document])
        return batch_of(placed, self._context, self._prompt_weight, self.pad).micro(rows)

    def _next(self, weights: Mapping[str, float]) -> tuple[str, int]:
        """The next document of the source that is furthest behind."""
        names = [name for name in self._sources if name in weights]
        behind = min(self._given[name] for name in names)
        source = next(name for name in names if self._given[name] == behind)
        # A source that a phase brings in starts level with the others; it has nothing to catch up with.
        for name in self._sources:
            if name not in weights:
                self._given[name] = max(self._given[name], behind)
        turn, place = divmod(self._at[source], len(self._sources[source]))
        number = int(self._order(source, turn)[place])
        self._at[source] += 1
        self._given[source] += len(self._sources[source][number].ids) / weights[source]
        return source, number

    def _order(self, source: str, turn: int) -> NDArray[np.int64]:
        if (source, turn) not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key[0] != source}
            spelled = [self._seed, turn, *source.encode()]
            self._orders[source, turn] = np.random.default_rng(spelled).permutation(len(self._sources[source]))
        return self._orders[source, turn]


def batch_of(placed: Sequence[Sequence[Document]], context: int, prompt_weight: float, pad: int) -> Batch:
    """Rows that hold the documents given for each, one after the other."""
    shape = (len(placed), context)
    ids, targets, positions = np.full(shape, pad), np.full(shape, pad), np.zeros(shape, dtype=np.int64)
    weights = np.zeros(shape, dtype=np.float32)
    for row, inside in enumerate(placed):
        start = 0
        for document in inside:
            length = len(document.ids)
            here = slice(start, start + length)
            ids[row, here] = document.ids
            targets[row, start : start + length - 1] = document.ids[1:]
            positions[row, here] = np.arange(length)
            weights[row, start : start + length - 1] = 1.0
            weights[row, start : start + max(0, document.prompt - 1)] = prompt_weight
            start += length
        positions[row, start:] = np.arange(context - start)
    return Batch(ids, targets, positions, weights)
