"""The tenant ``gguf``: a Phi-3 model and its adapters through llama.cpp, in this process, on the CPU. No torch.

Token ids go in, never text; the adapter is chosen by each request; nothing listens on any port. What was read before
under the same adapter is not read again (``gguf_shelf``), and a personality can be kept on the disk (``gguf_states``). The
next token is computed when it is asked for, so a reply that is broken off costs nothing more.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.models import gguf_tokens
from agent.models.gguf_library import LlamaProblem, library
from agent.models.gguf_llama import Llama
from agent.models.gguf_shelf import Shelf, Text
from agent.models.gguf_states import States
from agent.ports import Prompt

CONTEXT = 2048  # tokens, of all texts in memory together, and at most of one
TEXTS = 6  # texts in memory at a time
TRIALS = 24  # options that are weighed at a time
BATCH = 64  # tokens read at a time; another request can come between two of them
SMALL = 100_000_000  # bytes of a model file up to which one thread is best
MOST = 200  # tokens of one answer
EXACT = 64_000_000  # bytes; memory for texts is kept in f32 where that takes no more than this
WORTH_KEEPING = 48  # tokens of a system message from which on it is kept on the disk


class Gguf:
    """A model file, and adapter files by the names under which they are asked for. Safe to call from several threads.

    ``adapters`` maps a name to a file, or to None where the model itself answers for it (a merged model). ``states`` is a
    folder for what was computed for personalities; without one nothing is written. ``temperature`` 0 takes the likeliest
    token always, so that the same prompt gives the same answer. ``check`` reads every byte of the files first.

    Raises :class:`ValueError` with one line for anything that keeps the model from answering: a missing wheel or file, a
    broken file, another architecture, an adapter of another base.
    """

    def __init__(
        self,
        model: Path,
        adapters: Mapping[str, Path | None] | None = None,
        *,
        context: int = CONTEXT,
        threads: int | None = None,
        states: Path | None = None,
        most: int = MOST,
        check: bool = True,
    ) -> None:
        from adapters import template, verify  # here, so that a session without a model reads none of it

        library()  # a missing wheel is told before a file is looked at
        self.name = f"gguf {model.stem}"
        self.most = most
        self._lock = threading.Lock()
        self._chat = template.chat
        self._adapters: dict[str, str] = {}
        read = verify.check_gguf if check else _only_header
        header = read(model, "phi3")
        values = header.values
        # Beyond each of these llama.cpp computes something else than the model learned (it ignores the window) ...
        bounds = ("context_length", "attention.sliding_window", "rope.scaling.original_context_length")
        self._longest = min(context, *(int(values.get(f"phi3.{bound}") or context) for bound in bounds))
        # ... and it takes the factors for long texts for all of them as soon as there is room for one.
        tokens = self._longest if "rope_factors_long.weight" in header.tensors else context
        self._llama = Llama(
            model,
            context=tokens,
            exact=tokens * _bytes_a_token(values) <= EXACT,
            sequences=TEXTS + TRIALS,
            batch=BATCH,
            outputs=BATCH,
            threads=threads or _threads(model),
        )
        try:
            for name, path in (adapters or {}).items():
                if path is None:
                    self._adapters[name] = ""
                    continue
                told = read(path, "phi3", True, model).values
                wanted, is_for = values.get("fabula.base.digest"), told.get("fabula.base.digest")
                if wanted and is_for and wanted != is_for:
                    bases = f"{str(is_for)[:12]}…, and {model.name} is {str(wanted)[:12]}…"
                    raise LlamaProblem(f"{path}: was made for another base: {bases}")
                if told.get("adapter.alora.invocation_tokens"):
                    raise LlamaProblem(f"{path}: is an activated LoRA, which is not served here; export it as plain LoRA")
                self._llama.add_adapter(name, path)
                self._adapters[name] = name
            self._tokens = gguf_tokens.find(model, values, self._llama)
            self._stops = {number for mark in template.SPECIAL if (number := self._tokens.number(mark)) is not None}
            if self._tokens.number(template.END) is None:
                raise LlamaProblem(f"{model}: has no stop token {template.END}; answers would never end")
        except BaseException:
            self._llama.close()
            raise
        self._user = self._tokens.number("<|user|>")
        self._shelf: Shelf | None = Shelf(self._llama, TEXTS, TRIALS)
        self._digests = {name: _digest(path) if states and path else "" for name, path in (adapters or {}).items()}
        self._states = States(states, (_digest(model), _build(), str(BATCH))) if states else None

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        """The answer in pieces of a token or so. Ends at the stop token, at any other mark of the chat, or after ``most``."""
        return self._write(self._ids(prompt), self._known(adapter), self._digests.get(adapter, ""))

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        """The log-likelihood of each option as the whole answer (with the stop token), normalised over the options."""
        if not options:
            return []
        begin, wholes = self._ids(prompt), [self._ids(prompt, option) for option in options]
        # The stop token's own prediction is the last that counts, so it need not be read itself.
        shared = min(_alike(begin, whole) for whole in wholes)
        text, last = self._begin(begin[:shared], self._known(adapter), self._digests.get(adapter, ""))
        likely: list[float] = []
        try:
            for at in range(0, len(wholes), TRIALS):
                endings = [whole[shared:] for whole in wholes[at : at + TRIALS]]
                with self._lock:
                    rows = self._open().trials(text, [ending[:-1] for ending in endings])
                likely += [
                    float(_log_likelihood(np.vstack([last, after]), ending))
                    for ending, after in zip(endings, rows, strict=True)
                ]
        finally:
            self._end(text)
        if not np.isfinite(likely).all():
            raise LlamaProblem(f"{self.name}: computes no numbers; its file is broken")
        return [float(value) for value in np.array(likely) - _log_sum(np.array(likely))]

    def prepare(self, prompt: Prompt, *, adapter: str) -> int:
        """Read the system message of ``prompt`` ahead of time, while nobody waits. Returns its length in tokens."""
        ids = self._ids(prompt)
        head = self._head(ids)
        if head:  # with the mark behind it, which tells where it ends
            self._end(self._begin(ids[: len(head) + 1], self._known(adapter), self._digests.get(adapter, ""))[0])
        return len(head)

    def close(self) -> None:
        """Give the memory back. A reply that is being written ends with an error; closing twice is allowed."""
        with self._lock:
            if self._shelf is not None:
                self._shelf = None
                self._llama.close()

    def _write(self, ids: list[int], adapter: str, digest: str) -> Iterator[str]:
        text, last = self._begin(ids, adapter, digest)
        try:
            decode = self._tokens.decoder()
            for left in range(self.most, 0, -1):
                token = int(last.argmax())
                if not np.isfinite(last[token]):
                    raise LlamaProblem(f"{self.name}: computes no numbers; its file is broken")
                if token in self._stops:
                    return
                if piece := decode(token):
                    yield piece
                if left > 1:
                    with self._lock:
                        last = self._open().read(text, [token])
        finally:
            self._end(text)

    def _begin(self, ids: list[int], adapter: str, digest: str) -> tuple[Text, NDArray[np.float32]]:
        """A text that holds ``ids``, and the prediction after them. Other requests come in between two batches."""
        head = self._head(ids) if self._states else []
        with self._lock:
            text = self._open().take(adapter, ids)
        try:
            if len(head) >= WORTH_KEEPING and len(text.tokens) < len(head):
                self._read_head(text, head, digest)
            while True:
                with self._lock:
                    step = ids[len(text.tokens) : len(text.tokens) + BATCH]
                    last = self._open().read(text, step)
                if len(text.tokens) == len(ids):
                    return text, last
        except BaseException:
            self._end(text)
            raise

    def _read_head(self, text: Text, head: list[int], digest: str) -> None:
        """Bring the system message into ``text``: from the disk, or by reading it and keeping what was computed."""
        assert self._states is not None
        if state := self._states.load(digest, head):
            with self._lock:
                if self._open().restore(text, head, state):
                    return
        while len(text.tokens) < len(head):
            with self._lock:
                self._open().read(text, head[len(text.tokens) : len(text.tokens) + BATCH])
        with self._lock:
            state = self._open().state(text)
        self._states.save(digest, head, state)

    def _end(self, text: Text) -> None:
        with self._lock:
            if self._shelf is not None:
                self._shelf.give_back(text)

    def _open(self) -> Shelf:
        if self._shelf is None:
            raise LlamaProblem(f"{self.name} is closed")
        return self._shelf

    def _known(self, adapter: str) -> str:
        if adapter and adapter not in self._adapters:
            held = ", ".join(self._adapters) or "none"
            raise LlamaProblem(f"{self.name} has no adapter “{adapter}”; loaded: {held}")
        return self._adapters.get(adapter, "")

    def _ids(self, prompt: Prompt, answer: str | None = None) -> list[int]:
        ids = self._tokens.encode(self._chat([(message.role, message.content) for message in prompt.messages], answer))
        room = self._longest - (self.most if answer is None else 0)
        if len(ids) > room:
            raise LlamaProblem(f"the prompt has {len(ids)} tokens, and {self.name} has room for {max(0, room)}")
        return ids

    def _head(self, ids: list[int]) -> list[int]:
        """The tokens before the user's first message: the task and the personality."""
        return ids[: ids.index(self._user)] if self._user in ids else []


def _only_header(path: Path, architecture: str, adapter: bool = False, base: Path | None = None) -> Any:
    """The header alone, for files that were checked before."""
    from adapters import verify

    told = verify.read_gguf(path)
    if told.values.get("general.architecture") != architecture:
        raise LlamaProblem(f"{path}: is of the architecture {told.values.get('general.architecture')!r}, not {architecture!r}")
    return told


def _threads(model: Path) -> int:
    """A small model is done before threads have met, and while they wait for each other they keep others from working."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if model.stat().st_size < SMALL else min(4, cores)


def _bytes_a_token(values: Mapping[str, Any]) -> int:
    """What one token takes in memory for texts, in f32: a key and a value a layer."""
    width, heads = int(values.get("phi3.embedding_length") or 0), int(values.get("phi3.attention.head_count") or 1)
    kv_heads = int(values.get("phi3.attention.head_count_kv") or heads)
    return int(values.get("phi3.block_count") or 0) * 2 * kv_heads * (width // heads) * 4


def _log_likelihood(rows: NDArray[np.float32], tokens: Sequence[int]) -> np.float64:
    """Of ``tokens`` one after the other, each predicted by its row of logits."""
    chosen = rows[np.arange(len(tokens)), list(tokens)]
    return np.float64((chosen.astype(np.float64) - _log_sum(rows)).sum())


def _log_sum(values: NDArray[Any]) -> NDArray[np.float64]:
    """log Σ exp along the last side, without overflow."""
    most = values.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(values - most).sum(axis=-1, dtype=np.float64)) + most[..., 0])


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _build() -> str:
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
