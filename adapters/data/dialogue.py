"""Whole conversations of the tutor and a simulated child, as running text: the real judge, strategist and authored lines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from adapters.data.moments import story
from adapters.data.replies import profile
from adapters.data.rows import Row
from adapters.data.split import of_story
from adapters.data.turns import Stage
from agent import asides
from agent.asking import expectation, listening, prompt_of
from agent.children.child import PERSONAS, SimulatedChild
from agent.clock import VirtualClock
from agent.models.authored import Authored
from agent.story import slugs
from agent.storyteller import Request, Storyteller
from agent.strategist import Setting, Strategist
from agent.turn import BANDS, LANGUAGES, Judgement, Language, Pending, Progress, Strategy, Utterance

SPEAKERS: dict[Language, tuple[str, str]] = {"en": ("Robot", "Child"), "fr": ("Robot", "Enfant"), "de": ("Roboter", "Kind")}
MOST = 70  # turns
TALKING = tuple(name for name in PERSONAS if name not in ("silent", "noisy", "code-switching"))


def rows(count: int, seed: int, stage: Stage) -> Iterator[Row]:
    """``count`` conversations, spread over stories and languages."""
    every = slugs()
    for number in range(count):
        language = LANGUAGES[number % 3]
        slug = every[(number // 3) % len(every)]
        rng = random.Random(f"dialogue/{seed}/{number}")
        text = "\n".join(conversation(slug, language, rng, stage))
        split = of_story(slug, f"dialogue/{number}")
        yield Row("dialogue", {"text": text, "language": language, "story": slug, "split": split})


def conversation(slug: str, language: Language, rng: random.Random, stage: Stage) -> Iterator[str]:
    """The lines of one session, from the greeting to the goodbye."""
    band, seed, level = rng.choice(BANDS), rng.randint(0, 2**31), rng.randint(1, 9)
    persona, clock, told, manner = rng.choice(TALKING), VirtualClock(), story(slug, language), profile(level)
    setting = Setting(band, persona == "second-language")
    child = SimulatedChild(
        persona, story=lambda other: story(slug, other), clock=clock, seed=seed, language=language, band=band
    )
    strategist = Strategist(Authored(), setting)
    storyteller = Storyteller(Authored(), setting, clock, seed, "", lambda text, why: None)
    robot, speaker = SPEAKERS[language]
    gap = "\u00a0" if language == "fr" else ""
    progress, strategy = Progress(language), Strategy("GREET", allowed=("GREET",))
    said: Utterance | None = None
    found: Judgement | None = None
    for _ in range(MOST):
        facts = asides.answer(said.text, told, band) if said is not None and strategy.id == "ANSWER_QUESTION" else ()
        draft = storyteller.draft(Request(told, progress, strategy, found, said, manner, facts))
        words = " ".join(storyteller.finish(sentence, manner).text for sentence in draft.sentences)
        yield f"{robot}{gap}: {words}"
        progress, said, found = draft.progress, None, None
        if progress.ending:
            return
        if progress.pending is not None:
            said = child.listen(listening(told, progress.pending, band))
            found = _judged(stage, said, progress.pending, slug, language)
            yield f"{speaker}{gap}: {said.text or '…'}"
            progress = replace(progress, verdicts=(*progress.verdicts, found.verdict)[-8:])
        strategy = strategist.plan(told, progress, found, said)


def _judged(stage: Stage, said: Utterance, pending: Pending, slug: str, language: Language) -> Judgement:
    """As the conversation's graph judges (see ``agent.graph.judge``), in one language."""
    told = story(slug, language)
    found = stage.judge.judge(said, expectation(told, pending))
    prompt = prompt_of(told, pending)
    if prompt is not None and prompt.shape.answer == "open" and found.verdict in ("partial", "wrong"):
        found = replace(found, verdict="correct")
    if found.verdict not in ("correct", "silence") and asides.is_asked(said.text, told):
        found = replace(found, verdict="question")
    return found
