"""What ``agent/words/safety/<language>.toml`` may say: the lists and patterns of a language, validated when read.

The patterns' signs are explained in :mod:`agent.safety.patterns`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.toml_file import FileProblem, read_toml
from agent.turn import BANDS, LANGUAGES, Band, Language

LEXICA = Path(__file__).resolve().parents[1] / "words" / "safety"
Call = Literal["handoff", "redirect", "refuse"]
Lines = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
_CLASS = re.compile(r"\{([a-z_]+)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Topic(_Strict):
    """Something that is not to be talked about: who may not say it, what follows, and how it is said.

    One of the patterns in ``says`` is enough; of ``together``, each list must have one in the same sentence, in any order, and
    none of ``without``. ``bands`` are the age bands it counts for; ``unless`` are harmless for this topic alone. With
    ``quoted = false`` a character of a story may say it: what stands in quotation marks is not looked at.
    """

    category: Annotated[str, Field(min_length=1)]
    who: Literal["child", "robot", "both"]
    call: Call
    bands: tuple[Band, ...] = BANDS
    quoted: bool = True
    says: tuple[str, ...] = ()
    together: tuple[Lines, ...] = ()
    unless: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _finds_something(self) -> Topic:
        if not self.says and not self.together:
            raise ValueError(f"the topic “{self.category}” needs “says” or “together”")
        return self


class Personal(_Strict):
    """What announces personal data; :mod:`agent.safety.privacy` says how each list is used.

    Cues are regular expressions in which a blank stands for any white space and an apostrophe for any apostrophe or none.
    ``addresses``, ``schools`` and ``dates`` are plain ones; the group ``it``, where there is one, is what is personal.
    """

    name_cues: Lines
    weak_cues: Lines
    called: Lines
    possessives: Lines
    relations: Lines
    titles: Lines
    not_names: Lines
    fiction: Lines
    first_names: Lines
    place_cues: Lines
    place_prefixes: Lines
    not_places: Lines
    places: Lines
    phone_cues: Lines
    digits: dict[str, int]
    at: Lines
    dot: Lines
    addresses: Lines
    schools: Lines
    birthday_cues: Lines
    dates: Lines


class Lexicon(_Strict):
    """One language's file. ``function_words`` occur in this language and hardly in the two others."""

    language: Language
    function_words: Lines
    foreign_words: Lines
    negations: Lines
    invitations: Lines
    articles: Lines
    proper: Lines
    fillers: Lines
    spelling: dict[str, str]
    classes: dict[str, Lines]
    harmless: Lines
    topics: tuple[Topic, ...]
    personal: Personal

    @model_validator(mode="after")
    def _patterns_are_readable(self) -> Lexicon:
        """A pattern with a class that is not there, or with a stray bracket, would silently find nothing or too much."""
        patterns = [*self.harmless, *(entry for entries in self.classes.values() for entry in entries)]
        patterns += [pattern for topic in self.topics for pattern in (*topic.says, *topic.unless, *topic.without)]
        patterns += [pattern for topic in self.topics for group in topic.together for pattern in group]
        for pattern in patterns:
            unknown = [name for name in _CLASS.findall(pattern) if name not in ("name", "not", *self.classes)]
            if unknown:
                raise ValueError(f"the pattern “{pattern}” uses the class “{unknown[0]}”, which is not in [classes]")
            if pattern.count("(") != pattern.count(")"):
                raise ValueError(f"the pattern “{pattern}” has a bracket too many or too few")
        return self


@lru_cache(maxsize=len(LANGUAGES))
def lexicon(language: Language) -> Lexicon:
    """The lexicon of a language, read once. Raises :class:`FileProblem` naming file and line."""
    path = LEXICA / f"{language}.toml"
    found = read_toml(path, Lexicon)
    if found.language != language:
        raise FileProblem(path, 1, f"language is “{found.language}”, but the file is called {path.name}")
    return found
