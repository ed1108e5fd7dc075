"""The authored reply to every strategy, composed from the beat's own material and the tutor's lines.

A reply is a row of parts: acknowledgement, recast, material, invitation. Parts that are not needed for the turn's
contract are left
out when the age band's word limit would be passed. Nothing here knows a model: this is also what replaces a model's
refused words.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from agent.asking import prompt_of
from agent.lines import Lines, Manner, fingerprint
from agent.readability import LIMITS, sentences, words
from agent.story import Beat, Prompt, Story, split_mark
from agent.strategist import STRATEGY_CROWD, Setting
from agent.turn import Judgement, Pending, Progress, Role, Sentence, Source, Strategy

KEPT = 600  # fingerprints of sentences kept: more than an hour of talk
RECENT = 8
_REDIRECTS = {"personal_data": "private", "insult": "unkind", "profanity": "unkind"}  # by the guard's category
_GESTURES = {
    "hello": "wave",
    "yes_right": "nod",
    "yes_open": "calm_joy",
    "partly": "think",
    "not_yet": "think",
    "no_matter": "comfort",
    "praise": "proud",
    "think": "wonder",
    "wait": "listen",
    "pardon": "listen",
    "choose": "offer",
    "bye": "goodbye",
    "good_question": "wonder",
    "handoff": "comfort",
}


@dataclass(frozen=True)
class Draft:
    """An authored reply, the progress once it has been spoken, and the material a model would be given for it."""

    sentences: tuple[Sentence, ...]
    progress: Progress
    question: str = ""
    material: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()
    asks: bool = False


@dataclass
class _Parts:
    """A reply being put together. When it grows too long, the part with the highest ``spare`` goes first; 0 stays."""

    rows: list[tuple[Sentence, int]] = field(default_factory=list)

    def add(self, sentence: Sentence, spare: int = 0) -> None:
        self.rows.append((sentence, spare))

    def within(self, limit: int) -> tuple[Sentence, ...]:
        rows = list(self.rows)
        while sum(len(words(row.text)) for row, _ in rows) > limit and any(spare for _, spare in rows):
            rows.pop(max(range(len(rows)), key=lambda place: (rows[place][1], place)))
        return tuple(row for row, _ in rows)


class Author:
    """Composes one turn's reply. One instance a turn: it remembers what this reply has used already."""

    def __init__(
        self, story: Story, progress: Progress, manner: Manner, setting: Setting, lines: Lines, heard: Collection[int] = ()
    ) -> None:
        self.story, self.progress, self.manner, self.setting, self.lines = story, progress, manner, setting, lines
        self.used = {*progress.used, *heard}
        self.fresh: list[int] = []
        self.parts = _Parts()
        self.material: list[str] = []
        self.question = ""
        self.taught: tuple[str, ...] = ()
        self.avoid: tuple[str, ...] = ()
        self.asks = False

    def compose(self, strategy: Strategy, judgement: Judgement | None, adult: str = "", facts: tuple[str, ...] = ()) -> Draft:
        """The reply to ``strategy``. ``adult`` is the grown-up named for a disclosure; ``facts`` answer a child's question."""
        self.avoid = self._hidden(strategy)
        match strategy.id:
            case "GREET":
                progress = self._greet(noted=bool(facts))
            case "ELICIT_PRIOR":
                progress = self._prior()
            case "RECAST_EXPAND":
                progress = self._recast(strategy, judgement)
            case "SCAFFOLD_HINT" | "SOCRATIC_PROBE" | "MODEL_THINKALOUD" | "DIRECT_INSTRUCTION":
                progress = self._help(strategy, judgement)
            case "WAIT":
                progress = self._wait()
            case "REPAIR":
                progress = self._repair(strategy)
            case "ANSWER_QUESTION":
                progress = self._answer_question(facts)
            case "BRING_BACK":
                self._line("off_topic")
                progress = self._again(unclear=True)
            case "SAFE_REDIRECT":
                self._line(_REDIRECTS.get(strategy.reason, "redirect"), role="fixed", source="safety")
                progress = self._again(unclear=True)
            case "HANDOFF_ADULT":
                progress = self._handoff(adult)
            case "CLOSE":
                progress = self._close(strategy, judgement)
            case "ROLE_PLAY" if not strategy.target:
                progress = self._role()
            case _:
                progress = self._onward(strategy, judgement)
        limit = (
            1_000 if any(row.role == "tell" or row.source == "safety" for row, _ in self.parts.rows) else self._limit(strategy)
        )
        said = self.parts.within(limit)
        progress = replace(
            progress,
            used=(*self.progress.used, *self.fresh)[-KEPT:],
            strategies=(*self.progress.strategies, strategy.id)[-RECENT:],
            turns=self.progress.turns + 1,
        )
        return Draft(said, progress, self.question, tuple(self.material), self.avoid, self.taught, self.asks)

    # ------------------------------------------------------------------ the strategies

    def _greet(self, noted: bool) -> Progress:
        self._line("hello")
        for key in ("robot", *(["noted"] if noted else []), "free"):
            self._line(key, role="fixed")  # what a child agrees to is said plainly
        return self._asked("assent", self._line("assent", role="ask"))

    def _prior(self) -> Progress:
        self._line("assent_yes", gesture="joy")
        self._line("title", title=self.story.wording.title)
        ask = self._say(self.story.wording.prior[self.setting.band], role="ask", source="story")
        return replace(self._asked("prior", ask), phase="prior")

    def _recast(self, strategy: Strategy, judgement: Judgement | None) -> Progress:
        pending = self._pending()
        prompt = prompt_of(self.story, pending)
        open_answer = prompt is None or prompt.shape.answer == "open"
        self._line("yes_open" if open_answer else "yes_right", spare=1)
        struggled = pending.attempts > 0
        if judgement is not None and judgement.child_word and (struggled or self.progress.questions % 2):
            self._line("word", spare=1, word=judgement.child_word)
        if strategy.praise:
            self._line("praise", spare=2)
        if prompt is None:
            return replace(self.progress, pending=None, silent=0)
        expand = prompt.words.expand
        self.taught = expand.words
        self._material(expand.says[self.setting.band])
        met = (*self.progress.words, *(word for word in expand.words if word not in self.progress.words))
        progress = replace(self.progress, right=self.progress.right + 1, silent=0, words=met[-KEPT:])
        if not self._says_it_together():
            self._line("new_word", spare=2, word=expand.words[0])
            return replace(progress, pending=None)
        new = ", ".join(expand.words)
        said = self._line("repeat", words=new, gesture="listen")
        self.asks = True
        return replace(progress, pending=Pending("repeat", said, pending.beat, pending.prompt))

    def _says_it_together(self) -> bool:
        """Whether the child is asked to repeat the new words; otherwise the robot does. Every time would be tiring."""
        every = {"4-5": 1, "6-7": 2, "8-10": 3}[self.setting.band]
        return self.setting.second_language or self.progress.questions % every == 0

    def _help(self, strategy: Strategy, judgement: Judgement | None) -> Progress:
        pending = self._pending()
        prompt = prompt_of(self.story, pending)
        assert prompt is not None, "only a story question has a ladder"
        self._acknowledge(strategy, judgement, prompt)
        part, band = prompt.words, self.setting.band
        attempts = pending.attempts + (judgement is None or judgement.verdict != "silence")
        changed = replace(pending, attempts=attempts)
        match strategy.id:
            case "SCAFFOLD_HINT":
                if strategy.praise:
                    self._line("praise", spare=2)
                elif self._misconception(judgement, prompt) is None:
                    self._line("hint", spare=3)
                hint = self._material(part.hints[band][strategy.rung - 1])
                self._invite("try", after=hint)
                changed = replace(changed, rung=strategy.rung)
            case "SOCRATIC_PROBE":
                self._invite("probe")
                changed = replace(changed, probed=True)
            case "MODEL_THINKALOUD":
                self._line("think", spare=2)
                for text in part.think_aloud[band]:
                    said = self._material(text)
                if not said.endswith(("?", "…")):
                    self._invite("try", after=said)
                self.asks = True
                changed = replace(changed, thought=True, rung=max(pending.rung, 2))
            case _:
                self._line("tell_you", spare=2)
                for place, text in enumerate(part.explain[band]):
                    self._material(text, spare=place)
                if judgement is not None and judgement.verdict == "silence":
                    return replace(self.progress, pending=None, silent=self.progress.silent + 1)
                self._invite("check")
                changed = replace(changed, told=True)
        return replace(self.progress, pending=changed, silent=0)

    def _acknowledge(self, strategy: Strategy, judgement: Judgement | None, prompt: Prompt) -> None:
        verdict = judgement.verdict if judgement else "silence"
        if verdict == "partial":
            if judgement is not None and judgement.child_word:
                self._line("partly_idea", spare=1, word=judgement.child_word)
            else:
                self._line("partly", spare=1)
        elif verdict == "dont_know":
            self._line("no_matter", spare=1)
        elif verdict == "wrong":
            turned = self._misconception(judgement, prompt)
            if turned is not None:
                self._line("not_yet", spare=2)
                self._material(turned, spare=1)
            elif judgement is not None and judgement.child_word and self.progress.turns % 2:
                self._line("not_word", spare=1, word=judgement.child_word)
            else:
                self._line("not_yet", spare=1)

    def _misconception(self, judgement: Judgement | None, prompt: Prompt) -> str | None:
        """The reply to a recognised misconception, the first time it comes up."""
        if judgement is None or judgement.misconception is None or judgement.verdict != "wrong":
            return None
        reply = prompt.words.misconceptions[judgement.misconception].reply
        return None if self._heard(reply) else reply

    def _wait(self) -> Progress:
        pending = self._pending()
        changed = replace(pending, silences=pending.silences + 1)
        if pending.silences == 0:
            self._line("wait", gesture="listen")
            self._ask_again()
        else:
            self._line("wait_more", spare=1)
            prompt = prompt_of(self.story, pending)
            if prompt is not None and pending.kind == "prompt" and pending.rung < 3 and not pending.told:
                self._invite("try", after=self._material(prompt.words.hints[self.setting.band][pending.rung]))
                changed = replace(changed, rung=pending.rung + 1)
            else:
                self._ask_again()
        return replace(self.progress, pending=changed)

    def _repair(self, strategy: Strategy) -> Progress:
        if strategy.rule == "language":
            self._line("foreign", role="fixed")
        elif strategy.rule == "assent":
            pending = self._pending()
            said = self._line("assent_again", role="ask")
            self.asks = True
            return replace(self.progress, pending=replace(pending, unclear=pending.unclear + 1, ask=said))
        elif strategy.rule != "choice":
            self._line("pardon", gesture="listen")
        return self._again(unclear=True)

    def _answer_question(self, facts: tuple[str, ...]) -> Progress:
        if facts:
            self._line("good_question", spare=2)
            for place, fact in enumerate(facts):
                self._material(fact, spare=place)
        else:
            self._line("ask_teacher")
        if self.progress.pending is not None and self.progress.pending.kind != "repeat":
            self._line("back", spare=1)
        return self._again()

    def _role(self) -> Progress:
        names = [name for name in self.story.wording.names if name not in self._answers()]
        name = names[self.progress.turns % len(names)] if names else "Reachy"
        pending = self._pending()
        said = self._line("role", role="ask", name=name)
        return replace(self._asked("role", said), pending=replace(pending, kind="role", ask=said, prompt=""))

    def _handoff(self, adult: str) -> Progress:
        for key in ("handoff", "handoff_wait"):
            self._line(key, role="fixed", source="safety", adult=adult)
        return replace(self.progress, pending=None, ending="handoff")

    def _close(self, strategy: Strategy, judgement: Judgement | None) -> Progress:
        if strategy.rule == "declined":
            self._line("assent_no", gesture="nod")
            return replace(self.progress, pending=None, phase="closed", ending="declined")
        ending = "finished"
        if strategy.rule == "stop":
            self._line("stopped", gesture="nod")
            ending = "stopped"
        elif strategy.rule.startswith("limit:"):
            self._line("time")
            ending = strategy.rule.partition(":")[2]
        else:
            if judgement is not None and judgement.verdict not in ("silence", "not_understood"):
                self._line("yes_open")
            self._say(self.story.wording.farewell, source="story", role="tell")
        self._line("bye")
        return replace(self.progress, pending=None, phase="closed", ending=ending)  # type: ignore[arg-type]

    def _onward(self, strategy: Strategy, judgement: Judgement | None) -> Progress:
        """Tell what comes next and ask, or ask a second question in the same scene."""
        progress, pending = self.progress, self.progress.pending
        if strategy.rule == "interjection":
            return progress  # what was left unsaid is said now
        progress = self._leave(progress, pending, judgement)
        if strategy.target == "story/recall":
            self._line("recap")
            for text in self.story.wording.recap[self.setting.band]:
                self._say(text, role="tell", source="story")
            ask = self._say(self.story.wording.recall[self.setting.band], role="ask", source="story")
            return replace(progress, phase="recall", pending=Pending("recall", ask))
        beat_id, _, prompt_id = strategy.target.partition("/")
        beat = self.story.beat(beat_id)
        if beat_id != progress.beat:
            progress = replace(progress, beat=beat_id, told=False, asked=(), right=0, choice="", phase="story")
        if not progress.told:
            self._tell(beat)
            progress = replace(progress, told=True, beats_told=progress.beats_told + 1)
        if prompt_id == "choice":
            self._line("choose", spare=1)
            ask = self._say(beat.words.choose, role="ask", source="story", gesture="offer")
            return replace(progress, asked=(*progress.asked, "choice"), pending=Pending("choice", ask, beat_id))
        if not prompt_id:
            return replace(progress, pending=None, asked=(*progress.asked, "none"))
        return self._ask(progress, beat, self.story.prompt(beat_id, prompt_id))

    def _leave(self, progress: Progress, pending: Pending | None, judgement: Judgement | None) -> Progress:
        """A few words on what came before the story goes on."""
        if pending is None:
            return progress
        verdict = judgement.verdict if judgement else "silence"
        if pending.kind == "prior":
            if verdict not in ("silence", "not_understood", "dont_know"):
                self._line("prior_thanks")
            self._line("begin")
        elif pending.kind == "repeat":
            if verdict not in ("silence", "not_understood"):
                self._line("repeated")
        elif pending.kind == "choice":
            choices = self.story.beat(pending.beat).words.choices
            chosen = judgement.choice if judgement else ""
            taken = chosen or self.story.beat(pending.beat).shape.choices[0].id
            self._line("chosen" if chosen else "not_chosen", offer=choices[taken].offer)
            progress = replace(progress, choice=taken)
        elif verdict == "silence":
            progress = replace(progress, silent=progress.silent + 1)
        else:
            self._line("yes_open" if verdict == "correct" else "no_matter")
        return replace(progress, pending=None, silent=0 if verdict not in ("silence",) else progress.silent)

    # ------------------------------------------------------------------ the parts

    def _tell(self, beat: Beat) -> None:
        if self.progress.beats_told and not self.parts.rows:
            self._line("go_on")
        for text in beat.words.tell[self.setting.band]:
            self._say(text, role="tell", source="story")

    def _ask(self, progress: Progress, beat: Beat, prompt: Prompt) -> Progress:
        ask = self._say(prompt.words.ask[self.setting.band], role="ask", source="story")
        shape = prompt.shape
        return replace(
            progress,
            asked=(*progress.asked, shape.id),
            crowds=(*progress.crowds, shape.crowd)[-RECENT:],
            types={**progress.types, shape.crowd: progress.types.get(shape.crowd, 0) + 1},
            questions=progress.questions + 1,
            implicit=progress.implicit + shape.implicit,
            pending=Pending("prompt", ask, beat.id, shape.id),
        )

    def _asked(self, kind: str, ask: str) -> Progress:
        self.asks = True
        return replace(self.progress, pending=Pending(kind, ask))  # type: ignore[arg-type]

    def _again(self, unclear: bool = False) -> Progress:
        pending = self.progress.pending
        if pending is None or pending.kind == "repeat":
            return replace(self.progress, pending=None)
        self._ask_again()
        return replace(self.progress, pending=replace(pending, unclear=pending.unclear + unclear))

    def _ask_again(self) -> None:
        self.asks = True
        ask = self._pending().ask
        first = words(ask)[0]
        if self.story.language != "de" and first not in (*self.story.wording.names, "I"):
            ask = ask[0].lower() + ask[1:]  # it stands after a colon, where only German writes a capital
        self.question = self._line("again", role="fixed", ask=ask)

    def _invite(self, key: str, after: str = "") -> None:
        if after.endswith("?"):
            self.asks = True
            return
        self.question = self._line(key, role="ask")
        self.asks = True

    def _material(self, text: str, spare: int = 0) -> str:
        said = self._say(text, source="story", spare=spare)
        self.material.append(said)
        return said

    def _line(
        self, key: str, role: Role = "talk", source: Source = "line", gesture: str = "", spare: int = 0, **slots: str
    ) -> str:
        own = slots.values()  # what a slot brings in may say what the line itself must not
        avoid = [phrase for phrase in self.avoid if not any(phrase.lower() in value.lower() for value in own)]
        text = self.lines.pick(key, self.story.language, self.manner, self.used, avoid, **slots)
        return self._say(text, role, source, gesture or _GESTURES.get(key, ""), spare)

    def _say(self, text: str, role: Role = "talk", source: Source = "line", gesture: str = "", spare: int = 0) -> str:
        mark, text = split_mark(text)
        language = self.story.language
        pieces = sentences(text) if source == "line" else [text]
        for place, piece in enumerate(pieces):
            part: Role = "ask" if piece.rstrip(' »”“"').endswith("?") and role == "talk" else role
            self.parts.add(Sentence(piece, language, (mark or gesture) if place == 0 else "", source, part), spare)
            value = fingerprint(piece)
            self.used.add(value)
            self.fresh.append(value)
        if role == "ask":
            self.asks, self.question = True, text
        return text

    def _heard(self, text: str) -> bool:
        return all(fingerprint(piece) in self.used for piece in sentences(split_mark(text)[1]))

    def _pending(self) -> Pending:
        assert self.progress.pending is not None, "this strategy answers an open question"
        return self.progress.pending

    def _limit(self, strategy: Strategy) -> int:
        if strategy.id in ("GREET", "ELICIT_PRIOR", "CLOSE"):
            return 1_000
        return LIMITS[self.setting.band].words_per_turn

    def _answers(self) -> str:
        """The accepted answers to the open question, as one text."""
        prompt = prompt_of(self.story, self._pending())
        return " ".join(prompt.words.accepted) if prompt else ""

    def _hidden(self, strategy: Strategy) -> tuple[str, ...]:
        """The answers this reply must not give away."""
        pending = self.progress.pending
        if (
            pending is None
            or pending.told
            or strategy.id in ("RECAST_EXPAND", "DIRECT_INSTRUCTION", "CLOSE")
            or strategy.id in STRATEGY_CROWD
        ):
            return ()
        prompt = prompt_of(self.story, pending)
        if prompt is None or pending.kind != "prompt" or prompt.shape.answer != "closed":
            return ()
        return prompt.words.accepted
