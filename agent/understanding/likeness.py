"""How surely a child's word is the word that was expected: the same stem, the same meaning, the same sound, a slip."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from agent.turn import LANGUAGES, Language
from agent.understanding.lexicon import concepts, manner
from agent.understanding.normalise import fold
from agent.understanding.phonetics import sound, young_sound
from agent.understanding.vocabulary import Word, head_of, is_known, read_word

_HARDENED = str.maketrans("bdgvwzcy", "ptkffski")  # sounds that children and recognisers swap: "plau", "volken"
SURE = 0.8  # from here on two words count as the same word


@lru_cache(maxsize=100_000)
def like(child: Word, wanted: Word, language: Language) -> float:
    """0 to 1; from :data:`SURE` on it is the same word. Negation plays no part. Numbers are the same or they are not."""
    if child.number is not None or wanted.number is not None:
        return 1.0 if child.number == wanted.number else 0.0
    if child.folded == wanted.folded:
        return 1.0
    if child.stem == wanted.stem and (child.weight > 0 or wanted.weight == 0):
        return 0.98
    if child.meaning.concepts & wanted.meaning.concepts:
        return 0.92
    if not child.negated and _narrower(child, wanted):
        return 0.7
    if {frozenset((child.folded, wanted.folded)), frozenset((child.stem, wanted.folded))} & _homophones(language):
        return 0.9
    if language == "fr" and _grown_together(child, wanted):
        return 0.85
    if " " in wanted.text and (head := head_of(wanted.text, language)) and like(child, head, language) >= SURE:
        return 0.85  # "warm" for "keep warm"
    return max(_compound(child, wanted, language), _slip(child, wanted, language))


def _grown_together(child: Word, wanted: Word) -> bool:
    """French articles and linking sounds, heard as the beginning of the word: "nombre" for "ombre", "liver", "zoizo"."""
    if wanted.folded[:1] not in "aeiouyh" or len(wanted.folded) < 4 or child.folded[:1] not in "lndztms":
        return False
    if child.folded == "n" + wanted.folded:
        return True
    ours, theirs = sound(_letters(child)[1:], "fr"), sound(_letters(wanted).removeprefix("h"), "fr")
    return not child.own and len(theirs) >= 2 and (ours == theirs or ours.rstrip("tdspr") == theirs.rstrip("tdspr") != "")


@lru_cache(maxsize=len(LANGUAGES))
def _homophones(language: Language) -> frozenset[frozenset[str]]:
    groups = [[fold(word, language) for word in group] for group in manner(language).homophones]
    return frozenset(frozenset((one, other)) for group in groups for one in group for other in group if one != other)


def _compound(child: Word, wanted: Word, language: Language) -> float:
    """German writes compounds as one word: the whole with another head counts less than the part that was asked for."""
    if language != "de":
        return 0.0
    longer, shorter = (child, wanted) if len(child.folded) > len(wanted.folded) else (wanted, child)
    if len(shorter.stem) < 4 or len(longer.folded) < len(shorter.folded) + 3:
        return 0.0
    at_end = longer.folded.endswith(shorter.folded) or longer.stem.endswith(shorter.stem)
    at_start = longer.folded.startswith(shorter.stem)
    if longer is child:  # "Weinbergschnecke" for "Schnecke"; "Schneckentier"
        return 0.9 if at_end else 0.7 if at_start else 0.0
    return 0.6 if at_end or at_start else 0.0  # "Bogen" for "Regenbogen"


def _slip(child: Word, wanted: Word, language: Language) -> float:
    """The same word misspelt or misheard. A different word that children know is never a slip of the wanted one."""
    from rapidfuzz.distance import OSA

    if child.own and not wanted.meaning.concepts & child.meaning.concepts:
        return 0.0
    length = max(len(child.folded), len(wanted.folded))
    if length < 3 or wanted.weight < 0.6 or not child.folded.isalpha():
        return 0.0
    distance = OSA.distance(child.folded, wanted.folded)
    shape = 1 - distance / length
    ours, theirs = sound(_letters(child), language), sound(_letters(wanted), language)
    same_sound = ours == theirs and len(ours) >= 3
    if language == "fr" and min(len(ours), len(theirs)) >= 3:  # what is silent in "lourd" is heard in "lourde"
        same_sound = same_sound or ours.rstrip("tdsp") == theirs.rstrip("tdsp")
    if child.known and not child.own and not same_sound:  # a word of another language is a slip only if it sounds the same
        return 0.0
    if same_sound and shape >= (0.4 if language == "en" else 0.3):
        return 0.92
    if ours == theirs and len(ours) == 2 and shape >= 0.5 and len(child.folded) >= 3:
        return 0.85
    if not child.known and length >= 4 and shape >= 0.5 and _young_same(child, wanted, language):
        return 0.84
    if length >= 4 and child.folded.translate(_HARDENED) == wanted.folded.translate(_HARDENED):
        return 0.88
    ends = child.folded[:1] + child.folded[-1:]
    if length == 4 and distance <= 1 and not child.known and ends == wanted.folded[:1] + wanted.folded[-1:]:
        return 0.84  # "fwog"
    allowed = 0 if length < 5 else 1 if length < 8 else 2
    if distance <= allowed and ours[:1] == theirs[:1] and not _other_word(child, language):
        return 0.88
    close = OSA.distance(ours, theirs)
    if min(len(ours), len(theirs)) >= 4 and close <= 1 and ours[:1] == theirs[:1] and shape >= 0.6:
        return 0.84
    return 0.0


def _young_same(child: Word, wanted: Word, language: Language) -> bool:
    ours, theirs = young_sound(_letters(child), language), young_sound(_letters(wanted), language)
    return ours == theirs and len(ours) >= 2


def _letters(word: Word) -> str:
    return word.text.replace(" ", "")


def _other_word(child: Word, language: Language) -> bool:
    return is_known(child.text, language)


def _narrower(child: Word, wanted: Word) -> bool:
    """ "Oak" where a tree was expected: more than was asked for, or one of several."""
    kinds = broader()
    return any(kinds.get(name, frozenset()) & child.meaning.concepts for name in wanted.meaning.concepts) or bool(
        "kinds" in wanted.meaning.tables and wanted.meaning.concepts & child.meaning.tables
    )


@lru_cache(maxsize=1)
def broader() -> dict[str, frozenset[str]]:
    """From a wide concept to those it takes in."""
    return concepts().broader


@lru_cache(maxsize=1)
def _related() -> dict[str, frozenset[str]]:
    return concepts().related


@lru_cache(maxsize=20_000)
def related_to(word: Word) -> frozenset[str]:
    """The concepts that go with what a word means, without being it."""
    table = _related()
    return frozenset().union(*(table.get(name, frozenset()) for name in word.meaning.concepts))


@lru_cache(maxsize=1)
def _opposites() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, other in concepts().opposites:
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {name: frozenset(others) for name, others in found.items()}


@lru_cache(maxsize=20_000)
def opposites_of(word: Word) -> frozenset[str]:
    """The concepts that are the contrary of what a word means."""
    table = _opposites()
    return frozenset().union(*(table.get(name, frozenset()) for name in word.meaning.concepts))


def joined(words: tuple[Word, ...], language: Language) -> tuple[Word, ...]:
    """Neighbouring words run together ("rain bow", "regen bogen"), for recognisers that split what belongs together."""
    found: list[Word] = []
    for one, other in pairwise(words):
        if one.clause != other.clause or one.number is not None or other.number is not None:
            continue
        if one.own and other.own and not one.weight and not other.weight:
            continue  # "it was": two of the small words are no torn one
        text = one.text.replace(" ", "") + other.text.replace(" ", "")
        if len(fold(text, language)) < 6:
            continue
        single = read_word(text, language)
        found.append(
            replace(
                single,
                text=text,
                weight=1.0,
                known=single.own and single.known,
                negated=one.negated or other.negated,
                clause=one.clause,
            )
        )
    return tuple(found)
