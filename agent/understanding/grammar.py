"""Word salad: what a recogniser makes of noise or of talk it did not catch.

A child's sentence may be mangled, but its small words still stand where small words stand: articles before things,
prepositions before articles. In salad they stand anywhere, among fragments of words and numbers that come from nowhere.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.turn import LANGUAGES, Language
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import fold, folded_words, is_break, pattern, plain, tokens
from agent.understanding.prepared import Prepared
from agent.understanding.vocabulary import is_known, read, read_word, stem
from agent.understanding.word_order import coherence, kind_of

_REPEATED = re.compile(r"\b([^\W\d_]+) \1\b")
_SHORTEST = 6  # words; anything shorter may be a phrase
_FEW = 7  # words below which their order is left out of account
# Whoever begins so gives a reason, whatever comes after it.
_REASONING = frozenset(
    {"so", "to", "if", "otherwise", "else", "then", "sinon", "comme", "pour", "si", "damit", "sonst", "wenn", "dass"}
)
_ENOUGH = 2.0  # signs of salad
_SHARE = 0.2  # signs per word
_CHANCE = 0.08  # coherence below which the words might stand in any order; nine in ten sentences of children have more
_STRANGE = 0.25  # share of words of none of our languages from which on word order tells nothing
_HELD = 0.4  # coherence from which on words are held together, whatever else is odd about them
_NONE = -0.1  # coherence below which no other reading of the words is looked for


def is_word_salad(text: str, ready: Prepared, language: Language, answering: bool = False) -> bool:
    """Whether too little grammar holds the words together for them to mean something.

    ``answering``: the words of the right answer are among them, so that more must speak against it."""
    length = len(plain(text, language).split())
    if length < _SHORTEST:
        return False
    found = signs(text, ready, language)
    enough = max(_ENOUGH * (2 if answering else 1), _SHARE * length)
    return found >= enough and (found >= 1.5 * enough or coherence(text, language) < _HELD)


def out_of_order(text: str, language: Language, plainly: bool = False) -> bool:
    """Whether the words stand side by side as if by chance; for words that bear on the question hardly or not at all.

    ``plainly``: so clearly that it needs no asking whether they are talk of something else."""
    said = plain(text, language).split()
    if len(said) < _FEW or said[0] in _REASONING or set(said) & folded_words(language, "because"):
        return False
    strange = sum(kind_of(token, language) == "<strange>" for token in tokens(text, language) if not is_break(token))
    if strange > _STRANGE * len(said):
        return False  # dialect; what a recogniser puts together are words
    return coherence(text, language) < (_NONE if plainly else _CHANCE)


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
    if language == "de" and any(is_known(full, "de") for full in _spoken_out(token)):
        return False
    return fold(token, language) not in folded_words(language, "everyday") and stem(token, language) not in _stems(language)


def _spoken_out(token: str) -> tuple[str, ...]:
    """What German speech swallows at the end of a word: "essn", "winta", "machn"."""
    return token[:-1] + "en", token[:-1] + "er", token + "e"


@lru_cache(maxsize=len(LANGUAGES))
def _stems(language: Language) -> frozenset[str]:
    return frozenset(stem(word, language) for word in folded_words(language, "everyday"))
