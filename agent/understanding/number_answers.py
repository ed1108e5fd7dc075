"""Answers to questions that want a number, where only the number counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.turn import Language
from agent.understanding.lexicon import manner
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import folded_words, pattern, plain
from agent.understanding.numerals import number_like, spelt_as_numeral
from agent.understanding.prepared import Prepared, Weighed, misconception_in
from agent.understanding.vocabulary import Word, read


def weigh_number(said: Sequence[Word], expected: Prepared, text: str, language: Language) -> Weighed | None:
    """Where a number is asked for, only the number counts; 11 is never close to 12. None if no number was said."""
    because = folded_words(expected.language, "because")
    asked = {word.number for word in expected.question if word.number is not None}
    spoken: list[Word] = []
    for word in said:
        if word.folded in because and spoken:
            break
        if word.number is not None:
            spoken.append(word)
    if len(spoken) > 1:
        spoken = [word for word in spoken if word.number not in asked or word.number in expected.numbers] or spoken
    if not spoken and sum(word.weight > 0 for word in said) <= 3:
        named = [
            word for word in said if any(like(word, other, language) >= SURE for other in expected.question if other.weight)
        ]
        heard = [word for word in said if word.weight > 0 or len(said) == 1 or named]
        apart = [word.text for word in read(text, language) if word.weight > 0 and word not in named]
        spoken = _number_of_slips(apart, heard, language) if heard else []
        spoken = spoken or [slip for word in heard if word not in named and (slip := _number_slip(word, language))][-1:]
    if not spoken:
        return None
    last = spoken[-1]
    right = last.number in expected.numbers
    if not right and last.number is not None and last.number + 1 in expected.numbers:
        right = bool(pattern(language, "one_more").search(plain(text, language)))
    name = next((item.text for item in expected.accepted if any(word.number == last.number for word in item.words)), "")
    if last.negated and expected.polarity:
        return Weighed("wrong", 0.0, reason="says that it is not this number")
    alternatives = plain(text, expected.language).split()
    if any(word in {"or", "ou", "oder"} for word in alternatives) and len({word.number for word in spoken}) > 1:
        either = any(word.number in expected.numbers for word in spoken)
        return Weighed("partial" if either else "wrong", 0.5 if either else 0.0, name, reason="says two numbers")
    if right:
        return Weighed("correct", 1.0, name, ((last, last),), reason="the right number")
    _, index = misconception_in(said, expected)
    return Weighed("wrong", 0.0, "", ((last, last),), index, "another number")


def _number_of_slips(texts: Sequence[str], heard: Sequence[Word], language: Language) -> list[Word]:
    """A number of several words of which some were misheard ("sinquante sis"), or one of another of our languages."""
    repaired = spelt_as_numeral(tuple(texts), language)
    return [replace(heard[0], text=repaired, number=int(repaired), negated=heard[0].negated)] if repaired else []


def _number_slip(word: Word, language: Language) -> Word | None:
    """A number that was misheard: "tree", "vin", "zwansig"."""
    slips = manner(language).number_slips
    digits = slips.get(word.text) or slips.get(word.folded) or ("" if word.known else number_like(word.text, language))
    return replace(word, number=int(digits)) if digits else None
