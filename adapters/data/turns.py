"""Turns that happen: what a simulated child says in a moment, and what the tutor may do then.

What the child means by its words is drawn; what they are taken for is up to the real judge, and what may follow to the real
strategist.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from adapters.data.moments import Moment, story
from agent import asides
from agent import classifiers as _classifiers
from agent.asides import about_the_robot
from agent.asking import expectation
from agent.children.manner import misheard, with_slips
from agent.children.talk import Talk
from agent.children.words import Way, read
from agent.guard import child as guard_child
from agent.judging import Judge
from agent.models.authored import Authored
from agent.story import Story
from agent.strategist import Setting, Strategist
from agent.turn import Judgement, Language, Pending, Progress, Strategy, Utterance

ACTS = Path(_classifiers.__file__).resolve().parent / "data"
WAYS: tuple[Way, ...] = ("plain", "plain", "plain", "short", "rambling", "broken", "whole")
TRIES = 5  # utterances drawn until one is judged as wanted


@dataclass(frozen=True)
class Heard:
    """A moment in one language, with the child's words and what follows from them."""

    story: Story
    progress: Progress
    utterance: Utterance
    judgement: Judgement
    strategy: Strategy
    facts: tuple[str, ...] = ()


class Stage:
    """Lets moments happen. Keeps the judge, which is slow to load."""

    def __init__(self) -> None:
        self.judge = Judge(follow=False)

    def heard(self, moment: Moment, language: Language, rng: random.Random) -> Heard | None:
        """The moment in one language, or None if no utterance led to the strategy that was wanted."""
        told = story(moment.slug, language)
        prompt = told.prompt(moment.beat, moment.prompt)
        asked = prompt.words.ask[moment.band]
        pending = Pending(
            "prompt",
            asked,
            moment.beat,
            moment.prompt,
            **asdict(moment.tried),
        )
        setting = Setting(moment.band, moment.second)
        for _ in range(TRIES):
            said = Utterance(self._words(moment, told, rng), round(rng.uniform(0.6, 0.99), 2))
            found = self.judge.judge(said, expectation(told, pending))
            if prompt.shape.answer == "open" and found.verdict in ("partial", "wrong"):
                found = replace(found, verdict="correct")
            if found.verdict not in ("correct", "silence") and asides.is_asked(said.text, told):
                found = replace(found, verdict="question")
            progress = _progress(moment, told, pending, taken_up=bool(found.child_word))
            strategy = Strategist(Authored(), setting).plan(told, progress, found, said)
            if moment.wanted not in strategy.allowed:
                continue
            if strategy.id != moment.wanted:  # allowed, though not what the policy would take: a model has to write both
                rung = moment.tried.rung + 1 if moment.wanted == "SCAFFOLD_HINT" else 0
                strategy = replace(strategy, id=moment.wanted, rung=rung)
            facts = asides.answer(said.text, told, moment.band) if strategy.id == "ANSWER_QUESTION" else ()
            return Heard(told, progress, said, found, strategy, facts)
        return None

    def _words(self, moment: Moment, told: Story, rng: random.Random) -> str:
        """What the child says; "" is silence."""
        language = told.language
        talk = Talk(told, moment.band, "broken" if moment.second and rng.random() < 0.5 else rng.choice(WAYS), rng)
        prompt = told.prompt(moment.beat, moment.prompt)
        match moment.means:
            case "silence":
                return ""
            case "correct":
                text = talk.contribution(prompt) if prompt.shape.answer == "open" else talk.right(prompt)
            case "partial":
                text = talk.partly(prompt) or talk.wrong(prompt, 0.7)
            case "wrong":
                text = talk.wrong(prompt, 0.7) or talk.not_knowing()
            case "dont_know":
                text = rng.choice(acts(language, "dont_know")) if rng.random() < 0.4 else talk.not_knowing()
            case "question":
                text = _question(talk, told, rng)
            case _:
                text = rng.choice(acts(language, "off_topic")) if rng.random() < 0.6 else talk.elsewhere()
        if moment.second and rng.random() < 0.4:
            text = with_slips(text, read(language), rng)
        if rng.random() < 0.03:
            text = misheard(text, read(language), rng)[0]
        return text


def _progress(moment: Moment, told: Story, pending: Pending, taken_up: bool) -> Progress:
    """A session in which this turn happens. A word of the child's that may be taken up, is (see ``Author``)."""
    odd = moment.before | 1 if taken_up else moment.before
    return Progress(
        told.language,
        phase="story",
        beat=moment.beat,
        told=True,
        asked=(moment.prompt,),
        pending=pending if moment.open else None,
        questions=odd % 8,  # stays odd
        turns=odd,
        beats_told=1,
        strategies=("DR_WH",) if moment.wanted != "BRING_BACK" or moment.number % 2 else ("BRING_BACK", "DR_WH"),
    )


def _question(talk: Talk, told: Story, rng: random.Random) -> str:
    """What children ask: this story's questions, the robot's, words they do not know, and what nobody here can answer."""
    chance = rng.random()
    if chance < 0.4 and told.wording.questions:
        return rng.choice(rng.choice(told.wording.questions).asks)
    if chance < 0.6:
        return rng.choice(rng.choice(about_the_robot(told.language)).asks)
    return talk.question() if chance < 0.8 else rng.choice(acts(told.language, "question"))


@cache
def acts(language: Language, label: str) -> tuple[str, ...]:
    """Children's words of one kind from the classifiers' training examples: those the guard has nothing to say about."""
    path = ACTS / f"acts-1-{language}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in rows if row["label"] == label and len(row["text"].split()) <= 14]
    return tuple(text for text in texts[::3] if guard_child(text, language).verdict == "ok")
