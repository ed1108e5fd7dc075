"""The style words of a language: agent/words/style/<language>.toml as validated models, read on first use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent.style.text import plain, tokens
from agent.toml_file import read_toml
from agent.turn import Language

LEXICA = Path(__file__).resolve().parents[1] / "words" / "style"
Words = tuple[Annotated[str, Field(min_length=1)], ...]
Filled = Annotated[Words, Field(min_length=1)]


class Strict(BaseModel):
    """A frozen part of the file in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Markers(Strict):
    """What style_measure counts: closed lists, the same in every language."""

    emphasisers: Filled
    softeners: Filled
    tentatives: Filled
    acknowledgements_high: Filled
    acknowledgements_low: Filled
    we: Filled
    you: Filled
    i: Filled
    tags: Filled
    positive_high: Filled
    positive_calm: Filled
    social: Filled
    negations: Filled
    calls: Filled
    choices: Filled
    active_verbs: Filled
    quiet_verbs: Filled


class Lively(Strict):
    """What high levels add. The four first lists are openers, by the kind of sentence they may open."""

    statement: Filled
    praise: Filled
    invitation: Filled
    question: Filled
    tags: Filled
    predicative: Filled
    attributive: Filled
    evaluative: Filled
    after: Words
    after_words: Filled
    together: str
    together_after: Words
    together_tail: Words
    we_forms: dict[str, str]
    interjections: Filled


class Calm(Strict):
    """What low levels add: openers by kind of sentence, the end of an invitation, a word inside a yes-no question."""

    statement: Filled
    praise: Filled
    invitation: Filled
    invitation_tail: Filled
    question: Filled
    tentative: Filled
    tentative_after: Filled
    interjections: Filled


class Grammar(Strict):
    """Closed classes that tell where an addition is grammatical, and which sentences are left as they are (sober)."""

    copulas: Filled
    articles: Filled
    adjectives: Filled
    evaluative: Filled
    inflections: Words
    attributive: Words
    follow: Filled
    blocks: Filled
    removable: Filled
    conjunctions: Filled
    pauses_before: Filled
    subjects: Filled
    subjects_unsure: Filled
    clitics: Words
    determiners: Filled
    leads: Filled
    perceives: Filled
    subordinators: Filled
    finite: Filled
    lowerable: Filled
    pauses_after: Filled
    invitations: Filled
    praises: Filled
    sober: Filled
    personal: Filled


class Swap(Strict):
    """Words of praise that stand for each other; all forms of one row agree in gender and number."""

    plain: Filled
    high: Filled
    calm: Filled
    not_before: Words = ()


class Grading(Strict):
    """The words of a graded trait prompt: four degrees from strong to weak, five traits for either end."""

    degrees: Annotated[tuple[str, ...], Field(min_length=4, max_length=4)]
    high: Annotated[Words, Field(min_length=5, max_length=5)]
    low: Annotated[Words, Field(min_length=5, max_length=5)]
    are: str
    middle: str
    neither: str
    last: str
    equal: str


class Lexicon(Strict):
    """All style words of one language."""

    language: Language
    markers: Markers
    high: Lively
    low: Calm
    grammar: Grammar
    swaps: tuple[Swap, ...]
    grading: Grading

    @cached_property
    def openers_high(self) -> re.Pattern[str]:
        """An interjection of high levels at the start of a sentence, with the comma or colon that follows it."""
        return opener_pattern(_openers(self.high))

    @cached_property
    def openers_low(self) -> re.Pattern[str]:
        """A calm opener at the start of a sentence, with the mark that follows it."""
        return opener_pattern(_openers(self.low))

    @cached_property
    def lowerable(self) -> frozenset[str]:
        """Words that are no names, so that they lose their capital when an opener comes before them."""
        first = (tokens(phrase)[0] for phrase in (*self.grammar.invitations, *self.grammar.praises))
        return frozenset((*self.grammar.lowerable, *first))

    @cached_property
    def closed(self) -> frozenset[str]:
        """Every token that realisation may add, drop or exchange; whatever is not in here it leaves as it is."""
        high, low = self.high, self.low
        phrases = [*_openers(high), *_openers(low), *high.tags, *high.predicative]
        phrases += [*high.attributive, *high.evaluative, *high.after_words, high.together]
        phrases += [*high.we_forms, *high.we_forms.values()]
        phrases += [*low.invitation_tail, *low.tentative]
        phrases += [word for swap in self.swaps for word in (*swap.plain, *swap.high, *swap.calm)]
        phrases += [*high.interjections, *low.interjections]
        phrases += [*self.grammar.removable, *self.grammar.conjunctions, "a", "an"]
        return frozenset(token for phrase in phrases for token in tokens(phrase))


def alternation(phrases: Iterable[str]) -> str:
    """A regular expression for any of the phrases, the longest first; it matches nothing if there are none."""
    return _alternation(tuple(phrases))


@lru_cache(maxsize=512)
def _alternation(phrases: tuple[str, ...]) -> str:
    return "|".join(sorted({re.escape(plain(phrase)) for phrase in phrases}, key=len, reverse=True)) or r"(?!)"


def _openers(manner: Lively | Calm) -> tuple[str, ...]:
    return (*manner.statement, *manner.praise, *manner.invitation, *manner.question)


def opener_pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """Matches a whole opener at the start of a sentence: the words, and then a comma, colon or pause."""
    return re.compile(rf"(?:{alternation(phrase.rstrip(' ,:…') for phrase in phrases)})\s*[,:…]+\s*")


@lru_cache(maxsize=3)
def lexicon(language: Language) -> Lexicon:
    """The style words of a language. Raises :class:`agent.toml_file.FileProblem` with file and line if the file is broken."""
    return read_toml(LEXICA / f"{language}.toml", Lexicon)
