"""States in which the strategist asks a model: found by driving the real one, and by asking for other sets of options.

A :class:`State` holds what :meth:`agent.strategist.Strategist.facts` says, without language and story, and the options in their
order. Its label is the first best option by the policy of ``agent.models.authored``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from adapters.data.moments import story
from adapters.data.split import state_key
from agent.models.authored import score
from agent.ports import Prompt
from agent.story import slugs
from agent.strategist import Setting, Strategist
from agent.turn import BANDS, CROWDS, Judgement, Pending, PendingKind, Progress, StrategyId, Utterance, Verdict

HELP: tuple[StrategyId, ...] = ("SCAFFOLD_HINT", "SOCRATIC_PROBE", "MODEL_THINKALOUD", "DIRECT_INSTRUCTION")
AWAY: tuple[StrategyId, ...] = ("BRING_BACK", "ROLE_PLAY")
ASKING: tuple[StrategyId, ...] = ("DR_OPEN", "DR_WH", "DR_RECALL", "DR_COMPLETION", "DR_DISTANCING", "GO_ON")
HEARD: tuple[Verdict, ...] = ("partial", "wrong", "dont_know", "off_topic")
CLOSE = 0.05  # scores this near each other are a tie


@dataclass(frozen=True)
class State:
    """What a model is asked. ``driven`` says that the real strategist asked it like this; otherwise the options are others."""

    facts: tuple[tuple[str, str], ...]
    options: tuple[StrategyId, ...]
    driven: bool

    @property
    def known(self) -> dict[str, str]:
        return dict(self.facts)

    @property
    def key(self) -> str:
        return state_key(self.known)

    @property
    def scores(self) -> tuple[float, ...]:
        return tuple(round(score(option, self.known), 6) for option in self.options)

    @property
    def best(self) -> StrategyId:
        """The first of the best options, as the strategist takes it."""
        scores = self.scores
        return self.options[max(range(len(scores)), key=scores.__getitem__)]

    @property
    def margin(self) -> float:
        """How much better the best option is than the next one; 0 for a tie, in which the order decides."""
        ordered = sorted(self.scores, reverse=True)
        return ordered[0] - ordered[1]


class _Asked:
    """A model that remembers what it was asked."""

    name = "asked"

    def __init__(self) -> None:
        self.prompt: Prompt | None = None
        self.options: tuple[str, ...] = ()

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        return iter(())

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        self.prompt, self.options = prompt, tuple(options)
        return [score(option, prompt.facts) for option in options]


def driven(rng: random.Random) -> State | None:
    """What the real strategist asks in a random session; None where its rules decide alone."""
    asked = _Asked()
    slug = rng.choice(slugs())
    told = story(slug, "en")
    strategist = Strategist(asked, Setting(rng.choice(BANDS), rng.random() < 0.3))
    progress = _session(rng, slug)
    if progress.pending is None:
        strategist.plan(told, progress, None, None)
    else:
        verdict = rng.choice(HEARD)
        strategist.plan(told, progress, Judgement(verdict, "en", matched="…"), Utterance("…"))
    if asked.prompt is None:
        return None
    return State(_bare(asked.prompt.facts), asked.options, True)  # type: ignore[arg-type]


def varied(rng: random.Random) -> State | None:
    """A state that was asked, with other options of the same kind in another order."""
    found = driven(rng)
    if found is None:
        return None
    pool = [*ASKING] if found.options[0] in ASKING else [*HELP, *AWAY]
    options = rng.sample(pool, rng.randint(2, min(5, len(pool))))
    return State(found.facts, tuple(options), False)


def _bare(facts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in facts.items() if name not in ("language", "story", "child"))


def _session(rng: random.Random, slug: str) -> Progress:
    """Somewhere in a session: with a question open, or about to ask one."""
    told = story(slug, "en")
    beat = rng.choice(told.beats)
    prompt = rng.choice(beat.prompts) if beat.prompts else None
    met = rng.randint(0, 9)
    order = [rng.choice(CROWDS) for _ in range(met)]
    if rng.random() < 0.3 and order:
        order = [rng.choice(CROWDS[:2])] * len(order)
    pending = None
    if rng.random() < 0.6 and prompt is not None:
        kinds = [kind for kind in get_args(PendingKind) if kind not in ("assent", "prior", "repeat", "choice")]
        kind: PendingKind = "prompt" if rng.random() < 0.9 else rng.choice(kinds)
        rung = rng.choice((0, 0, 1, 1, 2, 2, 3))
        pending = Pending(
            kind,
            prompt.words.ask["6-7"],
            beat.id,
            prompt.shape.id,
            attempts=rng.choice((0, 0, 1, 1, 2, 2, 3, 4)),
            silences=rng.choice((0, 0, 0, 1, 2)),
            unclear=rng.choice((0, 0, 0, 1)),
            rung=rung,
            probed=rng.random() < 0.3,
            thought=rng.random() < 0.35,
        )
    asked = tuple(part.shape.id for part in beat.prompts[: rng.choice((0, 1, 1, 2))]) if pending is None else ("x",)
    if pending is not None and rng.random() < 0.3:
        asked = ("x", "y")
    right = rng.randint(0, 1) if asked else 0
    return Progress(
        "en",
        phase="story",
        beat=beat.id,
        told=bool(asked) or rng.random() < 0.5,
        asked=asked,
        right=right,
        pending=pending,
        crowds=tuple(order),
        strategies=_history(rng, waiting=pending is not None),
        types={crowd: order.count(crowd) for crowd in set(order)},
        questions=met,
        implicit=rng.randint(0, met),
        knowledge={concept: rng.random() for concept in told.structure.concepts if rng.random() < 0.6},
        silent=rng.choice((0, 0, 0, 0, 1, 2)),
        turns=2 * met + 2,
    )


def _history(rng: random.Random, waiting: bool) -> tuple[StrategyId, ...]:
    """The strategies of the last turns, in an order that happens."""
    history: list[StrategyId] = ["GREET", "ELICIT_PRIOR"] if rng.random() < 0.2 else []
    while len(history) < rng.randint(2, 6):
        history.append(rng.choice(ASKING[:5]))
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
            history.append(rng.choice((*HELP, "SCAFFOLD_HINT", "BRING_BACK", "WAIT", "REPAIR", "ANSWER_QUESTION")))
        if rng.random() < 0.5:
            history.append("RECAST_EXPAND")
    if waiting and history[-1] == "RECAST_EXPAND":
        history.append(rng.choice(ASKING[:5]))
    return tuple(history)
