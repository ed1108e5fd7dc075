"""Everything in one go: prose, dialogues, states, replies, and what else is made of the stories."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.data import dialogue, making, prose, response, strategy
from adapters.data.rows import Files, Row
from adapters.data.split import HELD_OUT_MEETINGS, HELD_OUT_STORIES
from adapters.data.turns import Stage
from agent.prompts import VERSION

DEFAULT = Path("build/data")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Sizes:
    """How much is drawn: moments (nine turns each, at most), states (three rows each) and conversations."""

    moments: int
    states: int
    dialogues: int


SIZES = Sizes(moments=3_300, states=6_000, dialogues=96)


def build(out: Path = DEFAULT, seed: int = 0, limit: int | None = None) -> dict[str, Any]:
    """Write all data into ``out`` and say what was written. The same seed and limit give the same bytes.

    ``limit`` is the number of moments; states and conversations shrink with it. Raises OSError where ``out`` cannot be written.
    """
    began = time.process_time()
    sizes = _scaled(limit)
    files, stage = Files(out), Stage()
    refused: dict[str, int] = {}
    lost: Counter[str] = Counter()
    parts: list[tuple[str, Iterable[Row], int]] = [
        ("prose", prose.rows(), 11_000),
        ("making", making.rows(seed), 14_000),
        ("strategy", strategy.rows(sizes.states, seed), 4 * sizes.states),
        ("dialogue", dialogue.rows(sizes.dialogues, seed, stage), sizes.dialogues),
        ("response", response.rows(sizes.moments, seed, stage, refused, lost), 3 * 8 * sizes.moments),
    ]
    for name, rows, expected in parts:
        files.write_all(_watched(name, rows, expected))
    digests = files.close()
    manifest: dict[str, Any] = {
        "seed": seed,
        "sizes": sizes.__dict__,
        "prompt_version": VERSION,
        "held_out_stories": sorted(HELD_OUT_STORIES),
        "held_out_meetings": list(HELD_OUT_MEETINGS),
        "rows": dict(sorted(files.counts.items())),
        "refused": dict(sorted(refused.items(), key=lambda item: -item[1])),
        "lost": dict(lost.most_common()),
        "digests": digests,
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {**manifest, "cpu_seconds": time.process_time() - began}


def _scaled(limit: int | None) -> Sizes:
    if limit is None:
        return SIZES
    share = limit / SIZES.moments
    return Sizes(limit, max(12, round(SIZES.states * share)), max(3, round(SIZES.dialogues * share)))


def _watched(name: str, rows: Iterable[Row], expected: int) -> Iterator[Row]:
    """The rows, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=expected)
        for row in rows:
            yield row
            bar.advance(task)
        bar.update(task, completed=expected)
