"""Models with adapters in three lines of Python::

    tutor = Tutor("nano")
    tutor.load_lora("response")
    print(tutor.generate("The child says: because the wind was cold."))

Names come from the catalogue; a path is a PEFT folder with a ``card.json`` that names its base. Either is verified before it
is loaded. Several adapters at once are their exact weighted sum. Writing is greedy, so the same question to the same files
has the same answer, and a repeated one is answered from memory: the key holds the digests of model and adapters.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from adapters import template, verify
from adapters.catalog import CARD, Catalog, Entry, load_catalog
from adapters.compose import compose
from adapters.pool import Pool
from adapters.verify import CatalogProblem, refuse
from agent.ports import Message, Prompt

MEMORY = 512 << 20  # bytes of adapters
ANSWERS = 1_024  # remembered answers


class Tenant(Protocol):
    """What this needs of a model: :class:`agent.models.phi.Phi` is one."""

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]: ...

    def add(self, name: str, folders: Sequence[str | Path]) -> None:
        """From now on ``name`` stands for the sum of these adapters."""
        ...

    def remove(self, name: str) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Lora:
    """Verified adapters that are used together: where they lie, with which weights, and their digests and bytes."""

    folders: tuple[Path, ...] = ()
    weights: tuple[float, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0

    @property
    def name(self) -> str:
        """ "" for the bare model; else one name for these very files with these weights."""
        told = json.dumps([*zip(self.digests, self.weights, strict=True)])
        return f"lora-{hashlib.sha256(told.encode()).hexdigest()[:24]}" if self.digests else ""


class Answers:
    """The last answers, by everything that decides them. Thread-safe; the least recently asked one is forgotten first."""

    def __init__(self, most: int = ANSWERS) -> None:
        self.most, self.hits, self.misses = most, 0, 0
        self._held: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def key(model: str, lora: str, messages: Iterable[Message]) -> str:
        """``model`` and ``lora`` are digests, so that a new version never answers with an old one's words."""
        told = [model, lora, template.digest(), *([each.role, each.content] for each in messages)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def get(self, key: str) -> str | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                self.hits += 1
                return self._held[key]
            self.misses += 1
            return None

    def put(self, key: str, answer: str) -> None:
        with self._lock:
            self._held[key] = answer
            self._held.move_to_end(key)
            while len(self._held) > self.most:
                self._held.popitem(last=False)


class Tutor:
    """A model of the catalogue, and its adapters. Raises CatalogProblem, one line, for what cannot be loaded.

    ``memory`` bounds the adapters held at the same time, in bytes. ``format`` is ``safetensors`` (through transformers, extra
    ``gpu``) or ``gguf`` (through llama.cpp, listed adapters one at a time); by default the first where torch is installed.
    ``open_model`` makes the tenant from the model's folder or file instead. Close it, or use it in a ``with``.
    """

    def __init__(
        self,
        model: str = "nano",
        *,
        catalog: Catalog | None = None,
        format: str | None = None,
        open_model: Callable[[Path], Tenant] | None = None,
        memory: int = MEMORY,
        answers: int = ANSWERS,
    ) -> None:
        self.catalog = catalog or load_catalog()
        form = format or ("safetensors" if open_model or importlib.util.find_spec("torch") else "gguf")
        self.base = self.catalog.find(model, format=form)
        if self.base.kind != "base":
            raise CatalogProblem(f"{self.base} is an adapter; name its model: Tutor({self.base.base!r})")
        self._folder = self.catalog.verified(self.base)
        opened = open_model or (_phi if form == "safetensors" else lambda path: _Gguf(path, self.catalog, self.base))
        self.tenant = opened(self._folder)
        self.answers = Answers(answers)
        self.lora = Lora()
        self._room = tempfile.TemporaryDirectory(prefix="fabula-lora-")
        self._pool: Pool[Lora, str] = Pool(memory, lambda lora: lora.size, self._load, self.tenant.remove)

    def load_lora(self, *adapters: str | Path, weights: Sequence[float] = ()) -> None:
        """From now on these adapters answer, added up with ``weights`` (1 each unless told); none: the bare model."""
        if weights and len(weights) != len(adapters):
            raise ValueError(f"{len(adapters)} adapters and {len(weights)} weights")
        found = [self._found(adapter) for adapter in adapters]
        lora = Lora(
            tuple(folder for folder, _, _ in found),
            tuple(map(float, weights)) or (1.0,) * len(found),
            tuple(digest for _, digest, _ in found),
            sum(size for _, _, size in found),
        )
        if lora.name:
            with self._pool.use(lora):  # a bad file is told of now, not in the middle of an answer
                pass
        self.lora = lora

    def _found(self, adapter: str | Path) -> tuple[Path, str, int]:
        """Folder, digest and bytes of a verified adapter."""
        if isinstance(adapter, str) and not any(mark in adapter for mark in "/\\"):
            name, _, version = adapter.partition("@")
            entry = self.catalog.find(name, version or None, self.base.name, self.base.format)
            return self.catalog.verified(entry), entry.digest, entry.size
        folder = Path(adapter)
        if self.base.format == "gguf":
            refuse(folder, f"must be listed to be used through llama.cpp: python -m adapters.catalog add {folder}")
        if not (folder / CARD).is_file():
            refuse(folder, f"has no {CARD} that names its base; list it first: python -m adapters.catalog add {folder}")
        made_for = verify.read_json(folder / CARD).get("base_digest")
        if made_for != self.base.base_digest:
            refuse(folder, f"was trained on another base ({str(made_for)[:12]}…) than {self.base}; train it again")
        verify.check_adapter(folder, self._folder)
        files = [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
        digest = verify.text_digest("".join(f"{verify.file_digest(path)}  {path.name}\n" for path in files))
        return folder, digest, sum(path.stat().st_size for path in files)

    def _load(self, lora: Lora) -> str:
        folders: tuple[Path, ...] = lora.folders
        if any(weight != 1.0 for weight in lora.weights):
            made = Path(self._room.name) / lora.name
            if self.base.format == "gguf":
                raise CatalogProblem("weights other than 1 need the safetensors format, or a composition exported to one file")
            if not made.exists():
                compose(list(zip(lora.folders, lora.weights, strict=True)), made)
            folders = (made,)
        self.tenant.add(lora.name, folders)
        return lora.name

    def stream(self, text: str, *, system: str = "") -> Iterator[str]:
        """The answer piece by piece; a remembered one comes in one piece. An answer that is broken off is not remembered."""
        yield from self._stream(self.lora, text, system)

    def _stream(self, lora: Lora, text: str, system: str) -> Iterator[str]:
        messages = (*([Message("system", system)] if system else []), Message("user", text))
        key = Answers.key(self.base.digest, lora.name, messages)
        if (known := self.answers.get(key)) is not None:
            yield known
            return
        written = []
        for piece in self._pieces(lora, Prompt(messages)):
            written.append(piece)
            yield piece
        self.answers.put(key, "".join(written))

    def _pieces(self, lora: Lora, prompt: Prompt) -> Iterator[str]:
        if not lora.name:
            yield from self.tenant.stream(prompt, adapter="")
            return
        with self._pool.use(lora) as name:
            yield from self.tenant.stream(prompt, adapter=name)

    def generate(self, text: str, *, system: str = "") -> str:
        """The whole answer of the adapters loaded last."""
        return "".join(self.stream(text, system=system))

    def generate_all(self, requests: Sequence[tuple[str, str]]) -> list[str]:
        """Answers to (text, adapter name or "") pairs, in their order; each adapter is switched to once only."""
        before, answers = self.lora, [""] * len(requests)
        try:
            for adapter in dict.fromkeys(adapter for _, adapter in requests):
                self.load_lora(*([adapter] if adapter else []))
                for at, (text, wanted) in enumerate(requests):
                    if wanted == adapter:
                        answers[at] = self.generate(text)
        finally:
            self.lora = before
        return answers

    def close(self) -> None:
        self._pool.close()
        self.tenant.close()
        self._room.cleanup()

    def __enter__(self) -> Tutor:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Gguf:
    """llama.cpp with every listed adapter of the model in memory; a name stands for one of them."""

    def __init__(self, path: Path, catalog: Catalog, base: Entry) -> None:
        from agent.models.gguf import Gguf

        mine = [each for each in catalog.entries if each.kind == "adapter" and each.format == "gguf" and each.base == base.name]
        files = {str(file): file for each in mine if not each.withdrawn for file in [catalog.verified(each)]}
        self._model: Any = Gguf(path, {"": None, **files}, check=False)  # the catalogue has read every byte
        self._files = {"": ""}

    def add(self, name: str, folders: Sequence[str | Path]) -> None:
        if len(folders) != 1:
            raise CatalogProblem("several adapters at once: compose and export them to one file (python -m adapters.compose)")
        self._files[name] = str(folders[0])

    def remove(self, name: str) -> None:
        del self._files[name]

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        return iter(self._model.stream(prompt, adapter=self._files[adapter]))

    def close(self) -> None:
        self._model.close()


def _phi(folder: Path) -> Tenant:
    try:
        from agent.models.phi import Phi

        made: Any = Phi(folder)
    except (ImportError, RuntimeError) as error:  # without the extra, or it cannot load the model and says why
        raise CatalogProblem(f"{folder}: cannot be opened: {error}") from None
    return made  # type: ignore[no-any-return]
