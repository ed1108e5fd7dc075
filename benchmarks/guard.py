"""How well the guard does on labelled lines: recall by category, over-refusal of harmless talk, and time a line.

``python -m benchmarks.guard [FILE.jsonl] [--misses]``: one object a line with ``who``, ``language``, ``text``, ``verdict`` and
``category`` (empty for harmless talk), and ``age`` if known. Without a file, the development set that the lexica were
written with: its figures say that nothing got lost, not how the guard does on words it has never seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from agent.guard import Ruling, band_of, child, robot
from agent.turn import LANGUAGES

DEVELOPMENT = Path(__file__).parent / "data" / "guard-dev.jsonl"
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """The lines of a file; ``expected`` is another name for ``verdict``, and "ok" lines count as harmless."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for row in rows:
        row.setdefault("verdict", row.get("expected", ""))
        if row["verdict"] == "ok":
            row["category"] = ""
    return rows


def rule(row: Row) -> Ruling:
    language = next(language for language in LANGUAGES if language == row["language"])
    if row["who"] == "child":
        return child(row["text"], language)
    return robot(row["text"], language, band_of(row.get("age")))


def kept(row: Row, ruling: Ruling) -> bool:
    """Whether a line got what it is labelled with; a redirect that becomes a handoff counts as kept, not the reverse."""
    return ruling.verdict == row["verdict"] or (row["verdict"] == "redirect" and ruling.verdict == "handoff")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=DEVELOPMENT)
    parser.add_argument("--misses", action="store_true", help="print every line that was ruled otherwise than labelled")
    options = parser.parse_args(arguments)
    rows = read(options.file)
    for row in rows[:50]:  # patterns are compiled with the first line of each language
        rule(row)
    for language in LANGUAGES:
        child("", language), robot("", language)
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    times: list[float] = []
    for row in rows:
        begin = time.process_time()
        ruling = rule(row)
        times.append(time.process_time() - begin)
        good = kept(row, ruling)
        counts[row.get("category") or "harmless", row["language"]].append(good)
        if options.misses and not good:
            print(f"{row['language']} {row['who']}: {row['text']}")
            print(f"    wanted {row['verdict']}, got {ruling.verdict} ({ruling.reason})")
    _table(counts)
    median, most = 1000 * statistics.median(times), 1000 * sorted(times)[int(0.95 * len(times))]
    print(f"processor time a line: median {median:.2f} ms, 95 % under {most:.2f} ms")
    return 0


def _table(counts: dict[tuple[str, str], list[bool]]) -> None:
    print(f"{'category':<14}" + "".join(f"{language:>14}" for language in LANGUAGES))
    categories = sorted({category for category, _ in counts} - {"harmless"})
    for category in [*categories, "all", "harmless"]:
        cells = []
        for language in LANGUAGES:
            found = counts.get((category, language), [])
            if category == "all":
                found = [
                    good
                    for (name, where), goods in counts.items()
                    for good in goods
                    if name != "harmless" and where == language
                ]
            cells.append(f"{sum(found)}/{len(found)} {sum(found) / len(found):.3f}" if found else "-")
        print(f"{category:<14}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    raise SystemExit(main())
