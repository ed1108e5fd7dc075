"""Answers to what children ask of their own accord: from the story, its glossary, and what a robot may say of itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from rapidfuzz import fuzz, process

from agent.readability import words
from agent.story import ChildQuestion, Story, Strict
from agent.toml_file import read_toml
from agent.turn import Band, Language

FOLDER = Path(__file__).resolve().parent / "words" / "asides"
# A question that does not address the robot is not about the robot: "do snails sleep" is not.
_YOU: dict[Language, frozenset[str]] = {
    "en": frozenset(["you", "your", "yours", "yourself", "u"]),
    "fr": frozenset(["tu", "te", "toi", "ton", "ta", "tes", "t'es", "t'as", "t'aimes", "vous"]),
    "de": frozenset(["du", "dich", "dir", "dein", "deine", "deinen", "deiner", "dus", "bistu", "biste"]),
}
WORD_FOR_WORD = 94
CLOSE_ENOUGH = 72  # of 100: below, the teacher is named rather than a wrong answer given


class Asides(Strict):
    """What children ask a robot, in one language."""

    questions: tuple[ChildQuestion, ...]


@lru_cache(maxsize=3)
def about_the_robot(language: Language) -> tuple[ChildQuestion, ...]:
    """Raises :class:`FileProblem` for a broken file."""
    return read_toml(FOLDER / f"{language}.toml", Asides).questions


def answer(question: str, story: Story, band: Band) -> tuple[str, ...]:
    """The sentences that answer a child's question; empty when nothing here does."""
    asked = " ".join(words(question.lower()))
    found = _known(asked, story, CLOSE_ENOUGH)
    if found is not None:
        return found.says[band]
    spoken = set(asked.split())
    for word, meaning in story.wording.glossary.items():
        if set(words(word.lower())) <= spoken:
            return (meaning,)
    return ()


def is_asked(text: str, story: Story) -> bool:
    """Whether these words are, almost word for word, a question children ask: it needs no question mark to be one."""
    return _known(" ".join(words(text.lower())), story, WORD_FOR_WORD) is not None


def _known(asked: str, story: Story, least: float) -> ChildQuestion | None:
    if not asked:
        return None
    known = (*story.wording.questions, *about_the_robot(story.language))
    ways = [(" ".join(words(way.lower())), entry) for entry in known for way in entry.asks]
    you = _YOU[story.language]
    if not you & set(asked.split()):
        ways = [(way, entry) for way, entry in ways if not you & set(way.split())]
    found = process.extractOne(asked, [way for way, _ in ways], scorer=_likeness, score_cutoff=least)
    return ways[found[2]][1] if found is not None and _names(ways[found[2]][0], asked) else None


def _names(way: str, asked: str) -> bool:
    """Whether every long word of the known question is in the child's: "how many stars" is not "how many languages"."""
    return all(any(fuzz.ratio(word, said) >= 80 for said in asked.split()) for word in way.split() if len(word) >= 5)


def _likeness(asked: str, way: str, **options: object) -> float:
    """Word order and fillers forgiven, but every content word of the known question must be there."""
    return 0.5 * fuzz.token_set_ratio(asked, way) + 0.5 * fuzz.token_sort_ratio(asked, way)
