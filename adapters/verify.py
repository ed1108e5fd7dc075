"""Looking at model files before anything loads them. No torch, nothing is executed, nothing is trusted.

Every check raises :class:`CatalogProblem`: one line that says which file, what is wrong, and what to do where something can
be done. PEFT looks at neither the base nor the file's kind, and llama.cpp aborts the process on a broken file, so what
passes here has been read to the last byte: headers must be true, tensors finite, ranks possible, tokenizers sane.

Formats: safetensors (8 bytes length, JSON header, tensors without gaps) and GGUF versions 2 and 3 (llama.cpp).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from adapters import template

MOST_HEADER = 100_000_000  # bytes; the limit of the safetensors library itself
MOST_JSON = 64_000_000  # bytes of a tokenizer or configuration; the largest known tokenizer has 34 MB
MOST_RANK = 512  # twice the rank at which LoRA equals full fine-tuning
MOST_TENSORS = 65_536
MOST_PIECES = 1_000_000  # of a vocabulary
MOST_UNPACKED = 20_000_000_000  # bytes of an archive's files together
CHUNK = 1 << 24
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5", ".msgpack")
KEPT = (".json", ".safetensors", ".gguf", ".md", ".txt", ".jinja", ".model", ".toml", ".svg", ".png")
STOPS = {"phi3": ("<|end|>", "<|endoftext|>")}  # what a chat template's answers end with, by architecture
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "U64": 8, "I32": 4, "U32": 4}
_BYTES |= {"I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_LORA = re.compile(r"^(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<part>A|B|embedding_A|embedding_B)(?:\.weight)?$")
# GGUF tensor kinds: elements in a block, bytes of a block, where its half-precision scales stand.
_BLOCKS: dict[int, tuple[int, int, tuple[int, ...]]] = {
    **{2: (32, 18, (0,)), 3: (32, 20, (0, 2)), 6: (32, 22, (0,)), 7: (32, 24, (0, 2)), 8: (32, 34, (0,))},
    **{10: (256, 84, (80, 82)), 11: (256, 110, (108,)), 12: (256, 144, (0, 2)), 13: (256, 176, (0, 2))},
    **{14: (256, 210, (208,)), 20: (32, 18, (0,)), 23: (256, 136, (0,))},
    **{24: (1, 1, ()), 25: (1, 2, ()), 26: (1, 4, ()), 27: (1, 8, ())},
}
_FLOATS = {0: "F32", 1: "F16", 28: "F64", 30: "BF16"}
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class CatalogProblem(ValueError):
    """A model file, or what the catalogue says of it, is not to be used. ``str()`` is the line a person should read."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file: its kind as the format calls it, its shape, and where its bytes stand in the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Gguf:
    """What a GGUF file says of itself."""

    values: dict[str, Any]
    tensors: dict[str, Tensor]


def refuse(path: Path, what: str) -> NoReturn:
    raise CatalogProblem(f"{path}: {what}")


# --- names and archives ---------------------------------------------------------------------------------------------------


def safe_name(name: str, what: str = "file") -> PurePosixPath:
    """``name`` as a relative path that stays where it is put, on every system."""
    parts = name.split("/")
    strange = any(ord(letter) < 32 or letter in '\\:*?"<>|\x7f' for letter in name)
    if not name or len(name) > 200 or strange or any(part in ("", ".", "..") or part != part.strip(" .") for part in parts):
        raise CatalogProblem(f"{what} name {name!r} leads elsewhere or cannot be a name; plain relative names only")
    if any(_RESERVED.match(part) for part in parts):
        raise CatalogProblem(f"{what} name {name!r} is reserved on Windows; choose another")
    return PurePosixPath(*parts)


def inside(root: Path, name: str, what: str = "file") -> Path:
    """The path of ``name`` under ``root``; refuses names that climb out, and links on the way."""
    path = root
    for part in safe_name(name, what).parts:
        path = path / part
        if path.is_symlink():
            refuse(path, f"is a link; the {what} itself must lie here (copy it)")
    return path


def unpack(archive: Path, to: Path) -> None:
    """Unpack a .zip or .tar(.gz) of model files into the empty folder ``to``; refuses whatever is not a plain file."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                members = [(each.filename, each.file_size, _zip_kind(each), each) for each in opened.infolist()]
                _unpack(archive, to, members, lambda each: opened.open(each))
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tape:
                found = [(each.name, each.size, _tar_kind(each), each) for each in tape]
                _unpack(archive, to, found, lambda each: tape.extractfile(each))
        else:
            refuse(archive, "is neither a folder nor a .zip or .tar archive")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        refuse(archive, f"cannot be unpacked: {error}")


def _zip_kind(member: zipfile.ZipInfo) -> str:
    mode = member.external_attr >> 16
    return "folder" if member.is_dir() else "link" if stat.S_ISLNK(mode) else "file"


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "link"
    return "folder" if member.isdir() else "file" if member.isreg() else "device"


def _unpack(archive: Path, to: Path, members: list[tuple[str, int, str, Any]], opened: Callable[[Any], Any]) -> None:
    if sum(size for _, size, _, _ in members) > MOST_UNPACKED or len(members) > 1_000:
        refuse(archive, f"unpacks to more than {MOST_UNPACKED // 10**9} GB or 1,000 files; that is no adapter")
    seen: set[str] = set()
    for name, size, kind, member in members:
        clean = name.removeprefix("./").rstrip("/")
        if kind == "folder" and clean in ("", "."):
            continue
        if kind not in ("file", "folder"):
            refuse(archive, f"holds a {kind} ({name!r}); only plain files are unpacked")
        try:
            target = inside(to, clean)
        except CatalogProblem as error:
            refuse(archive, str(error))
        if clean.casefold() in seen:
            refuse(archive, f"holds {name!r} twice")
        seen.add(clean.casefold())
        if kind == "folder":
            target.mkdir(parents=True, exist_ok=True)
            continue
        check_kind(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened(member) as source, target.open("xb") as written:
            left = size
            while block := source.read(min(CHUNK, left + 1)):
                left -= len(block)
                if left < 0:
                    refuse(archive, f"{name!r} is longer than the archive says")
                written.write(block)


def check_kind(path: Path) -> None:
    """Refuses a file that runs code when it is loaded, or that no model needs, by its name."""
    suffix = path.suffix.lower()
    if suffix in PICKLED:
        refuse(path, "is pickled weights, which run code when loaded; save them again as .safetensors")
    if suffix not in KEPT:
        refuse(path, f"is no file a model needs; kept are {' '.join(KEPT)}")


def check_neighbours(folder: Path) -> None:
    """Refuses a folder with pickled weights beside the good ones: a loader might take them."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PICKLED:
            check_kind(path)


# --- digests --------------------------------------------------------------------------------------------------------------


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def weights_digest(folder: Path) -> str:
    """One digest of a base's weights. One ``model.safetensors``: that file's; several: of their names and digests."""
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        refuse(folder, "has no model.safetensors")
    if len(files) == 1:
        return file_digest(files[0])
    return text_digest("".join(f"{file_digest(path)}  {path.name}\n" for path in files))


def tokenizer_digest(folder: Path) -> str:
    """Digest of what ``tokenizer.json`` says; how it is indented does not matter."""
    return text_digest(json.dumps(read_json(folder / "tokenizer.json"), sort_keys=True, separators=(",", ":")))


def template_digest(folder: Path) -> str:
    """Digest of a folder's chat template: ``adapters.template.digest()`` where it is ours, "" where there is none."""
    text: object = ""
    if (folder / "chat_template.jinja").is_file():
        text = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    elif (folder / "tokenizer_config.json").is_file():
        text = read_json(folder / "tokenizer_config.json").get("chat_template")
    if text == template.JINJA:
        return template.digest()
    return text_digest(text) if isinstance(text, str) and text else ""


# --- safetensors ----------------------------------------------------------------------------------------------------------


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in which no key stands twice."""
    try:
        if path.stat().st_size > MOST_JSON:
            refuse(path, f"has {path.stat().st_size / 1e6:.0f} MB; more than {MOST_JSON // 10**6} MB is no configuration")
        value = json.loads(path.read_bytes(), object_pairs_hook=_once)
    except FileNotFoundError:
        raise CatalogProblem(f"{path}: is missing") from None
    except (ValueError, RecursionError) as error:
        raise CatalogProblem(f"{path}: is not sound JSON: {error}") from None
    except OSError as error:
        raise CatalogProblem(f"{path}: cannot be read: {error.strerror}") from None
    if not isinstance(value, dict):
        refuse(path, "holds no JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"“{double[:40]}” stands twice")
    return value


def header(path: Path) -> dict[str, Tensor]:
    """The tensors a safetensors file holds. Refuses headers that lie: about lengths, kinds, gaps, overlaps or sizes."""
    try:
        size = path.stat().st_size
        with path.open("rb") as opened:
            start = opened.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            text = opened.read(length) if length <= min(MOST_HEADER, max(0, size - 8)) else b""
    except FileNotFoundError:
        raise CatalogProblem(f"{path}: is missing") from None
    except OSError as error:
        raise CatalogProblem(f"{path}: cannot be read: {error.strerror}") from None
    if not text.startswith(b"{"):
        if start[:4] == b"PK\x03\x04" or (start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
            refuse(path, "is a pickle under another name, which runs code when loaded; save the weights as safetensors")
        if start[:4] == b"GGUF":
            refuse(path, "is a GGUF file under another name; call it .gguf")
        if size < 10 or length > size - 8:
            refuse(path, f"is cut off: {size:,} bytes, and its header alone should have {length:,}; copy or fetch it again")
        refuse(path, "is not a safetensors file")
    try:
        raw = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise CatalogProblem(f"{path}: its header is not sound JSON: {error}") from None
    return _tensors(path, raw, 8 + length, size)


def _tensors(path: Path, raw: dict[str, Any], base: int, size: int) -> dict[str, Tensor]:
    note = raw.pop("__metadata__", {})
    if not isinstance(note, dict) or not all(isinstance(value, str) for value in note.values()):
        refuse(path, "its header's notes are not plain text")
    if not 0 < len(raw) <= MOST_TENSORS:
        refuse(path, f"holds {len(raw):,} tensors; 1 to {MOST_TENSORS:,} can be")
    found: dict[str, Tensor] = {}
    for name, told in raw.items():
        told = told if isinstance(told, dict) else {}
        dtype, shape, offsets = str(told.get("dtype")), _counts(told.get("shape")), _counts(told.get("data_offsets"))
        if dtype not in _BYTES:
            refuse(path, f"tensor {name[:80]!r} is of the unknown kind {dtype[:20]!r}")
        if shape is None or len(shape) > 8 or offsets is None or len(offsets) != 2:
            refuse(path, f"tensor {name[:80]!r} has an impossible shape or place")
        if offsets[1] - offsets[0] != math.prod(shape) * _BYTES[dtype]:
            refuse(path, f"its header lies: {name[:80]!r} should take {math.prod(shape) * _BYTES[dtype]:,} bytes")
        found[name] = Tensor(dtype, shape, base + offsets[0], base + offsets[1])
    place = base
    for name, tensor in sorted(found.items(), key=lambda pair: (pair[1].begin, pair[1].end)):
        if tensor.begin != place:
            refuse(path, f"its header lies: {name[:80]!r} does not begin where the tensor before it ends")
        place = tensor.end
    if place > size:
        refuse(path, f"is cut off: {size:,} of {place:,} bytes; copy or fetch it again")
    if place < size:
        refuse(path, f"has {size - place:,} bytes that belong to no tensor")
    return found


def _counts(value: object) -> tuple[int, ...] | None:
    """A list of whole numbers from 0 on; None for anything else."""
    sound = isinstance(value, list) and all(type(each) is int and 0 <= each < 1 << 62 for each in value)
    return tuple(value) if sound and isinstance(value, list) else None


def _pieces(path: Path, tensor: Tensor) -> Iterator[NDArray[Any]]:
    """A tensor's bytes, some MB at a time, so that a 2 GB file costs no memory."""
    with path.open("rb") as opened:
        opened.seek(tensor.begin)
        left = tensor.end - tensor.begin
        while left:
            block = opened.read(min(CHUNK, left))
            if not block:
                refuse(path, "became shorter while it was read")
            left -= len(block)
            yield np.frombuffer(block, np.uint8)


def _finite(raw: NDArray[Any], dtype: str) -> bool:
    """Whether all numbers of this kind are finite. Whole numbers are."""
    match dtype:
        case "F64" | "F32" | "F16":
            return bool(np.isfinite(raw.view({"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype])).all())
        case "BF16":
            return not bool(((raw.view("<u2") & 0x7F80) == 0x7F80).any())
        case "F8_E4M3":
            return not bool(((raw & 0x7F) == 0x7F).any())
        case "F8_E5M2":
            return not bool(((raw & 0x7C) == 0x7C).any())
    return True


def check_safetensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file to the last byte; returns its tensors."""
    tensors = header(path)
    for name, tensor in tensors.items():
        if not all(_finite(piece, tensor.dtype) for piece in _pieces(path, tensor)):
            refuse(path, f"tensor {name[:80]!r} holds NaN or infinite numbers; train or fetch it again")
    return tensors


def load(path: Path, tensors: Mapping[str, Tensor] | None = None) -> dict[str, NDArray[np.float32]]:
    """The floating-point tensors of a checked safetensors file, as float32 (exact for F16 and BF16)."""
    held = path.read_bytes()
    found: dict[str, NDArray[np.float32]] = {}
    for name, tensor in (tensors or header(path)).items():
        raw = np.frombuffer(held, np.uint8, tensor.end - tensor.begin, tensor.begin)
        if tensor.dtype == "BF16":
            value = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
        elif tensor.dtype in ("F32", "F16", "F64"):
            value = raw.view({"F32": "<f4", "F16": "<f2", "F64": "<f8"}[tensor.dtype]).astype(np.float32)
        else:
            refuse(path, f"tensor {name[:80]!r} is of kind {tensor.dtype}; LoRA matrices are floating point")
        found[name] = value.reshape(tensor.shape)
    return found


# --- adapters -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lora:
    """How an adapter's matrices count: ΔW = scale(module) · B · A."""

    config: dict[str, Any]

    def rank(self, module: str) -> int:
        return int(self._of("rank_pattern", module, self.config["r"]))

    def scale(self, module: str) -> float:
        """alpha / r, or alpha / √r for rank-stabilised LoRA (Kalajdzievski 2023), patterns counted in."""
        alpha, rank = float(self._of("alpha_pattern", module, self.config["lora_alpha"])), self.rank(module)
        return alpha / math.sqrt(rank) if self.config.get("use_rslora") else alpha / rank

    def _of(self, pattern: str, module: str, otherwise: Any) -> Any:
        """A pattern is an expression for the end of a module's name, as PEFT reads it; the first that fits counts."""
        for key, value in (self.config.get(pattern) or {}).items():
            if re.match(rf"(.*\.)?({key})$", module):
                return value
        return otherwise


def read_lora(folder: Path) -> Lora:
    """The adapter's configuration, refused where it would not do what it says."""
    path = folder / "adapter_config.json"
    config = read_json(path)
    if config.get("peft_type") != "LORA":
        refuse(path, f"is a {config.get('peft_type')!r} adapter; only LORA is served")
    ranks, alphas = config.get("rank_pattern") or {}, config.get("alpha_pattern") or {}
    if not isinstance(ranks, dict) or not isinstance(alphas, dict):
        refuse(path, "its patterns are no tables")
    for name, rank in {"r": config.get("r"), **ranks}.items():
        if type(rank) is not int or not 0 < rank <= MOST_RANK:
            refuse(path, f"rank {rank!r} ({name[:60]}) is impossible or giant; 1 to {MOST_RANK} are served")
    for name, alpha in {"lora_alpha": config.get("lora_alpha"), **alphas}.items():
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha) or not 0 < alpha <= 1e5:
            refuse(path, f"{name[:60]} = {alpha!r} is no scale")
    for key in (*ranks, *alphas):
        if len(key) > 200 or not re.fullmatch(r"\^?(?:\w|\\?\.|\\d\+?)+\$?", key):  # a free expression could match for ever
            refuse(path, f"pattern {key[:60]!r} is more than a module's name")
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower().startswith(("pissa", "olora", "loftq", "corda", "lora_ga")):
        refuse(path, f"init_lora_weights = {init!r} changes the base as well; convert it to plain LoRA when saving")
    mapping = config.get("auto_mapping")
    if mapping and not (isinstance(mapping, dict) and str(mapping.get("parent_library")).startswith("transformers.")):
        refuse(path, "auto_mapping would import a library of the file's choice")
    return Lora(config)


def lora_pairs(tensors: Iterable[str]) -> dict[str, dict[str, str]]:
    """The adapter's tensors by module: ``{"model.layers.0.mlp.down_proj": {"A": …, "B": …}}`` with the names in the file."""
    pairs: dict[str, dict[str, str]] = {}
    for name in tensors:
        if found := _LORA.match(name):
            pairs.setdefault(found["module"], {})[found["part"].removeprefix("embedding_")] = name
    return pairs


def check_adapter(folder: Path, base: Path | None = None) -> dict[str, Tensor]:
    """Reads a PEFT LoRA folder to the last byte, and holds it against the base's shapes where ``base`` is given."""
    check_neighbours(folder)
    lora = read_lora(folder)
    path = folder / "adapter_model.safetensors"
    tensors = check_safetensors(path)
    pairs = lora_pairs(tensors)
    if not pairs:
        refuse(path, "holds no LoRA matrices")
    _check_claims(path, lora, tensors, pairs)
    shapes = _shapes(base) if base is not None else {}
    met = 0
    for module, parts in pairs.items():
        if set(parts) != {"A", "B"}:
            refuse(path, f"{module} has its matrix {', '.join(parts)} and not the other")
        a, b = tensors[parts["A"]].shape, tensors[parts["B"]].shape
        if len(a) != 2 or len(b) != 2 or not a[0] == b[1] == lora.rank(module):
            refuse(path, f"{module}: matrices {a} and {b} are not of the rank {lora.rank(module)} that is claimed")
        if a[0] > min(a[1], b[0]):
            refuse(path, f"{module}: rank {a[0]} is larger than the matrix {b[0]} × {a[1]} it adapts")
        if shapes and (shape := _base_shape(shapes, module)):
            met += 1
            if (b[0], a[1]) not in (shape, shape[::-1]):
                refuse(path, f"was made for another base: {module} is {shape} there, {(b[0], a[1])} here")
    if shapes and met < len(pairs):
        missing = next(module for module in pairs if not _base_shape(shapes, module))
        refuse(path, f"was made for another base: {base} has no {missing}")
    return tensors


def _check_claims(path: Path, lora: Lora, tensors: Iterable[str], pairs: Iterable[str]) -> None:
    """What the configuration names is there, and nothing else is."""
    modules = list(pairs)
    targets = lora.config.get("target_modules")
    for target in targets if isinstance(targets, list) else []:
        if not any(module == target or module.endswith(f".{target}") for module in modules):
            refuse(
                path, f"claims to adapt {str(target)[:60]!r} and does not (Phi-3 has qkv_proj and gate_up_proj in one piece)"
            )
    saved = lora.config.get("modules_to_save")
    known = [f".{name}." for name in (saved if isinstance(saved, list) else [])]
    known += [".lora_magnitude_vector"] if lora.config.get("use_dora") else []
    known += [".lora_B.bias"] if lora.config.get("lora_bias") else []
    for name in tensors:
        if not _LORA.match(name) and not any(part in f"{name}." for part in known):
            refuse(path, f"tensor {name[:80]!r} belongs to nothing that its configuration names")


def _shapes(base: Path) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for path in sorted(base.glob("model*.safetensors")) for name, tensor in header(path).items()}


def _base_shape(shapes: Mapping[str, tuple[int, ...]], module: str) -> tuple[int, ...] | None:
    """The shape of the weight a module adapts. GPT-2 is saved with and without its prefix; a tied head is the embedding."""
    short = module.partition(".")[2]
    wanted = [module, short, *(["model.embed_tokens"] if module.endswith("lm_head") else [])]
    return next((shapes[f"{name}.weight"] for name in wanted if f"{name}.weight" in shapes), None)


# --- tokenizers and bases -------------------------------------------------------------------------------------------------


def check_tokenizer(folder: Path, rows: int | None = None, stops: tuple[str, ...] = ()) -> None:
    """Refuses a tokenizer with ids twice, beyond the model's ``rows`` of embeddings, or without a stop token."""
    path = folder / "tokenizer.json"
    told = read_json(path)
    model = told.get("model")
    held = model.get("vocab") if isinstance(model, dict) else None
    pairs: list[tuple[Any, Any]] = list(held.items()) if isinstance(held, dict) else []
    if isinstance(held, list):  # a Unigram model: [piece, score], the id is the place
        pairs = [(each[0] if isinstance(each, list) and each else None, at) for at, each in enumerate(held)]
    if not 0 < len(pairs) <= MOST_PIECES:
        refuse(path, f"has {len(pairs):,} pieces; 1 to {MOST_PIECES:,} can be")
    by_id: dict[int, str] = {}
    added = told.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(each, dict) for each in added):
        refuse(path, "its added tokens are no table")
    for piece, number in [*pairs, *((each.get("content"), each.get("id")) for each in added)]:
        if type(number) is not int or number < 0 or not isinstance(piece, str) or len(piece) > 1_000:
            refuse(path, f"piece {str(piece)[:40]!r} has the id {number!r}")
        if by_id.setdefault(number, piece) != piece:
            refuse(path, f"gives the id {number} twice: {by_id[number][:40]!r} and {piece[:40]!r}")
    most = max(by_id)
    if rows is not None and most >= rows:
        refuse(path, f"has the id {most:,}, but the model has {rows:,} rows of embeddings")
    pieces: dict[str, int] = {}
    for number, piece in by_id.items():
        if pieces.setdefault(piece, number) != number:
            refuse(path, f"gives {piece[:40]!r} two ids: {pieces[piece]} and {number}")
    special = {each["content"] for each in added if each.get("special")}
    for stop in stops:
        if stop not in special:
            refuse(path, f"has no stop token {stop}; answers would never end")


def check_base(folder: Path, architecture: str = "") -> None:
    """Reads a model folder to the last byte: architecture, weights, tokenizer."""
    check_neighbours(folder)
    config = read_json(folder / "config.json")
    kind = str(config.get("model_type", ""))
    if architecture and kind != architecture:
        refuse(folder / "config.json", f"is of the architecture {kind!r}, not {architecture!r}")
    if config.get("auto_map"):
        refuse(folder / "config.json", "asks for code of its own (auto_map); only architectures of the libraries are loaded")
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        refuse(folder, "has no model.safetensors")
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        shapes |= {name: tensor.shape for name, tensor in check_safetensors(path).items()}
    rows = config.get("vocab_size")
    if type(rows) is not int or not 0 < rows <= MOST_PIECES:
        refuse(folder / "config.json", f"vocab_size = {rows!r} is no size")
    table = next((shape for name, shape in shapes.items() if name.endswith(("embed_tokens.weight", "wte.weight"))), None)
    if not table or table[0] != rows:
        refuse(folder / "config.json", f"claims {rows:,} pieces, but the embeddings are {table}")
    check_tokenizer(folder, rows, STOPS.get(kind, ()))


# --- GGUF -----------------------------------------------------------------------------------------------------------------


class _Reader:
    """A GGUF header, value by value; never reads beyond the file."""

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, path.stat().st_size
        self.opened = path.open("rb")

    def take(self, count: int) -> bytes:
        if count > self.size - self.opened.tell():
            refuse(self.path, f"is cut off: {self.size:,} bytes end within the header; copy or fetch it again")
        return self.opened.read(count)

    def number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        length = self.number("Q")
        return self.take(length).decode("utf-8", "replace")

    def value(self, kind: int, deep: int = 0) -> Any:
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == 8:
            return self.text()
        if kind == 9 and deep < 2:
            inner, count = self.number("I"), self.number("Q")
            if inner in _SCALARS:
                each = struct.calcsize(f"<{_SCALARS[inner]}")
                return np.frombuffer(self.take(count * each), f"<{_SCALARS[inner]}").tolist()
            if count > 8 * MOST_PIECES:
                refuse(self.path, f"holds a list of {count:,} entries")
            return [self.value(inner, deep + 1) for _ in range(count)]
        refuse(self.path, f"holds a value of the unknown kind {kind}")


def read_gguf(path: Path) -> Gguf:
    """What a GGUF file says of itself; refuses headers that lie."""
    try:
        reader = _Reader(path)
    except FileNotFoundError:
        raise CatalogProblem(f"{path}: is missing") from None
    except OSError as error:
        raise CatalogProblem(f"{path}: cannot be read: {error.strerror}") from None
    with reader.opened:
        if reader.size < 24 or reader.take(4) != b"GGUF":
            refuse(path, "is not a GGUF file")
        version, count, pairs = reader.number("I"), reader.number("Q"), reader.number("Q")
        if version not in (2, 3):
            refuse(path, f"is of GGUF version {version}; 2 and 3 are read")
        if count > MOST_TENSORS or pairs > MOST_TENSORS:
            refuse(path, f"claims {count:,} tensors and {pairs:,} values")
        values: dict[str, Any] = {}
        for _ in range(pairs):
            key = reader.text()
            if key in values:
                refuse(path, f"says {key[:60]!r} twice")
            values[key] = reader.value(reader.number("I"))
        told: dict[str, tuple[int, tuple[int, ...], int]] = {}
        for _ in range(count):
            name, dimensions = reader.text(), reader.number("I")
            if dimensions > 4 or name in told:
                refuse(path, f"tensor {name[:60]!r} stands twice or has {dimensions} dimensions")
            shape = tuple(reader.number("Q") for _ in range(dimensions))
            told[name] = (reader.number("I"), shape, reader.number("Q"))
        align = values.get("general.alignment", 32)
        if type(align) is not int or align < 1 or align > 65_536 or align & (align - 1):
            refuse(path, f"its alignment is {align!r}")
        return Gguf(values, _places(path, told, -(-reader.opened.tell() // align) * align, align, reader.size))


def _places(
    path: Path, told: Mapping[str, tuple[int, tuple[int, ...], int]], base: int, align: int, size: int
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    place = base
    for name, (kind, shape, offset) in sorted(told.items(), key=lambda pair: pair[1][2]):
        block, wide = (1, _BYTES[_FLOATS[kind]]) if kind in _FLOATS else _BLOCKS.get(kind, (0, 0, ()))[:2]
        if not block:
            refuse(path, f"tensor {name[:60]!r} is of the kind {kind}, which is not served; use F16, Q8_0, Q4_0 or K-quants")
        if not shape or 0 in shape or shape[0] % block:
            refuse(path, f"tensor {name[:60]!r} has the impossible shape {shape}")
        begin = base + offset
        if offset % align or begin < place:
            refuse(path, f"its header lies: tensor {name[:60]!r} lies upon another")
        place = begin + math.prod(shape) // block * wide
        if place > size:
            refuse(path, f"is cut off: {size:,} of at least {place:,} bytes; copy or fetch it again")
        found[name] = Tensor(_FLOATS.get(kind, str(kind)), shape, begin, place)
    if size - place >= align:
        refuse(path, f"has {size - place:,} bytes that belong to no tensor")
    return found


def check_gguf(path: Path, architecture: str, adapter: bool = False, base: Path | None = None) -> Gguf:
    """Reads a GGUF file to the last byte: architecture, numbers, tokenizer; an adapter against the ``base`` file's shapes."""
    told = read_gguf(path)
    values = told.values
    if values.get("general.architecture") != architecture:
        refuse(path, f"is of the architecture {values.get('general.architecture')!r}, not {architecture!r}")
    if (values.get("general.type", "model") == "adapter") != adapter:
        refuse(path, f"is a {values.get('general.type', 'model')}, not {'an adapter' if adapter else 'a model'}")
    if not told.tensors:
        refuse(path, "holds no tensors")
    for name, tensor in told.tensors.items():
        for piece in _pieces_of_blocks(path, tensor):
            if not piece:
                refuse(path, f"tensor {name[:60]!r} holds NaN or infinite numbers; make or fetch it again")
    if adapter:
        _check_gguf_lora(path, told, read_gguf(base).tensors if base is not None else {})
    else:
        _check_gguf_tokens(path, told, architecture)
    return told


def _pieces_of_blocks(path: Path, tensor: Tensor) -> Iterator[bool]:
    """Whether each piece of a tensor is finite; of quantised blocks, their scales are looked at."""
    if not tensor.dtype.isdigit():
        yield from (_finite(piece, tensor.dtype) for piece in _pieces(path, tensor))
        return
    _, wide, scales = _BLOCKS[int(tensor.dtype)]
    rest = np.zeros(0, np.uint8)
    for piece in _pieces(path, tensor):
        held = np.concatenate([rest, piece])
        whole = len(held) // wide * wide
        blocks, rest = held[:whole].reshape(-1, wide), held[whole:]
        yield all(_finite(np.ascontiguousarray(blocks[:, at : at + 2]).reshape(-1), "F16") for at in scales)


def _check_gguf_lora(path: Path, told: Gguf, base: Mapping[str, Tensor]) -> None:
    alpha = told.values.get("adapter.lora.alpha")
    if told.values.get("adapter.type") != "lora" or not isinstance(alpha, float | int) or not math.isfinite(alpha):
        refuse(path, "is no LoRA adapter, or its alpha is no number")
    names = {name.rsplit(".lora_", 1)[0] for name in told.tensors}
    for name in sorted(names):
        a, b = told.tensors.get(f"{name}.lora_a"), told.tensors.get(f"{name}.lora_b")
        if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0]:
            refuse(path, f"{name[:60]} lacks a matrix, or the two do not fit each other")
        if a.shape[1] > min(MOST_RANK, a.shape[0], b.shape[1]):
            refuse(path, f"{name[:60]}: rank {a.shape[1]} is giant or larger than the matrix it adapts")
        if base and (name not in base or base[name].shape != (a.shape[0], b.shape[1])):
            refuse(path, f"was made for another base: {name[:60]} is {base[name].shape if name in base else 'not there'}")


def _check_gguf_tokens(path: Path, told: Gguf, architecture: str) -> None:
    tokens = told.values.get("tokenizer.ggml.tokens")
    table = told.tensors.get("token_embd.weight")
    if not isinstance(tokens, list) or not 0 < len(tokens) <= MOST_PIECES or table is None or len(table.shape) != 2:
        refuse(path, "has no vocabulary or no embeddings")
    if len(tokens) != table.shape[1]:
        refuse(path, f"has {len(tokens):,} pieces and {table.shape[1]:,} rows of embeddings")
    if len(set(tokens)) < len(tokens):
        seen: set[str] = set()
        double = next(token for token in tokens if token in seen or seen.add(token))  # type: ignore[func-returns-value]
        refuse(path, f"gives {str(double)[:40]!r} two ids")
    missing = [stop for stop in STOPS.get(architecture, ()) if stop not in tokens]
    if missing:
        refuse(path, f"has no stop token {missing[0]}; answers would never end")
    for key in ("bos", "eos", "eot", "padding", "unknown"):
        number = told.values.get(f"tokenizer.ggml.{key}_token_id", 0)
        if type(number) is not int or not 0 <= number < len(tokens):
            refuse(path, f"its {key} token has the id {number!r} of {len(tokens):,}")
