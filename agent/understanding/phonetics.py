"""How a word sounds, roughly: words that sound alike get the same key, whatever way a child or a recogniser spells them.

Rules per language rather than a synthesiser's phonemes: they need no shared library in a process that also speaks
with it, and cost microseconds. English keeps consonants only (its vowels are spelt in too many ways), French
and German keep simplified vowels.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.turn import Language

_RULES: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        (r"ough|augh", "o"),
        (r"igh|eigh", "i"),
        (r"^kn|^gn", "n"),
        (r"^wr", "r"),
        (r"^ps", "s"),
        (r"mb$", "m"),
        (r"sch|sk|sc(?=[aour])", "sk"),
        (r"tch|ch", "C"),
        (r"sh|ti(?=on)|ci(?=a|ou)", "S"),
        (r"dge|j", "J"),
        (r"ph", "f"),
        (r"th", "T"),
        (r"wh", "w"),
        (r"ck|q", "k"),
        (r"x", "ks"),
        (r"c(?=[eiy])", "s"),
        (r"c", "k"),
        (r"g(?=[ey](?!t))", "J"),
        (r"z", "s"),
        (r"(?<=[aeiou])[wyh]", ""),
        (r"^h(?=[aeiou])", "H"),
        (r"h", ""),
        (r"(?<=.)[aeiouy]+", ""),
        (r"^[aeiouy]+", "A"),
        (r"v(?=$)", "f"),
    ),
    "fr": (
        (r"eaux?|aux?|ots?$|ôt", "o"),
        (r"ph", "f"),
        (r"qu|q", "k"),
        (r"ch|sh", "S"),
        (r"gn", "N"),
        (r"ill(?=e)|ll?(?<=ill)", "y"),
        (r"ç|sc(?=[eiéè])", "s"),
        (r"c(?=[eiyéèê])", "s"),
        (r"c", "k"),
        (r"g(?=[eiyéè])", "j"),
        (r"gu(?=[eiéè])", "g"),
        (r"oi|oua", "wa"),
        (r"ou", "u"),
        (r"(?:ain|ein|aim|in|im|un|yn)(?![aeiouyéèn])", "I"),
        (r"(?:en|an|em|am)(?![aeiouyéèênm])", "A"),
        (r"(?:on|om)(?![aeiouyéènm])", "O"),
        (r"ai|ei|[èêëé]|(?<=\w{3})er$|ez$|et$|est$", "e"),
        (r"(?<=..)[tdspxz]+$", ""),
        (r"(?<=..)e$", ""),
        (r"h", ""),
        (r"z", "s"),
        (r"y", "i"),
        (r"à|â", "a"),
        (r"î|ï", "i"),
        (r"ô", "o"),
        (r"ù|û|ü", "u"),
        (r"x", "ks"),
        (r"œu|oeu|eu", "e"),
    ),
    "de": (
        (r"^sch(?=[tp])", "s"),
        (r"sch|sh", "S"),
        (r"chs|cks|gs|x", "ks"),
        (r"ck|kk", "k"),
        (r"ch|g(?=t)", "C"),
        (r"ph|v", "f"),
        (r"qu", "kw"),
        (r"tz|z|ts", "Z"),
        (r"dt|th", "t"),
        (r"ß|ss", "s"),
        (r"äu|eu|oi|oy", "Y"),
        (r"ai|ei|ey|ay", "I"),
        (r"ie|ih|y", "i"),
        (r"ä|ae", "e"),
        (r"ö|oe", "e"),
        (r"ü|ue", "u"),
        (r"(?<=[aeiouIY])h", ""),
        (r"ig$", "iC"),
        (r"d$", "t"),
        (r"b$", "p"),
        (r"g$", "k"),
        (r"er$", "a"),
        (r"en$", "n"),
        (r"c", "k"),
    ),
}
_COMPILED = {language: [(re.compile(find), put) for find, put in rules] for language, rules in _RULES.items()}
# Sounds that young children make for others ("toof", "wabbit", "chree"; "zirafe", "tamion"; "Sule", "Tatze").
_YOUNG: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (("Cr|Jr", "tr"), ("[Tv]", "f"), ("w", "r"), ("[SC]", "s"), ("J", "d"), ("y", "l")),
    "fr": (("S", "s"), ("j", "s"), ("z", "s"), ("k", "t"), ("g", "d")),
    "de": (("S", "s"), ("Z", "s"), ("C", "s"), ("k", "t"), ("g", "t"), ("d", "t"), ("e", "i"), ("a$", "n")),
}
_YOUNG_COMPILED = {language: [(re.compile(find), put) for find, put in rules] for language, rules in _YOUNG.items()}
_DOUBLE = re.compile(r"(.)\1+")


@lru_cache(maxsize=20_000)
def sound(word: str, language: Language) -> str:
    """The key of one lower-case word (accents kept, letters only)."""
    for find, put in _COMPILED[language]:
        word = find.sub(put, word)
    return _DOUBLE.sub(r"\1", word)


@lru_cache(maxsize=20_000)
def young_sound(word: str, language: Language) -> str:
    """The key of a word as a child of four may pronounce it: what it cannot say yet counts as what it says instead."""
    key = sound(word, language)
    for find, put in _YOUNG_COMPILED[language]:
        key = find.sub(put, key)
    return _DOUBLE.sub(r"\1", key)
