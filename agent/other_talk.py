"""Words that do not answer: talk about something else, no words at all, or an attempt that is simply wrong."""

from __future__ import annotations

import re
from itertools import pairwise

from agent.answers import Prepared, Weighed
from agent.expectation import Expectation, addresses_child
from agent.likeness import SURE, like
from agent.normalise import folded_words, pattern, plain
from agent.speech_acts import is_gibberish, talks_of_other_things, talks_of_own_life, words_of
from agent.turn import LANGUAGES, Language, Verdict
from agent.vocabulary import ARTICLES, Word, is_known, read

_WORDS_ONLY = frozenset({"action", "quality", "position"})
_BABBLE = re.compile(r"\b(\w{2,4})(?:[ ,-]+\1){2,}\b")
_ANAPHORA = frozenset({"it", "him", "them", "her", "den", "ihn", "es", "lui", "dem"})  # they point back into the story
_FINITE = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "can",
        "like",
        "likes",
        "est",
        "sont",
        "a",
        "ont",
        "peut",
        "peuvent",
        "aime",
        "aiment",
        "mange",
        "mangent",
        "ist",
        "sind",
        "hat",
        "haben",
        "kann",
        "konnen",
        "mag",
        "mogen",
        "war",
        "c",
        "ca",
    ]
)


def says_more(text: str, weighed: Weighed, ready: Prepared) -> bool:
    """Two or more words with content that are neither in the answer nor in the question: a theme of its own."""
    used = {child.stem for child, _ in weighed.pairs} | {word.stem for word in ready.question}
    return sum(word.weight >= 0.6 and word.stem not in used for word in read(text, ready.language)) >= 2


def speaks_of_itself(text: str, weighed: Weighed, expected: Expectation, language: Language) -> bool:
    """Talk of the child's own life that only brushes the answer: its age where a number is asked for, its own friend."""
    if expected.answer == "open" or weighed.sort == "correct" or weighed.misconception is not None:
        return False
    if pattern(language, "age").search(" ".join(word.folded for word in read(text, language))):
        return True
    if weighed.reason == "another number" and talks_of_own_life(text, language):
        asked = [word for answer in (expected.question, *expected.accepted) for word in read(answer, expected.language)]
        own = [word for word in read(text, language) if word.weight == 1 and word.number is None]
        return any(not any(like(word, other, expected.language) >= SURE for other in asked) for word in own)
    brushes = weighed.sort == "partial" and weighed.reason.startswith(("holds a piece", "names only"))
    return brushes and talks_of_own_life(text, language) and not addresses_child(expected)


def other_talk(text: str, expected: Expectation, ready: Prepared, language: Language) -> tuple[Verdict, str]:
    """Words that match nothing: talk about something else, no words at all, or an attempt that is wrong."""
    spoken = words_of(text, language)
    strange = [word for word in spoken if is_gibberish(word) and not any(is_known(word, name) for name in LANGUAGES)]
    if _BABBLE.search(text.lower()) or (strange and 2 * len(strange) >= len(spoken)):
        return "not_understood", "no words"
    said = read(text, language)
    content = [word for word in said if word.weight > 0]
    story = [
        word for item in (*ready.accepted, *ready.ideas, *ready.names, *sum(ready.misconceptions, ())) for word in item.words
    ]
    near = [word for word in content if any(like(word, known, ready.language) >= SURE for known in story)]
    answer = [word for item in (*ready.accepted, *ready.ideas) for word in item.words]
    answering = any(like(word, known, ready.language) >= SURE for word in content for known in answer if known.weight >= 0.6)
    elsewhere = talks_of_other_things(text, language) or not addresses_child(expected)
    if not answering and elsewhere and talks_of_own_life(text, language):
        return "off_topic", "talks of something else"
    if content and pattern(language, "vague").search(plain(text, language)):
        return "partial", "describes it vaguely"
    if not content:
        return "not_understood", "no word with content"
    if len(content) >= 2 and len(content) == len(said) and not any(word.known for word in content):
        return "not_understood", "no word that is known"
    if _jumbled(said):
        return "not_understood", "no sentence"
    asked = [word for word in ready.question if word.weight > 0]
    if not near and expected.answer != "open" and _statement_elsewhere(said, content, [*story, *asked], ready, language):
        return "off_topic", "a statement about something else"
    tables = {table for word in story for table in word.meaning.tables} - _WORDS_ONLY
    if language != expected.language and not any(word.meaning.tables & tables for word in content):
        return "not_understood", "an answer in another language"
    return "wrong", "another answer"


def _jumbled(said: tuple[Word, ...]) -> bool:
    """Articles that belong to nothing, again and again: what is left of a sentence the recogniser did not catch."""
    loose = sum(one.folded in ARTICLES and other.weight == 0 and other.folded not in ARTICLES for one, other in pairwise(said))
    return loose >= 2 or (loose == 1 and said[-1].weight == 0)


def _statement_elsewhere(
    said: tuple[Word, ...], content: list[Word], known: list[Word], ready: Prepared, language: Language
) -> bool:
    """A whole statement with a subject and a theme of its own ("dinosaurs are big")."""
    if any(like(word, other, ready.language) >= SURE for word in content for other in known):
        return False
    if len(said) < 3 or {word.folded for word in said} & (folded_words(language, "because") | _ANAPHORA):
        return False
    start = 1 if said[0].folded in ARTICLES else 0
    return said[start].weight >= 0.6 and said[start + 1].folded in _FINITE and len(said) > start + 2
