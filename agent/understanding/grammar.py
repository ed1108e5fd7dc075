"""Word salad: what a recogniser makes of noise or of talk it did not catch.

A child's sentence may be mangled, but its small words still stand where small words stand: articles before things,
prepositions before articles. In salad they stand anywhere, among fragments of words and numbers that come from nowhere.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.turn import LANGUAGES, Language
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import fold, folded_words, pattern, plain, tokens
from agent.understanding.prepared import Prepared
from agent.understanding.vocabulary import is_known, read, read_word, stem

_REPEATED = re.compile(r"\b([^\W\d_]+) \1\b")
_SHORTEST = 6  # words; anything shorter may be a phrase
_ENOUGH = 2.0  # signs of salad
_SHARE = 0.2  # signs per word


def is_word_salad(text: str, ready: Prepared, language: Language, answering: bool = False) -> bool:
    """Whether too little grammar holds the words together for them to mean something.

    ``answering``: the words of the right answer are among them, so that more must speak against it."""
    length = len(plain(text, language).split())
    if length < _SHORTEST:
        return False
    found = signs(text, ready, language)
    return found >= _ENOUGH * (2 if answering else 1) and found >= _SHARE * length


def signs(text: str, ready: Prepared, language: Language) -> float:
    """How many signs of salad a text shows: 1 for what no sentence has, 0.5 for what few have."""
    story = [word for item in (*ready.accepted, *ready.ideas, *sum(ready.misconceptions, ())) for word in item.words]
    story += ready.question
    torn = sum(1 for _ in pattern(language, "torn").finditer(plain(text, language)))
    spoken = {token for token in tokens(text, language) if token.isalpha()}
    fragments = sum(
        _is_fragment(token, language) and not any(like(read_word(token, language), word, language) >= SURE for word in story)
        for token in spoken
    )
    repeated = sum(1 for _ in _REPEATED.finditer(text.lower()))
    counting = any(word.number is not None for word in story)
    numbers = 0 if counting else sum(word.number is not None for word in read(text, language))
    return torn + fragments + 0.5 * repeated + 0.5 * numbers


@lru_cache(maxsize=20_000)
def _is_fragment(token: str, language: Language) -> bool:
    """A short token that is no word of any of ours."""
    if not 2 <= len(token) <= 5 or any(is_known(token, name) for name in LANGUAGES):
        return False
    return fold(token, language) not in folded_words(language, "everyday") and stem(token, language) not in _stems(language)


@lru_cache(maxsize=len(LANGUAGES))
def _stems(language: Language) -> frozenset[str]:
    return frozenset(stem(word, language) for word in folded_words(language, "everyday"))
