"""Training text from the ``*.jsonl`` files of a folder, at any depth: which rows are trained on, which only looked at.

A row is ``{"text": …}`` or ``{"prompt": [{"role", "content"} …], "completion": [{"role": "assistant", "content"}]}``; beside
it ``language`` and ``split`` are read. Wrong rows are :class:`FileProblem` with file and line.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from adapters.pretrain_recipe import Recipe
from adapters.template import chat, plain, turn
from adapters.tokenizer import slots_in
from agent.toml_file import FileProblem

LEAST, ENOUGH = 20_000, 3_000_000  # characters a language that a tokenizer learns from


@dataclass(frozen=True)
class Row:
    """One document: ``prompt`` is "" for plain text, otherwise the rendered chat up to where the answer begins."""

    prompt: str
    text: str
    language: str
    split: str = "train"

    @property
    def held(self) -> bool:
        """Whether it is only looked at."""
        return self.split != "train"


@dataclass(frozen=True)
class Data:
    """Rows by source (the recipe's names), and what is needed to say which data they were."""

    rows: dict[str, list[Row]]
    digests: dict[str, str]
    unused: tuple[str, ...]


def read(recipe: Recipe, folder: Path) -> Data:
    """All rows the recipe wants. Raises :class:`FileProblem` for a wrong row, :class:`ValueError` for missing files."""
    files = sorted(folder.rglob("*.jsonl"))
    if not files:
        how = f"python -m adapters.data build --out {folder}"
        raise FileNotFoundError(f"there are no *.jsonl files in {folder}; make them with: {how}")
    sources = sorted({name for phase in recipe.phases for name in phase.weights})
    chosen: dict[str, list[Row]] = {source: [] for source in sources}
    digests: dict[str, str] = {}
    unused: list[str] = []
    for path in files:
        wanted = [source for source in sources if fnmatchcase(path.stem, source)]
        if len(wanted) > 1:
            raise ValueError(f"{path}: belongs to two sources of the recipe: {', '.join(wanted)}")
        if not wanted:
            unused.append(path.relative_to(folder).as_posix())
            continue
        digests[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
        chosen[wanted[0]] += _rows(path, recipe)
    for source, rows in chosen.items():
        if not any(not row.held for row in rows):
            near = difflib.get_close_matches(source, [path.stem for path in files], n=1, cutoff=0.4)
            hint = f"did you mean “{near[0]}”?" if near else f"there are: {', '.join(path.stem for path in files)}"
            raise ValueError(f"{folder}: no file gives rows to train on for “{source}”; {hint}")
    return Data(chosen, digests, tuple(unused))


def _rows(path: Path, recipe: Recipe) -> list[Row]:
    found: list[tuple[Row, bool]] = []  # and whether the row names a split
    known = set(recipe.tokenizer.slots)
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            row = _row(raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"“{error.args[0]}” is missing" if isinstance(error, KeyError) else str(error)
            raise FileProblem(path, number, f"is not a training row: {why}") from None
        if strange := sorted(slots_in(row.text) - known):
            raise FileProblem(path, number, f"has the slot {strange[0]}, which the recipe's [tokenizer] slots do not name")
        found.append((row, "split" in raw))
    if any(named for _, named in found) or not recipe.data.held_out:
        return [row for row, _ in found]
    return [replace(row, split="drawn") if _drawn(row, recipe.data.held_out) else row for row, _ in found]


def _row(raw: dict[str, Any]) -> Row:
    language, split = str(raw.get("language", "")), str(raw.get("split", "train"))
    if "text" in raw:
        if not isinstance(raw["text"], str) or not raw["text"].strip():
            raise ValueError("“text” must be a text that says something")
        return Row("", plain(raw["text"]), language, split)
    messages = [(str(message["role"]), str(message["content"])) for message in raw["prompt"]]
    answers = raw["completion"]
    if len(answers) != 1 or answers[0]["role"] != "assistant" or not str(answers[0]["content"]).strip():
        raise ValueError("“completion” must be one message of the assistant's that says something")
    prompt = chat(messages)
    return Row(prompt, turn("assistant", str(answers[0]["content"])).removeprefix("<|assistant|>\n"), language, split)


def _drawn(row: Row, share: float) -> bool:
    """Chosen by what it says alone, so that the same row always falls on the same side."""
    number = int.from_bytes(hashlib.sha256((row.prompt + row.text).encode()).digest()[:4], "big")
    return number < share * 2**32


def balanced(data: Data) -> Iterator[str]:
    """The texts that a tokenizer learns from: of each language about as much, nothing that is held out, no marks."""
    by_language: dict[str, list[str]] = {}
    for source in sorted(data.rows):
        for row in data.rows[source]:
            if not row.held:
                by_language.setdefault(row.language, []).extend(part for part in (_words(row.prompt), _words(row.text)) if part)
    sizes = [sum(map(len, texts)) for language, texts in by_language.items() if language or len(by_language) == 1]
    room = min(ENOUGH, max(LEAST, min(sizes)))  # a language with next to nothing must not starve the others
    for language in sorted(by_language):
        texts = by_language[language]
        texts.sort(key=lambda text: hashlib.sha256(text.encode()).digest())
        left = room
        for text in texts:
            if left <= 0:
                break
            left -= len(text)
            yield text


def _words(rendered: str) -> str:
    """A rendered text without the format's marks."""
    for mark in ("<|system|>\n", "<|user|>\n", "<|assistant|>\n", "<|end|>"):
        rendered = rendered.replace(mark, " ")
    return rendered.strip()
