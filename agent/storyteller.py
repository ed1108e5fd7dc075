"""Writing the answer: prompt → response adapter → sentences, each checked; authored lines where one is refused.

The authored draft is made first, always: it carries the turn's material and question, it is what the model is given, and
it is what a child
hears when the model is empty, late, wrong or unsafe. A reply is finished from the draft from the moment a sentence is refused.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from agent.guard import Contract, sentence_fault
from agent.lines import Lines, fingerprint
from agent.personality import Profile
from agent.personality import prompt as persona
from agent.ports import LLM, Clock
from agent.ports import Prompt as ModelPrompt
from agent.prompts import RESPONSE, joined, render
from agent.readability import LIMITS, sentences, words
from agent.replies import Author, Draft
from agent.story import Story
from agent.strategist import Setting
from agent.style.styling import Stylist
from agent.turn import Judgement, Language, Progress, Sentence, Strategy, StrategyId, Utterance

# What a model may word. Greeting, safety, waiting and the story itself stay in the project's own words.
WRITTEN: frozenset[StrategyId] = frozenset(
    {
        "RECAST_EXPAND",
        "SCAFFOLD_HINT",
        "SOCRATIC_PROBE",
        "MODEL_THINKALOUD",
        "DIRECT_INSTRUCTION",
        "ANSWER_QUESTION",
        "BRING_BACK",
    }
)
ADULT: dict[Language, str] = {"en": "your teacher", "fr": "ta maîtresse ou ton maître", "de": "deine Lehrerin oder dein Lehrer"}
PATIENCE = 6.0  # seconds until a model's next piece; then the draft speaks
Refused = Callable[[str, str], None]


@dataclass(frozen=True)
class Request:
    """One turn to be answered."""

    story: Story
    progress: Progress
    strategy: Strategy
    judgement: Judgement | None
    heard: Utterance | None
    profile: Profile
    facts: tuple[str, ...] = ()
    unsaid: tuple[Sentence, ...] = ()


class Storyteller:
    """Answers turns. ``refused`` is told each sentence that the guard kept back, and why."""

    def __init__(self, llm: LLM, setting: Setting, clock: Clock, seed: int, adult: str, refused: Refused) -> None:
        self.llm, self.setting, self.clock, self.seed, self.adult = llm, setting, clock, seed, adult
        self.refused = refused
        self.stylist = Stylist(seed)
        self.contract: Contract | None = None
        self._taught: tuple[str, ...] = ()  # new words of this reply, which style leaves alone
        self._room = 0  # words that style may still add to this reply
        self._styled: set[int] = set()  # what style made of sentences already heard: no later line should sound the same

    def draft(self, request: Request) -> Draft:
        """The authored reply. The same seed, story and progress always give the same one."""
        lines = Lines(random.Random(f"{self.seed}/{request.progress.turns}/{request.strategy.id}"))
        author = Author(request.story, request.progress, request.profile.bank, self.setting, lines, self._styled)
        draft = author.compose(request.strategy, request.judgement, self.adult or ADULT[request.story.language], request.facts)
        if request.unsaid and request.strategy.id in ("GO_ON", "ANSWER_QUESTION"):
            kept = request.unsaid if request.strategy.id == "GO_ON" else (*_before_question(draft), *request.unsaid)
            draft = replace(draft, sentences=kept, progress=replace(draft.progress, pending=request.progress.pending))
        self.contract = self._contract(request, draft)
        self._taught = draft.taught
        told = any(sentence.role == "tell" for sentence in draft.sentences)
        most = LIMITS[self.setting.band].words_per_telling if told else LIMITS[self.setting.band].words_per_turn
        self._room = most - sum(len(words(sentence.text)) for sentence in draft.sentences)
        return draft

    def write(self, request: Request, draft: Draft) -> Iterator[Sentence]:
        """The reply's sentences as they become ready, the model's where it keeps the contract."""
        if request.strategy.id not in WRITTEN or self.llm.name == "authored" or request.unsaid:
            yield from draft.sentences
            return
        accepted: list[Sentence] = []
        failed = False
        limit = LIMITS[self.setting.band].words_per_turn
        prompt = self.prompt(request, draft)
        for text in self._sentences(prompt):
            fault = self._fault(text, accepted, limit, draft)
            if fault:
                self.refused(text, fault)
                failed = True
                break
            accepted.append(Sentence(text, request.story.language, source="model", role="fixed"))
            yield accepted[-1]
            if text.endswith("?"):
                break
        yield from _completion(draft, accepted, failed)

    def finish(self, sentence: Sentence, profile: Profile) -> Sentence:
        """The last look before a sentence is spoken: the personality's style on it, and the guard on the result."""
        if sentence.role == "fixed" or sentence.source != "story":
            return sentence  # the tutor's own lines are written in three manners already
        limit = LIMITS[self.setting.band].longest_sentence
        styled = self.stylist.realise(sentence.text, sentence.language, profile.level, role=sentence.role, limit=limit)
        own, made = fingerprint(sentence.text), fingerprint(styled)
        added = len(words(styled)) - len(words(sentence.text))
        lost = any(word.lower() in sentence.text.lower() and word.lower() not in styled.lower() for word in self._taught)
        if (made != own and made in self._styled) or added > max(0, self._room) or lost:
            return sentence
        self._room -= added
        self._styled |= {own, made}
        if styled != sentence.text and self.contract is not None:
            faults = [sentence_fault(part, self._wide(self.contract, sentence.text)) for part in sentences(styled)]
            if any(faults) or styled.count("?") != sentence.text.count("?"):
                return sentence
        return replace(sentence, text=styled, plain=sentence.text if styled != sentence.text else "")

    def prompt(self, request: Request, draft: Draft) -> ModelPrompt:
        """What the response adapter is given: the beat's material, the strategy, the personality and the child's words."""
        judgement, progress = request.judgement, request.progress
        facts = {
            "language": request.story.language,
            "age": self.setting.band,
            "story": request.story.wording.title,
            "strategy": request.strategy.id,
            "rung": str(request.strategy.rung or ""),
            "level": str(request.profile.level),
            "verdict": judgement.verdict if judgement else "",
            "child_word": judgement.child_word if judgement else "",
            "praise": "effort" if request.strategy.praise else "",
            "material": joined(draft.material),
            "question": draft.question or (progress.pending.ask if progress.pending else ""),
            "accepted": joined(self.contract.hidden if self.contract else ()),
            "names": joined(request.story.wording.names),
        }
        return render(
            RESPONSE, facts, persona(request.profile, request.story.language), said=request.heard.text if request.heard else ""
        )

    def _contract(self, request: Request, draft: Draft) -> Contract:
        wrong: tuple[str, ...] = ()
        right: tuple[str, ...] = ()
        pending = request.progress.pending
        if pending is not None and pending.kind == "prompt":
            part = request.story.prompt(pending.beat, pending.prompt).words
            wrong, right = tuple(way for idea in part.misconceptions for way in idea.says), part.accepted
        return Contract(
            language=request.story.language,
            band=self.setting.band,
            question="must" if draft.asks else "may",
            hidden=draft.hidden,
            wrong_facts=wrong,
            right_facts=right,
            names=request.story.wording.names,
            allowed=" ".join(sentence.text for sentence in draft.sentences),
        )

    def _wide(self, contract: Contract, allowed: str) -> Contract:
        return replace(contract, allowed=f"{contract.allowed} {allowed}", max_words=1_000)

    def _fault(self, text: str, accepted: list[Sentence], limit: int, draft: Draft) -> str:
        assert self.contract is not None
        if fault := sentence_fault(text, self.contract):
            return fault
        if any(text == sentence.text for sentence in accepted):
            return "says a sentence twice"
        if text.rstrip().rstrip('»”“" ').count("?") > text.rstrip('»”“" ').endswith("?"):
            return "asks in the middle of a sentence"
        spoken = sum(len(words(sentence.text)) for sentence in accepted) + len(words(text))
        closing = len(words(draft.question)) if draft.asks and not text.endswith("?") else 0
        return "more words than the age band hears in one turn" if spoken + closing > limit else ""

    def _sentences(self, prompt: ModelPrompt) -> Iterator[str]:
        """Whole sentences out of the model's pieces; ends early when it falls silent for too long, fails or rambles."""
        held, started = "", self.clock.now()
        for piece in self._pieces(prompt):
            held += piece
            ready = sentences(held)
            while len(ready) > 1:
                whole = ready.pop(0)
                held = held[held.index(whole) + len(whole) :].lstrip()
                yield whole
            if len(held) > 2_000:  # no sentence end in sight: not a reply
                return
            if self.clock.now() - started > 1.5 * PATIENCE:
                self.refused(held, f"the model was not ready after {1.5 * PATIENCE:g} s")
                return
        for text in sentences(held):
            if text.rstrip(' »”“"').endswith((".", "!", "?", "…")):  # half a sentence is none
                yield text

    def _pieces(self, prompt: ModelPrompt) -> Iterator[str]:
        if self.clock.virtual:
            yield from self._on_this_thread(prompt)
            return
        pieces: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=64)
        enough = threading.Event()

        def read() -> None:
            try:
                for piece in self.llm.stream(prompt, adapter=RESPONSE):
                    pieces.put(piece)
                    if enough.is_set():
                        return
                pieces.put(None)
            except Exception as error:  # whatever a model raises, the draft speaks
                pieces.put(error)

        threading.Thread(target=read, name="model", daemon=True).start()
        try:
            while True:
                piece = pieces.get(timeout=PATIENCE)
                if piece is None:
                    return
                if isinstance(piece, BaseException):
                    self.refused("", f"the model failed: {type(piece).__name__}: {piece}")
                    return
                yield piece
        except queue.Empty:
            self.refused("", f"the model was silent for {PATIENCE:g} s")
        finally:
            enough.set()
            while not pieces.empty():
                pieces.get_nowait()

    def _on_this_thread(self, prompt: ModelPrompt) -> Iterator[str]:
        asked = self.clock.now()
        try:
            for piece in self.llm.stream(prompt, adapter=RESPONSE):
                if self.clock.now() - asked > PATIENCE:
                    self.refused("", f"the model was silent for {PATIENCE:g} s")
                    return
                asked = self.clock.now()
                yield piece
        except Exception as error:  # whatever a model raises, the draft speaks
            self.refused("", f"the model failed: {type(error).__name__}: {error}")


def _before_question(draft: Draft) -> tuple[Sentence, ...]:
    return tuple(sentence for sentence in draft.sentences if sentence.role != "ask")


def _completion(draft: Draft, accepted: list[Sentence], failed: bool) -> Iterator[Sentence]:
    """What the draft adds to a model's sentences: everything, or the invitation that is missing."""
    asked = any(sentence.text.endswith(("?", "…")) for sentence in accepted)
    if not accepted:
        # A refused sentence is counted on the line that took its place.
        first = True
        for sentence in draft.sentences:
            yield replace(sentence, refused=1) if failed and first else sentence
            first = False
    elif draft.asks and not asked:
        closing = [sentence for sentence in draft.sentences if sentence.role == "ask"] or [draft.sentences[-1]]
        yield replace(closing[-1], refused=int(failed))
