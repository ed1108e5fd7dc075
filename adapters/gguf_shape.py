"""What a Phi-3 model looks like, from its ``config.json``: sizes, positions, and every tensor by both of its names.

What llama.cpp would compute otherwise than transformers is refused here, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters import verify

_ROPE_KINDS = ("default", "longrope", "su")


class ExportProblem(ValueError):
    """What was asked for cannot be made. ``str()`` is one line for a person: what, where, why."""


@dataclass(frozen=True)
class Shape:
    """What a ``config.json`` says of a Phi-3 model. ``window``: tokens each token can look back on; 0 for all."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    rows: int
    context: int
    original: int
    epsilon: float
    theta: float
    rotary: int
    window: int
    tied: bool
    long: tuple[float, ...]
    short: tuple[float, ...]
    attention: float


def read_shape(folder: Path) -> Shape:
    """The shape of the model in ``folder``. Raises :class:`ExportProblem` for another architecture or what cannot go."""
    path = folder / "config.json"
    try:
        told = verify.read_json(path)
    except verify.CatalogProblem as error:
        raise ExportProblem(str(error)) from None
    if told.get("model_type") != "phi3":
        raise ExportProblem(f"{path}: is a {told.get('model_type')!r} model; Phi-3 can be exported")
    if told.get("hidden_act", "silu") != "silu":
        raise ExportProblem(f"{path}: hidden_act is {told['hidden_act']!r}; llama.cpp's Phi-3 has silu")
    if told.get("attention_bias"):
        raise ExportProblem(f"{path}: attention has a bias, which llama.cpp's Phi-3 has not")
    if "quantization_config" in told:
        raise ExportProblem(f"{path}: the weights are quantised already; export the model it was made from")
    try:
        return _shape(path, told)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, ExportProblem):
            raise
        raise ExportProblem(f"{path}: lacks {error} or says it in an unknown way") from None


def _shape(path: Path, told: dict[str, Any]) -> Shape:
    rope = {"rope_theta": told.get("rope_theta", 10_000.0)}
    rope |= {**(told.get("rope_scaling") or {}), **(told.get("rope_parameters") or {})}
    kind = str(rope.get("rope_type", rope.get("type", "default")))
    if kind not in _ROPE_KINDS:
        raise ExportProblem(f"{path}: positions are scaled as {kind!r}; known are {', '.join(_ROPE_KINDS)}")
    context, heads, width = int(told["max_position_embeddings"]), int(told["num_attention_heads"]), int(told["hidden_size"])
    original = int(told.get("original_max_position_embeddings") or rope.get("original_max_position_embeddings") or context)
    partial = float(rope.get("partial_rotary_factor") or told.get("partial_rotary_factor") or 1.0)
    if told.get("head_dim") not in (None, width // heads) or width % heads:
        raise ExportProblem(
            f"{path}: heads of {told.get('head_dim')} do not make up the width {width}, as in llama.cpp they must"
        )
    long, short = tuple(rope.get("long_factor") or ()), tuple(rope.get("short_factor") or ())
    rotary = int(width // heads * partial)
    if kind != "default" and not len(long) == len(short) == rotary // 2:
        raise ExportProblem(f"{path}: {kind} needs {rotary // 2} long and short factors")
    stretch = context / original
    attention = float(np.sqrt(1 + np.log(stretch) / np.log(original))) if kind != "default" and stretch > 1 else 1.0
    return Shape(
        layers=int(told["num_hidden_layers"]),
        width=width,
        heads=heads,
        kv_heads=int(told.get("num_key_value_heads") or heads),
        inner=int(told["intermediate_size"]),
        rows=int(told["vocab_size"]),
        context=context,
        original=original,
        epsilon=float(told["rms_norm_eps"]),
        theta=float(rope["rope_theta"]),
        rotary=rotary,
        window=int(told.get("sliding_window") or 0),
        tied=bool(told.get("tie_word_embeddings")),
        long=long if kind != "default" else (),
        short=short if kind != "default" else (),
        attention=attention,
    )


def tensor_names(shape: Shape) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Every tensor a Phi-3 model has: its name in safetensors, its name in GGUF, its shape (rows first)."""
    head = shape.width // shape.heads
    fused = (shape.heads + 2 * shape.kv_heads) * head
    names: dict[str, tuple[str, tuple[int, ...]]] = {
        "model.embed_tokens.weight": ("token_embd.weight", (shape.rows, shape.width)),
        "model.norm.weight": ("output_norm.weight", (shape.width,)),
    }
    if not shape.tied:
        names["lm_head.weight"] = ("output.weight", (shape.rows, shape.width))
    for layer in range(shape.layers):
        theirs, ours = f"model.layers.{layer}", f"blk.{layer}"
        names |= {
            f"{theirs}.input_layernorm.weight": (f"{ours}.attn_norm.weight", (shape.width,)),
            f"{theirs}.self_attn.qkv_proj.weight": (f"{ours}.attn_qkv.weight", (fused, shape.width)),
            f"{theirs}.self_attn.o_proj.weight": (f"{ours}.attn_output.weight", (shape.width, shape.width)),
            f"{theirs}.post_attention_layernorm.weight": (f"{ours}.ffn_norm.weight", (shape.width,)),
            f"{theirs}.mlp.gate_up_proj.weight": (f"{ours}.ffn_up.weight", (2 * shape.inner, shape.width)),
            f"{theirs}.mlp.down_proj.weight": (f"{ours}.ffn_down.weight", (shape.width, shape.inner)),
        }
    return names
