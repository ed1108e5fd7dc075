"""A story: its structure once (story.toml) and its words in each language (en.toml, fr.toml, de.toml).

``load(slug, language)`` joins both into one :class:`Story`, checked so far that a session can run on it; authors
run ``python -m stories.check`` for everything a good story needs beyond that.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from agent.toml_file import FileProblem, read_toml
from agent.turn import BANDS, Band, Crowd, Language

STORIES = Path(__file__).resolve().parent.parent / "stories"
_MARK = re.compile(r"^\[([a-z0-9_]+)\]\s*")
Value = TypeVar("Value")


class Strict(BaseModel):
    """A frozen part of a file in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _for_every_band(value: object) -> object:
    """One text for all bands may be written plainly; a table names bands, and a missing band takes the one below."""
    if not isinstance(value, dict):
        return dict.fromkeys(BANDS, value)
    unknown = [key for key in value if key not in BANDS]
    if unknown:
        raise ValueError(f"unknown age band “{unknown[0]}”; the bands are {', '.join(BANDS)}")
    if BANDS[0] not in value:
        raise ValueError(f"the youngest band “{BANDS[0]}” is missing")
    filled: dict[str, object] = {}
    for band in BANDS:
        filled[band] = value.get(band, filled.get(BANDS[max(0, BANDS.index(band) - 1)]))
    return filled


Text = Annotated[str, Field(min_length=1)]
Lines = Annotated[tuple[Text, ...], Field(min_length=1)]
BandedText = Annotated[dict[Band, Text], BeforeValidator(_for_every_band)]
BandedLines = Annotated[dict[Band, Lines], BeforeValidator(_for_every_band)]
BandedThree = Annotated[dict[Band, Annotated[tuple[Text, Text, Text], Field()]], BeforeValidator(_for_every_band)]


class PromptShape(Strict):
    """A question's structure. ``difficulty`` 1 easy, 2 medium, 3 stretch; ``answer`` open means: no wrong answers."""

    id: Text
    crowd: Crowd
    difficulty: Literal[1, 2, 3]
    concept: Text
    implicit: bool = False
    answer: Literal["closed", "open", "yes_no"] = "closed"


class ChoiceShape(Strict):
    """One way the child may steer the story: its id and the beat it leads to."""

    id: Text
    next: Text


class BeatShape(Strict):
    """A scene's structure. ``next`` names the beat that follows, if it is not the next one in the file."""

    id: Text
    next: str = ""
    prompts: tuple[PromptShape, ...] = ()
    choices: tuple[ChoiceShape, ...] = ()


class Structure(Strict):
    """story.toml: what is the same in every language. ``concepts`` are what the learner model keeps track of."""

    slug: Text
    topic: Text
    concepts: Lines
    beats: Annotated[tuple[BeatShape, ...], Field(min_length=1)]


class Misconception(Strict):
    """A wrong idea children have, the ways they say it, and a reply that turns it without revealing the answer."""

    says: Lines
    reply: Text


class Expansion(Strict):
    """What the tutor adds to a right answer: a sentence with new words, and those words."""

    says: BandedText
    words: Lines


class PromptWords(Strict):
    """A question's words. ``explain`` may say the answer; ``hints`` (explore, nudge, strong) may not."""

    ask: BandedText
    accepted: Lines
    key_ideas: Lines
    misconceptions: tuple[Misconception, ...] = ()
    hints: BandedThree
    think_aloud: BandedLines
    explain: BandedLines
    expand: Expansion


class ChoiceWords(Strict):
    """How a choice is offered ("the boat") and what a child may say for it."""

    offer: Text
    says: Lines


class BeatWords(Strict):
    """A scene's words: what is told in each band, its questions and choices by id."""

    tell: dict[Band, Lines]
    prompts: dict[str, PromptWords] = {}
    choose: str = ""
    choices: dict[str, ChoiceWords] = {}


class ChildQuestion(Strict):
    """A question children ask of their own accord, by the words that mark it, and an honest answer."""

    asks: Lines
    says: BandedLines


class Wording(Strict):
    """One language file. ``names`` are the story's proper names; ``glossary`` explains a word to a child."""

    language: Language
    title: Text
    about: Text
    names: tuple[Text, ...]
    prior: BandedText
    recap: BandedLines
    recall: BandedText
    farewell: Text
    glossary: dict[str, Text] = {}
    questions: tuple[ChildQuestion, ...] = ()
    beats: dict[str, BeatWords]


class Prompt(Strict):
    """A question with structure and words together."""

    shape: PromptShape
    words: PromptWords


class Beat(Strict):
    """A scene with structure and words together."""

    shape: BeatShape
    words: BeatWords
    prompts: tuple[Prompt, ...]

    @property
    def id(self) -> str:
        return self.shape.id


class Story(BaseModel):
    """A whole story in one language, ready to be told."""

    model_config = ConfigDict(frozen=True)
    structure: Structure
    wording: Wording
    beats: tuple[Beat, ...]

    @property
    def slug(self) -> str:
        return self.structure.slug

    @property
    def language(self) -> Language:
        return self.wording.language

    @cached_property
    def by_id(self) -> dict[str, Beat]:
        return {beat.id: beat for beat in self.beats}

    @cached_property
    def answer_words(self) -> frozenset[str]:
        """Every word of what children are expected to answer, right or wrong."""
        prompts = [prompt.words for beat in self.beats for prompt in beat.prompts]
        said = [text for prompt in prompts for text in (*prompt.accepted, *prompt.key_ideas)]
        said += [text for prompt in prompts for wrong in prompt.misconceptions for text in wrong.says]
        said += [text for beat in self.beats for choice in beat.words.choices.values() for text in (choice.offer, *choice.says)]
        return frozenset(word for text in said for word in text.split())

    def beat(self, beat_id: str) -> Beat:
        return self.by_id[beat_id]

    def prompt(self, beat_id: str, prompt_id: str) -> Prompt:
        return next(prompt for prompt in self.by_id[beat_id].prompts if prompt.shape.id == prompt_id)

    def after(self, beat_id: str, choice: str = "") -> str:
        """The id of the beat that follows, or "" at the end. ``choice`` is the child's, where one is offered."""
        shape = self.by_id[beat_id].shape
        for option in shape.choices:
            if option.id == choice:
                return option.next
        if shape.choices:
            return shape.choices[0].next
        if shape.next:
            return "" if shape.next == "end" else shape.next
        ids = [beat.id for beat in self.beats]
        place = ids.index(beat_id) + 1
        return ids[place] if place < len(ids) else ""

    def beats_from(self, beat_id: str) -> int:
        """How many beats are still to come after ``beat_id`` on the default way."""
        count, here = 0, self.after(beat_id)
        while here and count < len(self.beats):
            count, here = count + 1, self.after(here)
        return count


def split_mark(text: str) -> tuple[str, str]:
    """``"[nod] Yes."`` → ``("nod", "Yes.")``; without a mark the gesture is ""."""
    mark = _MARK.match(text)
    return (mark[1], text[mark.end() :]) if mark else ("", text)


def slugs(folder: Path = STORIES) -> list[str]:
    """The stories in a folder, by name."""
    return sorted(path.parent.name for path in folder.glob("*/story.toml"))


def load(slug: str, language: Language, folder: Path = STORIES) -> Story:
    """Load a story in one language. Raises :class:`FileProblem` naming file and line of what is wrong."""
    home = folder / slug
    structure = read_toml(home / "story.toml", Structure)
    _check_links(structure, home / "story.toml")
    path = home / f"{language}.toml"
    wording = read_toml(path, Wording)
    if wording.language != language:
        raise FileProblem(path, _line(path, "language"), f"says language “{wording.language}”; expected “{language}”")
    beats = tuple(_join(shape, wording, path) for shape in structure.beats)
    extra = sorted(set(wording.beats) - {shape.id for shape in structure.beats})
    if extra:
        raise FileProblem(path, _line(path, f"beats.{extra[0]}"), f"beat “{extra[0]}” is not in story.toml")
    return Story(structure=structure, wording=wording, beats=beats)


def _join(shape: BeatShape, wording: Wording, path: Path) -> Beat:
    if shape.id not in wording.beats:
        raise FileProblem(path, 1, f"the beat “{shape.id}” of story.toml has no words here: add [beats.{shape.id}]")
    words = wording.beats[shape.id]
    missing = [band for band in BANDS if band not in words.tell]
    if missing:
        raise FileProblem(path, _line(path, f"beats.{shape.id}"), f"beat “{shape.id}” is not told for ages {missing[0]}")
    for kind, shapes, there in (("prompt", shape.prompts, words.prompts), ("choice", shape.choices, words.choices)):
        wanted, given = {part.id for part in shapes}, set(there)
        if wanted != given:
            name = sorted(wanted ^ given)[0]
            fault = "has no words here" if name in wanted else "is not in story.toml"
            raise FileProblem(path, _line(path, f"beats.{shape.id}"), f"beat “{shape.id}”: {kind} “{name}” {fault}")
    prompts = tuple(Prompt(shape=part, words=words.prompts[part.id]) for part in shape.prompts)
    return Beat(shape=shape, words=words, prompts=prompts)


def _check_links(structure: Structure, path: Path) -> None:
    ids = [shape.id for shape in structure.beats]
    for shape in structure.beats:
        if ids.count(shape.id) > 1:
            raise FileProblem(path, _line(path, f'"{shape.id}"'), f"two beats are called “{shape.id}”")
        targets = [option.next for option in shape.choices] + ([shape.next] if shape.next else [])
        for target in targets:
            if target != "end" and target not in ids:
                raise FileProblem(path, _line(path, f'"{target}"'), f"“{target}” is not a beat of this story")
        for prompt in shape.prompts:
            if prompt.concept not in structure.concepts:
                fault = f"prompt “{prompt.id}”: concept “{prompt.concept}” is not in concepts"
                raise FileProblem(path, _line(path, f'"{prompt.concept}"'), fault)


def _line(path: Path, needle: str) -> int:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if needle in line:
            return number
    return 1
