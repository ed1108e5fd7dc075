"""How hard a text is to read, in its own language's formula, and the limits of each age band.

Formulas: Flesch-Kincaid grade (en; Kincaid et al. 1975), Kandel-Moles ease (fr; 1958), Amstad ease (de; 1978),
first Wiener Sachtextformel (de; Bamberger & Vanecek 1984), LIX (Björnsson 1968). Syllables are counted as spoken
vowel groups, which is what the formulas were fitted on; hyphenation libraries give break points, not syllables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from agent.turn import Band, Language

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+")
_END = re.compile(r"[.!?…]+(?:\s?»|[\"”“')\]])*(?:\s+(?![a-zà-ÿ»])|$)")  # „Da!“, sagt er: one sentence
_MARK = re.compile(r"[.!?…]+(?:\s?»|[\"”“')\]])*(?:\s+(?!»)|$)")
_VOWELS = {
    "en": re.compile(r"[aeiouy]+"),
    "fr": re.compile(r"[aeiouyàâäéèêëîïôöùûüœæ]+"),
    "de": re.compile(r"(?:ai|ei|ey|ay|au|äu|eu|ie|aa|ee|oo|[aeiouyäöü])"),
}

# Words the rules below miscount, spelt without their inflection.
_KNOWN = {
    "en": {"idea": 3, "ideas": 3, "science": 2, "people": 2, "being": 2, "area": 3, "everyone": 3, "every": 2},
    "fr": {"lion": 2, "lions": 2, "content": 2, "souvent": 2, "serpent": 2, "argent": 2, "absent": 2, "parent": 2},
    "de": {"familie": 4, "ferien": 3, "museum": 3},
}


@dataclass(frozen=True)
class BandLimits:
    """Upper bounds of an age band; ease scores are lower bounds. ``wait`` is the shortest patience in seconds."""

    words_per_turn: int
    words_per_telling: int
    mean_sentence: float
    longest_sentence: int
    flesch_kincaid: float
    lix_en: float
    kandel_moles: float
    lix_fr: float
    amstad: float
    wiener: float
    wait: float


LIMITS: dict[Band, BandLimits] = {
    "4-5": BandLimits(25, 55, 7, 11, 1.5, 18, 95, 30, 85, 2.0, 5.0),
    "6-7": BandLimits(40, 90, 9, 14, 3.0, 24, 88, 34, 78, 3.5, 4.0),
    "8-10": BandLimits(60, 130, 12, 18, 5.0, 32, 78, 40, 68, 5.0, 3.0),
}


def words(text: str) -> list[str]:
    """The words of a text; a French elision ("l'eau") counts as one written word."""
    return _WORD.findall(text)


def sentences(text: str, within_speech: bool = False) -> list[str]:
    """The sentences of a text, split after . ! ? and …; ``within_speech`` also splits “Six!” from she says."""
    found, start = [], 0
    for end in (_MARK if within_speech else _END).finditer(text):
        found.append(text[start : end.end()].strip())
        start = end.end()
    rest = text[start:].strip()
    return [sentence for sentence in ([*found, rest] if rest else found) if words(sentence)]


@lru_cache(maxsize=20_000)
def syllables(word: str, language: Language) -> int:
    """Spoken syllables of one word, at least 1."""
    word = word.lower().replace("’", "'")
    if word in _KNOWN[language]:
        return _KNOWN[language][word]
    if language == "fr":
        # Final mute e, es and verbal -ent are written but not spoken; an elided consonant adds nothing.
        stem = re.sub(r"(?<=[^aeiouyàâéèêëîïôûù])(?:e|es)$", "", word)
        if len(word) > 4:
            stem = re.sub(r"(?<=[bcdfgjlnprstvz])ent$", "", stem) if not word.endswith("ment") else stem
        count = len(_VOWELS["fr"].findall(stem))
        count += len(re.findall(r"éa|éo|oé|aé|éi|ïe|aï|oï|uï|éâ|ia(?!i)|io(?!n)|(?<![qg])ua(?!i)", stem))
    elif language == "en":
        stem = re.sub(r"(?<=[^aeiouyl])e$|(?<=[aeiouy][lr])e$", "", word)
        stem = re.sub(r"(?<=[^aeiouydt])ed$|(?<=[^aeiouyscxzgh])es$", "", stem)
        stem = re.sub(r"(?<=[^aeiouy])e(?=(?:ly|ful|less|ness|ment)$)|^(some)e?(?=thing|one|times|where)", _some, stem)
        count = len(_VOWELS["en"].findall(stem)) + len(re.findall(r"i(?:a|o(?!u|n)|ety)|eo(?!u)|ua(?!r)|ying$", stem))
    else:
        count = len(_VOWELS["de"].findall(word))
    return max(1, count)


def _some(match: re.Match[str]) -> str:
    return "som" if match[1] else ""


@dataclass(frozen=True)
class Measures:
    """Counts and scores of one text. Means are words per sentence and syllables per word."""

    words: int
    sentences: int
    mean_sentence: float
    longest_sentence: int
    mean_syllables: float
    lix: float
    grade: float
    ease: float


def measure(text: str, language: Language) -> Measures:
    """Measure a text. ``grade`` is Flesch-Kincaid (en) or Wiener 1 (de), ``ease`` Kandel-Moles or Amstad; 0 elsewhere."""
    # The formulas count every end mark, also one inside direct speech.
    lengths = [len(words(sentence)) for sentence in sentences(text, within_speech=True)]
    tokens = words(text)
    n, k = max(1, len(tokens)), max(1, len(lengths))
    counts = [syllables(token, language) for token in tokens]
    asl, asw = n / k, sum(counts) / n
    long_share = 100 * sum(len(token) > 6 for token in tokens) / n
    grade = ease = 0.0
    if language == "en":
        grade = 0.39 * asl + 11.8 * asw - 15.59
    elif language == "fr":
        ease = 207 - 1.015 * asl - 73.6 * asw
    else:
        ease = 180 - asl - 58.5 * asw
        many = 100 * sum(count >= 3 for count in counts) / n
        single = 100 * sum(count == 1 for count in counts) / n
        grade = 0.1935 * many + 0.1672 * asl + 0.1297 * long_share - 0.0327 * single - 0.875
    return Measures(len(tokens), len(lengths), asl, max(lengths, default=0), asw, asl + long_share, grade, ease)


def too_hard(text: str, language: Language, band: Band) -> list[str]:
    """Why a text of several sentences is beyond a band; an empty list when it is not."""
    limits, found = LIMITS[band], measure(text, language)
    checks: list[tuple[str, float, float, str]] = [
        ("longest sentence", found.longest_sentence, limits.longest_sentence, "words"),
    ]
    checks.append(("mean sentence", found.mean_sentence, limits.mean_sentence, "words"))
    if language == "en":
        checks.append(("Flesch-Kincaid", found.grade, limits.flesch_kincaid, ""))
        checks.append(("LIX", found.lix, limits.lix_en, ""))
    elif language == "fr":
        checks.append(("Kandel-Moles (negated)", -found.ease, -limits.kandel_moles, ""))
        checks.append(("LIX", found.lix, limits.lix_fr, ""))
    else:
        checks.append(("Amstad (negated)", -found.ease, -limits.amstad, ""))
        checks.append(("Wiener", found.grade, limits.wiener, ""))
    return [f"{name} {value:.1f} > {limit:g} {unit}".rstrip() for name, value, limit, unit in checks if value > limit + 1e-9]
