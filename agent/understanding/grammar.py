"""Word salad: what a recogniser makes of noise or of talk it did not catch.

A child's sentence may be mangled, but its small words still stand where small words stand: articles before things,
prepositions before articles. In salad they stand anywhere, among fragments of words and numbers that come from nowhere.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.turn import LANGUAGES, Language
from agent.understanding.normalise import pattern, plain, tokens
from agent.understanding.vocabulary import is_known, read

_REPEATED = re.compile(r"\b([^\W\d_]+) \1\b")
_SHORTEST = 6  # words; anything shorter may be a phrase
_ENOUGH = 2.0  # signs of salad
_SHARE = 0.22  # signs per word


@lru_cache(maxsize=4_000)
def is_word_salad(text: str, language: Language) -> bool:
    """Whether too little grammar holds the words together for them to mean something."""
    spoken = [token for token in tokens(text, language) if token.isalnum()]
    if len(spoken) < _SHORTEST:
        return False
    found = signs(text, language)
    return found >= _ENOUGH and found >= _SHARE * len(spoken)


def signs(text: str, language: Language) -> float:
    """How many signs of salad a text shows: 1 for what no sentence has, 0.5 for what few have."""
    spoken = [token for token in tokens(text, language) if token.isalnum()]
    said = plain(text, language)
    torn = sum(1 for _ in pattern(language, "torn").finditer(said))
    fragments = sum(_is_fragment(token) for token in spoken)
    repeated = sum(1 for _ in _REPEATED.finditer(text.lower()))
    numbers = sum(word.number is not None for word in read(text, language))
    return torn + fragments + 0.5 * repeated + 0.5 * numbers


def _is_fragment(token: str) -> bool:
    """A short token that is no word of any of ours."""
    return 2 <= len(token) <= 5 and token.isalpha() and not any(is_known(token, name) for name in LANGUAGES)
