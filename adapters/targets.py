"""Which modules of a base an adapter sits on, and whether it really does.

PEFT adapts what matches and says nothing of what does not: the attention names of Llama leave three of four projections of a
Phi-3 untouched, because Phi-3 fuses them. So every name must be found in every layer, and after wrapping the adapted
modules and their parameters are counted against what was claimed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapters.checks import Refusal

if TYPE_CHECKING:
    from torch import nn

_LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TARGETS: Mapping[str, tuple[str, ...]] = {
    "phi3": ("qkv_proj", "o_proj", "gate_up_proj", "down_proj"),
    "gpt2": ("c_attn", "c_proj", "c_fc"),  # DialoGPT too
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"), _LLAMA),
}
_LAYER = re.compile(r"\.(\d+)\.")


def resolve(model: nn.Module, wanted: str | Sequence[str]) -> dict[str, list[str]]:
    """The full names of the modules behind each wanted name (``"all"``: all linear modules of the architecture's layers).

    Raises :class:`Refusal` with a table of what matched where one matches nothing, or not in every layer.
    """
    linear = _linear(model)
    kind = str(getattr(getattr(model, "config", None), "model_type", ""))
    inside = {name for name in linear if _LAYER.search(name)}  # the head is no layer's
    names = (TARGETS.get(kind) or sorted({_last(name) for name in inside})) if wanted == "all" else list(dict.fromkeys(wanted))
    found = {name: [full for full in linear if full == name or full.endswith(f".{name}")] for name in names}
    layers = {_layer(name) for name in inside}
    wrong = [name for name, full in found.items() if not full or ("." not in name and not {*map(_layer, full)} >= layers)]
    heads = [name for name, full in found.items() if any(module not in inside for module in full)]
    if heads:
        raise Refusal(f"{', '.join(heads)} is no layer but the model's head, which an adapter cannot train; take it out")
    if wrong:
        known = sorted({_last(name) for name in inside})
        near = {name: difflib.get_close_matches(name, known, n=1) for name in wrong}
        hint = f"; did you mean {', '.join(match[0] for match in near.values() if match)}?" if any(near.values()) else ""
        raise Refusal(
            f"the targets match less than they claim on this {kind or 'model'}: "
            f"{'; '.join(table(found, linear, len(layers)))}. "
            f'Its layers have: {", ".join(known)}{hint} (or targets = "all")'
        )
    return found


def table(found: Mapping[str, Sequence[str]], linear: Mapping[str, tuple[int, int]], layers: int) -> list[str]:
    """A line for every name: how often it matched, and the sizes."""
    lines = []
    for name, full in found.items():
        sizes = " and ".join(sorted({f"{linear[module][0]}→{linear[module][1]}" for module in full}))
        reach = len({_layer(module) for module in full})
        lines.append(f"{name}: {len(full)} modules ({sizes}) in {reach} of {layers} layers" if full else f"{name}: nothing")
    return lines


def describe(model: nn.Module, found: Mapping[str, Sequence[str]]) -> list[str]:
    """What :func:`resolve` found, for people."""
    linear = _linear(model)
    return table(found, linear, len({_layer(name) for name in linear if _LAYER.search(name)}))


def verify(model: Any, found: Mapping[str, Sequence[str]], sizes: Mapping[str, tuple[int, int]], rank: int) -> int:
    """The number of parameters that will be trained. Raises :class:`Refusal` where PEFT adapted anything but ``found``."""
    claimed = {module for full in found.values() for module in full}
    adapted = {
        name.removeprefix("base_model.model.")
        for name, module in model.named_modules()
        if "default" in getattr(module, "lora_A", {})
    }
    if adapted != claimed:
        raise Refusal(f"PEFT adapted other modules than the recipe claims: {', '.join(sorted(adapted ^ claimed)[:4])} …")
    trained: int = sum(p.numel() for name, p in model.named_parameters() if p.requires_grad and "magnitude" not in name)
    expected = sum(rank * sum(sizes[module]) for module in claimed)
    if trained != expected:
        raise Refusal(f"{trained:,} parameters would be trained, but rank {rank} on these modules is {expected:,}")
    return trained


def sizes_of(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every linear module, by its name."""
    return _linear(model)


def _linear(model: nn.Module) -> dict[str, tuple[int, int]]:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    found = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):  # bitsandbytes' too; its packed weight does not tell the size
            found[name] = (module.in_features, module.out_features)
        elif isinstance(module, Conv1D):
            found[name] = (module.weight.shape[0], module.weight.shape[1])
    return found


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _layer(name: str) -> str:
    """The number of the layer a module stands in, "" outside of all."""
    match = _LAYER.search(name)
    return match[1] if match else ""
