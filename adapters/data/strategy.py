"""Rows for choosing a strategy: the prompt of the strategist with the options in it, and the option that the policy takes.

Each state is told in all three languages, with a child's words in that language, and always has the same label.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from adapters.data.moments import story
from adapters.data.rows import Row, chat_row
from adapters.data.split import HELD_OUT_STORIES, Split, is_held_out_state, part
from adapters.data.states import CLOSE, State, driven, varied
from adapters.data.turns import acts
from adapters.data.vignettes import reason, vignette
from agent.children.talk import Talk
from agent.models.authored import Authored
from agent.ports import Prompt
from agent.prompts import STRATEGY, joined, render
from agent.story import slugs
from agent.turn import LANGUAGES, Band, Language

OFTEN, KEPT = 1.5, 0.2  # a label this much more frequent than its share is kept this often
DRIVEN_SHARE = 0.6  # the rest asks for sets of options that the rules do not leave today


@dataclass(frozen=True)
class Case:
    """A state in a story, before it is told in a language."""

    state: State
    slug: str
    split: Split
    number: int


def cases(count: int, seed: int) -> Iterator[Case]:
    """``count`` different cases. A state that is held out is held out with whatever options."""
    rng = random.Random(f"states/{seed}")
    seen: set[State] = set()
    labels: Counter[str] = Counter()
    drawn = 0
    while len(seen) < count and drawn < 60 * count:
        drawn += 1
        state = driven(rng) if rng.random() < DRIVEN_SHARE else varied(rng)
        if state is None or replace(state, driven=False) in seen:
            continue
        if labels[state.best] > OFTEN * (len(seen) + 50) / 12 and rng.random() > KEPT:
            continue  # some labels are far more frequent: they would drown the others
        seen.add(replace(state, driven=False))
        labels[state.best] += 1
        slug = rng.choice(slugs())
        yield Case(state, slug, _split(state, slug), len(seen))


def _split(state: State, slug: str) -> Split:
    if is_held_out_state(state.known):
        return "state"
    if slug in HELD_OUT_STORIES:
        return "story"
    return "dev" if part(f"dev/{state.key}") < 0.03 else "train"


def prompt_of(case: Case, language: Language) -> Prompt:
    """What a model is asked in this case: the strategist's facts, then the options in their order."""
    facts = {"language": language, "age": case.state.known["age"], "story": case.slug}
    facts |= case.state.known
    facts["allowed"] = joined(case.state.options)
    return render(STRATEGY, facts, said=_said(case, language))


def rows(count: int, seed: int) -> Iterator[Row]:
    """The rows of ``count`` cases in every language, and a vignette in one of them."""
    for case in cases(count, seed):
        scores = Authored().rank(prompt_of(case, "en"), case.state.options, adapter=STRATEGY)
        for language in LANGUAGES:
            prompt = prompt_of(case, language)
            extra: dict[str, Any] = {
                "allowed": list(case.state.options),
                "scores": [round(value, 4) for value in scores],
                "margin": round(case.state.margin, 3),
                "tie": case.state.margin < CLOSE,
                "driven": case.state.driven,
                "state": case.state.key,
                "reason": reason(case.state, language),
            }
            yield chat_row(
                "strategy",
                prompt.messages,
                case.state.best,
                language=language,
                story=case.slug,
                split=case.split,
                strategy=case.state.best,
                turn=f"state/{case.number}",
                **extra,
            )
        language = LANGUAGES[case.number % 3]
        if case.state.margin >= CLOSE:
            about = story(case.slug, language).wording.about
            text = vignette(case.state, language, random.Random(f"{seed}/{case.number}"), about)
            yield Row("vignette", {"text": text, "language": language, "story": case.slug, "split": case.split})


def _said(case: Case, language: Language) -> str:
    """Words that fit the verdict; none at the start of a scene."""
    rng = random.Random(f"{case.number}/{language}")
    told = story(case.slug, language)
    band: Band = "4-5" if case.state.known["age"] == "4-5" else "6-7" if case.state.known["age"] == "6-7" else "8-10"
    talk = Talk(told, band, rng.choice(("plain", "plain", "short", "broken", "rambling")), rng)
    prompt = rng.choice([part for beat in told.beats for part in beat.prompts if part.shape.answer == "closed"])
    match case.state.known["verdict"]:
        case "partial":
            return talk.partly(prompt) or talk.right(prompt)
        case "wrong":
            return talk.wrong(prompt, 0.7)
        case "dont_know":
            return talk.not_knowing()
        case "off_topic":
            return rng.choice(acts(language, "off_topic")) if rng.random() < 0.5 else talk.elsewhere()
    return ""
