"""What the judging of a child's words knows of each language: word lists, ways of speaking, words that mean the same.

Everything is read from the TOML files of ``agent/words/understanding``, once per language and only when it is needed. The lists
hold words separated by spaces; ``agent.understanding.normalise.fold`` is applied by those who compare.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, RootModel, model_validator

from agent.story import Strict, Text
from agent.toml_file import read_toml
from agent.turn import LANGUAGES, Language

_RELATIONS = frozenset({"opposites", "broader", "related"})
FOLDER = Path(__file__).resolve().parents[1] / "words" / "understanding"


def _split(value: object) -> object:
    return frozenset(value.split()) if isinstance(value, str) else value


def _compiles(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"“{value}” is not a regular expression: {error}") from None
    return value


WordSet = Annotated[frozenset[str], BeforeValidator(_split), Field(min_length=1)]
Pattern = Annotated[str, BeforeValidator(_compiles)]
Patterns = Annotated[tuple[Pattern, ...], Field(min_length=1)]


class Manner(Strict):
    """How children of one language talk around an answer: en.toml, fr.toml, de.toml.

    ``function`` words carry no content, ``light`` words little; ``particles`` are small words that do carry some
    (up, down). ``contrast`` words end the reach of a negation. ``lead`` and ``tail`` may surround "stop" or "don't know".
    ``whole`` patterns must fit everything that was said, ``anywhere`` patterns a part, ``start`` patterns the beginning.
    ``correction`` takes back what came before it. ``frames`` in a question address the child only in form ("do you think"),
    ``address`` patterns do so in earnest; ``age`` is the child telling its own.
    ``homophones`` cannot be told apart by ear, so a recogniser may write either.
    ``tags`` at the end ask to be agreed with ("isn't it"); ``two_part`` marks a question that asks two things;
    ``one_more`` adds one to a number; ``inverted`` is the order of words in a question;
    ``averts`` names what is to be avoided ("so he is not eaten").
    ``elsewhere`` speaks of what is going on around the child, ``supposes`` begins a guess, ``you`` is whoever is spoken to;
    ``first_one`` and the like count what a question has named; ``contrary`` turns what follows into its opposite.
    ``auxiliaries`` are verbs that begin a question;
    ``wonders`` asks in earnest what ``hesitant`` would only answer with a rising voice ("is it true …").
    ``torn`` finds small words that stand beside each other in no sentence;
    ``everyday`` are common words that mean nothing to the judge but show that somebody is talking.
    ``openers`` call for attention ("guess what"); ``indirect`` words begin what is not known ("... how it's called").
    ``comparing`` words begin a comparison ("like a wheel"); ``vague`` marks an answer that gropes ("something with
    the sun"). ``number_slips`` are what recognisers write for
    numbers, used only where a number is asked for. ``irregular`` maps a basic form to the forms a stemmer cannot reach,
    children's own ones included.
    """

    fillers: WordSet
    function: WordSet
    light: WordSet
    particles: WordSet
    negators: WordSet
    contrast: WordSet
    because: WordSet
    yes: WordSet
    no: WordSet
    yes_phrases: Patterns
    no_phrases: Patterns
    unsure: Patterns
    hedges: WordSet
    lead: WordSet
    tail: WordSet
    dont_know: Patterns
    stop_whole: Patterns
    stop_anywhere: Patterns
    asks_start: Patterns
    asks_anywhere: Patterns
    auxiliaries: WordSet
    hesitant: Pattern
    wonders: Patterns
    off_topic: Patterns
    own_life: WordSet
    correction: Patterns
    frames: Patterns
    address: Patterns
    age: Patterns
    elsewhere: Patterns
    supposes: Patterns
    you: Patterns
    torn: Patterns
    first_one: Patterns
    second_one: Patterns
    last_one: Patterns
    contrary: Patterns
    everyday: WordSet
    homophones: tuple[WordSet, ...]
    noise: Patterns
    rude: WordSet
    vague: Patterns
    comparing: WordSet
    openers: Patterns
    indirect: WordSet
    tags: Patterns
    two_part: Patterns
    one_more: Patterns
    inverted: Patterns
    averts: Patterns
    number_slips: dict[str, Text]
    irregular: dict[str, WordSet]


class Concepts(RootModel[dict[str, dict[str, str]]]):
    """concepts.toml: table → concept → "English | French | German", synonyms separated by commas."""

    @model_validator(mode="after")
    def _three_columns(self) -> Concepts:
        for table, rows in self.root.items():
            if table in _RELATIONS:
                continue
            for name, row in rows.items():
                if row.count("|") != len(LANGUAGES) - 1:
                    raise ValueError(f"[{table}] {name}: expected “English | French | German”")
        known = {name for table, rows in self.root.items() if table not in _RELATIONS for name in rows}
        for pair in self.opposites:
            if len(pair) != 2 or set(pair) - known:
                raise ValueError(f"[opposites] “{' '.join(pair)}” is not a pair of concepts")
        for relation, groups in (("broader", self.broader), ("related", self._rows("related"))):
            for one, others in groups.items():
                for name in sorted({one, *others} - known):
                    raise ValueError(f"[{relation}] {one}: “{name}” is no concept of this file")
        return self

    @property
    def opposites(self) -> list[tuple[str, ...]]:
        return [tuple(pair.split()) for pair in self.root.get("opposites", {}).get("pairs", "").split(",") if pair.strip()]

    @property
    def broader(self) -> dict[str, frozenset[str]]:
        """From a wide concept to those it takes in: bird → owl, duck …"""
        return self._rows("broader")

    @property
    def related(self) -> dict[str, frozenset[str]]:
        """From a concept to those that go with it, both ways: night ↔ moon, sad ↔ cry."""
        found: dict[str, set[str]] = {}
        for one, others in self._rows("related").items():
            for other in others:
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
        return {name: frozenset(others) for name, others in found.items()}

    def _rows(self, relation: str) -> dict[str, frozenset[str]]:
        return {one: frozenset(others.split()) for one, others in self.root.get(relation, {}).items()}

    def terms(self, language: Language) -> list[tuple[str, str, str]]:
        """(table, concept, term) for every term of one language."""
        column = LANGUAGES.index(language)
        return [
            (table, name, term.strip())
            for table, rows in self.root.items()
            if table not in _RELATIONS
            for name, row in rows.items()
            for term in row.split("|")[column].split(",")
            if term.strip()
        ]


class Foreign(RootModel[dict[str, WordSet]]):
    """foreign.toml: the small words of languages that are not ours, by ISO 639-1 code."""


@lru_cache(maxsize=len(LANGUAGES))
def manner(language: Language) -> Manner:
    """Raises :class:`agent.toml_file.FileProblem` if the file is wrong."""
    return read_toml(FOLDER / f"{language}.toml", Manner)


@lru_cache(maxsize=1)
def concepts() -> Concepts:
    """Raises :class:`agent.toml_file.FileProblem` if the file is wrong."""
    return read_toml(FOLDER / "concepts.toml", Concepts)


@lru_cache(maxsize=1)
def foreign() -> dict[str, frozenset[str]]:
    """Raises :class:`agent.toml_file.FileProblem` if the file is wrong."""
    return read_toml(FOLDER / "foreign.toml", Foreign).root
