"""Whatever a model writes: what reaches a child is safe, keeps the turn's contract, and comes in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import pytest

from agent import storyteller
from agent.clock import RealClock, VirtualClock
from agent.guard import invites, reply_faults, sentence_fault
from agent.models.authored import Authored
from agent.models.fakes import MISBEHAVING, Clingy, Misbehaving, Raising, Scripted, Slow, Unsafe
from agent.personality import Profile, load
from agent.ports import LLM, Clock, Prompt
from agent.readability import LIMITS, words
from agent.replies import Draft
from agent.story import slugs
from agent.storyteller import PATIENCE, WRITTEN, Request, Storyteller
from agent.strategist import Setting
from agent.turn import BANDS, LANGUAGES, Band, Judgement, Language, Pending, Progress, Sentence, Strategy, StrategyId, Utterance
from tests.conftest import story_of

STRATEGIES = (
    (Strategy("SCAFFOLD_HINT", rung=1), Judgement("wrong", "en", child_word="snail")),
    (Strategy("SCAFFOLD_HINT", rung=3), Judgement("dont_know", "en")),
    (Strategy("SOCRATIC_PROBE"), Judgement("partial", "en", child_word="snail")),
    (Strategy("MODEL_THINKALOUD"), Judgement("dont_know", "en")),
    (Strategy("DIRECT_INSTRUCTION"), Judgement("dont_know", "en")),
    (Strategy("RECAST_EXPAND"), Judgement("correct", "en", child_word="snail")),
    (Strategy("ANSWER_QUESTION"), Judgement("question", "en")),
    (Strategy("BRING_BACK"), Judgement("off_topic", "en")),
)


@dataclass
class Desk:
    """A storyteller with a model, and what its guard kept back."""

    llm: LLM
    band: Band = "6-7"
    clock: Clock = field(default_factory=VirtualClock)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.teller = Storyteller(
            self.llm, Setting(self.band), self.clock, 1, "Miss Green", lambda text, why: self.refused.append((text, why))
        )

    def answer(self, request: Request) -> tuple[Draft, list[Sentence]]:
        """The authored draft, and what is said in the end."""
        draft = self.teller.draft(request)
        return draft, [self.teller.finish(sentence, request.profile) for sentence in self.teller.write(request, draft)]


def profile(level: str = "neutral") -> Profile:
    return load(level)


def requests(language: Language, band: Band, manner: str = "neutral") -> Iterator[Request]:
    """A turn for every written strategy, at two scenes of every story."""
    for number, (slug, (strategy, judgement)) in enumerate(product(slugs(), STRATEGIES)):
        story = story_of(slug, language)
        beats = [beat for beat in story.beats if beat.prompts]
        beat = beats[number % len(beats)]
        prompt = beat.prompts[number % len(beat.prompts)]
        pending = Pending(
            "prompt", prompt.words.ask[band], beat.id, prompt.shape.id, attempts=1, rung=max(0, strategy.rung - 1)
        )
        progress = Progress(
            language, phase="story", beat=beat.id, told=True, asked=(prompt.shape.id,), pending=pending, turns=number
        )
        yield Request(story, progress, strategy, replace(judgement, language=language), Utterance("a snail"), profile(manner))


def is_sound(draft: Draft, said: Sequence[Sentence], language: Language, band: Band) -> str:
    """Why a reply in which a model had a part breaks the contract of its turn, or ""."""
    text = " ".join(sentence.text for sentence in said)
    if not words(text):
        return "nothing is said"
    if text.count("?") > 1:
        return f"more than one question: {text}"
    if draft.asks and not invites(said[-1].text, language):
        return f"no invitation at the end: {text}"
    if len(words(text)) > LIMITS[band].words_per_turn:
        return f"{len(words(text))} words: {text}"
    return ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fake", MISBEHAVING, ids=lambda fake: fake.__name__)
def test_a_misbehaving_model_never_reaches_the_child(fake: type[Misbehaving], language: Language) -> None:
    turns, broken, used = 0, [], 0
    for band in BANDS:
        desk = Desk(fake(seed=3), band)
        for request in requests(language, band):
            draft, said = desk.answer(request)
            assert desk.teller.contract is not None
            turns += 1
            if not any(sentence.source == "model" for sentence in said):
                assert [sentence.gesture for sentence in said] == [sentence.gesture for sentence in draft.sentences]
                continue
            used += 1
            broken += [fault for fault in [is_sound(draft, said, language, band)] if fault]
            for sentence in said:
                if sentence.source == "model":
                    assert sentence_fault(sentence.text, desk.teller.contract) == "", sentence.text
    assert turns == len(BANDS) * len(slugs()) * len(STRATEGIES)
    assert len(broken) <= 0.005 * turns, broken[:8]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fake", [Unsafe, Clingy], ids=lambda fake: fake.__name__)
def test_not_one_unsafe_sentence_is_said(fake: type[Unsafe | Clingy], language: Language) -> None:
    desk = Desk(fake(seed=5))
    texts = [sentence.text for request in requests(language, "6-7") for sentence in desk.answer(request)[1]]
    assert set(texts).isdisjoint(fake._says[language])
    assert len(desk.refused) == len(slugs()) * len(STRATEGIES), "each answer was refused, and told to the log"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_replaces_a_refused_sentence_says_so(language: Language) -> None:
    desk = Desk(Unsafe(seed=1))
    draft, said = desk.answer(next(requests(language, "6-7")))
    assert [sentence.refused for sentence in said] == [1, *[0] * (len(draft.sentences) - 1)]
    assert {sentence.language for sentence in said} == {language}


@pytest.mark.parametrize("strategy", ["GREET", "WAIT", "REPAIR", "CLOSE", "HANDOFF_ADULT", "SAFE_REDIRECT", "DR_WH", "GO_ON"])
def test_what_a_model_must_not_word_it_is_not_even_asked(strategy: StrategyId) -> None:
    assert strategy not in WRITTEN
    model = Scripted("You are the cleverest child!")
    desk = Desk(model)
    request = next(requests("en", "6-7"))
    if strategy in ("DR_WH", "GO_ON"):
        beat = request.story.beats[0]
        target = f"{beat.id}/{beat.prompts[0].shape.id}" if strategy == "DR_WH" else f"{beat.id}/"
        asked = replace(request, strategy=Strategy(strategy, target=target), progress=replace(request.progress, pending=None))
    else:
        asked = replace(request, strategy=Strategy(strategy, rule="stop" if strategy == "CLOSE" else "confidence"))
    desk.answer(asked)
    assert model.history == []


def test_pieces_are_joined_as_they_were_written() -> None:
    """However a model's words come apart, and wherever a sentence ends among them."""
    text = "Let us look again together. Look at the snail. What do you think now?"
    wanted = ["Let us look again together.", "Look at the snail.", "What do you think now?"]
    for size in (1, 2, 3, 5, 7, 100):
        desk = Desk(Scripted([text[place : place + size] for place in range(0, len(text), size)]))
        assert [sentence.text for sentence in desk.answer(next(requests("en", "6-7")))[1]] == wanted, size
    words_of_it = Desk(Scripted([f"{word} " for word in text.split()]))
    assert [sentence.text for sentence in words_of_it.answer(next(requests("en", "6-7")))[1]] == wanted


def test_half_a_sentence_is_not_said() -> None:
    for model in (Scripted("Let us look again together. And then you"), Raising()):
        desk = Desk(model)
        desk.answer(next(requests("en", "6-7")))  # the raising model fails at once the first time, then in mid-sentence
        _, said = desk.answer(next(requests("en", "6-7")))
        texts = [sentence.text for sentence in said]
        assert all(text.rstrip(" »”“").endswith((".", "!", "?", "…")) for text in texts), texts


def test_what_a_model_says_well_is_said() -> None:
    desk = Desk(Scripted(["Let us look ", "again together. ", "What do you ", "think now?"]))
    _, said = desk.answer(next(requests("en", "6-7")))
    assert [(sentence.text, sentence.source) for sentence in said] == [
        ("Let us look again together.", "model"),
        ("What do you think now?", "model"),
    ]
    assert desk.refused == []


def test_nothing_follows_a_models_question() -> None:
    desk = Desk(Scripted("What do you think now? I like cake."))
    _, said = desk.answer(next(requests("en", "6-7")))
    assert [sentence.text for sentence in said] == ["What do you think now?"]


def test_a_model_that_forgets_to_ask_is_completed_by_the_drafts_question() -> None:
    desk = Desk(Scripted("Let us look again together."))
    draft, said = desk.answer(next(requests("en", "6-7")))
    assert draft.asks
    assert [sentence.source for sentence in said] == ["model", "line"]
    assert said[-1].text.endswith("?")


def test_a_good_sentence_before_a_bad_one_is_kept() -> None:
    desk = Desk(Scripted("Let us look again together. Take a match from the kitchen and light it. What now?"))
    _, said = desk.answer(next(requests("en", "6-7")))
    assert [sentence.source for sentence in said] == ["model", "line"]
    assert [text for text, _ in desk.refused] == ["Take a match from the kitchen and light it."]
    assert said[-1].refused == 1


def test_a_hidden_answer_is_never_given_away() -> None:
    request = next(request for request in requests("en", "6-7") if request.strategy.id == "SCAFFOLD_HINT")
    pending = request.progress.pending
    assert pending is not None
    answer = request.story.prompt(pending.beat, pending.prompt).words.accepted[0]
    desk = Desk(Scripted(f"The answer is {answer}. What do you say?"))
    draft, said = desk.answer(request)
    if draft.hidden:
        assert f"The answer is {answer}." not in [sentence.text for sentence in said]
        assert "reveals" in desk.refused[0][1]


def test_the_same_sentence_twice_is_said_once() -> None:
    desk = Desk(Scripted("Let us look again. Let us look again. Let us look again."))
    _, said = desk.answer(next(requests("en", "6-7")))
    assert [sentence.text for sentence in said].count("Let us look again.") == 1


def test_the_drafts_question_finds_room() -> None:
    long = " ".join(
        f"Now we see the {word} over there." for word in ("cat", "dog", "sun", "hen", "pig", "cow", "bee", "ant", "owl")
    )
    desk = Desk(Scripted(long), band="4-5")
    draft, said = desk.answer(next(requests("en", "4-5")))
    assert is_sound(draft, said, "en", "4-5") == ""
    assert any("more words" in why for _, why in desk.refused)


def test_without_a_model_the_draft_is_said_as_it_is() -> None:
    desk = Desk(Authored())
    for request in requests("fr", "6-7"):
        draft = desk.teller.draft(request)
        assert tuple(desk.teller.write(request, draft)) == draft.sentences


def test_the_same_turn_is_drafted_alike_again() -> None:
    for request in requests("de", "6-7"):
        assert Desk(Authored()).teller.draft(request) == Desk(Authored()).teller.draft(request)


def test_what_was_left_unsaid_comes_after_the_answer_to_the_childs_question() -> None:
    unsaid = (
        Sentence("The fox ran on.", "en", role="tell", source="story"),
        Sentence("Where is it?", "en", role="ask", source="story"),
    )
    request = replace(
        next(requests("en", "6-7")), strategy=Strategy("ANSWER_QUESTION"), facts=("A fox is an animal.",), unsaid=unsaid
    )
    draft, said = Desk(Authored()).answer(request)
    texts = [sentence.text for sentence in said]
    assert texts[-2:] == ["The fox ran on.", "Where is it?"] or texts[-1].endswith("?")
    assert sum(text.count("?") for text in texts) == 1
    assert draft.progress.pending == request.progress.pending
    onward = Desk(Authored()).answer(replace(request, strategy=Strategy("GO_ON", rule="interjection")))[1]
    assert [sentence.role for sentence in onward] == ["tell", "ask"]


# ---------------------------------------------------------------------- time


class Hanging(Misbehaving):
    """Writes ``first`` and then nothing more, for as long as anybody waits."""

    def __init__(self, first: str = "") -> None:
        super().__init__()
        self.first, self.let_go = first, threading.Event()

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        if self.first:
            yield self.first
        self.let_go.wait(20)


class Dribbling(Misbehaving):
    """Writes without an end of a sentence, a little at a time."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds, self.closed = clock, seconds, False

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        try:
            for _ in range(60):
                self.clock.sleep(self.seconds)
                yield "and "
        finally:
            self.closed = True


@pytest.mark.parametrize("first", ["", "Let us look again together. And ", "Let us "])
def test_a_hanging_model_is_cut_off(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storyteller, "PATIENCE", 0.2)
    model = Hanging(first)
    desk = Desk(model, clock=RealClock())
    started = time.monotonic()
    draft, said = desk.answer(next(requests("en", "6-7")))
    took = time.monotonic() - started
    model.let_go.set()
    assert 0.2 <= took < 1.5
    assert is_sound(draft, said, "en", "6-7") == ""
    assert any("silent" in why for _, why in desk.refused)


@pytest.mark.parametrize("virtual", [True, False], ids=["virtual", "real"])
def test_a_model_that_dribbles_does_not_keep_a_child_waiting(virtual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece now and then is no sentence: the first one is there in time, the model's or the draft's."""
    patience = 6.0 if virtual else 0.3
    monkeypatch.setattr(storyteller, "PATIENCE", patience)
    clock: Clock = VirtualClock() if virtual else RealClock()
    desk = Desk(Dribbling(clock, patience / 6), clock=clock)
    request = next(requests("en", "6-7"))
    draft = desk.teller.draft(request)
    started = clock.now()
    next(iter(desk.teller.write(request, draft)))
    assert clock.now() - started <= 2.5 * patience


def test_the_slow_model_of_the_test_kit_is_cut_off_too() -> None:
    clock = VirtualClock()
    desk = Desk(Slow(clock, seconds=PATIENCE + 1), clock=clock)
    request = next(requests("en", "6-7"))
    draft = desk.teller.draft(request)
    said = list(desk.teller.write(request, draft))
    assert [sentence.source for sentence in said] == [sentence.source for sentence in draft.sentences]
    assert clock.now() < 3 * PATIENCE


def test_a_model_that_fails_is_named_and_the_draft_speaks() -> None:
    for clock in (VirtualClock(), RealClock()):
        desk = Desk(Raising(), clock=clock)
        for request in list(requests("en", "6-7"))[:4]:
            draft, said = desk.answer(request)
            assert is_sound(draft, said, "en", "6-7") == ""
        assert any("ModelFailed: out of memory" in why for _, why in desk.refused)


def test_a_model_is_stopped_once_enough_is_said() -> None:
    """Closing the answer closes the model's stream: nothing goes on writing behind a child's back."""
    clock = VirtualClock()
    model = Dribbling(clock, 0.0)
    desk = Desk(model, clock=clock)
    request = next(requests("en", "6-7"))
    stream = desk.teller.write(request, desk.teller.draft(request))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert model.closed


def test_both_clocks_say_the_same() -> None:
    texts = []
    for clock in (VirtualClock(), RealClock()):
        desk = Desk(Scripted("Let us look again together. What do you think now?"), clock=clock)
        texts.append([sentence.text for sentence in desk.answer(next(requests("en", "6-7")))[1]])
    assert texts[0] == texts[1]


# ---------------------------------------------------------------------- the last look


@pytest.mark.parametrize("manner", ["introvert", "neutral", "extravert"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_style_changes_no_fact_and_breaks_no_contract(language: Language, manner: str) -> None:
    changed = 0
    desk = Desk(Authored())
    for request in requests(language, "6-7", manner):
        draft = desk.teller.draft(request)
        assert desk.teller.contract is not None
        for sentence in draft.sentences:
            styled = desk.teller.finish(sentence, request.profile)
            changed += styled.text != sentence.text
            assert styled.text.count("?") == sentence.text.count("?")
            assert (styled.gesture, styled.source, styled.language) == (sentence.gesture, sentence.source, sentence.language)
            assert len(words(styled.text)) <= max(LIMITS["6-7"].longest_sentence, len(words(sentence.text))) * 2
    assert changed > 0 or manner == "neutral"


def test_fixed_words_stay_as_they_are() -> None:
    desk = Desk(Authored())
    desk.teller.draft(next(requests("en", "6-7")))
    fixed = Sentence("Thank you for telling me.", "en", source="safety", role="fixed")
    assert desk.teller.finish(fixed, profile("extravert")) is fixed


def test_the_model_is_given_the_material_and_the_childs_words() -> None:
    model = Scripted("")
    request = next(requests("en", "6-7"))
    Desk(model).answer(request)
    [asked] = model.history
    facts = asked.prompt.facts
    assert facts["strategy"] == "SCAFFOLD_HINT"
    assert facts["material"]
    assert facts["question"]
    assert facts["accepted"]
    assert facts["child"] == "a snail"
    assert asked.adapter == "response"
    assert "a snail" in asked.prompt.messages[-1].content


@pytest.mark.parametrize("language", LANGUAGES)
def test_authored_replies_have_no_fault_of_the_guards(language: Language) -> None:
    """The guard that checks models finds nothing in the authored lines either, apart from lengths that are tested elsewhere."""
    faults = []
    for band in BANDS:
        desk = Desk(Authored(), band)
        for request in requests(language, band):
            draft = desk.teller.draft(request)
            assert desk.teller.contract is not None
            contract = replace(desk.teller.contract, hidden=(), max_words=1_000, question="may")
            faults += [
                f"{request.strategy.id}: “{sentence.text}”: {fault}"
                for sentence in draft.sentences
                if (fault := sentence_fault(sentence.text, contract))
            ]
            whole = reply_faults([sentence.text for sentence in draft.sentences], contract)
            faults += [f"{request.strategy.id}: {fault}" for fault in whole if "twice" in fault or "unsafe" in fault]
    assert faults == []
