"""The word of the child's that a reply may take up again."""

from __future__ import annotations

import re

from agent.understanding.expectation import Expectation
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import fold, folded_words
from agent.understanding.prepared import Weighed
from agent.understanding.vocabulary import Word, read

_NO_THINGS = frozenset({"action", "quality", "position"})


def echo(weighed: Weighed, text: str, expected: Expectation) -> str:
    """A content word that matched or is on topic, "" if none: in the story or the lexicon, so never a rude word or a name.

    It is the child's own form, but in proper spelling where it was misheard.
    """
    language = expected.language
    pairs = list(weighed.pairs)
    if not pairs:
        asked = read(expected.question, language)
        tables = {
            table for answer in expected.accepted for word in read(answer, language) for table in word.meaning.tables
        } - _NO_THINGS
        for word in read(text, language):
            fits = bool(word.meaning.tables & tables) or (expected.answer == "open" and bool(word.meaning.tables - _NO_THINGS))
            if word.weight >= 0.6 and (fits or any(like(word, other, language) >= SURE for other in asked if other.weight > 0)):
                pairs.append((word, word))
    rude = folded_words(language, "rude")
    usable = [
        (child, wanted)
        for child, wanted in pairs
        if child.number is None
        and not child.negated
        and len(child.folded) >= 3
        and not set(child.folded.split()) & rude
        and child.weight >= 0.6
    ]
    if not usable:
        return ""
    child, wanted = max(usable, key=lambda pair: (bool(pair[0].meaning.tables - _NO_THINGS), len(pair[0].folded)))
    same = child.folded == wanted.folded or child.own
    return _spelt(child.text if same else wanted.text, child, expected)


def _spelt(word: str, child: Word, expected: Expectation) -> str:
    """The word with its capital, where the story or German spelling gives it one."""
    wanted = fold(word, expected.language)
    for text in (*expected.accepted, *expected.key_ideas, *expected.names, expected.question):
        for token in re.findall(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*", text):
            if fold(token, expected.language) == wanted and (expected.language == "de" or token in expected.names):
                return str(token)
    if expected.language == "de" and child.meaning.tables - _NO_THINGS - {"feeling", "colour"}:
        return word.capitalize()
    return word
