"""How well the order of a child's words fits the order in which children say words: what a recogniser makes of noise does not.

Neighbouring words are looked up in ``agent/words/understanding/order-*.toml``, counted from thousands of children's turns by
``python -m agent.understanding.count_word_order``: small words as they are, all others by what kind of word they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from agent.story import Strict
from agent.toml_file import read_toml
from agent.turn import Language
from agent.understanding.lexicon import FOLDER
from agent.understanding.normalise import fold, folded_words, is_break, tokens
from agent.understanding.vocabulary import is_known, read_word, stem

EDGE = "|"  # where a clause begins or ends
_THINGS = frozenset(
    {"animal", "food", "person", "plant", "vehicle", "clothes", "toy", "body", "nature", "home", "shape", "colour"}
)
_SMOOTH = 0.5  # added to each count, so that what was never seen is unlikely rather than impossible


class OrderFile(Strict):
    """``small`` words are counted by themselves; ``pairs`` are a word or kind to "follower count follower count …"."""

    small: str
    pairs: dict[str, str]


@dataclass(frozen=True)
class Order:
    small: frozenset[str]
    pairs: dict[tuple[str, str], int]
    firsts: dict[str, int]
    total: int


@lru_cache(maxsize=3)
def order(language: Language) -> Order:
    """The counts of a language, read once. Raises what :func:`agent.toml_file.read_toml` does."""
    file = read_toml(FOLDER / f"order-{language}.toml", OrderFile)
    pairs: dict[tuple[str, str], int] = {}
    firsts: dict[str, int] = {}
    for first, row in file.pairs.items():
        cells = row.split()
        for follower, count in zip(cells[::2], cells[1::2], strict=True):
            pairs[first, follower] = int(count)
            firsts[first] = firsts.get(first, 0) + int(count)
    return Order(frozenset(file.small.split()), pairs, firsts, sum(firsts.values()))


@lru_cache(maxsize=20_000)
def kind_of(token: str, language: Language) -> str:
    """What kind of word a token is, for all that are not counted by themselves."""
    if token.isdecimal():
        return "<number>"
    word = read_word(token, language)
    if word.weight == 0:
        return "<small>"
    if word.own:
        tables = word.meaning.tables
        return "<action>" if "action" in tables else "<thing>" if tables & _THINGS else "<word>"
    known = fold(token, language) in folded_words(language, "everyday") or stem(token, language) in _stems(language)
    return "<everyday>" if known or is_known(token, language) else "<strange>"


@lru_cache(maxsize=3)
def _stems(language: Language) -> frozenset[str]:
    return frozenset(stem(word, language) for word in folded_words(language, "everyday"))


def symbols(text: str, small: frozenset[str], language: Language) -> Iterator[str]:
    """The words of a text as they are counted, without fillers, its edges and commas marked."""
    fillers = folded_words(language, "fillers")
    last = EDGE
    yield EDGE
    for token in tokens(text, language):
        folded = fold(token, language)
        if folded in fillers:
            continue
        symbol = EDGE if is_break(token) else folded if folded in small else kind_of(token, language)
        if symbol != EDGE or last != EDGE:
            yield symbol
        last = symbol
    if last != EDGE:
        yield EDGE


@lru_cache(maxsize=4_000)
def coherence(text: str, language: Language) -> float:
    """How much more often than by chance the words of a text stand side by side: the mean of log (seen / expected).

    Near 0 where order means nothing; sentences have 0.3 to 2. 0 for an empty text.
    """
    known = order(language)
    found = list(symbols(text, known.small, language))
    scores = []
    for one, other in pairwise(found):
        expected = known.firsts.get(one, 0) * known.firsts.get(other, 0) / known.total
        scores.append(math.log((known.pairs.get((one, other), 0) + _SMOOTH) / (expected + _SMOOTH)))
    return sum(scores) / len(scores) if scores else 0.0
