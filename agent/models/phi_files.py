"""What lies on the disk before any of it is loaded: finds a base model and its LoRA folders, and reads their headers.

PEFT loads an adapter onto whatever base it is given, and takes pickles. So this file looks first: safetensors only, whole
files, LoRA matrices only, and every one of them as wide and as high as the base's own. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_RANK = 512
_MOST_HEADER = 64 * 1024 * 1024
_PARTS = (".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector")
_CHANGES_BASE = ("pissa", "olora", "corda", "eva")
_WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "tokenizer.model")
MEANWHILE = "until then --model gguf or authored runs"

Shapes = Mapping[str, tuple[int, ...]]


class PhiProblem(RuntimeError):
    """What keeps this model from answering: one line that says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class AdapterFiles:
    """A LoRA folder that may be loaded. ``digest`` is the sha256 of its weights and settings. ``invocation`` are the token
    ids after which an activated LoRA works; empty for one that always works."""

    folder: Path
    digest: str
    rank: int
    invocation: tuple[int, ...] = ()


def find(source: str | Path, *, what: str, fetch: bool = False) -> Path:
    """The folder of a model or adapter: a path, or a hub name (``owner/name``) that was fetched before.

    Only ``fetch`` lets it use the network, and ``HF_HUB_OFFLINE=1`` forbids even that. Raises :class:`PhiProblem` with the
    command that fetches it by hand.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    name = str(source)
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or folder.parent.is_dir():
        raise PhiProblem(f"there is no {what} in {folder}; make or fetch it, {MEANWHILE}")
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, allow_patterns=list(_WANTED), local_files_only=offline or not fetch))
    except ImportError:
        raise missing_extra("huggingface_hub") from None
    except Exception as error:  # the hub's client has dozens: no network, no such name, no room, not yet fetched
        why = f" ({type(error).__name__})" if fetch and not offline else " (HF_HUB_OFFLINE is set)" if fetch else ""
        raise PhiProblem(
            f"the {what} {name} is not on this machine{why}; with a network: hf download {name}; {MEANWHILE}"
        ) from None


def missing_extra(module: str) -> PhiProblem:
    """The line for a machine without the heavy libraries."""
    return PhiProblem(f"--model phi needs {module}, which is not installed: make install EXTRAS=gpu; {MEANWHILE}")


def base_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a base model. Raises :class:`PhiProblem` for anything but whole safetensors files."""
    for name in ("config.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise PhiProblem(f"{folder} is no whole model: {name} is missing; fetch it again, {MEANWHILE}")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        raise PhiProblem(f"{folder} is no whole model: tokenizer.json is missing; fetch it again, {MEANWHILE}")
    shapes: dict[str, tuple[int, ...]] = {}
    for file in _weight_files(folder):
        shapes.update(header(file))
    return shapes


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        single = folder / "model.safetensors"
        if single.is_file():
            return [single]
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        found = f"only {pickled[0]}, a pickle, which may run code; safetensors are taken" if pickled else "no model.safetensors"
        raise PhiProblem(f"{folder} holds {found}; fetch it again, {MEANWHILE}")
    names = sorted(set(_json(index).get("weight_map", {}).values()))
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise PhiProblem(f"{index}: “{name}” is not the name of a safetensors file beside it")
        if not (folder / name).is_file():
            raise PhiProblem(f"{folder} is no whole model: {name} is missing; fetch it again, {MEANWHILE}")
    return [folder / name for name in names]


def header(file: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes in a safetensors file. Raises :class:`PhiProblem` if it is none, or not all of one."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, _MOST_HEADER):
            raise PhiProblem(f"{file} is no safetensors file, whatever it is called")
        raw = stream.read(length)
    try:
        entries = {name: entry for name, entry in json.loads(raw).items() if name != "__metadata__"}
        shapes = {name: tuple(int(side) for side in entry["shape"]) for name, entry in entries.items()}
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise PhiProblem(f"{file} is no safetensors file, whatever it is called") from None
    if not entries or 8 + length + end != size:
        raise PhiProblem(f"{file} is {size:,} bytes long and should be {8 + length + end:,}: fetch or make it again")
    return shapes


def check_adapter(folder: Path, base: Shapes) -> AdapterFiles:
    """A LoRA folder that fits the base of these shapes. Raises :class:`PhiProblem` with what does not fit."""
    settings = _json(folder / "adapter_config.json")
    weights = folder / "adapter_model.safetensors"
    if not weights.is_file():
        pickled = (folder / "adapter_model.bin").exists()
        found = "only adapter_model.bin, a pickle, which may run code" if pickled else "no adapter_model.safetensors"
        raise PhiProblem(f"the adapter {folder} holds {found}; safetensors are taken")
    if settings.get("peft_type") != "LORA":
        raise PhiProblem(f"the adapter {folder} is a {settings.get('peft_type')}, and only LoRA is taken")
    start = str(settings.get("init_lora_weights", "")).lower()
    if start.startswith(_CHANGES_BASE):
        raise PhiProblem(f"the adapter {folder} starts from {start}, which changes the base: convert it when it is saved")
    rank = _fits(folder, header(weights), base)
    digest = hashlib.sha256(weights.read_bytes() + (folder / "adapter_config.json").read_bytes()).hexdigest()
    return AdapterFiles(folder, digest, rank, tuple(settings.get("alora_invocation_tokens") or ()))


def _fits(folder: Path, shapes: Shapes, base: Shapes) -> int:
    """The largest rank in the adapter, once each of its matrices fits the base's."""
    largest = 0
    for name, shape in shapes.items():
        part = next((part for part in _PARTS if name.endswith(part)), "")
        if not part:
            raise PhiProblem(f"the adapter {folder} holds {name}, which is no LoRA matrix: it cannot be added to another")
        target = name.removesuffix(part).removeprefix("base_model.model.") + ".weight"
        if target not in base:
            raise PhiProblem(f"the adapter {folder} is for another base: this one has no {target}")
        height, width = base[target]
        if part == _PARTS[0]:
            rank, fits = shape[0], shape == (shape[0], width)
        elif part == _PARTS[1]:
            rank, fits = shape[-1], shape == (height, shape[-1])
        else:
            rank, fits = 0, shape in ((height,), (1, height))
        if not fits:
            raise PhiProblem(f"the adapter {folder} is for another base: {name} is {shape}, {target} is {(height, width)}")
        largest = max(largest, rank)
    if largest > MOST_RANK:
        raise PhiProblem(f"the adapter {folder} has rank {largest}; at most {MOST_RANK} is taken")
    return largest


def stack_digest(parts: Sequence[AdapterFiles]) -> str:
    """One digest for adapters that are active together; the order does not matter, for their sum does not depend on it."""
    return hashlib.sha256("\n".join(sorted(part.digest for part in parts)).encode()).hexdigest()


def _json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise PhiProblem(f"{file} is missing")
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PhiProblem(f"{file} is no JSON: {error}") from None
    if not isinstance(read, dict):
        raise PhiProblem(f"{file} is no JSON object")
    return read
