"""A personality: how the tutor sounds, moves and speaks. Only extraversion differs; warmth and accuracy never do.

A profile is one file in personalities/. Levels 1 to 9 run from introvert to extravert; a level without a file of its own
lies on the straight line between the introvert (1), the neutral (5) and the extravert (9) profile.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.ports import MotionStyle, VoiceStyle
from agent.style.words import Grading, lexicon
from agent.toml_file import FileProblem, read_toml
from agent.turn import LANGUAGES, Language

PERSONALITIES = Path(__file__).resolve().parent.parent / "personalities"
Bank = Literal["introvert", "neutral", "extravert"]
Antennas = Literal["sway", "normal", "perk"]
Level = Annotated[int, Field(ge=1, le=9)]
Text = Annotated[str, Field(min_length=1)]
Traits = Annotated[tuple[Text, ...], Field(min_length=1)]
_ANCHORS: tuple[tuple[Bank, int], ...] = (("introvert", 1), ("neutral", 5), ("extravert", 9))


class _Strict(BaseModel):
    """A frozen part of the file in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Title(_Strict):
    """What people call this personality, in each language."""

    en: Text
    fr: Text
    de: Text


class TraitSentences(_Strict):
    """What a language model is told of the manner, in each language; the graded adjectives come from the level."""

    en: Traits
    fr: Traits
    de: Traits


class VoiceTable(_Strict):
    """[voice]: see :class:`agent.ports.VoiceStyle` for the units. ``rate`` stays within ±15 % of the voice's own."""

    rate: Annotated[float, Field(ge=0.85, le=1.15)]
    pitch: Annotated[float, Field(ge=-4, le=4)]
    range: Annotated[float, Field(ge=0.5, le=2)]
    loudness: Annotated[float, Field(ge=-6, le=4)]
    pause_before: Annotated[float, Field(ge=0, le=3)]
    pause_between: Annotated[float, Field(ge=0, le=2)]


class MotionTable(_Strict):
    """[motion]: see :class:`agent.ports.MotionStyle` for the units."""

    amplitude: Annotated[float, Field(ge=0.3, le=1.5)]
    velocity: Annotated[float, Field(ge=0.3, le=1.5)]
    beats: Annotated[float, Field(ge=0, le=30)]
    antennas: Antennas
    aversion: Annotated[float, Field(ge=0, le=3)]
    breathing: Annotated[float, Field(ge=0.05, le=0.5)]


class ProfileFile(_Strict):
    """A file in personalities/ as it is written."""

    level: Level
    title: Title
    prompt: TraitSentences
    voice: VoiceTable
    motion: MotionTable
    reprompt_every: Annotated[int, Field(ge=1, le=6)] = 6


class Profile(_Strict):
    """A personality ready for use. ``reprompt_every`` is in turns: a model's persona drifts if it is not said again."""

    name: str
    level: Level
    title: Title
    prompt: TraitSentences
    voice: VoiceStyle
    motion: MotionStyle
    reprompt_every: int = 6

    @property
    def bank(self) -> Bank:
        """Which authored lines fit: introvert for levels 1-3, neutral for 4-6, extravert for 7-9."""
        return "introvert" if self.level <= 3 else "neutral" if self.level <= 6 else "extravert"


def names(folder: Path = PERSONALITIES) -> list[str]:
    """The profiles that have a file. Besides them, every level "1" to "9" can be loaded."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load(name: str, folder: Path = PERSONALITIES) -> Profile:
    """Load a profile by its name, or a level by its digit.

    Raises ValueError naming the nearest choice for an unknown name, :class:`FileProblem` with file and line for a
    broken file.
    """
    known = names(folder)
    if name in known:
        return _from_file(name, folder)
    if len(name) == 1 and name in "123456789":
        return _at_level(int(name), folder)
    choices = [*known, *"123456789"]
    near = difflib.get_close_matches(name.casefold(), choices, n=1, cutoff=0.0)
    raise ValueError(f"there is no personality “{name}”; did you mean “{near[0]}”? (known: {', '.join(known)}, or a level 1-9)")


def prompt(profile: Profile, language: Language) -> str:
    """The personality for a language model: graded traits for the level, the profile's own sentences, what never moves.

    The grading follows Serapio-García et al. (2023): extremely, very, plain, a bit; neither … nor at level 5.
    """
    grading = lexicon(language).grading
    own: tuple[str, ...] = getattr(profile.prompt, language)
    return " ".join([_graded(grading, profile.level), *own, grading.equal])


def _graded(grading: Grading, level: int) -> str:
    if level == 5:
        pairs = [grading.neither.format(low=low, high=high) for low, high in zip(grading.low, grading.high, strict=True)]
        return grading.middle.format(traits=", ".join(pairs))
    degree = grading.degrees[(level - 1) if level < 5 else (9 - level)]
    traits = [f"{degree} {trait}".strip() for trait in (grading.low if level < 5 else grading.high)]
    return grading.are.format(traits=f"{', '.join(traits[:-1])} {grading.last} {traits[-1]}")


def _from_file(name: str, folder: Path) -> Profile:
    found = read_toml(folder / f"{name}.toml", ProfileFile)
    for anchor, level in _ANCHORS:
        if name == anchor and found.level != level:
            raise FileProblem(folder / f"{name}.toml", 1, f"the level of {name} is {level}: levels between are drawn from it")
    return Profile(
        name=name,
        level=found.level,
        title=found.title,
        prompt=found.prompt,
        voice=VoiceStyle(**found.voice.model_dump()),
        motion=MotionStyle(**found.motion.model_dump()),
        reprompt_every=found.reprompt_every,
    )


def _at_level(level: int, folder: Path) -> Profile:
    anchors = {place: _from_file(name, folder) for name, place in _ANCHORS}
    if level in anchors:
        return anchors[level]
    below, above = (anchors[1], anchors[5]) if level < 5 else (anchors[5], anchors[9])
    share = (level - below.level) / (above.level - below.level)
    nearest = anchors[1 if level <= 3 else 5 if level <= 6 else 9]
    low, high = below.voice, above.voice
    slow, quick = below.motion, above.motion
    return Profile(
        name=str(level),
        level=level,
        title=Title(**{language: f"{getattr(nearest.title, language)} ({level})" for language in LANGUAGES}),
        prompt=nearest.prompt,
        voice=VoiceStyle(
            rate=_between(low.rate, high.rate, share),
            pitch=_between(low.pitch, high.pitch, share),
            range=_between(low.range, high.range, share),
            loudness=_between(low.loudness, high.loudness, share),
            pause_before=_between(low.pause_before, high.pause_before, share),
            pause_between=_between(low.pause_between, high.pause_between, share),
        ),
        motion=MotionStyle(
            amplitude=_between(slow.amplitude, quick.amplitude, share),
            velocity=_between(slow.velocity, quick.velocity, share),
            beats=_between(slow.beats, quick.beats, share),
            antennas=nearest.motion.antennas,
            aversion=_between(slow.aversion, quick.aversion, share),
            breathing=_between(slow.breathing, quick.breathing, share),
        ),
        reprompt_every=nearest.reprompt_every,
    )


def _between(low: float, high: float, share: float) -> float:
    return round(low + (high - low) * share, 6)
