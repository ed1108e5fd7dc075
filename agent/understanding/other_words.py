"""Right answers in other words: where a child's words count as the answer though they match none of the accepted ones."""

from __future__ import annotations

from collections.abc import Sequence

from agent.turn import Language
from agent.understanding.coverage import Cover, Target, turned
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import folded_words, pattern, plain
from agent.understanding.prepared import Prepared
from agent.understanding.vocabulary import Word, read

_SENTENCE, _RICH = 6, 3  # words, and words with content, from which on a sentence tells something
_OTHERS = 1  # full words beside an answer that has none
OWN_WORDS = "tells it in its own words"  # the least certain way to be right
_JOINS = frozenset({"so", "else", "otherwise", "damit", "sonst", "dass", "pour", "sinon"})  # begin a purpose or a threat


def gathered(
    covers: Sequence[tuple[Cover, Target]], ideas: Sequence[tuple[Cover, Target]], expected: Prepared
) -> tuple[tuple[Word, Word], ...]:
    """Two or more different things out of several accepted answers ("it sucked in water and got heavy"); else nothing.

    Where several key ideas are wanted together, two words of one of them are not enough.
    """
    if len(ideas) > 1 and not expected.any_idea:
        return ()
    negators = folded_words(expected.language, "negators")
    found: dict[frozenset[str], tuple[Word, Word]] = {}
    for cover_, item in (*covers, *ideas):
        if cover_.against:
            continue
        for child, wanted in cover_.pairs:
            given = any(like(wanted, asked, expected.language) >= SURE for asked in expected.question if asked.weight > 0)
            if wanted.weight == 1 and child.weight >= 0.6 and child.folded not in negators and not given and not item.all_given:
                found.setdefault(frozenset(child.folded.split()), (child, wanted))
    return tuple(found.values()) if len(found) >= 2 else ()


def in_own_words(text: str, language: Language) -> bool:
    """A whole sentence, rich enough that a piece of the right answer in it is the answer told in the child's own words.

    Who has only a piece says it in a word or two.
    """
    words = read(text, language)
    if pattern(language, "vague").search(plain(text, language)):
        return False
    return len(words) >= _SENTENCE and sum(word.weight >= 0.6 for word in words) >= _RICH


def carries(wanted: Target, text: str, language: Language) -> bool:
    """Where the answer is made of small words only ("he let her go"), whoever says much else does not mean it."""
    if any(word.weight >= 0.6 for word in wanted.words):
        return True
    return sum(word.weight == 1 for word in read(turned(text, language), language)) <= _OTHERS


def turned_to_its_contrary(found: Cover) -> bool:
    """What was matched was said with a negation where none was wanted, or without where one was."""
    return any(child.negated != wanted.negated for child, wanted in found.pairs)


def tells_the_rest(said: Sequence[Word], pairs: Sequence[tuple[Word, Word]], expected: Prepared, text: str) -> bool:
    """Beside the half that was recognised, a reason or a next step with something new in it, in words not expected."""
    joins = folded_words(expected.language, "because") | _JOINS
    words = plain(text, expected.language).split()
    at = next((index for index, word in enumerate(words) if index and word in joins), None)
    if at is None or len(words) - at < 4:
        return False
    used = {child.folded for child, _ in pairs}
    fresh = [word for word in said if word.weight >= 0.6 and word.own and word.folded not in used and " " not in word.text]
    asked = [word for word in expected.question if word.weight > 0]
    return sum(not any(like(word, other, expected.language) >= SURE for other in asked) for word in fresh) >= 1
