"""From what a recogniser wrote down to plain words that can be compared.

Folding takes away what children leave out and recognisers get wrong: capitals, accents, ß for ss, "ue" for "ü".
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from agent.turn import Language
from agent.understanding.lexicon import manner

_TOKEN = re.compile(r"[^\W_]+|[,;:.!?…–—]")
_DRAWL = re.compile(r"([^\W\d_])\1{2,}")
_BREAK = re.compile(r"[,;:.!?…–—]")
# Humming that means something, which would otherwise count as filling a pause.
_HUMMED_YES = re.compile(r"\b(?:uh[ -]?huh|mm[ -]?hm+|m-hm)\b")
_HUMMED_NO = re.compile(r"\b(?:nuh[ -]uh|uh-uh|mm-mm)\b")
# Any length of "uhhh", "mmm", "euhh", "ähm", "pfff".
_DRAWN = re.compile(r"(?:u+h+m*|u+mm+|e+rr+m*|erm+|e+h+m*|h+[mu]+h*m*|m{2,}|a+h+|o+h+|ä+h*m*|ö+h*m*|h?eu+h+|pf+|hein+)")
_DIGRAPH = re.compile(r"(?<![aeiouq])([aou])e")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l"})
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "ʼ": "'"})


@lru_cache(maxsize=20_000)
def fold(text: str, language: Language) -> str:
    """Lower case without accents; in German "ae", "oe" and "ue" become the same as "ä", "ö" and "ü". Keeps spaces."""
    text = unicodedata.normalize("NFC", text).lower()
    if language == "de":
        text = _DIGRAPH.sub(r"\1", text)
    text = text.translate(_LIGATURES)
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


@lru_cache(maxsize=64)
def _noise(language: Language) -> re.Pattern[str]:
    return re.compile("|".join(manner(language).noise), re.IGNORECASE)


def without_noise(text: str, language: Language) -> str:
    """The text without what a recogniser writes for sounds, "[laughter]", and for nothing at all, "Thanks for watching"."""
    return _noise(language).sub(" ", text)


@lru_cache(maxsize=4_000)
def tokens(text: str, language: Language) -> tuple[str, ...]:
    """The words of a text in lower case, with punctuation as tokens of its own; stammered beginnings are left out."""
    text = unicodedata.normalize("NFC", text).lower().translate(_APOSTROPHES)
    text = _HUMMED_NO.sub("nope", _HUMMED_YES.sub("mhm", text))
    text = text.replace("'", " " if language == "fr" else "").replace("-", " ").replace("‑", " ")
    text = _DRAWL.sub(lambda found: found[1] * (2 if found[1] == "m" else 1), text)  # "nooo", "yesss"
    found = _TOKEN.findall(text)
    kept: list[str] = []
    for index, token in enumerate(found):
        after = found[index + 1] if index + 1 < len(found) else ""
        repeated = token == after and not token.isdecimal()
        # A stammered beginning ("s-s-snail") is one letter, or two that are no word of their own.
        stammer = len(token) == 1 and token.isalpha() and after.startswith(token) and token not in "aiylàmntcjsd"
        stammer = stammer or (len(token) == 1 and token.isalpha() and len(after) > 2 and after[0] == token and language != "fr")
        if not repeated and not stammer:
            kept.append(token)
    return tuple(kept)


def is_break(token: str) -> bool:
    """Whether a token is punctuation."""
    return bool(_BREAK.fullmatch(token))


@lru_cache(maxsize=64)
def folded_words(language: Language, name: str) -> frozenset[str]:
    """One word list of :class:`agent.understanding.lexicon.Manner`, folded, so that texts can be looked up in it."""
    return frozenset(fold(word.replace("'", "").replace("-", ""), language) for word in getattr(manner(language), name))


@lru_cache(maxsize=4_000)
def plain(text: str, language: Language) -> str:
    """Folded words in one line, without fillers and punctuation: what the lexicon's patterns are matched against."""
    fillers = folded_words(language, "fillers")
    words = [fold(token, language) for token in tokens(text, language) if not is_break(token)]
    drawn = {fold(t, language) for t in tokens(text, language) if _DRAWN.fullmatch(t)}
    kept = [word for index, word in enumerate(words) if word not in fillers | drawn and (not index or word != words[index - 1])]
    return " ".join(kept)


@lru_cache(maxsize=512)
def pattern(language: Language, name: str) -> re.Pattern[str]:
    """The patterns of one list of :class:`agent.understanding.lexicon.Manner` as one folded expression."""
    value = getattr(manner(language), name)
    parts = (value,) if isinstance(value, str) else value
    return re.compile("|".join(f"(?:{fold(part, language)})" for part in parts))
