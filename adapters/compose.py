"""Several adapters at once: ``python -m adapters.compose OUT ADAPTER[=WEIGHT] ADAPTER[=WEIGHT] …``

A LoRA adds ``s·B·A`` to a matrix. The sum of several is again one LoRA, exactly, when their matrices are put side by side
(PEFT calls it ``cat``): A stacked, B side by side with each weight and scale multiplied in, and the ranks added up. What PEFT
calls ``linear`` adds the A's and the B's instead; ``(B₁ + B₂)(A₁ + A₂)`` also holds ``B₁A₂`` and ``B₂A₁``, which nobody
trained, and misses the sum by about as much as the sum is large (:func:`linear_error`). So only the exact way exists
here, and what is written is compared with the sum of its parts first. No torch.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters import verify
from adapters.verify import CatalogProblem, Lora, refuse

Matrix = NDArray[np.float32]
SMALL, LARGE = 1e-6, 100.0  # weights beyond mean nothing, and float32 could not hold their products
CLOSE = 1e-6  # of the sum's own size: float32 rounding is 6e-8 a step


@dataclass(frozen=True)
class Part:
    """One adapter, read: its configuration and, by module, its matrices A (rank × in) and B (out × rank)."""

    folder: Path
    lora: Lora
    pairs: Mapping[str, tuple[Matrix, Matrix]]
    names: Mapping[str, tuple[str, str]]  # what the two tensors of a module are called in the file

    @classmethod
    def read(cls, folder: Path) -> Part:
        """Reads and checks a PEFT folder. Raises CatalogProblem."""
        tensors = verify.check_adapter(folder)
        lora = verify.read_lora(folder)
        for key, what in (("use_dora", "DoRA"), ("modules_to_save", "whole modules"), ("lora_bias", "biases")):
            if lora.config.get(key):
                refuse(folder, f"has {what}, which are no sum; such an adapter can only be used alone")
        if lora.config.get("bias", "none") != "none":
            refuse(folder, "has trained biases, which are no sum; such an adapter can only be used alone")
        held = verify.load(folder / "adapter_model.safetensors", tensors)
        names = {module: (parts["A"], parts["B"]) for module, parts in verify.lora_pairs(tensors).items()}
        return cls(folder, lora, {module: (held[a], held[b]) for module, (a, b) in names.items()}, names)

    def delta(self, module: str) -> NDArray[np.float64]:
        """What this adapter adds to one matrix, scale counted in, in double precision; a 1 × 1 zero where it adds nothing."""
        if module not in self.pairs:
            return np.zeros((1, 1))
        a, b = self.pairs[module]
        return self.lora.scale(module) * (b.astype(np.float64) @ a.astype(np.float64))


def compose(parts: Sequence[tuple[Path, float]], out: Path) -> float:
    """Writes the weighted sum of PEFT folders to the folder ``out`` as one plain LoRA. ``parts`` are (folder, weight).

    Returns how far the result is from the sum of its parts, as a share of that sum (Frobenius norm, worst module); raises
    CatalogProblem when this is above :data:`CLOSE`, when bases differ, or when a part is no plain LoRA.
    """
    read = [(Part.read(folder), float(weight)) for folder, weight in parts]
    _same_kind(read)
    made: dict[str, tuple[Matrix, Matrix]] = {}
    tensors: dict[str, Matrix] = {}
    for module in sorted({module for part, _ in read for module in part.pairs}):
        holders = [(part, weight) for part, weight in read if module in part.pairs]
        shapes = {(part.pairs[module][0].shape[1], part.pairs[module][1].shape[0]) for part, _ in holders}
        if len(shapes) > 1:
            refuse(out, f"cannot be made: {module} has different sizes in its parts, so they are for different bases")
        a = np.concatenate([part.pairs[module][0] for part, _ in holders])
        b = np.concatenate([part.pairs[module][1] * np.float32(w * part.lora.scale(module)) for part, w in holders], axis=1)
        if a.shape[0] > min(a.shape[1], b.shape[0]):
            a, b = _narrowed(a, b)
        if a.shape[0] > verify.MOST_RANK:
            refuse(out, f"cannot be made: the ranks of {module} add up to {a.shape[0]}, over {verify.MOST_RANK}")
        made[module] = a, b
        first = next(part for part, _ in holders).names[module]
        tensors |= {first[0]: a, first[1]: b}
    config = _config(read, {module: a.shape[0] for module, (a, _) in made.items()})
    result = Part(out, Lora(config), made, {})
    off = max(_off(result, read, module) for module in made)
    if not off <= CLOSE:
        refuse(out, f"cannot be made exactly: it would differ from the sum of its parts by {off:.1e}")
    _write(out, config, tensors)
    return off


def _narrowed(a: Matrix, b: Matrix) -> tuple[Matrix, Matrix]:
    """The same product with no more ranks than the matrix has rows or columns: the product itself, beside a unit matrix."""
    product = (b.astype(np.float64) @ a.astype(np.float64)).astype(np.float32)
    height, width = product.shape
    if height <= width:
        return product, np.eye(height, dtype=np.float32)
    return np.eye(width, dtype=np.float32), product


def _off(result: Part, read: Sequence[tuple[Part, float]], module: str) -> float:
    """The distance from the sum of the parts, as a share of what the parts weigh together."""
    total = np.zeros((1, 1)) + sum(weight * part.delta(module) for part, weight in read)
    size = sum(abs(weight) * float(np.linalg.norm(part.delta(module))) for part, weight in read)
    return float(np.linalg.norm(result.delta(module) - total)) / size if size else 0.0


def _same_kind(read: Sequence[tuple[Part, float]]) -> None:
    if not read or not all(weight == 0 or SMALL <= abs(weight) <= LARGE for _, weight in read):
        raise CatalogProblem(f"a composition needs at least one adapter, and weights of 0 or from {SMALL:g} to {LARGE:g}")
    first = read[0][0]
    for key in ("base_model_name_or_path", "fan_in_fan_out", "task_type", "alora_invocation_tokens"):
        for part, _ in read[1:]:
            if part.lora.config.get(key) != first.lora.config.get(key):
                refuse(part.folder, f"and {first.folder} cannot be composed: their {key} differ")


def _config(read: Sequence[tuple[Part, float]], ranks: Mapping[str, int]) -> dict[str, object]:
    """The configuration of the sum: alpha = rank everywhere, so that nothing is scaled a second time."""
    kept = ("peft_type", "task_type", "base_model_name_or_path", "fan_in_fan_out", "alora_invocation_tokens", "revision")
    most = max(ranks.values())
    others = {f"^{re.escape(module)}$".replace("\\_", "_"): rank for module, rank in ranks.items() if rank != most}
    return {key: value for key, value in read[0][0].lora.config.items() if key in kept} | {
        "r": most,
        "lora_alpha": most,
        "rank_pattern": others,
        "alpha_pattern": dict(others),
        "use_rslora": False,
        "use_dora": False,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "init_lora_weights": True,
        "target_modules": sorted(ranks),
    }


def _write(out: Path, config: Mapping[str, object], tensors: Mapping[str, Matrix]) -> None:
    """Both files appear together or not at all; an existing folder is not overwritten."""
    if out.exists():
        refuse(out, "is there already; choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".composing-") as room:
        folder = Path(room) / "adapter"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        write_safetensors(folder / "adapter_model.safetensors", tensors)
        verify.check_adapter(folder)
        os.rename(folder, out)


def write_safetensors(path: Path, tensors: Mapping[str, Matrix]) -> None:
    """Float32 tensors in the safetensors format; the header is padded to 8 bytes as the library does."""
    told: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name in sorted(tensors):
        size = 4 * tensors[name].size
        told[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as opened:
        opened.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            opened.write(np.ascontiguousarray(tensors[name], "<f4").tobytes())


def _modules(parts: Sequence[Part]) -> Iterator[str]:
    yield from sorted({module for part in parts for module in part.pairs})


def linear_error(parts: Sequence[tuple[Path, float]]) -> float:
    """How far PEFT's ``linear`` combination would be from the sum, as a share of the sum (Frobenius norm over all modules).

    PEFT multiplies √(weight · scale) into both A and B and adds each of them up. Parts of different rank cannot even be added.
    """
    read = [(Part.read(folder), weight) for folder, weight in parts]
    wrong = right = 0.0
    for module in _modules([part for part, _ in read]):
        held = [(part, weight * part.lora.scale(module)) for part, weight in read if module in part.pairs]
        roots = [(part, math.sqrt(abs(scale))) for part, scale in held]
        signs = [math.copysign(1, scale) for _, scale in held]
        a = np.sum(
            [s * r * part.pairs[module][0].astype(np.float64) for (part, r), s in zip(roots, signs, strict=True)], axis=0
        )
        b = np.sum([root * part.pairs[module][1].astype(np.float64) for part, root in roots], axis=0)
        total = np.zeros((1, 1)) + sum(weight * part.delta(module) for part, weight in read)
        wrong += float(np.linalg.norm(b @ a - total)) ** 2
        right += float(np.linalg.norm(total)) ** 2
    return math.sqrt(wrong / right) if right else 0.0


def distance(first: Path, second: Path) -> tuple[float, str]:
    """How far two adapters of one base are apart, as a share of the first's size, and the module where most of it is."""
    one, two = Part.read(first), Part.read(second)
    apart = {module: float(np.linalg.norm(one.delta(module) - two.delta(module))) for module in _modules([one, two])}
    size = math.sqrt(sum(float(np.linalg.norm(one.delta(module))) ** 2 for module in apart))
    moved = math.sqrt(sum(value**2 for value in apart.values()))
    return (moved / size if size else float(moved > 0)), max(apart, key=apart.__getitem__)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m adapters.compose", description="The weighted sum of several adapters.")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("parts", nargs="+", metavar="FOLDER[=WEIGHT]")
    options = parser.parse_args(arguments)
    try:
        parts = []
        for told in options.parts:
            folder, _, weight = told.partition("=")
            try:
                parts.append((Path(folder), float(weight or 1)))
            except ValueError:
                raise CatalogProblem(f"{told}: the weight {weight!r} is no number") from None
        off = compose(parts, options.out)
    except CatalogProblem as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.out}: {len(parts)} adapters in one, {off:.1e} from their exact sum")
    return 0


if __name__ == "__main__":
    sys.exit(main())
