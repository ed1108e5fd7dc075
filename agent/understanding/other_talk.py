"""Words that do not answer: talk about something else, no words at all, or an attempt that is simply wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from agent.turn import LANGUAGES, Language, Verdict
from agent.understanding.answers import KINDS
from agent.understanding.expectation import Expectation, addresses_child
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import folded_words, pattern, plain
from agent.understanding.other_words import OWN_WORDS
from agent.understanding.phonetics import sound
from agent.understanding.prepared import Prepared, Weighed
from agent.understanding.speech_acts import is_gibberish, talks_of_other_things, talks_of_own_life, words_of
from agent.understanding.vocabulary import ARTICLES, Word, is_known, read

_WORDS_ONLY = frozenset({"action", "quality", "position"})
_BABBLE = re.compile(r"\b(\w{2,4})(?:[ ,-]+\1){2,}\b")
# They point back into the story.
_ANAPHORA = frozenset({"it", "him", "them", "her", "den", "ihn", "es", "lui", "dem", "sie", "ihr", "ihm"})
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
    certain = weighed.sort == "correct" and weighed.reason != OWN_WORDS
    if expected.answer == "open" or certain or weighed.misconception is not None:
        return False
    if pattern(language, "age").search(" ".join(word.folded for word in read(text, language))):
        return True
    if weighed.reason == "another number" and talks_of_own_life(text, language):
        asked = [word for answer in (expected.question, *expected.accepted) for word in read(answer, expected.language)]
        own = [word for word in read(text, language) if word.weight == 1 and word.number is None]
        return any(not any(like(word, other, expected.language) >= SURE for other in asked) for word in own)
    brushes = weighed.reason.startswith(("holds a piece", "names", OWN_WORDS))
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
    asked = [word for word in ready.question if word.weight > 0]
    news = [word for word in answer if word.weight >= 0.6 and not _among(word, asked, ready)]
    answering = any(_among(word, news, ready) for word in content)
    elsewhere = talks_of_other_things(text, language) or not addresses_child(expected)
    compares = any(
        word.folded in folded_words(language, "comparing") and before.folded not in folded_words(language, "own_life")
        for before, word in pairwise(said)
    )
    if not answering and not compares and elsewhere and not _may_answer(said, expected) and talks_of_own_life(text, language):
        return "off_topic", "talks of something else"
    if content and pattern(language, "vague").search(plain(text, language)):
        return "partial", "describes it vaguely"
    if not content:
        return "not_understood", "no word with content"
    if len(content) >= 2 and len(content) == len(said) and not any(word.known for word in content):
        return "not_understood", "no word that is known"
    if not near and _babble(said, asked, ready):
        return "not_understood", "no sentence"
    if not near and expected.answer != "open" and _statement_elsewhere(said, content, [*story, *asked], ready, language):
        return "off_topic", "a statement about something else"
    tables = {table for word in story for table in word.meaning.tables} - _WORDS_ONLY
    if language != expected.language and not any(word.meaning.tables & tables for word in content):
        return "not_understood", "an answer in another language"
    full = [word for word in content if word.weight >= 0.6]
    unknown = [word for word in full if not word.known and not _among(word, asked, ready)]
    if unknown and any(_resembles(word, known, ready) for word in unknown for known in news):
        return "partial", "sounds like a part of the answer"
    if full and len(unknown) == len(full) and (len(full) > 1 or said[0].folded not in ARTICLES or len(full[0].folded) < 5):
        if len(said) >= len(full) + 2:  # a sentence: who says that much means something
            return "partial", "says it in words that are not known"
        return "not_understood", "words it does not know"
    if not {"or", "ou", "oder"} & {word.folded for word in ready.question} and not any(word.negated for word in content):
        kinds = {table for word in news for table in word.meaning.tables} & KINDS | {"kinds"}
        other = any(word.meaning.tables & kinds for word in content)
        if all(_among(word, asked, ready) for word in full or content) and not ready.numbers and not other:
            return "partial", "says again what the question said"
    if not _another_of_the_kind(full, asked, news, ready) and not _short_and_other(said, full, asked, ready, language):
        return "partial", "nothing speaks for it, and nothing against it"
    return "wrong", "another answer"


_LONG = 6  # words; who says that much may well mean the right thing in words that are not known here


def _another_of_the_kind(full: Sequence[Word], asked: Sequence[Word], news: Sequence[Word], ready: Prepared) -> bool:
    """Another animal, colour or person than the one expected."""
    kinds = {table for word in news for table in word.meaning.tables} & KINDS
    short = len(full) == 1  # "blue" alone is an answer, even where the question mixes blue with yellow
    return any(word.meaning.tables & kinds and (short or not _among(word, asked, ready)) for word in full)


def _short_and_other(
    said: Sequence[Word], full: Sequence[Word], asked: Sequence[Word], ready: Prepared, language: Language
) -> bool:
    """A plain phrase with something new in it: short enough to be certain that it is not the answer in other words."""
    spoken = [word for word in said if not word.number] if ready.numbers else said
    if ready.numbers or any(word.negated for word in said):
        fresh = any(not _among(word, asked, ready) for word in full) or not full
        return len(spoken) < _LONG and (fresh or not ready.numbers)
    if said[0].folded in folded_words(language, "comparing") and len(said) <= 4:
        return False  # "like a wheel" describes what is round
    if len(said) >= _LONG:
        return False
    return any(not _among(word, asked, ready) for word in full)


def _may_answer(said: Sequence[Word], expected: Expectation) -> bool:
    """A short answer to "when" or "who" that only looks like talk of the child's own day ("on Tuesday", "mummy")."""
    asked = set(plain(expected.question, expected.language).split())
    if said[0].folded in {"when", "quand", "wenn", "als"} and asked & {"when", "quand", "wann"}:
        return True
    own = {word.folded for word in said} & folded_words(expected.language, "own_life")
    short = sum(word.weight > 0 for word in said) <= 2
    return short and not own and bool(asked & {"when", "quand", "wann", "who", "qui", "wer"})


def _among(word: Word, others: Sequence[Word], ready: Prepared) -> bool:
    return any(like(word, other, ready.language) >= SURE for other in others)


def _resembles(child: Word, wanted: Word, ready: Prepared) -> bool:
    """Too far off to be taken for the word, too near to be called wrong."""
    from rapidfuzz.distance import OSA

    ours, theirs = sound(child.text.replace(" ", ""), ready.language), sound(wanted.text.replace(" ", ""), ready.language)
    length = max(len(child.folded), len(wanted.folded))
    return min(len(child.folded), len(wanted.folded)) >= 4 and (
        ours[:2] == theirs[:2] or OSA.distance(child.folded, wanted.folded) <= length // 2 - 1
    )


def _babble(said: Sequence[Word], asked: Sequence[Word], ready: Prepared) -> bool:
    """Mostly short sounds that are words of none of ours: what a recogniser makes of noise."""
    odd = [word for word in said if not word.own and len(word.folded) <= 5 and not _among(word, asked, ready)]
    odd = [word for word in odd if not word.known or len(word.folded) <= 3]
    full = [word for word in said if word.own and word.weight >= 0.6]
    return bool(odd) and not full and 2 * len(odd) >= len(said)


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
