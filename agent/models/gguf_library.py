"""llama.cpp's C interface, out of the xllamacpp wheel: its structures, its functions, and how they are found.

The wheel's own ``Server`` opens a listener on the loopback interface whenever a model is loaded, tells no likelihoods of
given words, loads adapters only at the start, and holds Python's lock while it reads gigabytes. The same library carries the
plain C interface beneath it, and that opens nothing: no port, no thread of its own. It is called here through ctypes, which
lets go of Python's lock during every call.

C structures have no names at run time. So a version of the wheel is used only when the defaults it fills in stand where this
file expects them (:func:`_known`); any other is refused with one line.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import POINTER, Structure, c_bool, c_char_p, c_float, c_int8, c_int32, c_size_t, c_uint8, c_uint32, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

INSTALL = "pip install xllamacpp==2026.10.11549"
_ERROR, _CONTINUED = 4, 5  # of ggml_log_level
_SPARE = 32  # pointers kept free behind a structure, so that one that has grown writes over nothing


class LlamaProblem(ValueError):
    """llama.cpp is missing, unknown, or refuses. ``str()`` is one line for a person."""


class ModelParams(Structure):
    """``llama_model_params``."""

    _fields_ = (
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int32),
        ("load_mode", c_int32),
        ("lazy_mode", c_int32),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        ("vocab_only", c_bool),
        ("check_tensors", c_bool),
        ("use_extra_bufts", c_bool),
        ("no_host", c_bool),
        ("no_alloc", c_bool),
        ("load_mtp", c_bool),
        ("spare", c_void_p * _SPARE),
    )


class ContextParams(Structure):
    """``llama_context_params``."""

    _fields_ = (
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_outputs_max_per_seq", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", c_int32),
        ("rope_scaling_type", c_int32),
        ("pooling_type", c_int32),
        ("attention_type", c_int32),
        ("flash_attn_type", c_int32),
        ("rope_freq_base", c_float),
        ("rope_freq_scale", c_float),
        ("yarn_ext_factor", c_float),
        ("yarn_attn_factor", c_float),
        ("yarn_beta_fast", c_float),
        ("yarn_beta_slow", c_float),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", c_void_p),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int32),
        ("type_v", c_int32),
        ("moe_cache_size", c_size_t),
        ("abort_callback", c_void_p),
        ("abort_callback_data", c_void_p),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
        ("spare", c_void_p * _SPARE),
    )


class Batch(Structure):
    """``llama_batch``: tokens, their positions and sequences, and of which the predictions are wanted."""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", c_void_p),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    )


# Name, what it returns, what it takes.
_FUNCTIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("llama_backend_init", None, ()),
    ("llama_log_set", None, (c_void_p, c_void_p)),
    ("llama_model_default_params", ModelParams, ()),
    ("llama_context_default_params", ContextParams, ()),
    ("llama_model_load_from_file", c_void_p, (c_char_p, ModelParams)),
    ("llama_model_free", None, (c_void_p,)),
    ("llama_init_from_model", c_void_p, (c_void_p, ContextParams)),
    ("llama_free", None, (c_void_p,)),
    ("llama_model_get_vocab", c_void_p, (c_void_p,)),
    ("llama_vocab_n_tokens", c_int32, (c_void_p,)),
    ("llama_tokenize", c_int32, (c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool)),
    ("llama_token_to_piece", c_int32, (c_void_p, c_int32, c_char_p, c_int32, c_int32, c_bool)),
    ("llama_adapter_lora_init", c_void_p, (c_void_p, c_char_p)),
    ("llama_adapter_lora_free", None, (c_void_p,)),
    ("llama_set_adapters_lora", c_int32, (c_void_p, POINTER(c_void_p), c_size_t, POINTER(c_float))),
    ("llama_n_ctx", c_uint32, (c_void_p,)),
    ("llama_decode", c_int32, (c_void_p, Batch)),
    ("llama_get_logits_ith", POINTER(c_float), (c_void_p, c_int32)),
    ("llama_get_memory", c_void_p, (c_void_p,)),
    ("llama_memory_seq_rm", c_bool, (c_void_p, c_int32, c_int32, c_int32)),
    ("llama_memory_seq_cp", None, (c_void_p, c_int32, c_int32, c_int32, c_int32)),
    ("llama_state_seq_get_size", c_size_t, (c_void_p, c_int32)),
    ("llama_state_seq_get_data", c_size_t, (c_void_p, POINTER(c_uint8), c_size_t, c_int32)),
    ("llama_state_seq_set_data", c_size_t, (c_void_p, POINTER(c_uint8), c_size_t, c_int32)),
)

_said: list[str] = []  # what llama.cpp complained of since the last look


def _listen(level: int, text: bytes, _: object) -> None:
    if level == _ERROR:
        _said.append(text.decode("utf-8", "replace").strip())
    elif level == _CONTINUED and _said:
        _said[-1] += text.decode("utf-8", "replace").rstrip()


_listener = ctypes.CFUNCTYPE(None, ctypes.c_int, c_char_p, c_void_p)(_listen)  # lives as long as llama.cpp may call it


def complaint() -> str:
    """The first thing llama.cpp complained of since the last look, without the name of its function."""
    said = next((line for line in _said if line), "")
    forget()
    return said.partition(": ")[2] or said


def forget() -> None:
    """What llama.cpp complained of before is of no interest any more."""
    _said.clear()


@cache
def library() -> ctypes.CDLL:
    """llama.cpp, loaded once for the process. Raises :class:`LlamaProblem` where it is missing or of an unknown build."""
    found = importlib.util.find_spec("xllamacpp")
    if found is None or not found.submodule_search_locations:
        raise LlamaProblem(f"llama.cpp is not installed, so no GGUF model can answer: {INSTALL}")
    folder = Path(found.submodule_search_locations[0])
    built = [path for path in sorted(folder.glob("xllamacpp*")) if path.suffix in (".so", ".dylib", ".pyd")]
    try:
        lib = ctypes.CDLL(str(built[0]))
        for name, returns, takes in _FUNCTIONS:
            function = getattr(lib, name)
            function.restype, function.argtypes = returns, takes
    except (OSError, AttributeError, IndexError) as error:
        raise LlamaProblem(f"the llama.cpp in {folder} cannot be used ({error}): {INSTALL}") from None
    if not _known(lib):
        raise LlamaProblem(f"the llama.cpp in {folder} is of a build this program does not know: {INSTALL}")
    lib.llama_log_set(ctypes.cast(_listener, c_void_p), None)
    lib.llama_backend_init()
    return lib


def _known(lib: ctypes.CDLL) -> bool:
    """Whether both structures are laid out as above: their defaults must stand in their places, and nothing behind them."""
    model, context = lib.llama_model_default_params(), lib.llama_context_default_params()
    lies = (
        (model.n_gpu_layers, model.split_mode, model.load_mode, model.lazy_mode, model.main_gpu) == (-1, 1, -1, 1, 0),
        (model.vocab_only, model.check_tensors, model.use_extra_bufts, model.no_alloc) == (False, False, True, False),
        (context.n_ctx, context.n_batch, context.n_ubatch, context.n_seq_max) == (512, 2048, 512, 1),
        (context.n_outputs_max, context.n_outputs_max_per_seq, context.n_threads) == (0, 1, context.n_threads_batch),
        (context.rope_scaling_type, context.pooling_type, context.attention_type, context.flash_attn_type) == (-1,) * 4,
        (context.yarn_ext_factor, context.yarn_beta_slow, context.defrag_thold) == (-1.0, -1.0, -1.0),
        (context.type_k, context.type_v, context.moe_cache_size, context.abort_callback) == (1, 1, 0, None),
        (context.embeddings, context.offload_kqv, context.no_perf, context.op_offload) == (False, True, True, True),
        (context.swa_full, context.kv_unified, context.n_samplers, context.ctx_other) == (True, False, 0, None),
    )
    return all(lies)
