"""Rows and files: JSON lines for TRL and for pre-training, the guide's JSON, and one digest over all of it.

``OUT/<split>/<task>.jsonl`` holds ``{"prompt": […], "completion": […]}`` or ``{"text": …}`` with the bookkeeping keys ``task,
language, story, split, strategy, level, turn``. What must not be trained on lies in folders of its own, so that a trainer that
reads ``OUT/train`` cannot meet it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from adapters.data.split import SPLITS
from agent.ports import Message

TEXT = ("prose", "dialogue", "vignette")  # read as running text
TASKS = (
    *TEXT,
    *("strategy", "response", "response-slotted", "response-compact"),
    *("story", "continue", "retell", "summary", "questions", "answer", "translate"),
)
FOLDERS = {"train": "train", "dev": "dev", "story": "held-out-stories", "state": "held-out-states"}


@dataclass(frozen=True)
class Row:
    """One line of one file; ``values["split"]`` names its folder."""

    task: str
    values: dict[str, Any]


def chat_row(
    task: str,
    messages: Sequence[Message],
    answer: str,
    *,
    language: str,
    story: str,
    split: str,
    strategy: str = "",
    level: int = 5,
    turn: str = "",
    **more: Any,
) -> Row:
    """A row with a prompt and a completion."""
    return Row(
        task,
        {
            "prompt": [{"role": message.role, "content": message.content} for message in messages],
            "completion": [{"role": "assistant", "content": answer}],
            "task": task,
            "language": language,
            "story": story,
            "split": split,
            "strategy": strategy,
            "level": level,
            "turn": turn,
            **more,
        },
    )


def guide(values: dict[str, Any]) -> dict[str, str]:
    """A prompt-completion row in the shape of the guide."""
    system, user = values["prompt"][0]["content"], values["prompt"][-1]["content"]
    level = values["level"]
    return {
        "instruction": system,
        "input": user,
        "output": values["completion"][0]["content"],
        "personality": "introvert" if level <= 3 else "neutral" if level <= 6 else "extravert",
        "language": values["language"],
    }


class Files:
    """Writes rows to their files. Nothing of an earlier build is left; what other programs have put beside it stays."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._open: dict[Path, TextIO] = {}
        self._items: Counter[Path] = Counter()
        self.counts: Counter[str] = Counter()
        for folder in (*FOLDERS.values(), "guide"):
            (out / folder).mkdir(parents=True, exist_ok=True)
            for task in TASKS:
                (out / folder / f"{task}.jsonl").unlink(missing_ok=True)
                (out / folder / f"{task}.json").unlink(missing_ok=True)

    def write(self, row: Row) -> None:
        """One row, in its split; what is trained on also in the guide's shape."""
        split = row.values["split"]
        if split not in SPLITS:
            raise ValueError(f"“{split}” is no split; there are {', '.join(SPLITS)}")
        if row.task not in TASKS:
            raise ValueError(f"“{row.task}” is no task; there are {', '.join(TASKS)}")
        self.counts[f"{FOLDERS[split]}/{row.task}"] += 1
        self._line(self.out / FOLDERS[split] / f"{row.task}.jsonl").write(_json({"task": row.task, **row.values}) + "\n")
        if split == "train" and row.task not in TEXT and not row.task.startswith("response-"):
            path = self.out / "guide" / f"{row.task}.json"
            self._line(path).write(("[\n" if not self._items[path] else ",\n") + _json(guide(row.values)))
            self._items[path] += 1

    def write_all(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.write(row)

    def close(self) -> dict[str, str]:
        """Closes the files; their digests by name, and of all together under ``all``."""
        for path, stream in self._open.items():
            if path.suffix == ".json":
                stream.write("\n]\n")
            stream.close()
        names = sorted(path.relative_to(self.out).as_posix() for path in self._open)
        digests = {name: hashlib.sha256((self.out / name).read_bytes()).hexdigest() for name in names}
        digests["all"] = hashlib.sha256("".join(f"{name} {value}\n" for name, value in digests.items()).encode()).hexdigest()
        return digests

    def _line(self, path: Path) -> TextIO:
        if path not in self._open:
            self._open[path] = path.open("w", encoding="utf-8", newline="\n")
        return self._open[path]


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
