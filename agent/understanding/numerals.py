"""Numbers in a child's words: "twenty one", "vingt-et-un", "einundzwanzig" and "21" are the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from agent.turn import Language
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
