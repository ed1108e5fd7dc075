"""The answer to a question in the child's words, weighed against what the story accepts: right, part of it, or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.turn import Language
from agent.understanding.amounts import weigh_amount
from agent.understanding.coverage import Cover, child_words, cover
from agent.understanding.likeness import SURE, broader, like, opposites_of, related_to
from agent.understanding.normalise import pattern, plain
from agent.understanding.number_answers import weigh_number
from agent.understanding.other_words import (
    OWN_WORDS,
    carries,
    gathered,
    in_own_words,
    tells_the_rest,
    turned_to_its_contrary,
)
from agent.understanding.prepared import Prepared, Weighed, first_text, misconception_in
from agent.understanding.roles import roles_exchanged
from agent.understanding.vocabulary import Word, read

RIGHT = 0.65  # share of an accepted answer's weight from which on it was given
VAGUE = 0.34  # from here on it was given in part
# "Isn't it lava?" and "ist das nicht Lava?" deny nothing.
_DOUBTING = re.compile(
    r"^(?P<is>\W*(?:\w+ )?)(?:(?:isn|wasn|aren|weren)['’]?t (?:it|that|they|he|she)|"
    r"ist (?:das|es) (?:denn )?(?:nicht|nich|net|ned)|sind das (?:nicht|nich|net|ned)|"
    r"(?:est-ce que )?(?:ce|c['’]) ?(?:ne |n['’])?(?:est|serait) pas(?=[^,]*\?))\b",
    re.IGNORECASE,
)
_NO_THINGS = frozenset({"action", "quality", "position", "feeling", "kinds"})
KINDS = frozenset({"animal", "colour", "person", "vehicle", "clothes", "shape", "body", "toy"})  # one is never another


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
    if amount := weigh_amount(text, expected, spoken):
        return amount
    if expected.numbers:
        counted = weigh_number(said, expected, text, spoken)
        if counted:
            return counted
    covers = [(cover(said, item, expected.language, expected.polarity, expected.welcome), item) for item in expected.accepted]
    best, item = max(
        covers, key=lambda pair: (pair[0].share - pair[0].against, pair[0].weight), default=(Cover(0.0, False, (), 0.0), None)
    )
    wrong, index = misconception_in(said, expected)
    ideas = [(cover(said, idea, expected.language, expected.polarity, expected.welcome), idea) for idea in expected.ideas]
    needed = [pair for pair in ideas if not pair[1].all_given] or ideas
    covered = [pair for pair in needed if pair[0].share >= RIGHT and not pair[0].against and carries(pair[1], text, spoken)]
    against = any(pair[0].against for pair in needed) or best.against
    right = best.share >= RIGHT and not best.against
    right = right and (item is None or carries(item, text, spoken))
    if item and any(word.weight >= 0.6 for word in item.words):  # "he wanted to" alone is not "he wanted to be kind"
        right = right and any(word.weight >= 0.6 for _, word in best.pairs)
    complete = bool(needed) and len(covered) == len(needed) and not best.against
    if expected.any_idea and covered and not best.against:
        complete = True
    several = () if right or complete or best.against or against else gathered(covers, ideas, expected)
    score = round(min(1.0, max(best.share, len(covered) / len(needed) if needed else 0.0)), 3)
    name = item.text if item else ""
    if wrong and wrong.share >= RIGHT and not wrong.against:
        if right and turned_to_its_contrary(best) and not turned_to_its_contrary(wrong):
            return Weighed("wrong", score, first_text(expected, index), wrong.pairs, index, "a known misconception")
        stronger = wrong.weight > best.weight + 0.3 if right or complete else not _part_of_answer(wrong, expected)
        if stronger and not (right and _exact(said, best)):
            return Weighed("wrong", score, first_text(expected, index), wrong.pairs, index, "a known misconception")
    if right or complete or several:
        pairs = best.pairs if right else tuple(pair for found, _ in covered for pair in found.pairs) if complete else several
        if pattern(spoken, "vague").search(plain(text, spoken)):
            return Weighed("partial", score, name, pairs, reason="gropes for it")
        if not expected.numbers and roles_exchanged(text, expected, spoken):
            return Weighed("wrong", 0.0, name, pairs, reason="exchanges who does it")
        if expected.two_parts and len(needed) > 1 and len(covered) < len(needed) and best.share < 0.9:
            if tells_the_rest(said, (*best.pairs, *(pair for found, _ in covered for pair in found.pairs)), expected, text):
                return Weighed("correct", score, name, pairs, reason="answers one of two questions, and gives a reason")
            return Weighed("partial", score, name, pairs, reason="answers one of two questions")
        if _offers_another(said, pairs, expected, text):
            return Weighed("partial", score, name, pairs, reason="says it as one of two possibilities")
        return Weighed(
            "correct",
            max(score, RIGHT),
            name if right or not complete else covered[0][1].text,
            pairs,
            reason="matches an accepted answer" if right else "holds every key idea" if complete else "gathers several answers",
        )
    told = in_own_words(text, spoken)
    if covered and not against:
        if told:
            return Weighed("correct", RIGHT, covered[0][1].text, covered[0][0].pairs, reason=OWN_WORDS)
        return Weighed(
            "partial",
            score,
            covered[0][1].text,
            tuple(pair for found, _ in covered for pair in found.pairs),
            reason="holds some of the key ideas",
        )
    if against and not told:  # beside what speaks against it, so much is said that "wrong" would be a guess
        return Weighed("wrong", 0.0, name, (), reason="says the contrary")
    if best.share >= VAGUE and any(word.weight >= 0.6 for _, word in best.pairs) and not _only_given(best, expected):
        if told and not roles_exchanged(text, expected, spoken):
            return Weighed("correct", max(score, RIGHT), name, best.pairs, reason=OWN_WORDS)
        return Weighed("partial", score, name, best.pairs, reason="holds a piece of an accepted answer")
    if vague := _kind_of(said, expected):
        return Weighed("partial", max(score, 0.3), name, ((vague, vague),), reason="names only the kind of thing")
    if wrong and wrong.share >= 0.5 and not wrong.against:
        return Weighed("wrong", score, first_text(expected, index), wrong.pairs, index, "close to a known misconception")
    if hint := _goes_with(said, expected):
        if told:
            return Weighed("correct", RIGHT, name, ((hint, hint),), reason=OWN_WORDS)
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
    text = _DOUBTING.sub(r"\g<is>", text)
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
