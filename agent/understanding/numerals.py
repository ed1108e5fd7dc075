"""Numbers in a child's words: "twenty one", "vingt-et-un", "einundzwanzig" and "21" are the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from agent.turn import LANGUAGES, Language
from agent.understanding.normalise import fold, is_break, tokens

_TENS = frozenset(
    [
        "vingt",
        "trente",
        "quarante",
        "cinquante",
        "soixante",
        "quatre",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "cent",
    ]
)
_ONE = {"en": frozenset({"one"}), "fr": frozenset({"un", "une"}), "de": frozenset({"ein", "eine"})}


def with_numbers(found: Sequence[str], language: Language) -> list[str]:
    """Number words as digits ("vingt et un" → "21"). A lone "one" stays a number, an article does not become one."""
    from text_to_num import alpha2digit

    articles = _ONE[language] if len([token for token in found if not is_break(token)]) > 1 else frozenset[str]()
    result: list[str] = []
    run: list[str] = []
    for index, token in enumerate([*found, ","]):
        before = [part for part in found[max(0, index - 2) : index] if part not in {"et", "and"}]
        joined = bool(before) and before[-1] in _TENS
        after = found[index + 1] if index + 1 < len(found) else ""
        if is_break(token) or (token in articles and not joined and after not in {"und", "hundert", "hundred"}):
            if run:
                result += alpha2digit(" ".join(_umlauts(run, language)), language, 0.0).split()
                run = []
            if index < len(found):
                result.append(token)
        else:
            run.append(token)
    return [part for token in result for part in (tokens(token, language) or (token,))]


_NUMBER_WORDS: dict[Language, str] = {
    "en": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt trente quarante "
    "cinquante soixante cent",
    "de": "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert",
}


@lru_cache(maxsize=20_000)
def is_numeral(word: str, language: Language) -> bool:
    """Whether a word is a number word."""
    from text_to_num import alpha2digit

    return word.isalpha() and str(alpha2digit(_umlauts([word], language)[0], language, 0.0)).isdigit()


def _umlauts(run: Sequence[str], language: Language) -> list[str]:
    """German number words as they are written properly: recognisers and children leave out the dots."""
    if language != "de":
        return list(run)
    swaps = {"funf": "fünf", "fuenf": "fünf", "zwolf": "zwölf", "zwoelf": "zwölf", "zwo": "zwei", "dreizig": "dreißig"}
    fixed = []
    for token in run:
        for wrong, right in swaps.items():
            if wrong in token and ("zig" in token or "zehn" in token or token == wrong):
                token = token.replace(wrong, right)
        fixed.append(token)
    return fixed


@lru_cache(maxsize=2_000)
def number_like(word: str, language: Language) -> str:
    """The digits of the one number word that sounds exactly like ``word`` or is one letter away, or "".

    For words that the lexicon does not know.
    """
    from rapidfuzz.distance import OSA
    from text_to_num import alpha2digit

    from agent.understanding.phonetics import sound

    if len(word) < 4:
        return ""
    near = [
        number
        for number in _NUMBER_WORDS[language].split()
        if sound(number, language) == sound(word, language) or OSA.distance(fold(number, language), fold(word, language)) <= 1
    ]
    return str(alpha2digit(near[0], language, 0.0)) if len(near) == 1 else ""


_PIECES: dict[Language, str] = {
    "en": "one two three four five six seven eight nine ten eleven twelve thir fif teen ty twen for fifty thirty forty twenty",
    "fr": "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt trente quarante "
    "cinquante soixante cent et",
    "de": "ein eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf und zwanzig dreißig vierzig fünfzig sechzig "
    "siebzig achtzig neunzig hundert",
}


@lru_cache(maxsize=2_000)
def spelt_as_numeral(words: tuple[str, ...], language: Language) -> str:
    """The digits of a numeral of several parts, each of which sounds like one ("sinquante sis", "firunzwanzich"), or "".

    Numerals of the other two languages count as they are ("twenty four" in German).
    """
    from text_to_num import alpha2digit

    if not words or not all(word.isalpha() for word in words):
        return ""
    for other in LANGUAGES:
        if other != language and (digits := str(alpha2digit(" ".join(words), other, 0.0))).isdigit():
            return digits
    if language == "de":
        split = [_split_german(word) for word in words]
        parts = [part for pieces in split for part in pieces]
        joined = "".join(parts) if all(split) else ""
    else:
        named = [_nearest(word, language) for word in words]
        joined = " ".join(named) if len(named) > 1 and all(named) else ""
    digits = str(alpha2digit(joined, language, 0.0)) if joined else ""
    return digits if digits.isdigit() and len(digits) > 1 else ""


def _nearest(word: str, language: Language) -> str:
    """The only part of a numeral that sounds like a word, or ""."""
    from rapidfuzz.distance import OSA

    from agent.understanding.phonetics import sound

    parts = _PIECES[language].split()
    if word in parts:
        return word
    ours = sound(word, language)
    same = [part for part in parts if sound(part, language) == ours]
    near = same or [
        part
        for part in parts
        if len(word) >= 3
        and OSA.distance(sound(part, language), ours) <= 1
        and OSA.distance(fold(part, language), fold(word, language)) <= max(1, len(word) // 3)
    ]
    return near[0] if len(near) == 1 else ""


def _split_german(word: str) -> list[str]:
    """The parts of a German numeral written as one word, however they are spelt: one, "und" and the tens; or nothing."""
    for join in ("und", "unt", "un", "n"):
        at = word.find(join, 2)
        while at > 0:
            one, ten = _nearest(word[:at], "de"), _nearest(word[at + len(join) :], "de")
            if one and ten.endswith(("zig", "ßig")):
                return ["ein" if one == "eins" else one, "und", ten]
            at = word.find(join, at + 1)
    near = _nearest(word, "de")
    return [near] if near else []
