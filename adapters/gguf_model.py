"""A Phi-3 model folder as one GGUF file.

Our own converter, because llama.cpp's wants torch and a ``tokenizer.model`` that transformers no longer writes. Tensors go
through one at a time, so a model of 8 GB needs the memory of its largest matrix. What does not fit the architecture as
llama.cpp computes it is refused with the reason: a file that loads and answers otherwise is worse than none.

Quantised kinds: ``q8_0`` (8.5 bits a weight) and ``q4_0`` (4.5; embeddings and output stay at ``q8_0``, which costs little
and keeps words apart). Vectors stay in f32. A matrix whose rows are no multiple of 32 cannot be quantised and stays in f16.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kept
from numpy.typing import NDArray

from adapters import gguf_tokenizer, template, verify
from adapters.gguf_shape import ExportProblem, Shape, read_shape, tensor_names

KINDS = ("q8_0", "q4_0", "f16", "f32")
BLOCK = 32  # weights that share a scale
Plan = Mapping[str, tuple[tuple[int, ...], Kept]]  # of each tensor its shape, and how it is kept
_LARGEST = {Kept.F32: float("inf"), Kept.F16: 65_504.0, Kept.Q8_0: 127 * 65_504.0, Kept.Q4_0: 8 * 65_504.0}
_FILE_TYPE = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7}
Weights = NDArray[np.float32]
Change = Callable[[str, Weights], Weights]


def tensors(folder: Path, shape: Shape) -> Iterator[tuple[str, Weights]]:
    """The model's tensors by their names in safetensors, in f32, one at a time. Raises :class:`ExportProblem`."""
    wanted = tensor_names(shape)
    try:
        files = sorted(folder.glob("model*.safetensors"))
        placed = {name: (path, tensor) for path in files for name, tensor in verify.header(path).items()}
        if shape.tied:
            placed.pop("lm_head.weight", None)  # the same numbers as the embeddings
        for name in wanted.keys() ^ placed.keys():
            kept = "has no" if name in wanted else "has a tensor that no Phi-3 model has:"
            raise ExportProblem(f"{folder}: {kept} {name}")
        for name in wanted:
            path, tensor = placed[name]
            if tensor.shape != wanted[name][1]:
                raise ExportProblem(f"{path}: {name} is {tensor.shape}, and config.json makes it {wanted[name][1]}")
            yield name, _numbers(path, name, tensor)
    except verify.CatalogProblem as error:
        raise ExportProblem(str(error)) from None


def _numbers(path: Path, name: str, tensor: verify.Tensor) -> Weights:
    """One tensor out of a file, in f32; nothing else of the file is read."""
    raw = np.fromfile(path, np.uint8, tensor.end - tensor.begin, offset=tensor.begin)
    if tensor.dtype == "BF16":
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(tensor.shape)
    if tensor.dtype not in ("F32", "F16", "F64"):
        raise ExportProblem(f"{path}: {name} is of kind {tensor.dtype}; export the model in full precision it was made from")
    return raw.view({"F32": "<f4", "F16": "<f2", "F64": "<f8"}[tensor.dtype]).astype(np.float32).reshape(tensor.shape)


def kept_as(name: str, sides: tuple[int, ...], kind: str) -> Kept:
    """How a tensor of this name and shape stands in a file of this kind."""
    if len(sides) < 2 or kind == "f32":
        return Kept.F32
    if kind == "f16" or sides[-1] % BLOCK:
        return Kept.F16
    return Kept.Q8_0 if kind == "q8_0" or name in ("token_embd.weight", "output.weight") else Kept.Q4_0


def encoded(name: str, value: Weights, kind: str) -> NDArray[Any]:
    """A tensor as it stands in the file. Raises :class:`ExportProblem` for numbers that are none, or too large for ``kind``."""
    largest = float(np.abs(value).max(initial=0.0))
    if not np.isfinite(largest):
        raise ExportProblem(f"{name} holds NaN or infinite numbers; train or fetch it again")
    kept = kept_as(name, value.shape, kind)
    if largest > _LARGEST[kept]:
        raise ExportProblem(f"{name} holds {largest:.3g}, which {kept.name.lower()} cannot hold; use --to f32")
    return np.asarray(gguf.quants.quantize(np.ascontiguousarray(value, np.float32), kept))


def write_model(folder: Path, to: Path, kind: str, *, name: str = "", change: Change | None = None, base: str = "") -> Path:
    """Convert the model in ``folder`` into the file ``to``. ``change`` is applied to every tensor before it is encoded.

    ``base`` is the digest that adapters for this file must name; by default that of the weights in ``folder``.
    """
    shape = read_shape(folder)
    vocabulary = gguf_tokenizer.read(folder, shape.rows)
    factors = {f"rope_factors_{which}.weight": told for which, told in (("long", shape.long), ("short", shape.short)) if told}
    called = tensor_names(shape)
    plan: dict[str, tuple[tuple[int, ...], Kept]] = {name: ((len(told),), Kept.F32) for name, told in factors.items()}
    plan |= {ours: (sides, kept_as(ours, sides, kind)) for ours, sides in called.values()}

    def data() -> Iterator[NDArray[Any]]:
        yield from (np.array(told, np.float32) for told in factors.values())
        for theirs, value in tensors(folder, shape):
            yield encoded(called[theirs][0], change(theirs, value) if change else value, kind)

    with writing(to, plan, data()) as writer:
        describe(writer, shape, vocabulary, gguf_tokenizer.name_for(name or folder.name, vocabulary))
        writer.add_file_type(_FILE_TYPE[kind])
        writer.add_string("fabula.base.digest", base or verify.weights_digest(folder))
        writer.add_string("fabula.tokenizer.digest", verify.tokenizer_digest(folder))
        writer.add_string("fabula.template.digest", template.digest())
    return to


@contextmanager
def writing(to: Path, plan: Plan, data: Iterator[NDArray[Any]]) -> Iterator[gguf.GGUFWriter]:
    """A writer to describe the file ``to`` with. Then ``data`` follows, one tensor at a time, in the order of ``plan``.

    The file appears under its name when it is whole; if anything goes wrong, nothing is left and an older file stays.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "phi3")
    try:
        yield writer
        for name, (sides, kept) in plan.items():
            size = int(np.prod(gguf.quant_shape_to_byte_shape(sides, kept)))
            writer.add_tensor_info(name, sides, np.dtype(np.float32), size, raw_dtype=kept)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for value in data:
            writer.write_tensor_data(value)
        writer.close()
        os.replace(part, to)
    finally:
        writer.close()
        part.unlink(missing_ok=True)


def describe(writer: gguf.GGUFWriter, shape: Shape, vocabulary: gguf_tokenizer.Vocabulary, name: str) -> None:
    """The header of a model file: sizes, positions, tokenizer."""
    writer.add_type("model")
    writer.add_name(name)
    writer.add_context_length(shape.context)
    writer.add_rope_scaling_orig_ctx_len(shape.original)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.inner)
    writer.add_block_count(shape.layers)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.rotary)
    writer.add_rope_freq_base(shape.theta)
    writer.add_sliding_window(shape.window)
    if shape.long:
        writer.add_rope_scaling_attn_factors(shape.attention)
    writer.add_tokenizer_model(vocabulary.family)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(list(vocabulary.pieces))
    writer.add_token_types(list(vocabulary.kinds))
    if vocabulary.merges:
        writer.add_token_merges(list(vocabulary.merges))
    if vocabulary.scores:
        writer.add_token_scores(list(vocabulary.scores))
    for part, number in vocabulary.special.items():
        writer.add_uint32(f"tokenizer.ggml.{part}_token_id", number)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(vocabulary.prefix)
    if vocabulary.template:
        writer.add_chat_template(vocabulary.template)
    writer.add_string("tokenizer.huggingface.json", vocabulary.text)
