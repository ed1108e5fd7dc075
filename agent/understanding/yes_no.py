"""Answers to questions that want a yes or a no, in the many ways children say it."""

from __future__ import annotations

import re
from typing import Literal

from agent.turn import Language, Verdict
from agent.understanding.coverage import child_words
from agent.understanding.expectation import Expectation
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import folded_words, pattern, plain
from agent.understanding.prepared import Weighed
from agent.understanding.speech_acts import asks, talks_of_own_life
from agent.understanding.vocabulary import read


def side_of(text: str, language: Language) -> str:
    """ "yes", "no", "unsure" or "" for what a child says to a yes-no question."""
    said = plain(text, language)
    yes, no = folded_words(language, "yes"), folded_words(language, "no")
    if re.fullmatch(pattern(language, "unsure").pattern, said):
        return "unsure"
    if re.fullmatch(pattern(language, "yes_phrases").pattern, said):
        return "yes"
    words = said.split()
    first = [word for word in words[:3] if word in yes or word in no]
    first = [word for word in first if not (word == "ne" and len(words) > 1)]
    if first and (len(words) <= 3 or words[0] in yes or words[0] in no):
        return "no" if first[-1] in no else "yes"
    if pattern(language, "no_phrases").search(said):
        return "no"
    return "yes" if pattern(language, "yes_phrases").search(said) else ""


def yes_or_no(
    text: str, expected: Expectation, weighed: Weighed, unknowing: bool, language: Language
) -> tuple[Verdict, Weighed] | None:
    """The verdict on a yes-no question; None if the words hold neither. ``unknowing``: the child says it does not know."""
    wanted = {side_of(answer, expected.language) for answer in expected.accepted} & {"yes", "no"}
    side = side_of(text, language) or side_of(text, expected.language)
    if unknowing and plain(text, language).split()[0] not in folded_words(language, "yes") | folded_words(language, "no"):
        return None
    if not wanted:
        return None
    if not side and weighed.sort == "none":
        asked = [word for word in read(expected.question, expected.language) if word.weight >= 0.6]
        echoed = [w for w in child_words(text, expected.language) if any(like(w, a, expected.language) >= SURE for a in asked)]
        if not echoed or asks(text, language) or talks_of_own_life(text, language):
            return None
        side = "no" if any(word.negated for word in echoed) else "yes"
    if side == "unsure":
        return "partial", Weighed("partial", 0.5, reason="yes and no")
    if not side:
        return None
    right = side in wanted
    plainly = set(plain(text, language).split()) & (folded_words(language, "yes") | folded_words(language, "no"))
    if not right and weighed.sort == "correct" and not plainly:
        return None
    sort: Literal["correct", "wrong"] = "correct" if right else "wrong"
    return sort, Weighed(sort, float(right), side, weighed.pairs, weighed.misconception, f"says {side}")
