"""Moments: a story question, a child of an age, what has been tried and what the child means. No language, so that the same
turn is met in all three."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from adapters.data.split import HELD_OUT_STORIES
from agent.children.talk import partial_ideas
from agent.story import Story, load, slugs
from agent.turn import BANDS, Band, Language, StrategyId, Verdict

# How often each strategy is drawn; what a child gets to hear most is wanted most.
SHARES: dict[StrategyId, float] = {
    "RECAST_EXPAND": 0.22,
    "SCAFFOLD_HINT": 0.22,
    "SOCRATIC_PROBE": 0.12,
    "MODEL_THINKALOUD": 0.13,
    "DIRECT_INSTRUCTION": 0.13,
    "ANSWER_QUESTION": 0.10,
    "BRING_BACK": 0.08,
}
HELD_OUT_WEIGHT = 0.35  # moments of a story that is only for measuring, for one of the others


@dataclass(frozen=True)
class Tried:
    """What has been tried with the open question (see :class:`agent.turn.Pending`)."""

    attempts: int
    rung: int
    probed: bool
    thought: bool
    silences: int


@dataclass(frozen=True)
class Moment:
    """A turn before anybody has spoken, the same in every language."""

    number: int
    slug: str
    beat: str
    prompt: str
    band: Band
    second: bool
    wanted: StrategyId
    means: Verdict
    tried: Tried
    before: int  # turns of the session before this one
    open: bool = True  # whether a question is open (ANSWER_QUESTION also happens without)

    @property
    def name(self) -> str:
        return f"{self.slug}/{self.beat}/{self.prompt}/{self.number}"


@cache
def story(slug: str, language: Language) -> Story:
    return load(slug, language)


def draw(number: int, rng: random.Random) -> Moment:
    """One moment; ``number`` is its own."""
    wanted = rng.choices(list(SHARES), list(SHARES.values()))[0]
    every = slugs()
    slug = rng.choices(every, [HELD_OUT_WEIGHT if name in HELD_OUT_STORIES else 1.0 for name in every])[0]
    known = story(slug, "en")
    places = [(beat, prompt) for beat in known.beats for prompt in beat.prompts]
    if wanted in ("SCAFFOLD_HINT", "SOCRATIC_PROBE", "MODEL_THINKALOUD", "DIRECT_INSTRUCTION"):
        places = [place for place in places if place[1].shape.answer != "open"]
    means, tried = _tried(wanted, rng)
    if means == "partial":
        places = [place for place in places if partial_ideas(place[1])] or places
    beat, prompt = rng.choice(places)
    bands = BANDS[1:] if wanted == "SOCRATIC_PROBE" else BANDS
    band, second, before = rng.choice(bands), rng.random() < 0.25, rng.randint(2, 30)
    asked = wanted != "ANSWER_QUESTION" or rng.random() < 0.9
    return Moment(number, slug, beat.id, prompt.shape.id, band, second, wanted, means, tried, before, asked)


def _tried(wanted: StrategyId, rng: random.Random) -> tuple[Verdict, Tried]:
    """What the child means now, and what has been tried, so that ``wanted`` is allowed."""
    attempts = rung = silences = 0
    probed = thought = False
    wrong: Verdict = rng.choices(("wrong", "dont_know", "partial"), (0.5, 0.3, 0.2))[0]
    means: Verdict = wrong
    match wanted:
        case "RECAST_EXPAND":
            means, attempts = "correct", rng.choice((0, 0, 0, 1, 1, 2))
            rung = min(attempts, rng.randint(0, 2))
        case "SCAFFOLD_HINT":
            rung = rng.choice((0, 0, 0, 1, 1, 1, 2, 2))
            attempts, probed = min(2, rung), wrong == "partial"
        case "SOCRATIC_PROBE":
            means, rung = "partial", rng.choice((0, 0, 1))
            attempts = rung
        case "MODEL_THINKALOUD":
            rung = rng.choice((1, 2, 2, 3))
            attempts = 3 if rung in (1, 3) else 2
        case "DIRECT_INSTRUCTION":
            rung, attempts = rng.choice((1, 2, 3)), rng.choice((3, 4))
            thought = rung == 3 or rng.random() < 0.6
            if rng.random() < 0.15:
                means, attempts, silences, thought = "silence", rng.randint(0, 2), 2, False
        case "ANSWER_QUESTION":
            means, attempts = "question", rng.choice((0, 0, 1))
        case _:
            means, attempts = "off_topic", rng.choice((0, 0, 1))
    return means, Tried(attempts, rung, probed, thought, silences)
