"""A PEFT LoRA folder as a GGUF adapter, or added to the weights of its base.

llama.cpp knows one scale for a whole adapter, alpha divided by each matrix's rank. PEFT knows more: rank-stabilised LoRA
(alpha / √rank), and ranks and alphas of single modules. So whatever goes beyond alpha / rank is multiplied into B, matrix by
matrix; for plain LoRA that factor is exactly 1 and the file is the one llama.cpp's converter writes.

What is not ΔW = scale · B · A cannot go, and is refused: DoRA's magnitudes, trained biases, whole modules trained beside
the LoRA, embeddings (llama.cpp would apply an adapter of tied embeddings to the output as well), layers that are repeated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

from adapters import gguf_model, verify
from adapters.gguf_model import Change, Weights, encoded
from adapters.gguf_shape import ExportProblem, Shape, read_shape, tensor_names

# Settings that make an adapter more than LoRA, and what each of them means.
_MORE_THAN_LORA: Mapping[str, str] = {
    "use_dora": "DoRA scales every row by a magnitude of its own, which GGUF has no place for",
    "lora_bias": "its B has a bias",
    "modules_to_save": "it brings whole modules of its own",
    "trainable_token_indices": "it trains single embeddings",
    "layer_replication": "it repeats layers of the base",
    "target_parameters": "it adapts parameters that are no layers",
    "use_qalora": "QA-LoRA pools its input",
    "use_bdlora": "its matrices are block-diagonal",
    "alora_invocation_tokens": "an activated LoRA works from its invocation on only, which no GGUF program here does",
    "fan_in_fan_out": "its matrices are turned round",
}


def read(folder: Path, model: Path) -> tuple[verify.Lora, dict[str, tuple[Weights, Weights]]]:
    """The adapter in ``folder``, made for the model in ``model``: settings, and A and B of every module it adapts.

    Raises :class:`ExportProblem` where it is broken, for another base, or more than LoRA.
    """
    shape = read_shape(model)
    path = folder / "adapter_config.json"
    try:
        lora = verify.read_lora(folder)
        for key, reason in _MORE_THAN_LORA.items():
            if lora.config.get(key):
                raise ExportProblem(f"{path}: {key}: {reason}; train it as plain LoRA, or use --merge with what PEFT merged")
        if lora.config.get("bias", "none") != "none":
            raise ExportProblem(f"{path}: bias = {lora.config['bias']!r}: it trains biases, and Phi-3 has none")
        _check_base(folder, model)
        held = verify.load(folder / "adapter_model.safetensors")
        pairs = verify.lora_pairs(held)
        for name in held:
            if not any(name in parts.values() for parts in pairs.values()):
                raise ExportProblem(f"{folder / 'adapter_model.safetensors'}: {name} is no LoRA matrix, so it cannot go")
        if not pairs:
            raise ExportProblem(f"{folder / 'adapter_model.safetensors'}: holds no LoRA matrices")
        for module in pairs:
            _check_module(folder, module, shape)
        verify.check_adapter(folder, model)
    except verify.CatalogProblem as error:
        raise ExportProblem(str(error)) from None
    return lora, {module: (held[parts["A"]], held[parts["B"]]) for module, parts in pairs.items()}


def _check_base(folder: Path, model: Path) -> None:
    """An adapter's card names the base it was made for; PEFT itself looks at nothing."""
    card = folder / "card.json"
    told = str(verify.read_json(card).get("base_digest") or "") if card.is_file() else ""
    if told and told != (found := verify.weights_digest(model)):
        raise ExportProblem(f"{folder}: was made for another base: its card names {told[:12]}…, and {model} is {found[:12]}…")


def _check_module(folder: Path, module: str, shape: Shape) -> None:
    names = tensor_names(shape)
    if module.endswith("embed_tokens") or (module.endswith("lm_head") and shape.tied):
        raise ExportProblem(f"{folder}: adapts {module}, which llama.cpp would apply twice where the two are one; leave it out")
    if f"{module}.weight" not in names or len(names[f"{module}.weight"][1]) != 2:
        raise ExportProblem(f"{folder}: was made for another base: Phi-3 with {shape.layers} layers has no {module}")


def write_adapter(folder: Path, model: Path, to: Path, kind: str = "f32") -> Path:
    """Convert the adapter in ``folder``, made for the model in ``model``, into the file ``to`` (``f32`` or ``f16``)."""
    lora, matrices = read(folder, model)
    alpha = float(lora.config["lora_alpha"])
    names = tensor_names(read_shape(model))
    held: dict[str, Weights] = {}
    for module, (a, b) in sorted(matrices.items()):
        ours = names[f"{module}.weight"][0]
        held[f"{ours}.lora_a"] = a
        held[f"{ours}.lora_b"] = b * np.float32(lora.scale(module) * lora.rank(module) / alpha)
    kind = "f16" if kind == "f16" else "f32"
    plan = {name: (value.shape, gguf_model.kept_as(name, value.shape, kind)) for name, value in held.items()}
    with gguf_model.writing(to, plan, (encoded(name, value, kind) for name, value in held.items())) as writer:
        writer.add_type("adapter")
        writer.add_name(folder.name)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
        writer.add_string("fabula.base.digest", verify.weights_digest(model))
    return to


def merging(folders: Sequence[Path], model: Path) -> tuple[Change, str]:
    """What adds these adapters to a base in full precision, and a digest for what comes out.

    The sum of several is exact: W + Σ scale · B · A, computed in f64 and rounded once.
    """
    read_all = [read(folder, model) for folder in folders]

    def add(name: str, value: Weights) -> Weights:
        whole = value.astype(np.float64)
        for lora, matrices in read_all:
            if found := matrices.get(name.removesuffix(".weight")):
                a, b = found
                whole += lora.scale(name.removesuffix(".weight")) * (b.astype(np.float64) @ a.astype(np.float64))
        return whole.astype(np.float32)

    parts = [verify.weights_digest(model), *(verify.file_digest(folder / "adapter_model.safetensors") for folder in folders)]
    return add, hashlib.sha256("\n".join(parts).encode()).hexdigest()
