"""Simulated children: for demonstrations, tests and benchmarks.

A child knows some of a story's concepts and not others, learns from the scenes it has heard (or does not), and is helped by
each hint. What it means by a turn is drawn first, then the words for it. Every draw is seeded with the question and
the attempt, never with what came before: a session that is resumed goes on as it would have.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from agent.children.manner import as_written, misheard, mixed, with_slips
from agent.children.personas import PERSONAS, Persona
from agent.children.talk import Talk, partial_ideas
from agent.children.words import read
from agent.ports import Clock, Listening
from agent.story import Prompt, Story
from agent.turn import LANGUAGES, Band, Language, Utterance, Verdict

__all__ = ["PERSONAS", "Persona", "SimulatedChild", "persona_names"]

_SPREAD = 0.25  # how much likelier a right answer is for a known concept than for an unknown one
_SPEECH = 2.3  # words a second
_LAST_SCENES = 2  # scenes before the end in which a provoking child may want to stop
_BILINGUAL = ("code-switching", "second-language")


def persona_names() -> list[str]:
    """The personas, in the order in which they are listed."""
    return list(PERSONAS)


class SimulatedChild:
    """Ears that hear a simulated child. ``intended`` is what the child meant in its last turn, for measuring a judge.

    ``story`` gives the story in any of the languages; ``language`` is the one the child was invited in. With ``stop_after`` the
    child wants to stop after that many turns (0: it never begins). Raises ``ValueError`` for an unknown persona.
    """

    def __init__(
        self,
        persona: str,
        *,
        story: Callable[[Language], Story],
        clock: Clock,
        seed: int,
        language: Language,
        band: Band,
        stop_after: int | None = None,
    ) -> None:
        if persona not in PERSONAS:
            raise ValueError(f"unknown persona “{persona}”; there are {', '.join(PERSONAS)}")
        self.name, self.persona, self.story, self.clock, self.seed = persona, PERSONAS[persona], story, clock, seed
        self.language, self.band, self.stop_after = language, band, stop_after
        others = [other for other in LANGUAGES if other != language]
        self.home: Language = self._rng("home").choice(others)  # the other language of a child with two
        self.intended: Verdict = "silence"
        self._turns = self._overheard = 0
        self._listened: Counter[str] = Counter()  # turns by question
        self._helped: Counter[str] = Counter()  # answers that were not right, by question: each brought help
        self._about = ""

    # ------------------------------------------------------------------ the port

    def listen(self, how: Listening) -> Utterance:
        """One turn of the child: thinks, then speaks; or is silent until ``how.patience`` is over."""
        started = self.clock.now()
        rng = self._rng(how.about, self._listened[how.about])
        text, confidence = self._turn(how, rng)
        self._about, self._overheard = how.about, 0
        self._listened[how.about] += 1
        self._helped[how.about] += self.intended in ("wrong", "partial", "dont_know")
        self._turns += 1
        if not text:
            self.clock.sleep(how.patience)
            return Utterance("", 1.0, started, self.clock.now())
        # Whoever is going to speak does so while somebody still listens.
        self.clock.sleep(min(0.9 * how.patience, rng.triangular(0.4, 1.9) * self.persona.latency))
        started = self.clock.now()
        self.clock.sleep(len(text.split()) / _SPEECH)
        return Utterance(text, confidence, started, self.clock.now())

    def overheard(self) -> Utterance | None:
        """Rarely, a comment, a question or a hum into what the robot says; never before the child's own first turn."""
        if not self._turns or not self.persona.breaks_in:
            return None
        rng = self._rng(self._about, self._listened[self._about], "overheard", self._overheard)
        self._overheard += 1
        if rng.random() >= self.persona.breaks_in:
            return None
        talk = Talk(self.story(self.language), self.band, self.persona.way, rng)
        asks = rng.random() < 0.3
        text = talk.question() if asks else talk.comment()
        self.intended = "question" if asks else "off_topic"
        now = self.clock.now()
        return Utterance(text, self._confidence(rng), max(0.0, now - len(text.split()) / _SPEECH), now)

    def close(self) -> None:
        """Nothing to let go of."""

    # ------------------------------------------------------------------ one turn

    def _turn(self, how: Listening, rng: random.Random) -> tuple[str, float]:
        """The words and how surely they were recognised; sets what was meant."""
        kind, _, place = how.about.partition(":")
        beat, _, prompt_id = place.partition("/")
        spoken, switched = self._spoken(how.language, rng)
        story = self.story(spoken)
        prompt = _prompt(story, beat, prompt_id)
        talk = Talk(story, self.band, "whole" if switched else self.persona.way, rng)
        self.intended = self._meaning(kind, prompt, beat, how.about, rng)
        text = self._words(talk, kind, prompt, beat)
        if not text:
            return "", 1.0
        confidence = self._confidence(rng)
        if not switched and kind != "repeat" and self.intended != "stop":  # a word said after the robot stays as it was
            text = self._mannered(text, spoken, prompt, rng)
        if self.name == "noisy":
            text, confidence = misheard(text, read(spoken), rng)
            if text in read(spoken).noises:
                self.intended = "not_understood"
            return text, confidence
        return as_written(text, rng, asking=self.intended == "question"), confidence

    def _spoken(self, language: Language, rng: random.Random) -> tuple[Language, bool]:
        """Which language the child speaks to a robot that speaks ``language``, and whether it has changed over on a whim."""
        if self.name not in _BILINGUAL:
            return self.language, False
        here = language if language in (self.language, self.home) else self.language
        if self.name == "code-switching" and rng.random() < 0.15:
            return (self.language if here == self.home else self.home), True
        return here, False

    def _meaning(self, kind: str, prompt: Prompt | None, beat: str, about: str, rng: random.Random) -> Verdict:
        """What the child is about to say, before the words are looked for."""
        persona, before = self.persona, self._listened[about]
        if self.stop_after is not None and self._turns >= self.stop_after:
            return "stop"
        if self.name == "silent":
            return "correct" if kind == "assent" and self._rng("whispers").random() >= 0.1 else "silence"
        if rng.random() < persona.silence * 0.4**before:  # asked again, a quiet child dares sooner
            return "silence"
        if kind in ("assent", "choice"):
            return "correct" if kind == "assent" or rng.random() < 0.95 else "dont_know"
        if persona.stops and self._near_the_end(beat) and rng.random() < persona.stops:
            return "stop"
        if kind == "repeat":
            return "correct" if rng.random() < 0.5 else "silence"
        if rng.random() < persona.wanders:
            return "off_topic"
        if rng.random() < persona.asks:
            return "question"
        if kind == "prompt" and prompt is not None and prompt.shape.answer != "open":
            return self._closed(prompt, beat, about, rng)
        return "dont_know" if rng.random() < 0.1 else "correct"

    def _closed(self, prompt: Prompt, beat: str, about: str, rng: random.Random) -> Verdict:
        """An answer to a question that has right and wrong ones."""
        if rng.random() < self._chance(prompt, beat, self._helped[about]):
            return "correct"
        chance = rng.random()
        if chance < self.persona.dont_know:
            return "dont_know"
        half = self.persona.dont_know + 0.5 * (1 - self.persona.dont_know)
        return "partial" if chance < half and partial_ideas(prompt) else "wrong"

    def _chance(self, prompt: Prompt, beat: str, helped: int) -> float:
        """The chance of a right answer. Over known and unknown concepts the first one's mean is the persona's ``success``."""
        persona, knows = self.persona, self.persona.knows
        mean = persona.success[prompt.shape.difficulty - 1]
        spread = min(_SPREAD, (0.99 - mean) / (1 - knows), (mean - 0.02) / knows)
        known = self._knows(prompt.shape.concept, beat)
        first = mean + spread * (1 - knows) if known else mean - spread * knows
        return 1 - (1 - first) * (1 - persona.helped) ** helped

    def _knows(self, concept: str, beat: str) -> bool:
        """Known from the start, or learned in a scene that lies behind."""
        if self._rng("knows", concept).random() < self.persona.knows:
            return True
        for scene in self.story(self.language).beats:
            if scene.id == beat:
                return False
            taught = any(prompt.shape.concept == concept for prompt in scene.prompts)
            if taught and self._rng("learns", concept, scene.id).random() < self.persona.learns:
                return True
        return False

    def _words(self, talk: Talk, kind: str, prompt: Prompt | None, beat: str) -> str:
        """The words for what is intended; "" is silence."""
        match self.intended:
            case "silence":
                return ""
            case "stop":
                return talk.stopping()
            case "question":
                return talk.question()
            case "off_topic":
                # To a yes-no question a cheeky "no!" would be an answer.
                return talk.elsewhere(refusing=prompt is None or prompt.shape.answer != "yes_no")
            case "partial":
                assert prompt is not None
                return talk.partly(prompt)
            case "wrong":
                assert prompt is not None
                if said := talk.wrong(prompt, self.persona.misconceptions):
                    return said
                self.intended = "dont_know"
                return talk.not_knowing()
            case "dont_know":
                return talk.not_knowing()
        return self._positive(talk, kind, prompt, beat)

    def _positive(self, talk: Talk, kind: str, prompt: Prompt | None, beat: str) -> str:
        """A right answer, or whatever is welcome where nothing is wrong."""
        match kind:
            case "assent":
                return talk.agreement()
            case "choice":
                return talk.choice(beat)
            case "repeat":
                return talk.repetition(prompt)
            case "recall":
                return talk.memory()
            case "role":
                return talk.played()
        if prompt is not None and prompt.shape.answer != "open":
            return talk.right(prompt)
        return talk.contribution(prompt)

    def _mannered(self, text: str, spoken: Language, prompt: Prompt | None, rng: random.Random) -> str:
        """How it comes out of a child with two languages."""
        if self.name not in _BILINGUAL or spoken == self.home:
            return text
        if self.name == "second-language":
            text = with_slips(text, read(spoken), rng)
        if rng.random() >= (0.5 if self.name == "code-switching" else 0.15):
            return text
        there = self.story(self.home)
        twin = next((part for beat in there.beats for part in beat.prompts if prompt and part.shape == prompt.shape), None)
        return mixed(text, read(self.home), rng, prompt, twin)

    def _near_the_end(self, beat: str) -> bool:
        story = self.story(self.language)
        return beat in story.by_id and story.beats_from(beat) <= _LAST_SCENES

    def _confidence(self, rng: random.Random) -> float:
        return round(rng.uniform(*self.persona.confidence), 2)

    def _rng(self, *what: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, self.name, *what))))


def _prompt(story: Story, beat: str, prompt_id: str) -> Prompt | None:
    """The story question behind a place; None when there is none."""
    if beat not in story.by_id:
        return None
    return next((prompt for prompt in story.beat(beat).prompts if prompt.shape.id == prompt_id), None)
