"""The answer to a question in the child's words, weighed against what the story accepts: right, part of it, or not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from agent.coverage import Cover, Target, child_words, cover, target
from agent.lexicon import manner
from agent.likeness import SURE, broader, like, opposites_of, related_to
from agent.normalise import fold, folded_words, is_break, pattern, plain, tokens
from agent.numerals import number_like
from agent.turn import Language
from agent.vocabulary import ARTICLES, Word, read

RIGHT = 0.65  # share of an accepted answer's weight from which on it was given
VAGUE = 0.34  # from here on it was given in part
_NO_THINGS = frozenset({"action", "quality", "position", "feeling", "kinds"})
KINDS = frozenset({"animal", "colour", "person", "vehicle", "clothes", "shape", "body", "toy"})  # one is never another

Sort = Literal["correct", "partial", "wrong", "none"]


@dataclass(frozen=True)
class Prepared:
    """An expectation, read once. ``polarity`` is off when the question itself is negated ("what did it
    not have?"). ``welcome`` are the concepts that some answer holds, so that none of them speaks against another.
    ``word_for_word`` are the answers and misconceptions as :func:`literal` has them, to the misconception's index."""

    language: Language
    question: tuple[Word, ...]
    accepted: tuple[Target, ...]
    ideas: tuple[Target, ...]
    misconceptions: tuple[tuple[Target, ...], ...]
    names: tuple[Target, ...]
    polarity: bool
    numbers: frozenset[int]
    welcome: frozenset[str]
    word_for_word: Mapping[str, int | None] = field(default_factory=dict, hash=False, compare=False)
    two_parts: bool = False


@dataclass(frozen=True)
class Weighed:
    """``none``: nothing in the words bears on the question. ``pairs`` are the words that decided, with the expected ones."""

    sort: Sort
    score: float = 0.0
    matched: str = ""
    pairs: tuple[tuple[Word, Word], ...] = ()
    misconception: int | None = None
    reason: str = ""


@lru_cache(maxsize=512)
def prepare(
    language: Language,
    question: str,
    accepted: tuple[str, ...],
    ideas: tuple[str, ...],
    misconceptions: tuple[tuple[str, ...], ...],
    names: tuple[str, ...],
) -> Prepared:
    """Read everything once; a session asks each question several times."""
    asked = read(question, language)
    news = () if pattern(language, "two_part").search(plain(question, language)) else asked
    targets = tuple(target(text, news, language) for text in accepted)
    numbers = [[word.number for word in item.words if word.number is not None] for item in targets]
    wanted = tuple(target(text, news, language) for text in ideas)
    single = all(len(found) == 1 for found in numbers)
    single = single and all(any(word.number is not None for word in idea.words) for idea in wanted)
    return Prepared(
        language,
        asked,
        targets,
        wanted,
        tuple(tuple(target(text, asked, language) for text in ways) for ways in misconceptions),
        tuple(target(text, (), language) for text in names),
        not any(word.negated for word in asked),
        frozenset(found[0] for found in numbers if found[0] is not None) if numbers and single else frozenset(),
        frozenset(
            name for item in (*targets, *wanted) for word in item.words if not word.negated for name in word.meaning.concepts
        ),
        {literal(way, language): index for index, ways in enumerate(misconceptions) for way in ways}
        | {literal(answer, language): None for answer in (*accepted, *(ideas if len(ideas) == 1 else ()))},
        bool(pattern(language, "two_part").search(plain(question, language))),
    )


@lru_cache(maxsize=4_000)
def literal(text: str, language: Language) -> str:
    """A text word for word, without capitals, accents, punctuation and articles: equal texts are the same answer."""
    words = [fold(token, language) for token in tokens(text, language) if not is_break(token)]
    return " ".join([word for word in words if word not in ARTICLES] or words)


def said_word_for_word(text: str, expected: Prepared) -> Weighed | None:
    """What was said exactly as the story has it needs no reading: an accepted answer, or else a misconception."""
    said = literal(text, expected.language)
    if not said or said not in expected.word_for_word:
        return None
    index = expected.word_for_word[said]
    if index is not None:
        return Weighed("wrong", 0.0, _first_text(expected, index), (), index, "a known misconception, word for word")
    found = next((item for item in (*expected.accepted, *expected.ideas) if literal(item.text, expected.language) == said), None)
    words = found.words if found else ()
    pairs = tuple((word, word) for word in words)
    return Weighed("correct", 1.0, found.text if found else "", pairs, reason="an accepted answer, word for word")


def weigh(text: str, expected: Prepared, spoken: Language) -> Weighed:
    """Weigh one utterance in the language ``spoken``; words that mean the same match across languages.

    What a child takes back ("a frog, no wait, a snail") does not count.
    """
    text = _corrected(_untagged(text, spoken), spoken)
    found = _weigh(text, expected, spoken)
    missed = expected.polarity and found.sort in {"none", "wrong"} and found.misconception is None
    if missed and pattern(spoken, "averts").search(plain(text, spoken)):
        # "So that he is not eaten": the negation belongs to the aim and does not deny the answer.
        again = _weigh(text, replace(expected, polarity=False), spoken)
        found = again if again.sort in {"correct", "partial"} else found
    return found


def _weigh(text: str, expected: Prepared, spoken: Language) -> Weighed:
    said = child_words(text, spoken)
    if expected.numbers:
        counted = _weigh_number(said, expected, text, spoken)
        if counted:
            return counted
    covers = [(cover(said, item, expected.language, expected.polarity, expected.welcome), item) for item in expected.accepted]
    best, item = max(
        covers, key=lambda pair: (pair[0].share - pair[0].against, pair[0].weight), default=(Cover(0.0, False, (), 0.0), None)
    )
    wrong, index = _misconception(said, expected)
    ideas = [(cover(said, idea, expected.language, expected.polarity, expected.welcome), idea) for idea in expected.ideas]
    needed = [pair for pair in ideas if not pair[1].all_given] or ideas
    covered = [pair for pair in needed if pair[0].share >= RIGHT and not pair[0].against]
    against = any(pair[0].against for pair in needed) or best.against
    right = best.share >= RIGHT and not best.against
    if item and any(word.weight >= 0.6 for word in item.words):  # "he wanted to" alone is not "he wanted to be kind"
        right = right and any(word.weight >= 0.6 for _, word in best.pairs)
    complete = bool(needed) and len(covered) == len(needed) and not best.against
    score = round(min(1.0, max(best.share, len(covered) / len(needed) if needed else 0.0)), 3)
    name = item.text if item else ""
    if wrong and wrong.share >= RIGHT and not wrong.against:
        if complete and len(ideas) > 1 and all(pair[0].share >= RIGHT and not pair[0].against for pair in ideas):
            stronger = False  # "the bear, because he is heavier than the mouse" where "the mouse" is wrong
        else:
            stronger = wrong.weight > best.weight + 0.3 if right or complete else not _part_of_answer(wrong, expected)
        if stronger and not (right and _exact(said, best)):
            return Weighed("wrong", score, _first_text(expected, index), wrong.pairs, index, "a known misconception")
    if right or complete:
        pairs = best.pairs if right else tuple(pair for found, _ in covered for pair in found.pairs)
        if pattern(spoken, "vague").search(plain(text, spoken)):
            return Weighed("partial", score, name, pairs, reason="gropes for it")
        if expected.two_parts and len(needed) > 1 and len(covered) < len(needed) and best.share < 0.9:
            return Weighed("partial", score, name, pairs, reason="answers one of two questions")
        if _offers_another(said, pairs, expected, text):
            return Weighed("partial", score, name, pairs, reason="says it as one of two possibilities")
        return Weighed(
            "correct",
            max(score, RIGHT),
            name if right else covered[0][1].text,
            pairs,
            reason="matches an accepted answer" if right else "holds every key idea",
        )
    if covered and not against:
        return Weighed(
            "partial",
            score,
            covered[0][1].text,
            tuple(pair for found, _ in covered for pair in found.pairs),
            reason="holds some of the key ideas",
        )
    if against and not _also_for(said, expected):
        return Weighed("wrong", 0.0, name, (), reason="says the contrary")
    if best.share >= VAGUE and any(word.weight >= 0.6 for _, word in best.pairs) and not _only_given(best, expected):
        return Weighed("partial", score, name, best.pairs, reason="holds a piece of an accepted answer")
    if vague := _kind_of(said, expected):
        return Weighed("partial", max(score, 0.3), name, ((vague, vague),), reason="names only the kind of thing")
    if wrong and wrong.share >= 0.5 and not wrong.against:
        return Weighed("wrong", score, _first_text(expected, index), wrong.pairs, index, "close to a known misconception")
    if hint := _goes_with(said, expected):
        return Weighed("partial", max(score, 0.3), name, ((hint, hint),), reason="names what goes with it")
    return Weighed("none", score)


def _goes_with(said: Sequence[Word], expected: Prepared) -> Word | None:
    """A new word that goes with the answer, the moon with the night; not another thing of the same kind."""
    wanted = [word for item in (*expected.accepted, *expected.ideas) for word in item.words if word.weight >= 0.6]
    asked = {name for word in expected.question for name in word.meaning.concepts}
    names = {name for word in wanted for name in word.meaning.concepts}
    kinds = {table for word in wanted for table in word.meaning.tables} & KINDS
    for word in said:
        fresh = word.weight >= 0.6 and not word.meaning.concepts & asked  # negated too: "hasn't had a drink" for "thirsty"
        same = not word.negated or not expected.polarity
        if (
            fresh
            and (related_to(word) | (word.meaning.concepts if same else frozenset())) & names
            and not word.meaning.tables & kinds
        ):
            return word
    return None


def _untagged(text: str, language: Language) -> str:
    """Without a question that only asks to be agreed with: "a frog, isn't it"."""
    said = plain(text, language)
    found = pattern(language, "tags").search(said)
    return text[: _end_of(text, len(said[: found.start()].split()), language)] if found and found.start() else text


def _end_of(text: str, count: int, language: Language) -> int:
    """Where the last ``count`` words before a tag end; the whole text if words and tag do not line up."""
    words = r"[^\W_]+" if language == "fr" else r"[^\W_]+(?:['’][^\W_]+)*"
    places = [found.end() for found in re.finditer(words, text)]
    tail = len(plain(text, language).split()) - count
    return places[-tail - 1] if 0 < tail < len(places) else len(text)


def _corrected(text: str, language: Language) -> str:
    said = plain(text, language)
    parts = pattern(language, "correction").split(said)
    last = str(parts[-1] or "").strip()
    return last if len(parts) > 1 and any(word.weight > 0 for word in read(last, language)) else text


def _weigh_number(said: Sequence[Word], expected: Prepared, text: str, language: Language) -> Weighed | None:
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
        spoken = [slip for word in heard if word not in named and (slip := _number_slip(word, language))][-1:]
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
    _, index = _misconception(said, expected)
    return Weighed("wrong", 0.0, "", ((last, last),), index, "another number")


def _number_slip(word: Word, language: Language) -> Word | None:
    """A number that was misheard: "tree", "vin", "zwansig"."""
    slips = manner(language).number_slips
    digits = slips.get(word.text) or slips.get(word.folded) or ("" if word.known else number_like(word.text, language))
    return replace(word, number=int(digits)) if digits else None


def _misconception(said: Sequence[Word], expected: Prepared) -> tuple[Cover | None, int | None]:
    best: Cover | None = None
    index: int | None = None
    for number, ways in enumerate(expected.misconceptions):
        for way in ways:
            found = cover(said, way, expected.language, expected.polarity)
            if (
                found.share >= 0.5
                and not found.against
                and (best is None or (found.share, found.weight) > (best.share, best.weight))
            ):
                best, index = found, number
    return best, index


def _first_text(expected: Prepared, index: int | None) -> str:
    return expected.misconceptions[index][0].text if index is not None and expected.misconceptions[index] else ""


def _also_for(said: Sequence[Word], expected: Prepared) -> bool:
    """Beside what speaks against it, something long is said, so that "wrong" would be a guess."""
    return len(said) >= 7 and not expected.numbers


def _part_of_answer(wrong: Cover, expected: Prepared) -> bool:
    """The misconception says no more than a piece of the right answer ("only rain" where it is rain and sun)."""
    wanted = [word for idea in (*expected.ideas, *expected.accepted) for word in idea.words]
    return all(any(like(child, word, expected.language) >= SURE for word in wanted) for child, _ in wrong.pairs)


def _exact(said: Sequence[Word], best: Cover) -> bool:
    """Every word with content belongs to the accepted answer."""
    used = {child for child, _ in best.pairs}
    return all(word in used for word in said if word.weight >= 0.6 and " " not in word.text)


def _offers_another(said: Sequence[Word], pairs: Sequence[tuple[Word, Word]], expected: Prepared, text: str) -> bool:
    """ "A snail or a frog": one right, another of its kind beside it."""
    if not {"or", "ou", "oder"} & set(plain(text, expected.language).split()):
        return False
    tables = {table for _, word in pairs for table in word.meaning.tables} - _NO_THINGS
    wanted = [word for item in expected.accepted for word in item.words] + list(expected.question)
    others = [word for word in said if word.weight > 0 and not word.negated and word.meaning.tables & tables]
    return any(not any(like(word, known, expected.language) >= SURE for known in wanted) for word in others)


def _only_given(best: Cover, expected: Prepared) -> bool:
    """Only words that the question has already said."""
    return all(
        any(like(child, word, expected.language) >= SURE for word in expected.question if word.weight > 0)
        for child, _ in best.pairs
    )


def _kind_of(said: Sequence[Word], expected: Prepared) -> Word | None:
    """A general word for what was expected: "an animal" for the snail."""
    tables = {table for item in expected.accepted for word in item.words for table in word.meaning.tables}
    asked = {name for word in expected.question for name in word.meaning.concepts}
    wanted = {name for item in expected.accepted for word in item.words for name in word.meaning.concepts}
    wider = broader()
    for word in said:
        meant = opposites_of(word) if word.negated else word.meaning.concepts
        if any(wider.get(name, frozenset()) & wanted for name in meant - asked):
            return word
    others = [
        word for word in said if word.weight >= 0.6 and word.meaning.tables & tables and "kinds" not in word.meaning.tables
    ]
    told = [word for word in said if word.weight >= 0.6 and not word.meaning.tables & (KINDS | {"kinds"})]
    if told and not others:  # "an animal from Australia" says more than the question, which asked for an animal
        asked = set()
    if others:
        return None
    return next(
        (
            word
            for word in said
            if word.meaning.tables == {"kinds"} and word.meaning.concepts & tables - asked and not word.negated
        ),
        None,
    )
