"""The catalogue of models: which there are, what each was made from, and whether the files are still those.

``python -m adapters.catalog list | show NAME | add DIR | fetch NAME | diff A B | rollback NAME``

``catalog.toml`` is the one truth; ``weights/`` beside it holds the files. Nothing is loaded that is not listed: a file's
digest, the base it was trained on, its tokenizer, chat template and prompt version must all be what the list says. An entry
is never changed in place; a new version is added beside it, and ``rollback`` withdraws it again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from adapters import template, verify
from adapters.verify import CatalogProblem as CatalogProblem
from agent import prompts
from agent.toml_file import FileProblem, line_of, read_toml

DEFAULT = Path(__file__).with_name("catalog.toml")
CARD = "card.json"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_HEAD = """\
# The models of this project. Written by `python -m adapters.catalog`; read docs/catalogue.md before changing it by hand.
# Nothing is loaded whose files differ from the digests (SHA-256) here.
"""
_FETCHED = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "*.md", "LICENSE*"]


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _number(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Several = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Model):
    """One version of one base or adapter in one format.

    ``folder`` is below the weights, ``files`` names in it with their SHA-256, ``size`` their bytes together. Digests are
    hexadecimal, "" where unknown. ``prompt_version`` is ``agent.prompts.VERSION`` in training, 0 for an adapter that was not
    trained on our prompts. ``language`` are codes; ``audience`` is an age band, ``teacher``, ``parent`` or "" for all;
    ``skill`` is what it can do, "" for a style that goes with every skill. ``needs`` are skills that come first, ``progress``
    the stages of learning it is for (``new``, ``practising``, ``mastered``; empty: all).
    """

    name: str
    version: Annotated[str, BeforeValidator(_number)] = Field(pattern=r"^\d{1,6}(\.\d{1,6}){0,2}$")
    kind: Literal["base", "adapter"]
    format: Literal["safetensors", "gguf"]
    variant: str = ""
    folder: str
    base: str
    base_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    tokenizer_digest: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    template_digest: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    data_digest: str = ""
    prompt_version: int = Field(0, ge=0)
    recipe: str = ""
    architecture: str
    language: Several = ()
    audience: str = ""
    skill: str = ""
    needs: Several = ()
    progress: Several = ()
    source: str = ""
    size: int = Field(gt=0)
    withdrawn: bool = False
    scores: dict[str, float] = {}
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(min_length=1)

    @field_validator("name", "base")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(f"{value!r} is no name; small letters, digits, dots and dashes, at most 64")
        return value

    @field_validator("folder")
    @classmethod
    def _stays(cls, value: str) -> str:
        verify.safe_name(value, "folder")
        return value

    @field_validator("files")
    @classmethod
    def _stay(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            verify.check_kind(Path(verify.safe_name(name)))
        return value

    @property
    def digest(self) -> str:
        """One digest of all files: what a cache of answers or of keys and values must have in its key."""
        return verify.text_digest("".join(f"{digest}  {name}\n" for name, digest in sorted(self.files.items())))

    @property
    def order(self) -> tuple[int, ...]:
        """The version, for comparing."""
        return tuple(int(part) for part in self.version.split("."))

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" + (f" for {self.base}" if self.kind == "adapter" else "")


class Source(_Model):
    """A model that others publish, and where: what ``fetch`` takes."""

    name: str
    kind: Literal["base", "adapter"]
    base: str
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = "main"
    architecture: str
    language: Several = ()
    skill: str = ""
    about: str = ""


class _File(_Model):
    sources: tuple[Source, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Catalog:
    """The catalogue as it was read. Methods that change it write the file at once and return the new catalogue."""

    path: Path
    entries: tuple[Entry, ...]
    sources: tuple[Source, ...] = ()
    text: str = ""

    @property
    def weights(self) -> Path:
        return self.path.parent / "weights"

    def find(
        self,
        name: str,
        version: str | None = None,
        base: str | None = None,
        format: str | None = None,
        variant: str | None = None,
    ) -> Entry:
        """The newest version that is not withdrawn, or exactly ``version``; safetensors before GGUF. Raises CatalogProblem."""
        fitting = [
            entry
            for entry in self.entries
            if entry.name == name and base in (None, entry.base) and format in (None, entry.format)
            if variant in (None, entry.variant) and (not entry.withdrawn if version is None else entry.version == version)
        ]
        if not fitting:
            raise self._problem(self._absent(name, version, base, format))
        bases = sorted({entry.base for entry in fitting})
        if len(bases) > 1:
            raise self._problem(f"{name} exists for {' and '.join(bases)}; say which base")
        newest = max(entry.order for entry in fitting)
        return min((entry for entry in fitting if entry.order == newest), key=lambda entry: entry.format != "safetensors")

    def _absent(self, name: str, version: str | None, base: str | None, format: str | None) -> str:
        if any(source.name == name for source in self.sources) and not any(entry.name == name for entry in self.entries):
            return f"{name} is not on this machine; get it with: python -m adapters.catalog fetch {name}"
        wanted = " ".join(
            [name, *([f"version {version}"] if version else []), *([f"for {base}"] if base else []), format or ""]
        )
        there = ", ".join(sorted({str(entry) for entry in self.entries})) or "nothing yet"
        return f"there is no {wanted.strip()}; listed here: {there}"

    def _problem(self, what: str, entry: Entry | None = None, *place: str) -> CatalogProblem:
        """A problem with its line in the file."""
        at: list[int | str] = ["entries", self.entries.index(entry), *place] if entry in self.entries and entry else []
        return CatalogProblem(f"{self.path}:{line_of(self.text, at)}: {f'{entry}: ' if entry is not None else ''}{what}")

    def location(self, entry: Entry) -> Path:
        """Where an entry's files lie: the folder, or the one GGUF file. Not looked at yet: see :meth:`verified`."""
        folder = verify.inside(self.weights, entry.folder, "folder")
        return verify.inside(folder, next(iter(entry.files))) if entry.format == "gguf" else folder

    def verified(self, entry: Entry) -> Path:
        """Looks at every byte of an entry's files, and at what it was made for; returns what is to be loaded: the folder, or
        the GGUF file. Raises CatalogProblem: one line with file and line, what is wrong, and what to do."""
        self.sound(entry)
        self._made_for(entry)
        return self.location(entry)

    def sound(self, entry: Entry) -> Path:
        """As :meth:`verified`, but does not ask whether the program of today can use what the files hold."""
        try:
            self._sound(entry)
        except CatalogProblem as error:
            line = str(error)
            raise error if line.startswith(f"{self.path}:") else self._problem(line, entry) from None
        return self.location(entry)

    def _sound(self, entry: Entry) -> None:
        folder = verify.inside(self.weights, entry.folder, "folder")
        size = 0
        for name, digest in entry.files.items():
            path = verify.inside(folder, name)
            if not path.is_file():
                raise self._problem(f"{path} is missing; fetch or train it again", entry, "files", name)
            size += path.stat().st_size
            if verify.file_digest(path) != digest:
                raise self._problem(f"{path} is not the file that was listed; its digest differs", entry, "files", name)
        if size != entry.size:
            raise self._problem(f"the files have {size:,} bytes, listed are {entry.size:,}", entry, "size")
        self._looked_at(entry)

    def _looked_at(self, entry: Entry) -> None:
        """What the files hold, byte by byte."""
        path = self.location(entry)
        if entry.format == "gguf":
            under = self._base_file(entry) if entry.kind == "adapter" else None
            told = verify.check_gguf(path, entry.architecture, entry.kind == "adapter", under)
            _made_from(path, told, entry)
        elif entry.kind == "base":
            verify.check_base(path, entry.architecture)
            said = {
                "base_digest": verify.weights_digest(path),
                "tokenizer_digest": verify.tokenizer_digest(path),
                "template_digest": verify.template_digest(path),
            }
            for key, value in said.items():
                if getattr(entry, key) != value:
                    raise self._problem(f"{key} is {value[:12]}… by the files, listed is another", entry, key)
        else:
            under = self._base_file(entry)
            verify.check_adapter(path, under)

    def _base_file(self, entry: Entry) -> Path | None:
        """Where the base of an adapter lies, in the adapter's own format; None where it is not on this machine."""
        for base in self._bases(entry):
            if base.format == entry.format and base.base_digest == entry.base_digest:
                where = self.location(base)
                if where.exists():
                    return where
        return None

    def _bases(self, entry: Entry) -> list[Entry]:
        return [base for base in self.entries if base.kind == "base" and base.name == entry.base]

    def _made_for(self, entry: Entry) -> None:
        """Whether base, tokenizer, template and prompts are those of the training."""
        if entry.kind == "base":
            return
        bases = self._bases(entry)
        if not bases:
            raise self._problem(f"its base {entry.base} is not listed; add or fetch it first", entry, "base")
        used = [base for base in bases if not base.withdrawn] or bases
        newest = max(base.order for base in used)
        own = next((base for base in used if base.order == newest and base.base_digest == entry.base_digest), None)
        if own is None:
            now = next(base for base in used if base.order == newest)
            what = f"was trained on another {entry.base} ({entry.base_digest[:12]}…) than {now} ({now.base_digest[:12]}…)"
            raise self._problem(f"{what}; train it again, or go back to its base", entry, "base_digest")
        if entry.tokenizer_digest and own.tokenizer_digest and entry.tokenizer_digest != own.tokenizer_digest:
            raise self._problem(
                f"was trained with another tokenizer than that of {own}; train it again", entry, "tokenizer_digest"
            )
        if entry.architecture != own.architecture:
            raise self._problem(f"is for {entry.architecture}, and {own} is {own.architecture}", entry, "architecture")
        if entry.prompt_version and entry.prompt_version != prompts.VERSION:
            what = f"was trained on prompts of version {entry.prompt_version}, and the program writes version {prompts.VERSION}"
            raise self._problem(f"{what}; train it again", entry, "prompt_version")
        if entry.prompt_version and entry.template_digest and entry.template_digest != template.digest():
            raise self._problem(
                "was trained with another chat template than the program's; train it again", entry, "template_digest"
            )

    def write(self, entries: Iterable[Entry]) -> Catalog:
        """Puts ``entries`` into the file: whole or not at all. Refuses when somebody else changed the file meanwhile."""
        now = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        if now != self.text:
            raise CatalogProblem(f"{self.path}:1: was changed by somebody else meanwhile; run the command again")
        made = tuple(entries)
        text = _toml(self.sources, made)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(text)
                opened.flush()
                os.fsync(opened.fileno())
            os.chmod(name, 0o644)
            load_catalog(Path(name))  # what cannot be read back is not written
            os.replace(name, self.path)
        finally:
            Path(name).unlink(missing_ok=True)
        return replace(self, entries=made, text=text)


def load_catalog(path: Path = DEFAULT) -> Catalog:
    """Reads the catalogue. Raises CatalogProblem with file and line."""
    try:
        told = read_toml(path, _File)
        text = path.read_text(encoding="utf-8")
    except FileProblem as error:
        raise CatalogProblem(str(error)) from None
    seen: dict[tuple[str, ...], int] = {}
    for at, entry in enumerate(told.entries):
        key = (entry.name, entry.base, entry.version, entry.format, entry.variant)
        if key in seen:
            raise CatalogProblem(f"{path}:{line_of(text, ['entries', at])}: {entry} ({entry.format}) is listed twice")
        seen[key] = at
    return Catalog(path, told.entries, told.sources, text)


def _toml(sources: Iterable[Source], entries: Iterable[Entry]) -> str:
    return _HEAD + "".join(_table("sources", each) for each in sources) + "".join(_table("entries", each) for each in entries)


def _table(name: str, model: BaseModel) -> str:
    values = model.model_dump(exclude_defaults=True)
    inner = {key: values.pop(key) for key in ("scores", "files") if key in values}
    lines = [f"\n[[{name}]]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    for key, table in inner.items():
        lines += [f"[{name}.{key}]", *(f"{_value(inside)} = {_value(value)}" for inside, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


# --- changing -------------------------------------------------------------------------------------------------------------


def add(catalog: Catalog, source: Path, told: dict[str, Any], say: Callable[[str], None] = print) -> tuple[Catalog, Entry]:
    """Lists the model in ``source``: a folder as transformers or PEFT writes it, a .gguf file, or an archive of a folder.

    ``told`` overrides what ``card.json`` says. Files from outside the weights are copied there; a version that lay in the
    same place is kept beside it, under ``versions/``. Raises CatalogProblem, and then nothing has changed.
    """
    if not source.exists():
        raise CatalogProblem(f"{source}: there is no such file or folder")
    catalog.weights.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=catalog.weights, prefix=".incoming-") as room:
        held = source
        if source.is_file() and source.suffix != ".gguf":
            held = Path(room) / "unpacked"
            held.mkdir()
            verify.unpack(source, held)
            within = list(held.iterdir())
            held = within[0] if len(within) == 1 and within[0].is_dir() else held
        entry = _described(catalog, held, told)
        where = (held if held.is_dir() else held.parent).resolve()
        lies = (
            where.relative_to(catalog.weights.resolve()).as_posix() if where.is_relative_to(catalog.weights.resolve()) else "."
        )
        if not lies.startswith("."):  # it was made where it is to stay
            entry = entry.model_copy(update={"folder": lies})
            return _listed(catalog, entry, say)
        staged = Path(room) / "weights"
        entry = entry.model_copy(update={"folder": _place(entry)})
        target = staged / entry.folder
        target.mkdir(parents=True)
        for name in _with_card(held, entry):
            path = target / verify.safe_name(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(held if held.is_file() else verify.inside(held, name), path)
        catalog = _kept(catalog, entry, say)
        place = verify.inside(catalog.weights, entry.folder, "folder")
        place.mkdir(parents=True, exist_ok=True)
        for name in _with_card(target, entry):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(target / name, place / name)
        return _listed(catalog, entry, say)


def _with_card(folder: Path, entry: Entry) -> list[str]:
    """The files to copy. The card goes with them, but nothing is loaded from it, so it has no digest."""
    return [*entry.files, *([CARD] if entry.format == "safetensors" and (folder / CARD).is_file() else [])]


def _place(entry: Entry) -> str:
    return entry.base if entry.kind == "base" or entry.format == "gguf" else f"{entry.base}/{entry.name}"


def _described(catalog: Catalog, held: Path, told: dict[str, Any]) -> Entry:
    """The entry of a folder or GGUF file, from its card, from ``told``, and from the files themselves; all of it checked."""
    folder = held if held.is_dir() else held.parent
    # A card beside a GGUF file is the base's; what such an adapter was made from is read off its safetensors entry.
    card = verify.read_json(folder / CARD) if held.is_dir() and (folder / CARD).is_file() else {}
    given = {key: card[key] for key in Entry.model_fields if card.get(key) is not None} | told
    given["scores"] = _flat(given.get("scores", {}))
    if held.is_dir():
        kind = "adapter" if (held / "adapter_config.json").exists() else "base"
        there = [path for path in sorted(held.iterdir()) if path.is_file() and path.name != CARD]
        names = [path.name for path in there if path.suffix in verify.KEPT and path.suffix != ".gguf"]
        verify.check_neighbours(held)
    else:
        kind = "adapter" if verify.read_gguf(held).values.get("general.type") == "adapter" else "base"
        names = [held.name]
    gguf = held.is_file()
    name = str(given.get("name") or (held.stem if gguf else held.name))
    base = str(given.get("base") or (name if kind == "base" else ""))
    if not base:
        raise CatalogProblem(f"{held}: is an adapter; say for which base: --base NAME")
    given = _inherited(catalog, given, name, base, gguf) | {"name": name, "base": base, "kind": kind}
    given["format"] = "gguf" if gguf else "safetensors"
    under = [each for each in catalog.entries if each.kind == "base" and each.name == base]
    if kind == "base" and not gguf:
        config = verify.read_json(held / "config.json")
        _agree(held, given, "architecture", str(config.get("model_type", "")))
        verify.check_base(held, str(given["architecture"]))
        _agree(held, given, "base_digest", verify.weights_digest(held))
        _agree(held, given, "tokenizer_digest", verify.tokenizer_digest(held))
        _agree(held, given, "template_digest", verify.template_digest(held))
    elif kind == "adapter":
        if not under:
            raise CatalogProblem(f"{held}: its base {base} is not listed; add or fetch it first")
        own = next((each for each in under if each.base_digest == given.get("base_digest", each.base_digest)), None)
        if own is None:
            raise CatalogProblem(
                f"{held}: was trained on another {base} ({str(given.get('base_digest'))[:12]}…) than those listed"
            )
        given.setdefault("base_digest", own.base_digest)
        given.setdefault("tokenizer_digest", own.tokenizer_digest)
        given.setdefault("architecture", own.architecture)
    elif "base_digest" not in given:  # a model that others made into GGUF: it is its own origin
        given["base_digest"] = verify.file_digest(held)
        given.setdefault("architecture", str(verify.read_gguf(held).values.get("general.architecture", "")))
    given.setdefault("version", _next_version(catalog, name, base, gguf, str(given.get("variant", ""))))
    given["files"] = {each: verify.file_digest(verify.inside(folder, each)) for each in names}
    claimed = card.get("files")
    for each, digest in claimed.items() if isinstance(claimed, dict) else ():
        if given["files"].get(each) != digest:
            raise CatalogProblem(f"{held}: its card is of other files ({each} is not what it says); train or evaluate it again")
    given["size"] = sum((folder / each).stat().st_size for each in names)
    given.pop("folder", None)
    given.pop("withdrawn", None)
    try:
        entry = Entry.model_validate(given | {"folder": "new"})
    except ValueError as error:
        raise CatalogProblem(f"{held}: {str(error).splitlines()[1]}: {str(error).splitlines()[2].strip()}") from None
    under_path = catalog._base_file(entry) if kind == "adapter" else None
    if gguf:
        _made_from(held, verify.check_gguf(held, entry.architecture, kind == "adapter", under_path), entry)
    elif kind == "adapter":
        verify.check_adapter(held, under_path)
    catalog._made_for(entry)
    return entry


def _made_from(path: Path, told: verify.Gguf, entry: Entry) -> None:
    """Our exporter writes the digest of the safetensors base into the file; others do not."""
    origin = told.values.get("fabula.base.digest")
    if origin is not None and origin != entry.base_digest:
        what = f"was made for another {entry.base}: {str(origin)[:12]}…, not {entry.base_digest[:12]}…"
        verify.refuse(path, f"{what}; export it again")


def _inherited(catalog: Catalog, given: dict[str, Any], name: str, base: str, gguf: bool) -> dict[str, Any]:
    """A GGUF file has no card: what it was made from is the safetensors entry of the same name."""
    if not gguf:
        return given
    same = [
        each
        for each in catalog.entries
        if (each.name, each.base, each.format) == (name, base, "safetensors") and not each.withdrawn
    ]
    same = [each for each in same if each.version == str(given.get("version", each.version))]
    if not same:
        return given
    origin = max(same, key=lambda each: each.order)
    kept = origin.model_dump(exclude={"files", "size", "folder", "format", "variant", "withdrawn", "name", "base", "kind"})
    return kept | given


def _flat(scores: Any, before: str = "") -> dict[str, float]:
    """A card's scores, also nested ones, as ``table.row`` names with numbers; what is no number is left out."""
    if isinstance(scores, dict):
        return {
            name: value for key, inner in scores.items() for name, value in _flat(inner, f"{before}.{key}".lstrip(".")).items()
        }
    return {before: float(scores)} if isinstance(scores, int | float) and math.isfinite(scores) else {}


def _agree(held: Path, given: dict[str, Any], key: str, found: str) -> None:
    if given.setdefault(key, found) != found:
        raise CatalogProblem(
            f"{held}: its card says {key} {str(given[key])[:12]}…, the files say {found[:12]}…; write the card again"
        )


def _next_version(catalog: Catalog, name: str, base: str, gguf: bool, variant: str) -> str:
    mine = [each for each in catalog.entries if (each.name, each.base, each.variant) == (name, base, variant)]
    mine = [each for each in mine if (each.format == "gguf") == gguf]
    return str(max((each.order[0] for each in mine), default=0) + 1)


def _same_place(catalog: Catalog, entry: Entry) -> list[Entry]:
    return [
        each
        for each in catalog.entries
        if each.folder == entry.folder and set(each.files) & set(entry.files) and each.digest != entry.digest
    ]


def _kept(catalog: Catalog, entry: Entry, say: Callable[[str], None]) -> Catalog:
    """Copies what lies where ``entry`` will lie to ``versions/``, so that one can go back to it."""
    entries = list(catalog.entries)
    for old in _same_place(catalog, entry):
        catalog.sound(old)
        folder = f"{old.folder}/versions/{old.version}"
        for name in _with_card(catalog.weights / old.folder, old):
            path = verify.inside(catalog.weights, f"{folder}/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(catalog.weights / old.folder / name, path)
        entries[entries.index(old)] = old.model_copy(update={"folder": folder})
        say(f"{old} is kept in {folder}")
    return catalog.write(entries) if tuple(entries) != catalog.entries else catalog


def _listed(catalog: Catalog, entry: Entry, say: Callable[[str], None]) -> tuple[Catalog, Entry]:
    lost = _same_place(catalog, entry)
    for old in lost:
        say(f"{old} is listed no longer: its files were overwritten by this version")
    entries = [each for each in catalog.entries if each not in lost]
    for each in entries:
        if (each.name, each.base, each.format, each.digest) == (entry.name, entry.base, entry.format, entry.digest):
            # The same files told about anew, with scores perhaps: the same version.
            entry = entry.model_copy(update={"version": each.version, "folder": each.folder})
            entries.remove(each)
            say(f"{each} is these very files already; what is told of them is written anew")
            break
    replace(catalog, entries=(*entries, entry)).verified(entry)
    return catalog.write([*entries, entry]), entry


def rollback(catalog: Catalog, name: str, version: str | None = None, base: str | None = None) -> tuple[Catalog, Entry]:
    """Goes back to the version before the newest, or to ``version`` (also forward); what is newer is withdrawn, not deleted."""
    now = catalog.find(name, base=base)
    mine = [each for each in catalog.entries if each.name == name and each.base == now.base]
    older = sorted({each.order for each in mine if each.order < now.order and not each.withdrawn})
    if version is None and not older:
        raise catalog._problem("there is no version before it to go back to", now)
    goal = catalog.find(name, version or ".".join(map(str, older[-1])), now.base)
    for each in mine:
        if each.order == goal.order:
            catalog.verified(each)
    changed = [
        each.model_copy(update={"withdrawn": each.order > goal.order}) if each in mine and each.order >= goal.order else each
        for each in catalog.entries
    ]
    return catalog.write(changed), goal.model_copy(update={"withdrawn": False})


def fetch(catalog: Catalog, name: str, say: Callable[[str], None] = print) -> tuple[Catalog, Entry]:
    """Gets a published model from the Hugging Face hub and lists it. Raises CatalogProblem with what to do by hand."""
    source = next((each for each in catalog.sources if each.name == name), None)
    if source is None:
        known = ", ".join(each.name for each in catalog.sources) or "nothing"
        raise CatalogProblem(f"{catalog.path}:1: {name} has no source to fetch it from; known are: {known}")
    by_hand = (
        f"download https://huggingface.co/{source.repository} on a machine with network and run: "
        f"python -m adapters.catalog add FOLDER --name {name}" + (f" --base {source.base}" if source.kind == "adapter" else "")
    )
    try:
        import huggingface_hub as hub
    except ImportError:
        raise CatalogProblem(f"fetching needs huggingface_hub (make install EXTRAS=gpu); or {by_hand}") from None
    catalog.weights.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=catalog.weights, prefix=".fetched-") as room:
        say(f"fetching {source.repository} ({source.revision}) …")
        try:
            hub.snapshot_download(source.repository, revision=source.revision, local_dir=room, allow_patterns=_FETCHED)
        except Exception as error:  # the hub raises some thirty kinds, by its version; each means: no files
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise CatalogProblem(f"{name} could not be fetched ({first}); {by_hand}") from None
        told = source.model_dump(include={"name", "base", "architecture", "language", "skill"})
        return add(catalog, Path(room), told | {"source": f"{source.repository}@{source.revision}"}, say)


# --- showing --------------------------------------------------------------------------------------------------------------


def listing(catalog: Catalog) -> list[str]:
    """One line an entry, then one a source that is not here yet."""
    rows: list[tuple[str, ...]] = [("name", "version", "kind", "format", "base", "languages", "skill", "audience", "MB", "")]
    for each in catalog.entries:
        state = "withdrawn" if each.withdrawn else ""
        form = f"{each.format} {each.variant}".strip()
        whom = (" ".join(each.language), each.skill, each.audience, f"{each.size / 1e6:.1f}", state)
        rows.append((each.name, each.version, each.kind, form, each.base, *whom))
    here = {each.name for each in catalog.entries}
    for source in catalog.sources:
        if source.name not in here:
            whom = (" ".join(source.language), source.skill, "", "–", "not here: fetch it")
            rows.append((source.name, "–", source.kind, "safetensors", source.base, *whom))
    wide = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in rows]


def difference(catalog: Catalog, first: Entry, second: Entry) -> list[str]:
    """What differs between two entries: what they were made from, their scores, their files, and how far the weights moved."""
    lines = []
    before, after = first.model_dump(), second.model_dump()
    for key in before:
        if key not in ("scores", "files") and before[key] != after[key]:
            lines.append(f"{key}: {_short(before[key])} → {_short(after[key])}")
    for key in sorted(set(first.scores) | set(second.scores)):
        old, new = first.scores.get(key), second.scores.get(key)
        if old != new:
            change = f" ({new - old:+.4g})" if old is not None and new is not None else ""
            lines.append(f"score {key}: {'–' if old is None else old:} → {'–' if new is None else new}{change}")
    for name in sorted(set(first.files) | set(second.files)):
        pair = first.files.get(name), second.files.get(name)
        if pair[0] != pair[1]:
            lines.append(f"file {name}: {_short(pair[0] or 'not there')} → {_short(pair[1] or 'not there')}")
    if {first.kind, second.kind, first.format, second.format} == {"adapter", "safetensors"} and first.base == second.base:
        from adapters.compose import distance

        moved, where = distance(catalog.sound(first), catalog.sound(second))
        lines.append(f"weights: ΔW differs by {moved:.1%} of its size, most in {where}")
    return lines or ["no difference"]


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text or "–"


def _named(catalog: Catalog, told: str, base: str | None) -> Entry:
    name, _, version = told.partition("@")
    return catalog.find(name, version or None, base)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m adapters.catalog", description="The catalogue of models.")
    parser.add_argument("--catalog", type=Path, default=DEFAULT, help="another catalog.toml")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every model, a line each")
    for name, about in (("show", "one model, and whether its files are sound"), ("rollback", "back to the version before")):
        command = commands.add_parser(name, help=about)
        command.add_argument("name", help="NAME or NAME@VERSION")
        command.add_argument("--base")
    adding = commands.add_parser("add", help="list a folder, a .gguf file or an archive of a folder")
    adding.add_argument("folder", type=Path)
    for name in ("name", "base", "version", "variant", "skill", "audience", "recipe", "architecture"):
        adding.add_argument(f"--{name}")
    for name in ("language", "needs", "progress"):
        adding.add_argument(f"--{name}", nargs="+")
    commands.add_parser("fetch", help="get a published model from the hub").add_argument("name")
    comparing = commands.add_parser("diff", help="what differs between two versions")
    comparing.add_argument("names", nargs=2, metavar="NAME@VERSION")
    comparing.add_argument("--base")
    options = parser.parse_args(arguments)
    try:
        _run(load_catalog(options.catalog), options)
    except CatalogProblem as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(catalog: Catalog, options: argparse.Namespace) -> None:
    if options.command == "list":
        print("\n".join(listing(catalog)))
    elif options.command == "show":
        entry = _named(catalog, options.name, options.base)
        print(_table("entries", entry).strip())
        print(f"\nsound: {catalog.verified(entry)}")
    elif options.command == "diff":
        first, second = (_named(catalog, name, options.base) for name in options.names)
        print("\n".join(difference(catalog, first, second)))
    elif options.command == "rollback":
        name, _, version = options.name.partition("@")
        _, entry = rollback(catalog, name, version or None, options.base)
        print(f"{entry} is in use now")
    elif options.command == "fetch":
        _, entry = fetch(catalog, options.name)
        print(f"{entry} is listed")
    else:
        keys = [key for key in Entry.model_fields if getattr(options, key, None) is not None]
        _, entry = add(catalog, options.folder, {key: getattr(options, key) for key in keys})
        print(f"{entry} is listed")


if __name__ == "__main__":
    sys.exit(main())
