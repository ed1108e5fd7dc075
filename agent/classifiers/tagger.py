"""Which words of a child's sentence are personal data: a linear model that goes through them from left to right.

It looks at a word, its shape, its neighbours, whether the language knows it, and what it said of the two words before.
Trained by ``python -m agent.classifiers.train_tagger`` on this project's own sentences.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from agent.classifiers.linear import WEIGHTS, arrays, fits, no_model
from agent.turn import Language
from agent.understanding.vocabulary import is_known

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLACES = 1 << 18
WORD = re.compile(r"[^\W_]+(?:[-.@_][^\W_]+)*")
SURE = 0.3  # probability from which a word counts as personal: what is missed is worse than a word too many
_START = 2  # what is said of the words before the first
_EDGE = "<>"
_TRAINER = "agent.classifiers.train_tagger"


def word_features(
    words: list[str], place: int, language: Language, before: tuple[int, int], is_name: Callable[[str], bool]
) -> Iterator[str]:
    """What is to be seen of one word. ``before`` is what was said of the last word and of the one before it."""

    def at(offset: int) -> str:
        there = place + offset
        return words[there].lower() if 0 <= there < len(words) else _EDGE

    def known(word: str) -> bool:
        return is_known(word, language)

    word, last = words[place], before[0]
    low, left, right, second = word.lower(), at(-1), at(1), at(-2)
    yield f"w={low}"
    for length in (2, 3, 4):
        yield f"s{length}={low[-length:]}"
        yield f"p{length}={low[:length]}"
    yield f"sh={_shape(word)}{place == 0}"
    yield f"len={min(len(word), 5)}"
    named, here = is_name(word), known(low)
    yield f"nm={named}"
    yield f"nm1={is_name(right)}"
    yield f"prev={last}{before[1]}"
    yield f"prev+w={last}|{low}"
    yield f"prev+s={last}|{low[-2:]}"
    yield f"prev+p1={last}|{left}"
    yield f"prev+n={last}|{right}"
    yield f"prevkn={last}{here}{named}"
    yield f"kn={here}"
    yield f"kn1={here}{known(left)}{known(right)}"
    yield f"knp={here}|{left}"
    yield f"knpp={here}|{second}|{left}"
    for offset in (-4, -3, -2, -1, 1, 2, 3):
        yield f"{offset}={at(offset)}"
    yield f"-12={second}|{left}"
    yield f"-123={at(-3)}|{second}|{left}"
    yield f"12={right}|{at(2)}"
    yield f"-1w={left}|{low}"
    yield f"w1={low}|{right}"
    yield f"-1s={left[-2:]}"
    yield f"1s={right[-2:]}"
    for there in range(max(0, place - 3)):
        yield f"far={words[there].lower()}"


def _shape(word: str) -> str:
    if word.isdigit():
        return "d"
    letters = "X" if word.isupper() and len(word) > 1 else "Xx" if word[:1].isupper() else "x"
    return letters + ("1" if any(sign.isdigit() for sign in word) else "") + ("@" if "@" in word else "")


def hashed(names: Iterator[str]) -> list[int]:
    return [zlib.crc32(name.encode()) & (PLACES - 1) for name in names]


@dataclass(frozen=True)
class Tagger:
    """``weights`` is int8 [PLACES]; times ``scale``, plus ``bias``, it gives log-odds. ``digest`` is the training data's."""

    language: Language
    weights: NDArray[np.int8]
    scale: float
    bias: float
    digest: str

    def personal(self, text: str, is_name: Callable[[str], bool]) -> list[tuple[int, int]]:
        """Begin and end of each stretch of words that are personal data. ``is_name`` knows common first names."""
        found = [match.span() for match in WORD.finditer(text)]
        words = [text[begin:end] for begin, end in found]
        before, stretches = (_START, _START), list[tuple[int, int]]()
        for place, (begin, end) in enumerate(found):
            places = hashed(word_features(words, place, self.language, before, is_name))
            odds = float(self.weights[places].sum(dtype="int64")) * self.scale + self.bias
            tag = int(1.0 / (1.0 + math.exp(-odds)) >= SURE)
            if tag and before[0] == 1 and stretches:
                stretches[-1] = (stretches[-1][0], end)
            elif tag:
                stretches.append((begin, end))
            before = (tag, before[0])
        return stretches


@cache
def tagger(language: Language) -> Tagger:
    """The shipped tagger of a language, read once. OSError or ValueError, saying what to do, when there is none."""
    import numpy as np

    path = WEIGHTS / f"personal-{language}.npz"
    found = arrays(path, _TRAINER)
    try:
        rows, values, digest = found["rows"], found["values"], str(found["digest"])
        scale, bias = float(found["scale"]), float(found["bias"])
    except (KeyError, TypeError, ValueError) as error:
        raise no_model(path, _TRAINER) from error
    if not (fits(rows, values, PLACES, 1) and math.isfinite(scale) and math.isfinite(bias)):
        raise no_model(path, _TRAINER)
    weights = np.zeros(PLACES, np.int8)
    weights[rows] = values
    return Tagger(language, weights, scale, bias, digest)
