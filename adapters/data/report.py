"""How varied the data is: distinct words and sequences, frames by strategy, near-duplicates; and how long a row is."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from adapters.data.rows import FOLDERS
from adapters.data.slots import SLOTS
from agent.readability import words

SAMPLE = 1_500  # replies of a language among which near-duplicates are looked for
ALIKE = 90  # of 100: Levenshtein similarity above which two replies count as one
TRAIN = FOLDERS["train"]


def measured(data: Path) -> dict[str, Any]:
    """The figures of a build, by task and language. Raises OSError if there is none."""
    manifest = json.loads((data / "manifest.json").read_text(encoding="utf-8"))
    replies: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _read(data / TRAIN / "response-slotted.jsonl"):
        replies[row["language"]].append(row)
    plain: dict[str, list[str]] = defaultdict(list)
    lengths: Counter[str] = Counter()
    for row in _read(data / TRAIN / "response.jsonl"):
        plain[row["language"]].append(row["completion"][0]["content"])
        lengths["response prompt"] += sum(len(part["content"]) for part in row["prompt"])
        lengths["response reply"] += len(row["completion"][0]["content"])
    for row in _read(data / TRAIN / "response-compact.jsonl"):
        lengths["response-compact prompt"] += sum(len(part["content"]) for part in row["prompt"])
    count = max(1, sum(map(len, plain.values())))
    return {
        "rows": manifest["rows"],
        "distinct turns": sum(len({row["prompt"][-1]["content"] for row in found}) for found in replies.values()),
        "mean characters": {name: round(total / count) for name, total in lengths.items()},
        "variety": {
            language: {
                "replies": len(texts),
                "distinct replies": round(len(set(texts)) / max(1, len(texts)), 3),
                **{f"distinct {n}-grams": len(_grams(texts, n)) for n in (1, 2, 3)},
                "near-duplicates": round(near_duplicates(texts), 3),
                "near-duplicates without material": round(near_duplicates([_text(row) for row in replies[language]]), 3),
            }
            for language, texts in sorted(plain.items())
        },
        "frames": _frames(row for found in replies.values() for row in found),
        "child's word used": _used(row for found in replies.values() for row in found),
        "strategy labels": _labels(data),
        "refused by the guard": dict(list(manifest["refused"].items())[:12]),
        "lost": manifest["lost"],
    }


def near_duplicates(texts: list[str]) -> float:
    """The share of a sample of replies that have another one nearly like them in it."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cdist

    some = random.Random(0).sample(texts, min(SAMPLE, len(texts)))
    if len(some) < 2:
        return 0.0
    likeness = cdist(some, some, scorer=Indel.normalized_similarity, score_cutoff=ALIKE / 100)
    return sum(bool((row > 0).sum() > 1) for row in likeness) / len(some)


def printed(found: dict[str, Any]) -> str:
    """The figures as a text for people."""
    lines = []
    for name, value in found.items():
        if not isinstance(value, dict):
            lines.append(f"{name}: {value:,}")
            continue
        lines.append(f"{name}:")
        for key, inner in value.items():
            figures = ", ".join(f"{part} {count}" for part, count in inner.items()) if isinstance(inner, dict) else f"{inner}"
            lines.append(f"  {key}: {figures}")
    return "\n".join(lines)


def _grams(texts: Iterable[str], n: int) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for text in texts:
        spoken = words(text.lower())
        found.update(zip(*(spoken[place:] for place in range(n)), strict=False))
    return found


def _frames(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Distinct replies without the turn's own material, and distinct sentences in them, by strategy."""
    whole: dict[str, set[str]] = defaultdict(set)
    parts: dict[str, set[str]] = defaultdict(set)
    count: Counter[str] = Counter()
    for row in rows:
        text = _text(row)
        count[row["strategy"]] += 1
        whole[row["strategy"]].add(text)
        parts[row["strategy"]].update(_sentences(text))
    return {name: {"turns": count[name], "replies": len(whole[name]), "sentences": len(parts[name])} for name in sorted(whole)}


def _sentences(text: str) -> Iterator[str]:
    from agent.readability import sentences

    yield from (part for part in sentences(text) if part not in SLOTS)


def _used(rows: Iterable[dict[str, Any]]) -> float:
    """Of the turns with a word of the child's that may be taken up, the share whose reply does."""
    having = [row for row in rows if row["facts"].get("child_word")]
    return round(sum("<child_word>" in _text(row) for row in having) / max(1, len(having)), 3)


def _labels(data: Path) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for folder in FOLDERS.values():
        found[folder] = Counter(row["strategy"] for row in _read(data / folder / "strategy.jsonl"))
    return {folder: dict(labels.most_common()) for folder, labels in found.items()}


def _text(row: dict[str, Any]) -> str:
    text: str = row["completion"][0]["content"]
    return text


def _read(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
