"""What a child says: the words for a meaning, as children of that age and kind put them.

How children talk is data (``words/children/*.toml``); what they talk about comes from the story. Everything is drawn from
the ``random.Random`` that is handed in, so the same draw always gives the same words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.children.words import Way, read
from agent.story import Prompt, Story
from agent.turn import Band

_WORD = re.compile(r"[^\W_]+")


@dataclass
class Talk:
    """Words for meanings: one story in one language, one age, one way of talking, one source of chance."""

    story: Story
    band: Band
    way: Way
    rng: random.Random

    def __post_init__(self) -> None:
        self.words = read(self.story.language)

    # ------------------------------------------------------------------ answers to the story's questions

    def right(self, prompt: Prompt) -> str:
        """One of the accepted answers; what came first and was wrong may be said with it."""
        answer = self._accepted(prompt)
        yes_no = prompt.shape.answer == "yes_no"
        if self.way == "plain" and not yes_no and self.rng.random() < 0.06 and (wrong := self.wrong_idea(prompt)):
            return self.rng.choice(self.words.corrections).format(a=answer, x=wrong)
        return self._answered(answer, yes_no)

    def wrong(self, prompt: Prompt, misconceptions: float) -> str:
        """A wrong idea, with chance ``misconceptions`` (0 to 1) one that children often have; "" if there is none."""
        wrong = self.wrong_idea(prompt, misconceptions)
        return self._answered(wrong, prompt.shape.answer == "yes_no") if wrong else ""

    def wrong_idea(self, prompt: Prompt, misconceptions: float = 0.7) -> str:
        """The bare wrong idea: a misconception, or the right answer to another question of the story."""
        common = [way for idea in prompt.words.misconceptions for way in idea.says]
        others = [] if prompt.shape.answer == "yes_no" else self._answers_elsewhere(prompt)
        first, second = (common, others) if self.rng.random() < misconceptions else (others, common)
        ideas = first or second
        return self.rng.choice(ideas) if ideas else ""

    def partly(self, prompt: Prompt) -> str:
        """One of several key ideas; "" where one idea is the whole answer."""
        ideas = partial_ideas(prompt)
        if not ideas:
            return ""
        idea = self.rng.choice(ideas)
        if self.way == "short" or self.rng.random() < 0.25:
            return idea
        return self.rng.choice(self.words.parts).format(a=idea)

    def contribution(self, prompt: Prompt | None) -> str:
        """What a child adds where nothing is wrong: most often to the point, now and then from its own life."""
        chance = self.rng.random()
        if prompt is not None and chance < 0.7:
            return self._answered(self._accepted(prompt), yes_no=False)
        own = self.words.told if prompt is None or prompt.shape.crowd == "distancing" else self.words.imagined
        said = self.rng.choice(own) if chance < 0.85 else self._about_a_word(self.words.word_talk)
        return self._rambled(said) if self.way == "rambling" else self._hesitant(said)

    def played(self) -> str:
        """What a child would do in a character's place."""
        said = self.rng.choice(self.words.imagined)
        return self._rambled(said) if self.way == "rambling" else self._hesitant(said)

    def choice(self, beat: str) -> str:
        """One of the ways the story may go, in one of the ways to say it."""
        offers = self.story.beat(beat).words.choices
        if not offers:
            return self.played()
        says = self.rng.choice(self.rng.choice(list(offers.values())).says)
        return says if self.way == "short" else self.rng.choice(self.words.choices).format(a=says)

    def repetition(self, prompt: Prompt | None) -> str:
        """One of the new words, said after the robot."""
        word = self.rng.choice(prompt.words.expand.words if prompt is not None else self._story_words())
        return word if self.way == "short" else self.rng.choice(self.words.repeats).format(a=word)

    def memory(self) -> str:
        """Something remembered of the whole story: who was in it, or an answer given on the way."""
        names = self.story.wording.names or tuple(self._story_words())
        closed = [prompt for beat in self.story.beats for prompt in beat.prompts if prompt.shape.answer == "closed"]
        remembered = self.rng.choice(names)
        if closed and self.rng.random() < 0.6:
            things = [way for way in self.rng.choice(closed).words.accepted if self._is_thing(way)]
            remembered = self.rng.choice(things or names)
        return remembered if self.way == "short" else self.rng.choice(self.words.recalls).format(a=remembered)

    # ------------------------------------------------------------------ everything else a child says

    def agreement(self) -> str:
        """Yes to the story."""
        ways = {"short": self.words.yes_quiet, "silly": self.words.yes_teasing}
        return self.rng.choice(ways.get(self.way, self.words.yes))

    def not_knowing(self) -> str:
        """Does not know, or does not remember."""
        return self._hesitant(self.rng.choice(self.words.dont_know))

    def question(self) -> str:
        """A question of the child's own: about the story, one of its words, or the robot."""
        kind = self.rng.random()
        asked = [way for entry in self.story.wording.questions for way in entry.asks]
        if self.way == "silly" and kind < 0.7:
            return self.rng.choice(self.words.limits)
        if asked and kind < 0.45:
            return self._asked(self.rng.choice(asked))
        if self.story.wording.glossary and kind < 0.7:
            word = self.rng.choice(list(self.story.wording.glossary))
            return self._asked(self.rng.choice(self.words.word_questions).format(w=word))
        return self._asked(self.rng.choice(self.words.questions))

    def elsewhere(self, refusing: bool = True) -> str:
        """Something that has nothing to do with it; nonsense, or no answer out of mischief, from a child that provokes."""
        if self.way != "silly":
            return self.rng.choice(self.words.off_topic)
        refuses = refusing and self.rng.random() < 0.35
        return self.rng.choice(self.words.refusals if refuses else self.words.silly)

    def comment(self) -> str:
        """What a child says into the story while it is being told."""
        if self.way == "silly":
            return self.rng.choice((*self.words.silly, *self.words.comments))
        return self.rng.choice((*self.words.comments, *self.words.hums))

    def stopping(self) -> str:
        return self.rng.choice(self.words.stops)

    # ------------------------------------------------------------------ the parts

    def _accepted(self, prompt: Prompt) -> str:
        """Little ones say the shorter of two ways, big ones the longer."""
        ways = prompt.words.accepted
        if self.way == "short":
            return min(ways, key=len)
        two = (self.rng.choice(ways), self.rng.choice(ways))
        if self.band == "6-7":
            return two[0]
        return min(two, key=len) if self.band == "4-5" else max(two, key=len)

    def _answered(self, answer: str, yes_no: bool) -> str:
        """An answer in the child's way of talking. A yes or no stays bare: "I think no" is not how it is said."""
        frames = self.words
        if self.way == "short":
            return answer
        if self.way == "rambling":
            return self._rambled(answer)
        if self.way == "broken" and not yes_no:
            return self.rng.choice(frames.broken).format(a=answer) if self.rng.random() < 0.7 else answer
        if self.way == "whole":
            return self.rng.choice(frames.reasons).format(a=answer)
        chance, bare = self.rng.random(), 0.75 if yes_no else {"4-5": 0.55, "6-7": 0.4, "8-10": 0.3}[self.band]
        if chance < bare:
            return self._hesitant(answer)
        if yes_no or chance > 1 - {"4-5": 0.08, "6-7": 0.16, "8-10": 0.25}[self.band]:
            return self.rng.choice(frames.reasons).format(a=answer)
        thing = self._is_thing(answer) and self.rng.random() < 0.6
        return self.rng.choice(frames.thing_answers if thing else frames.answers).format(a=answer)

    def _is_thing(self, answer: str) -> bool:
        """ "a frog", "the big bell"; not "the light went out"."""
        return answer.startswith(self.words.thing_starts) and len(_WORD.findall(answer)) <= 3

    def _rambled(self, answer: str) -> str:
        before, after = self.rng.choice(self.words.ramble_before), self.rng.choice(self.words.ramble_after)
        return f"{before} {answer} {after}" if self.rng.random() < 0.6 else f"{answer} {after}"

    def _hesitant(self, said: str) -> str:
        often = 0.1 if self.way == "short" else 0.3
        return f"{self.rng.choice(self.words.hesitations)} {said}" if self.rng.random() < often else said

    def _asked(self, question: str) -> str:
        """With or without its mark, as recognisers write."""
        bare = question.rstrip("?\u202f ")
        if self.rng.random() < 0.4:
            return bare
        return f"{bare}\u202f?" if self.story.language == "fr" else f"{bare}?"

    def _about_a_word(self, frames: Sequence[str]) -> str:
        return self.rng.choice(frames).format(w=self.rng.choice(self._story_words()))

    def _story_words(self) -> list[str]:
        return [*self.story.wording.names, *self.story.wording.glossary] or [self.story.wording.title]

    def _answers_elsewhere(self, prompt: Prompt) -> list[str]:
        """Right answers to other closed questions that share no word with the right answer to this one."""
        right = _words_of((*prompt.words.accepted, *prompt.words.key_ideas))
        return [
            way
            for beat in self.story.beats
            for other in beat.prompts
            if other is not prompt and other.shape.answer == "closed"
            for way in other.words.accepted[:2]
            if not _words_of((way,)) & right
        ]


def partial_ideas(prompt: Prompt) -> list[str]:
    """Key ideas that are a part of the answer only: one of several, and none that an accepted answer says no more than."""
    if len(prompt.words.key_ideas) < 2:
        return []
    answers = [_words_of((way,)) for way in prompt.words.accepted]
    return [idea for idea in prompt.words.key_ideas if not any(said <= _words_of((idea,)) for said in answers)]


def _words_of(texts: Sequence[str]) -> set[str]:
    """The words that carry something, by length: enough to tell two answers apart; all of them in a very short text."""
    found: set[str] = set()
    for text in texts:
        spoken = _WORD.findall(text.lower())
        found.update([word for word in spoken if len(word) > 3] or spoken)
    return found
