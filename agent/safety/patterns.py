"""The language of the safety patterns, and how a text is evened out before they look at it.

A text is first folded (lower case, no accents, no doubled consonants, no fillers, known misspellings put right), so that
what a recogniser mangles or a child misspells still reads the same. A pattern is then words with six signs:

- ``{class}``  any entry of that class of the same file; ``{name}`` is any first name listed there, ``{not}`` any negation
- ``(a|b c)``  one of several; ``(a|b)?`` one of them or nothing
- ``...``      up to five words of the same sentence, none of them a negation
- ``hit*``     any ending
- ``^`` ``$``  the beginning or the end of a sentence
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from agent.safety.lexicon import lexicon
from agent.turn import LANGUAGES, Language

_HIDDEN = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_LIKE_LATIN = str.maketrans("авеёзікмнорстухьѕјԁɡһαβεικνορτυχ’‘`´ʼ", "abee3ikmhopctyxbsjdghabeiknoptyx'''''")
_LEET = str.maketrans("0134578@$", "oieastbas")
_LEET_WORD = re.compile(r"(?<![\w@$])(?=[\w@$]*[a-z])(?=[a-z]*[0-9@$])(?!\d+[a-z]{0,3}\b)[a-z0-9@$]{3,}(?![\w@$])")
_STARRED = re.compile(r"(?<=[a-z])[*#]+(?=[a-z])")
_SPELLED = re.compile(r"(?<![\w'])[a-z](?:[ .\-_]{1,2}[a-z]){2,}(?![\w'])")
_PIECE = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*'?|[.!?…;:\n]+")
_DOUBLED = re.compile(r"([bcdfghj-np-tv-z])\1+|([a-z])\2{2,}")
_TRIPLED = re.compile(r"([a-z])\1{2,}")
_LITERAL = re.compile(r"[^\W_]+(?:['’][^\W_]*)*")
_PART = re.compile(r"\.\.\.|\(|\)\??|[|^$]|\{[a-z_]+\}|[^\s()|{}]+")
_SIGNS = {"(": "(?:", ")": ")", ")?": ")?", "|": "|", "^": r" \.", "$": r" \."}


def fold_word(word: str, language: Language) -> str:
    """One word (or words with apostrophes) as it stands in a folded text, apart from corrected spelling."""
    word = unicodedata.normalize("NFKD", word.casefold().replace("œ", "oe").replace("æ", "ae").replace("’", "'"))
    word = "".join(sign for sign in word if not unicodedata.combining(sign))
    word = word.replace("'", " " if language == "fr" else "")
    if language == "de":
        # Umlauts are written ä, ae or a, by keyboards and by recognisers.
        word = word.replace("ae", "a").replace("oe", "o").replace("ue", "u")
    return " ".join((_DOUBLED if len(part) > 3 else _TRIPLED).sub(_once, part) for part in word.split())


def _once(run: re.Match[str]) -> str:
    return run[0][0]


def fold(text: str, language: Language) -> str:
    """The text as patterns see it: folded words and " . " between sentences, with one blank at either end."""
    text = unicodedata.normalize("NFKC", _HIDDEN.sub("", text)).casefold().translate(_LIKE_LATIN)
    text = text.replace("œ", "oe").replace("æ", "ae")
    text = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    text = _STARRED.sub("", _LEET_WORD.sub(lambda found: found[0].translate(_LEET), text))
    text = _SPELLED.sub(lambda found: re.sub(r"[^a-z]", "", found[0]), text)
    spelling, fillers = _spelling(language)
    words = ["."]
    for piece in _PIECE.findall(text):
        if not piece[0].isalnum():
            words.append(".")
            continue
        for word in fold_word(piece, language).split():
            if word not in fillers:
                words.extend(spelling.get(word, word).split())
    words.append(".")
    kept = [word for place, word in enumerate(words) if place == 0 or word != words[place - 1]]
    folded = f" {' '.join(kept)} "
    for wrong, right in _phrases(language):
        folded = folded.replace(f" {wrong} ", f" {right} ")
    return folded


@lru_cache(maxsize=len(LANGUAGES))
def _phrases(language: Language) -> tuple[tuple[str, str], ...]:
    """The spellings of several words."""
    return tuple((wrong, right) for wrong, right in _spelling(language)[0].items() if " " in wrong)


@lru_cache(maxsize=64)
def fold_allowed(text: str, language: Language) -> str:
    """:func:`fold` for authored material, which is asked for again with every sentence of a turn."""
    return fold(text, language) if text else ""


@lru_cache(maxsize=len(LANGUAGES))
def _spelling(language: Language) -> tuple[dict[str, str], frozenset[str]]:
    entries = lexicon(language)
    spelling = {fold_word(wrong, language): fold_literals(right, language) for wrong, right in entries.spelling.items()}
    return spelling, frozenset(fold_word(word, language) for word in entries.fillers)


def fold_literals(text: str, language: Language) -> str:
    """Fold the words of a pattern and leave its signs."""
    return _LITERAL.sub(lambda found: fold_word(found[0], language), text)


@lru_cache(maxsize=4_000)
def compile_patterns(patterns: tuple[str, ...], language: Language) -> re.Pattern[str]:
    """One expression for all ``patterns``, to be searched in a folded text."""
    return re.compile("|".join(_expression(pattern, language) for pattern in patterns))


@lru_cache(maxsize=10_000)
def _expression(pattern: str, language: Language) -> str:
    """A pattern as a regular expression; every word brings the blank before it, and a blank follows the last."""
    return f"(?:{_inner(pattern, language)})(?= )"


def _inner(pattern: str, language: Language) -> str:
    found = []
    for part in _PART.findall(pattern):
        if part == "...":
            found.append(_gap(language))
        elif part in _SIGNS:
            found.append(_SIGNS[part])
        elif part.startswith("{"):
            found.append(_any_of(part[1:-1], language))
        else:
            folded = fold_literals(part.replace("-", " "), language)
            # Texts have their spelling put right, so patterns too.
            found.append(" " + _spelling(language)[0].get(folded, folded).replace("*", "[a-z0-9]*"))
    return "".join(found)


@lru_cache(maxsize=200)
def _any_of(name: str, language: Language) -> str:
    entries = lexicon(language)
    options = {"name": entries.personal.first_names, "not": entries.negations, **entries.classes}[name]
    return f"(?:{'|'.join(_inner(option, language) for option in options)})"


@lru_cache(maxsize=len(LANGUAGES))
def _gap(language: Language) -> str:
    negation = "|".join(_folded(lexicon(language).negations, language))
    return rf"(?: (?!(?:{negation}) )[a-z0-9_]+){{0,5}}?"


def _folded(words: tuple[str, ...], language: Language) -> list[str]:
    return [fold_word(word, language) for word in words]
