"""``python -m agent.classifiers.train_tagger``: train the taggers of personal data from ``data/personal*.jsonl`` anew.

A line of data is ``{"language", "text", "spans"}``: the spans are the parts of the text that are personal data. Needs
scikit-learn (``make install EXTRAS=train``); takes about a minute.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from agent.classifiers.linear import WEIGHTS
from agent.classifiers.tagger import _START, PLACES, WORD, hashed, word_features
from agent.classifiers.train import DATA
from agent.safety.privacy import is_first_name
from agent.turn import LANGUAGES, Language

# A title is not what must be hidden, and hiding it would tell that somebody is meant.
_TITLES = re.compile(
    r"(?:mr|mrs|ms|miss|mister|dr|madame|mme|monsieur|maîtresse|docteur|frau|herr|doktor|coach|auntie|aunt|tante|onkel|uncle|tata|tonton)",
    re.I,
)
_STRENGTH = 2.0


def rows(language: Language, folder: Path = DATA) -> list[dict[str, Any]]:
    """The lines written for a language."""
    lines = [line for path in sorted(folder.glob("personal*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in map(json.loads, lines) if row["language"] == language]


def digest(language: Language, folder: Path = DATA) -> str:
    """A fingerprint of the data a tagger was trained on."""
    return hashlib.sha256(json.dumps(rows(language, folder), sort_keys=True).encode()).hexdigest()[:16]


def tags(text: str, spans: list[str]) -> list[int]:
    """1 for each word of ``text`` that lies in one of the spans, wherever the span occurs; 0 for the others."""
    inside = {
        place for span in spans for match in re.finditer(re.escape(span), text) for place in range(match.start(), match.end())
    }
    return [int(match.start() in inside and not _TITLES.fullmatch(match[0])) for match in WORD.finditer(text)]


def train(language: Language, data: list[dict[str, Any]]) -> dict[str, Any]:
    """The arrays of one tagger."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    places: list[int] = []
    ends, truth = [0], list[int]()
    for row in data:
        words, right = WORD.findall(row["text"]), tags(row["text"], row["spans"])
        for place in range(len(words)):
            before = (right[place - 1] if place else _START, right[place - 2] if place > 1 else _START)
            places += hashed(word_features(words, place, language, before, lambda word: is_first_name(word, language)))
            ends.append(len(places))
        truth += right
    inputs = csr_matrix((np.ones(len(places)), places, ends), shape=(len(truth), PLACES))
    inputs.sum_duplicates()
    fitted = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(inputs, truth)
    weights = fitted.coef_[0]
    scale = np.abs(weights).max() / 127
    small = np.round(weights / scale).astype(np.int8)
    used = np.flatnonzero(small)
    print(f"{language}: {len(data)} lines, {len(truth)} words, {sum(truth)} of them personal, {len(used)} features")
    return {"rows": used.astype(np.uint32), "values": small[used], "scale": scale, "bias": fitted.intercept_[0]}


def main() -> int:
    for language in LANGUAGES:
        arrays = train(language, rows(language))
        np.savez_compressed(WEIGHTS / f"personal-{language}.npz", **arrays, digest=np.array(digest(language)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
