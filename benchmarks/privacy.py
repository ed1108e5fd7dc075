"""How much personal data in children's words is found: ``python -m benchmarks.privacy [FILE.jsonl] [--misses]``.

One object a line with ``language, text, spans`` (the parts of the text that are personal data). Counted by word: recall is the
share of personal words that are hidden, precision the share of hidden words that are personal. Titles count as neither.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from agent.classifiers.tagger import WORD
from agent.classifiers.train_tagger import tags
from agent.safety import personal
from agent.turn import LANGUAGES

BLIND = Path(__file__).parent / "data" / "privacy-blind.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.privacy", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=BLIND)
    parser.add_argument("--misses", action="store_true", help="print what was missed and what was hidden needlessly")
    options = parser.parse_args(arguments)
    rows = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    print("language  lines  recall  precision  harmless lines touched")
    for language in LANGUAGES:
        right = hidden = wanted = touched = harmless = lines = 0
        for row in rows:
            if row["language"] != language:
                continue
            text, spans = row["text"], personal.find(row["text"], language)
            truth = tags(text, row["spans"])
            found = [int(any(span.begin <= word.start() < span.end for span in spans)) for word in WORD.finditer(text)]
            right += sum(one and other for one, other in zip(truth, found, strict=True))
            hidden, wanted, lines = hidden + sum(found), wanted + sum(truth), lines + 1
            if not row["spans"]:
                harmless, touched = harmless + 1, touched + any(found)
            if options.misses and found != truth:
                hides = [text[span.begin : span.end] for span in spans]
                print(f"  {language}: {text}\n      wanted {row['spans']}, hidden {hides}")
        recall, precision = right / max(1, wanted), right / max(1, hidden)
        print(f"{language:8}{lines:7}{recall:8.3f}{precision:11.3f}  {touched} of {harmless}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
