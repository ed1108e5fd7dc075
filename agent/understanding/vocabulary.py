"""Words as the judge sees them: their stem, what they mean, how much they weigh, and whether they are negated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from agent.turn import LANGUAGES, Language
from agent.understanding.lexicon import concepts, manner
from agent.understanding.normalise import fold, folded_words, is_break, tokens
from agent.understanding.numerals import is_numeral, with_numbers

_SNOWBALL = {"en": "english", "fr": "french", "de": "german"}
_AND = frozenset({"and", "et", "und"})
_REFLEXIVE = frozenset({"s", "se", "sich"})
_PREFIXES = (
    *("zurück", "zusammen", "runter", "hinauf", "weiter", "kaputt", "nieder", "wieder", "herum", "hinein", "heraus", "voll"),
    *("raus", "rein", "rauf", "rüber", "weg", "fort", "fest", "ein", "auf", "aus", "los", "mit", "vor", "hin", "her", "nach"),
    *("zer", "ver", "an", "ab", "um", "zu", "be"),
)
_ELIDED = re.compile(r"[ldsnjmt](?:[aàâeéèêiîoôuûyh]\w{3}|eau$)")
_LONGEST = 4  # words in the longest expression that counts as one ("pomme de terre")
ARTICLES = frozenset(  # never content, in any of the languages
    {"a", "an", "the", "un", "une", "le", "la", "les", "l", "des", "du", "der", "die", "das", "den", "dem", "ein", "eine"}
    | {"einen", "einem"}
)


@dataclass(frozen=True)
class Meaning:
    """What a stem can mean: concepts of agent/words/understanding/concepts.toml and the tables they stand in."""

    concepts: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Word:
    """One word or fixed expression. ``weight`` is 0 for function words, up to 1 for words full of content.

    ``own`` says that it is a word of the language it was read in; ``known`` that it is one of any of ours.
    """

    text: str
    folded: str
    stem: str
    weight: float
    meaning: Meaning = field(default_factory=Meaning)
    own: bool = False
    known: bool = False
    negated: bool = False
    number: int | None = None
    clause: int = 0

    def __hash__(self) -> int:
        """Words are looked up by the hundred in every judgement; hashing all their fields would cost more than the rest."""
        return hash((self.folded, self.negated))


@lru_cache(maxsize=len(LANGUAGES))
def _stemmer(language: Language) -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer(_SNOWBALL[language])


@lru_cache(maxsize=len(LANGUAGES))
def _irregular(language: Language) -> dict[str, str]:
    rows = manner(language).irregular
    return {fold(form, language): fold(base, language) for base, forms in rows.items() for form in forms}


@lru_cache(maxsize=50_000)
def stem(word: str, language: Language) -> str:
    """The stem of one word; forms in the lexicon's irregular table are led back to their basic form first."""
    folded = fold(word, language)
    root = str(_stemmer(language).stemWord(_irregular(language).get(folded, folded)))
    # The stemmer needs the accents that folding took away to know a participle: "arrêtée", "arrêté", "arrête".
    return root.rstrip("e") or root if language == "fr" and len(root) > 4 else root


@lru_cache(maxsize=len(LANGUAGES))
def _meanings(language: Language) -> dict[tuple[str, ...], Meaning]:
    """Every term of the concept lexicon, word by word, to what it means: as it is written (folded) and by its stems.

    Where a stem is itself a word ("friend"), it keeps that meaning, not that of others with the stem ("friendly").
    """
    written: dict[tuple[str, ...], Meaning] = {}
    stemmed: dict[tuple[str, ...], Meaning] = {}
    for table, name, term in concepts().terms(language):
        parts = tokens(term, language)
        for found, key in (
            (written, tuple(fold(part, language) for part in parts)),
            (stemmed, tuple(stem(part, language) for part in parts)),
        ):
            reflexive = len(key) == 2 and key[0] in _REFLEXIVE  # "s'envoler" is found in "envolé" too
            for part in (key, key[1:]) if reflexive else (key,):
                before = found.get(part, Meaning())
                found[part] = Meaning(before.concepts | {name}, before.tables | {table})
    return stemmed | written


@lru_cache(maxsize=len(LANGUAGES))
def _openings(language: Language) -> frozenset[str]:
    """The first words of all expressions of more than one word."""
    return frozenset(key[0] for key in _meanings(language) if len(key) > 1)


def _meaning(parts: Sequence[str], language: Language) -> Meaning:
    """What words mean together; empty if the lexicon does not know them."""
    table = _meanings(language)
    exact = table.get(tuple(fold(part, language) for part in parts))
    return exact or table.get(tuple(stem(part, language) for part in parts), Meaning())


def meaning(word: str, language: Language) -> Meaning:
    """What one word means in a language; empty if the lexicon does not know it."""
    return _meaning((word,), language)


@lru_cache(maxsize=50_000)
def is_known(word: str, language: Language) -> bool:
    """Whether the lexicon holds the word, as one with content or as a function word."""
    folded = fold(word, language)
    return (
        folded in _empty(language)
        or folded in _irregular(language)
        or bool(meaning(word, language).concepts)
        or is_numeral(folded, language)
    )


@lru_cache(maxsize=len(LANGUAGES))
def _empty(language: Language) -> frozenset[str]:
    """Words without content of their own."""
    return frozenset().union(
        *(folded_words(language, name) for name in ("function", "fillers", "negators", "contrast", "because"))
    )


@lru_cache(maxsize=len(LANGUAGES))
def _light(language: Language) -> frozenset[str]:
    """Stems of words with little content of their own."""
    return frozenset(stem(word, language) for word in manner(language).light)


def _without_prefix(token: str) -> str:
    """The German verb in a word that begins with a separable prefix ("weggeflogen"), "" if the lexicon has none."""
    for prefix in _PREFIXES:
        inner = token.removeprefix(prefix)
        if inner != token and len(inner) >= 5 and "action" in meaning(inner, "de").tables:
            return inner
    return ""


def _male(token: str) -> str:
    """The German animal or person in the name of a female one ("Bärin", "Füchsin", "Königin"), "" if the lexicon has none."""
    base = token.removesuffix("in")
    for word in (base, base + "e"):
        if len(word) >= 3 and meaning(word, "de").tables & {"animal", "person"}:
            return word
    return ""


@lru_cache(maxsize=50_000)
def read_word(token: str, language: Language) -> Word:
    """One word by itself; numbers only as digits."""
    folded, root = fold(token, language), stem(token, language)
    sense, own = meaning(token, language), is_known(token, language)
    known = own
    if language == "de" and not own:
        inner = _without_prefix(token)
        own = known = bool(inner)
        sense = meaning(inner, language) if inner else sense
        if not own and token.endswith("in") and (male := _male(token)):
            own, known, sense = True, True, meaning(male, language)
    if language == "fr" and not own and _ELIDED.match(token) and is_known(token[1:], language):
        return read_word(token[1:], language)  # "lombre"
    if not own:
        for other in LANGUAGES:
            if other != language and is_known(token, other):
                known = True
                if meaning(token, other).concepts:
                    sense = meaning(token, other)
                    break
    weight = 1.0
    if folded in folded_words(language, "particles"):
        weight = 0.6
    elif folded in _empty(language) or (not sense.concepts and _irregular(language).get(folded) in _empty(language)):
        weight = 0.0
    elif root in _light(language) or len(folded) < 2:
        weight = 0.4
    elif not own and any(folded in folded_words(other, "function") for other in LANGUAGES):
        weight = 0.0
    number = int(token) if token.isdecimal() and len(token) < 10 else None
    return Word(
        token, folded, root, 1.0 if number is not None else weight, sense, own or number is not None, known, number=number
    )


@lru_cache(maxsize=4_000)
def read(text: str, language: Language) -> tuple[Word, ...]:
    """The words of a text in order, fixed expressions joined, numbers as numbers, negation marked."""
    found = with_numbers(tokens(text, language), language)
    words: list[Word] = []
    clause = index = 0
    while index < len(found):
        if is_break(found[index]):
            clause += 1
            index += 1
            continue
        taken, word = _longest(found[index : index + _LONGEST], language)
        words.append(replace(word, clause=clause))
        index += taken
    return tuple(_negate(words, language))


@lru_cache(maxsize=4_000)
def head_of(expression: str, language: Language) -> Word | None:
    """The word that says it all in an expression ("keep warm"); none if two do ("sea lion") or none does ("fall over")."""
    parts = [read_word(part, language) for part in expression.split()]
    head, *others = parts if language == "de" else reversed(parts)
    negators = folded_words(language, "negators")
    alone = head.weight == 1 and all(other.weight <= 0.4 and other.folded not in negators for other in others)
    return head if alone and head.meaning.tables - {"position"} else None


def _longest(window: Sequence[str], language: Language) -> tuple[int, Word]:
    """The longest fixed expression at the start of ``window``, or its first word."""
    openings = _openings(language)
    opens = fold(window[0], language) in openings or stem(window[0], language) in openings
    for size in range(len(window) if opens else 1, 1, -1):
        part = window[:size]
        if any(is_break(token) for token in part):
            continue
        sense = _meaning(part, language)
        if sense.concepts:
            joined = "".join(part)
            return size, Word(
                " ".join(part), fold(joined, language), "_".join(stem(t, language) for t in part), 1.0, sense, True, True
            )
    return 1, read_word(window[0], language)


def _negate(words: list[Word], language: Language) -> list[Word]:
    """Mark the words that a negation reaches: what follows it in its clause, or the word before if nothing does."""
    result = list(words)
    contrast = folded_words(language, "contrast")
    for index, word in enumerate(words):
        if not _is_negator(words, index, language):
            continue
        reached = 0
        for later in range(index + 1, len(words)):
            other = words[later]
            article = other.folded in ARTICLES and words[later - 1].weight > 0
            if other.clause != word.clause or (reached and (other.folded in contrast or other.folded in _AND or article)):
                break
            if other.weight > 0 and not _is_negator(words, later, language):
                result[later] = replace(result[later], negated=not result[later].negated)
                reached += 1
        if not reached or (language == "fr" and index and words[index - 1].weight > 0):
            for earlier in range(index - 1, -1, -1):
                if words[earlier].clause != word.clause:
                    break
                if words[earlier].weight > 0:
                    result[earlier] = replace(result[earlier], negated=True)
                    break
    return result


def _is_negator(words: Sequence[Word], index: int, language: Language) -> bool:
    word = words[index]
    if language == "fr" and word.folded == "plus":
        # "il n'y a plus", "y a plus d'eau"; elsewhere "plus" means more.
        before = [other.folded for other in words[max(0, index - 3) : index]]
        return bool({"n", "ne"} & set(before)) or bool(before and before[-1] in {"a", "ya"})
    if word.folded not in folded_words(language, "negators"):
        return False
    if word.folded == "no":  # "no, the snail" answers; "no water" negates
        after = words[index + 1] if index + 1 < len(words) else None
        return after is not None and after.clause == word.clause and after.weight > 0
    return True
