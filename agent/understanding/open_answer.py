"""Answers to open questions: what a child has lived, feels, would do or expects cannot be wrong.

Anything sensible is welcome, a bare "yes" too. What is left to find out is whether the child asks something itself,
clearly begins another topic, or was not understood.
"""

from __future__ import annotations

from agent.turn import LANGUAGES, Language, Verdict
from agent.understanding.expectation import Expectation, about_the_child
from agent.understanding.grammar import is_word_salad, out_of_order
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import folded_words, pattern, plain
from agent.understanding.prepared import Prepared
from agent.understanding.speech_acts import (
    asks,
    asks_about,
    begins_another_topic,
    is_gibberish,
    is_inverted,
    sounds_like_asking,
    talks_of_own_life,
    words_of,
)
from agent.understanding.vocabulary import Word, is_known, read


def open_verdict(text: str, expected: Expectation, ready: Prepared, language: Language) -> tuple[Verdict, str]:
    """The verdict on words that neither stop nor tell that the child does not know."""
    if _begins_another_topic(text, expected, ready, language):
        return "off_topic", "begins another topic"
    inverted = is_inverted(text, language) or asks_about(text, ready.question, language)
    if inverted or asks(text, language) or sounds_like_asking(text, language):
        return "question", "asks something"
    spoken = words_of(text, language)
    strange = [word for word in spoken if is_gibberish(word) and not any(is_known(word, name) for name in LANGUAGES)]
    if strange and 2 * len(strange) >= len(spoken):
        return "not_understood", "no words"
    disordered = out_of_order(text, language, plainly=True) and not talks_of_own_life(text, language)
    if disordered or is_word_salad(text, ready, language) or not _says_something(read(text, language), language):
        return "not_understood", "no sentence"
    return "correct", "an answer of the child's own"


def leaves_it_open(rest: str, language: Language) -> bool:
    """Beside "I don't know", nothing is said that would be an answer."""
    words = read(rest, language)
    if rest.replace(",", " ").split()[:1] and rest.replace(",", " ").split()[0] in folded_words(language, "indirect"):
        return True
    return sum(word.weight >= 0.6 for word in words) < 2


def _begins_another_topic(text: str, expected: Expectation, ready: Prepared, language: Language) -> bool:
    """ "Guess what", "it is raining outside"; the child's own day only where the question was about the story."""
    said = plain(text, language)
    asked = [word for word in ready.question if word.weight == 1]
    if any(like(word, other, ready.language) >= SURE for word in read(text, language) for other in asked):
        return False
    if begins_another_topic(text, language):
        return True
    return not about_the_child(expected) and not _supposes(said, language) and talks_of_own_life(text, language)


def _supposes(said: str, language: Language) -> bool:
    """ "I think", "I bet": the child's own only in form."""
    return bool(pattern(language, "supposes").search(said))


def _says_something(words: tuple[Word, ...], language: Language) -> bool:
    """A word with content, or one of those that answer by themselves: yes, no, nobody, me."""
    answering = folded_words(language, "yes") | folded_words(language, "no") | folded_words(language, "hedges")
    return any(word.weight > 0 or word.folded in answering for word in words) or len(words) >= 3
