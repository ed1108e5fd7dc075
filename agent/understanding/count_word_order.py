"""``python -m agent.understanding.count_word_order``: count which words follow which in children's turns, in a few seconds.

Reads the turns that the classifiers are trained on and writes ``agent/words/understanding/order-*.toml``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from agent.turn import LANGUAGES, Language
from agent.understanding.lexicon import FOLDER
from agent.understanding.normalise import fold, is_break, tokens
from agent.understanding.vocabulary import read_word
from agent.understanding.word_order import symbols

DATA = Path(__file__).resolve().parents[1] / "classifiers" / "data"
_SMALL = 120  # small words that are counted by themselves: the most frequent ones
_LIGHT = 0.4  # weight up to which a word is small
_SEEN = 2  # times a pair must have been seen to be kept


def turns(language: Language) -> Iterator[str]:
    """What children say, without what nobody understood."""
    for path in sorted(DATA.glob(f"*-{language}.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            turn = json.loads(line)
            if turn.get("label") != "not_understood":
                yield turn["text"]


def table(texts: list[str], language: Language) -> str:
    """The counts of some turns as a TOML file."""
    words = Counter(
        fold(token, language)
        for text in texts
        for token in tokens(text, language)
        if not is_break(token) and read_word(token, language).weight <= _LIGHT
    )
    small = frozenset(word for word, _ in words.most_common(_SMALL))
    pairs = Counter(pair for text in texts for pair in pairwise(symbols(text, small, language)))
    rows: dict[str, list[str]] = {}
    for (one, other), count in sorted(pairs.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
        if count >= _SEEN:
            rows.setdefault(one, []).append(f"{other} {count}")
    lines = [f"# Which words follow which in children's turns: counted by python -m agent.understanding.{Path(__file__).stem}"]
    lines += [f'small = "{" ".join(sorted(small))}"', "", "[pairs]"]
    return "\n".join([*lines, *(f'"{one}" = "{" ".join(row)}"' for one, row in rows.items())]) + "\n"


def main() -> None:
    for language in LANGUAGES:
        (FOLDER / f"order-{language}.toml").write_text(table(list(turns(language)), language), encoding="utf-8")


if __name__ == "__main__":
    main()
