"""One model with adapters in llama.cpp's memory: reading tokens, and what was computed for them.

Everything here is a call of the C interface (``gguf_library``) or two, with Python's own kinds on the outside.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_float, c_int8, c_int32, c_uint8, c_void_p
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.models.gguf_library import Batch, LlamaProblem, complaint, forget, library

_F32, _F16 = 0, 1  # of ggml_type
_PLAIN, _FLASH = 0, -1  # of llama_flash_attn_type: never, or as llama.cpp thinks best


class Llama:
    """One model in memory, with room for ``context`` tokens shared by ``sequences`` texts that are held at the same time.

    ``exact`` keeps what was read in f32 instead of f16, which makes the same numbers of the same weights as PyTorch.
    Not thread-safe: its owner holds a lock. Sequences are numbered from 0; what is read into one stays until it is dropped.
    """

    def __init__(
        self, path: Path, *, context: int, sequences: int, batch: int, outputs: int, threads: int, exact: bool
    ) -> None:
        self.lib = library()
        self.batch, self.outputs = batch, outputs
        self._model: int | None = None
        self._context: int | None = None
        self._adapters: dict[str, int] = {}
        self._active = ""
        forget()
        how = self.lib.llama_model_default_params()
        how.n_gpu_layers = 0
        self._model = self.lib.llama_model_load_from_file(str(path).encode(), how)
        if not self._model:
            raise LlamaProblem(f"{path}: llama.cpp cannot load it: {complaint() or 'no reason given'}")
        self._vocabulary = self.lib.llama_model_get_vocab(self._model)
        self.pieces = int(self.lib.llama_vocab_n_tokens(self._vocabulary))
        shape = self.lib.llama_context_default_params()
        shape.n_ctx, shape.n_seq_max, shape.kv_unified = context, sequences, True
        shape.n_batch = shape.n_ubatch = batch
        shape.n_outputs_max, shape.n_outputs_max_per_seq = outputs, outputs
        shape.n_threads = shape.n_threads_batch = threads
        shape.type_k = shape.type_v = _F32 if exact else _F16
        shape.flash_attn_type = _PLAIN if exact else _FLASH
        self._context = self.lib.llama_init_from_model(self._model, shape)
        if not self._context:
            said = complaint() or "not enough memory"
            self.close()
            raise LlamaProblem(f"{path}: llama.cpp cannot make room for {context} tokens: {said}")
        self.context = int(self.lib.llama_n_ctx(self._context))
        self._memory = self.lib.llama_get_memory(self._context)
        self._room = _Room(batch)

    def close(self) -> None:
        """Give the memory back. Closing twice is allowed; anything else afterwards is not."""
        if self._context:
            self.lib.llama_free(self._context)
        for adapter in self._adapters.values():
            self.lib.llama_adapter_lora_free(adapter)
        if self._model:
            self.lib.llama_model_free(self._model)
        self._adapters, self._context, self._model = {}, None, None

    def add_adapter(self, name: str, path: Path) -> None:
        """Load a LoRA file. Raises :class:`LlamaProblem` with llama.cpp's reason."""
        forget()
        adapter = self.lib.llama_adapter_lora_init(self._model, str(path).encode())
        if not adapter:
            raise LlamaProblem(f"{path}: llama.cpp cannot load this adapter: {complaint() or 'no reason given'}")
        self._adapters[name] = adapter

    def use(self, name: str) -> None:
        """Which adapter what follows is computed with; "" for none."""
        if name != self._active:
            handles = [self._adapters[name]] if name else []
            self.lib.llama_set_adapters_lora(
                self._context, (c_void_p * 1)(*handles), len(handles), (c_float * 1)(*[1.0] * len(handles))
            )
            self._active = name

    def read(self, tokens: Sequence[tuple[int, int, int]], wanted: Sequence[int]) -> NDArray[np.float32] | None:
        """Read at most ``batch`` tokens, each (token, position, sequence).

        Returns the predictions after the tokens at the places ``wanted``, a row each, as logits; None where there is no room.
        Raises :class:`LlamaProblem` when llama.cpp fails.
        """
        status = self.lib.llama_decode(self._context, self._room.filled(tokens, wanted))
        if status == 1:
            return None
        if status:
            raise LlamaProblem(f"llama.cpp could not go on: {complaint() or f'code {status}'}")
        rows = np.empty((len(wanted), self.pieces), np.float32)
        for row, place in enumerate(wanted):
            found = self.lib.llama_get_logits_ith(self._context, place)
            rows[row] = np.ctypeslib.as_array(found, (self.pieces,))
        return rows

    def drop(self, sequence: int, begin: int = 0) -> None:
        """Forget a sequence from position ``begin`` on."""
        self.lib.llama_memory_seq_rm(self._memory, sequence, begin, -1)

    def copy(self, source: int, to: int, end: int) -> None:
        """Let sequence ``to`` begin with the first ``end`` tokens of ``source``; they are held once."""
        self.lib.llama_memory_seq_cp(self._memory, source, to, 0, end)

    def state(self, sequence: int) -> bytes:
        """What was computed for a sequence, to be given to :meth:`restore`."""
        size = self.lib.llama_state_seq_get_size(self._context, sequence)
        held = (c_uint8 * size)()
        written = self.lib.llama_state_seq_get_data(self._context, held, size, sequence)
        return bytes(memoryview(held)[:written])

    def restore(self, state: bytes, sequence: int) -> bool:
        """Put a state into an empty sequence; False where it does not fit this model or there is no room."""
        held = (c_uint8 * len(state)).from_buffer_copy(state)
        fits = bool(self.lib.llama_state_seq_set_data(self._context, held, len(state), sequence))
        forget()
        return fits

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """llama.cpp's own reading of a text: for files without our tokenizer, and to hold the two against each other."""
        said = text.encode()
        room = len(said) + 8
        ids = (c_int32 * room)()
        count = self.lib.llama_tokenize(self._vocabulary, said, len(said), ids, room, False, special)
        if count < 0:
            raise LlamaProblem("llama.cpp could not read the text as tokens")
        return list(ids[:count])

    def spelled(self, token: int) -> bytes:
        """The bytes of one token."""
        room = ctypes.create_string_buffer(256)
        count = self.lib.llama_token_to_piece(self._vocabulary, token, room, len(room), 0, True)
        if count < 0:
            room = ctypes.create_string_buffer(-count)
            count = self.lib.llama_token_to_piece(self._vocabulary, token, room, len(room), 0, True)
        return room.raw[:count]


class _Room:
    """Memory for one batch, used again and again."""

    def __init__(self, size: int) -> None:
        self.tokens, self.places, self.counts = (c_int32 * size)(), (c_int32 * size)(), (c_int32 * size)(*[1] * size)
        self.sequences = (c_int32 * size)()
        self.wanted = (c_int8 * size)()
        each = ctypes.sizeof(c_int32)
        self.pointers = (POINTER(c_int32) * size)()
        for place in range(size):
            self.pointers[place] = ctypes.cast(byref(self.sequences, place * each), POINTER(c_int32))
        self.batch = Batch(0, self.tokens, None, self.places, self.counts, self.pointers, self.wanted)

    def filled(self, tokens: Sequence[tuple[int, int, int]], wanted: Sequence[int]) -> Batch:
        count = len(tokens)
        for place, (token, position, sequence) in enumerate(tokens):
            self.tokens[place], self.places[place], self.sequences[place] = token, position, sequence
        ctypes.memset(self.wanted, 0, count)
        for place in wanted:
            self.wanted[place] = 1
        self.batch.n_tokens = count
        return self.batch
