"""How extravert a text sounds: the same closed-class markers counted in English, French and German.

Only style words of agent/words/style are counted, never what a text is about, so that two tellings of the same
content can be compared. Use at least 50 words: below that, one marker decides.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.style.moves import DASHES
from agent.style.text import count_words, plain, set_aside, split
from agent.style.words import alternation, lexicon
from agent.turn import Language

# Counted from the lexicon, per 100 words.
LISTS: tuple[str, ...] = (
    "emphasisers",
    "softeners",
    "tentatives",
    "acknowledgements_high",
    "acknowledgements_low",
    "we",
    "you",
    "i",
    "tags",
    "positive_high",
    "positive_calm",
    "social",
    "negations",
    "calls",
    "choices",
    "active_verbs",
    "quiet_verbs",
)
# Counted from the marks: exclamations, questions and short_sentences (at most 4 words) are shares of the sentences
# (0-1), ellipses are pauses inside a sentence per sentence, commas per 100 words, sentence_length mean words.
FEATURES: tuple[str, ...] = (*LISTS, "exclamations", "questions", "ellipses", "commas", "short_sentences", "sentence_length")

# Feature → its direction divided by a rough standard deviation between sessions, so that one unit is about one SD.
WEIGHTS: dict[str, float] = {
    "exclamations": 1 / 0.12,
    "emphasisers": 1 / 2.0,
    "acknowledgements_high": 1 / 2.0,
    "calls": 1 / 2.0,
    "we": 1 / 2.0,
    "tags": 1 / 1.0,
    "positive_high": 1 / 2.0,
    "softeners": -1 / 2.0,
    "tentatives": -1 / 2.0,
    "acknowledgements_low": -1 / 2.0,
    "positive_calm": -1 / 2.0,
    "choices": -1 / 2.0,
    "ellipses": -1 / 0.12,
    "commas": -1 / 4.0,
    "sentence_length": -1 / 2.5,
}
_NEUTRAL = {"commas": 3.0, "sentence_length": 6.5}


def markers(text: str, language: Language) -> dict[str, float]:
    """The value of each of :data:`FEATURES` in a text; all 0.0 for a text without words. Units are beside FEATURES."""
    sentences = [sentence for sentence in split(text) if count_words(sentence)]
    words = count_words(text)
    if not words or not sentences:
        return dict.fromkeys(FEATURES, 0.0)
    low, parts = plain(text), len(sentences)
    found = {name: 100 * len(pattern.findall(low)) / words for name, pattern in _patterns(language).items()}
    # Marks inside quotations are the characters', not the narrator's.
    bare = [set_aside(sentence)[0].rstrip() for sentence in sentences if not sentence.startswith(DASHES)]
    found["exclamations"] = sum(sentence.endswith("!") for sentence in bare) / parts
    found["questions"] = sum("?" in sentence for sentence in bare) / parts
    found["ellipses"] = sum(len(re.findall(r"…(?=\s*\w)", sentence)) for sentence in bare) / parts
    found["commas"] = 100 * sum(sentence.count(",") for sentence in bare) / words
    found["short_sentences"] = sum(count_words(sentence) <= 4 for sentence in sentences) / parts
    found["sentence_length"] = words / parts
    return found


def index(text: str, language: Language) -> float:
    """A simple extraversion index: the sum of the markers in :data:`WEIGHTS`, each in units of about one SD.

    Around 0 for plain neutral talk, above for extravert, below for introvert style; no upper or lower bound. It is a
    measure for comparing the same content at several levels, not a test of anybody's personality. 0.0 without words.
    """
    found = markers(text, language)
    if not found["sentence_length"]:
        return 0.0
    return sum(weight * (found[name] - _NEUTRAL.get(name, 0.0)) for name, weight in WEIGHTS.items())


@lru_cache(maxsize=3)
def _patterns(language: Language) -> dict[str, re.Pattern[str]]:
    lists = lexicon(language).markers
    return {name: _pattern(getattr(lists, name)) for name in LISTS}


def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Whole words or phrases, the longest first. An elision ("j'") ends in its apostrophe, a tag in its mark."""
    open_ended = [phrase for phrase in phrases if phrase[-1] in "'?,"]
    closed = [phrase for phrase in phrases if phrase not in open_ended]
    return re.compile(rf"(?<![\w'])(?:(?:{alternation(closed)})(?![\w])|(?:{alternation(open_ended)}))")
