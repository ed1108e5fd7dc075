"""The authored reply to every strategy, for every story, language and age: the turn's contract, and nothing said twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle

import pytest

from agent.guard import invites
from agent.lines import MANNERS, Lines, Manner, fingerprint
from agent.models.authored import Authored
from agent.readability import LIMITS, sentences, words
from agent.replies import Author, Draft
from agent.story import Beat, Prompt, Story, slugs
from agent.strategist import Setting, Strategist
from agent.turn import BANDS, LANGUAGES, Band, Judgement, Language, Pending, Progress, Strategy, StrategyId, Utterance, Verdict
from tests.conftest import story_of

EVERYWHERE = [(language, band) for language in LANGUAGES for band in BANDS]
HELPING: tuple[StrategyId, ...] = (
    "SCAFFOLD_HINT",
    "SOCRATIC_PROBE",
    "MODEL_THINKALOUD",
    "WAIT",
    "REPAIR",
    "BRING_BACK",
    "ROLE_PLAY",
)
UNBOUNDED: tuple[StrategyId, ...] = ("GREET", "ELICIT_PRIOR", "CLOSE", "HANDOFF_ADULT", "SAFE_REDIRECT")
WORD: dict[Language, str] = {"en": "snail", "fr": "escargot", "de": "Schnecke"}


@dataclass(frozen=True)
class Case:
    """One turn to be answered: what was open, what the child did, what was decided."""

    name: str
    strategy: Strategy
    verdict: Verdict
    changed: dict[str, object]
    facts: tuple[str, ...] = ()
    misconception: int | None = None


def cases(prompt: Prompt, facts: tuple[str, ...]) -> list[Case]:
    """Every strategy that can answer a child while ``prompt`` is open; ``facts`` answer a question of its own."""
    found = [
        Case(f"hint {rung} {verdict}", Strategy("SCAFFOLD_HINT", rung=rung), verdict, {"attempts": rung - 1, "rung": rung - 1})
        for rung in (1, 2, 3)
        for verdict in ("wrong", "dont_know", "partial")
    ]
    found += [
        Case("hint praise", Strategy("SCAFFOLD_HINT", rung=2, praise=True), "wrong", {"attempts": 1, "rung": 1}),
        Case("probe", Strategy("SOCRATIC_PROBE"), "partial", {}),
        Case("think", Strategy("MODEL_THINKALOUD"), "wrong", {"attempts": 2, "rung": 2}),
        Case("think, not known", Strategy("MODEL_THINKALOUD"), "dont_know", {"attempts": 2, "rung": 2}),
        Case("tell", Strategy("DIRECT_INSTRUCTION"), "wrong", {"attempts": 3, "rung": 3, "thought": True}),
        Case("tell, partly", Strategy("DIRECT_INSTRUCTION"), "partial", {"attempts": 3}),
        Case("tell the silent", Strategy("DIRECT_INSTRUCTION"), "silence", {"silences": 2}),
        Case("recast", Strategy("RECAST_EXPAND"), "correct", {}),
        Case("recast praise", Strategy("RECAST_EXPAND", praise=True), "correct", {"attempts": 2}),
        Case("wait", Strategy("WAIT"), "silence", {}),
        Case("wait more", Strategy("WAIT"), "silence", {"silences": 1}),
        Case("wait, told", Strategy("WAIT"), "silence", {"silences": 1, "told": True}),
        Case("wait, no hint left", Strategy("WAIT"), "silence", {"silences": 1, "rung": 3}),
        Case("pardon", Strategy("REPAIR", rule="confidence"), "not_understood", {}),
        Case("foreign", Strategy("REPAIR", rule="language"), "off_topic", {}),
        Case("question", Strategy("ANSWER_QUESTION"), "question", {}),
        Case("question, known", Strategy("ANSWER_QUESTION"), "question", {}, facts=facts),
        Case("elsewhere", Strategy("BRING_BACK"), "off_topic", {}),
        Case("role", Strategy("ROLE_PLAY"), "off_topic", {}),
        Case("unsafe", Strategy("SAFE_REDIRECT", rule="unsafe", reason="weapons"), "off_topic", {}),
        Case("private", Strategy("SAFE_REDIRECT", rule="unsafe", reason="personal_data"), "off_topic", {}),
        Case("disclosure", Strategy("HANDOFF_ADULT", rule="disclosure"), "disclosure", {}),
        Case("stop", Strategy("CLOSE", rule="stop"), "stop", {}),
        Case("time", Strategy("CLOSE", rule="limit:time"), "wrong", {}),
    ]
    found += [
        Case(f"misconception {place}", Strategy("SCAFFOLD_HINT", rung=1), "wrong", {}, misconception=place)
        for place in range(len(prompt.words.misconceptions))
    ]
    return found


def opened(story: Story, beat: Beat, prompt: Prompt, band: Band, case: Case, turns: int) -> Progress:
    pending = Pending("prompt", prompt.words.ask[band], beat.id, prompt.shape.id)
    progress = Progress(
        story.language, phase="story", beat=beat.id, told=True, asked=(prompt.shape.id,), questions=1, turns=turns
    )
    return replace(progress, pending=replace(pending, **case.changed))  # type: ignore[arg-type]


def composed(
    story: Story,
    progress: Progress,
    band: Band,
    strategy: Strategy,
    judgement: Judgement | None,
    manner: Manner = "neutral",
    facts: tuple[str, ...] = (),
) -> Draft:
    lines = Lines(random.Random(f"{progress.turns}/{strategy.id}"))
    return Author(story, progress, manner, Setting(band), lines).compose(strategy, judgement, "Miss Green", facts)


@dataclass(frozen=True)
class Answered:
    """A case with its reply; ``name`` says where it is."""

    name: str
    case: Case
    prompt: Prompt
    progress: Progress
    draft: Draft

    @property
    def text(self) -> str:
        return " ".join(sentence.text for sentence in self.draft.sentences)


@cache
def told(slug: str, language: Language, band: Band) -> list[Answered]:
    """The replies to every case in one story; one question a scene, another in each band."""
    story, found = story_of(slug, language), []
    for place, beat in enumerate(story.beats):
        if not beat.prompts:
            continue
        prompt = beat.prompts[(place + BANDS.index(band)) % len(beat.prompts)]
        for number, case in enumerate(cases(prompt, story.wording.questions[0].says[band])):
            progress = opened(story, beat, prompt, band, case, turns=number + place)
            judgement = Judgement(case.verdict, language, child_word=WORD[language], misconception=case.misconception)
            draft = composed(story, progress, band, case.strategy, judgement, MANNERS[number % 3], case.facts)
            found.append(Answered(f"{slug} {beat.id}/{prompt.shape.id}, {case.name}", case, prompt, progress, draft))
    return found


def every_reply(language: Language, band: Band) -> list[Answered]:
    """The replies to every case in every story."""
    return [answered for slug in slugs() for answered in told(slug, language, band)]


def plain(text: str) -> str:
    return " ".join(words(text.lower()))


def wanted(faults: list[str]) -> None:
    """Fail with the first few faults, and how many there are."""
    if faults:
        pytest.fail(f"{len(faults)} faults:\n" + "\n".join(faults[:12]), pytrace=False)


@pytest.mark.parametrize(("language", "band"), EVERYWHERE)
def test_every_strategy_says_something_in_its_language(language: Language, band: Band) -> None:
    for answered in every_reply(language, band):
        assert answered.draft.sentences, answered.name
        assert {sentence.language for sentence in answered.draft.sentences} == {language}


@pytest.mark.parametrize(("language", "band"), EVERYWHERE)
def test_a_turn_asks_at_most_one_question(language: Language, band: Band) -> None:
    wanted([f"{answered.name}: {answered.text}" for answered in every_reply(language, band) if answered.text.count("?") > 1])


@pytest.mark.parametrize(("language", "band"), EVERYWHERE)
def test_a_turn_that_leaves_a_question_open_ends_in_an_invitation(language: Language, band: Band) -> None:
    wanted(
        [
            f"{answered.name}: {answered.text}"
            for answered in every_reply(language, band)
            # "Say it with me: shell, spiral." invites by itself; every other open question ends in one.
            if answered.draft.progress.pending is not None
            and answered.draft.progress.pending.kind != "repeat"
            and not invites(answered.draft.sentences[-1].text, language)
        ]
    )


@pytest.mark.parametrize(("language", "band"), EVERYWHERE)
def test_talk_stays_within_the_bands_words(language: Language, band: Band) -> None:
    limit = LIMITS[band].words_per_turn
    wanted(
        [
            f"{answered.name}: {len(words(answered.text))} words, more than {limit}: {answered.text}"
            for answered in every_reply(language, band)
            if answered.case.strategy.id not in UNBOUNDED and len(words(answered.text)) > limit
        ]
    )


@pytest.mark.parametrize(("language", "band"), EVERYWHERE)
def test_nothing_hidden_is_given_away(language: Language, band: Band) -> None:
    """No accepted answer stands in what is said beside the question itself while the child is still being helped."""
    faults, hidden = [], 0
    for answered in every_reply(language, band):
        if answered.case.strategy.id not in HELPING:
            continue
        assert answered.progress.pending is not None
        said = plain(answered.text).replace(plain(answered.progress.pending.ask), "…")
        hidden += bool(answered.draft.hidden)
        faults += [
            f"{answered.name}: {answer!r} in: {answered.text}"
            for answer in answered.draft.hidden
            if f" {plain(answer)} " in f" {said} "
        ]
    assert hidden
    wanted(faults)


@pytest.mark.parametrize(("language", "band"), EVERYWHERE)
def test_what_is_hidden_are_the_accepted_answers_of_a_closed_question(language: Language, band: Band) -> None:
    for answered in every_reply(language, band):
        pending, strategy = answered.progress.pending, answered.case.strategy.id
        assert pending is not None
        if (
            strategy in ("RECAST_EXPAND", "DIRECT_INSTRUCTION", "CLOSE")
            or pending.told
            or answered.prompt.shape.answer != "closed"
        ):
            assert answered.draft.hidden == ()
        else:
            assert answered.draft.hidden == answered.prompt.words.accepted


@pytest.mark.parametrize(("language", "band"), EVERYWHERE)
def test_a_right_answer_brings_two_new_words_and_the_childs_own(language: Language, band: Band) -> None:
    faults = []
    for answered in every_reply(language, band):
        if answered.case.strategy.id != "RECAST_EXPAND":
            continue
        new, text = answered.prompt.words.expand.words, answered.text
        faults += [f"{answered.name}: “{word}” is missing: {text}" for word in new if word.lower() not in text.lower()]
        assert set(new) <= set(answered.draft.progress.words)
        room = LIMITS[band].words_per_turn - len(words(text)) >= 11  # the longest line there may be
        if room and WORD[language].lower() not in text.lower():
            faults.append(f"{answered.name}: there is room for the child's word: {text}")
    wanted(faults)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_childs_word_is_usually_taken_up(language: Language) -> None:
    found = [
        answered
        for band in BANDS[1:]
        for answered in every_reply(language, band)
        if answered.case.strategy.id == "RECAST_EXPAND"
    ]
    taken = sum(WORD[language].lower() in answered.text.lower() for answered in found)
    assert taken / len(found) > 0.8


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_misconception_is_turned_once_and_not_again(language: Language) -> None:
    story = story_of("rainbow", language)
    beat = next(beat for beat in story.beats if any(prompt.words.misconceptions for prompt in beat.prompts))
    prompt = next(prompt for prompt in beat.prompts if prompt.words.misconceptions)
    case = Case("", Strategy("SCAFFOLD_HINT", rung=1), "wrong", {}, misconception=0)
    judgement = Judgement("wrong", language, misconception=0)
    progress = opened(story, beat, prompt, "6-7", case, 1)
    reply = prompt.words.misconceptions[0].reply
    first = composed(story, progress, "6-7", case.strategy, judgement)
    second = composed(story, replace(first.progress, pending=progress.pending), "6-7", case.strategy, judgement)
    assert reply in " ".join(sentence.text for sentence in first.sentences)
    assert reply not in " ".join(sentence.text for sentence in second.sentences)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_handoff_names_the_grown_up_and_asks_nothing(language: Language) -> None:
    found = [answered for answered in told("seed", language, "6-7") if answered.case.name == "disclosure"]
    assert found
    for answered in found:
        draft = answered.draft
        assert "Miss Green" in answered.text
        assert "?" not in answered.text
        assert {(sentence.source, sentence.role) for sentence in draft.sentences} == {("safety", "fixed")}
        assert (draft.progress.ending, draft.progress.pending) == ("handoff", None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_greeting_says_what_it_is_and_asks_for_a_yes(language: Language) -> None:
    story = story_of("rainbow", language)
    for manner in MANNERS:
        for noted in (True, False):
            facts = ("noted",) if noted else ()
            draft = composed(story, Progress(language), "6-7", Strategy("GREET"), None, manner, facts)
            text = " ".join(sentence.text for sentence in draft.sentences)
            assert "robo" in text.lower()
            assert text.count("?") == 1
            assert text.rstrip().endswith("?")
            assert draft.progress.pending is not None
            assert draft.progress.pending.kind == "assent"


def test_the_same_turn_is_always_answered_alike() -> None:
    once = [answered.text for answered in told("seed", "en", "6-7")]
    told.cache_clear()
    assert once == [answered.text for answered in told("seed", "en", "6-7")]


# ---------------------------------------------------------------------- whole sessions of plans and replies


def walk(
    slug: str, language: Language, band: Band, manner: Manner, verdicts: list[Verdict]
) -> Iterator[tuple[Strategy, Progress, Draft]]:
    """A session without ears and voice: plan and reply, turn by turn, for a child whose verdicts go round and round."""
    story, strategist, answers = story_of(slug, language), Strategist(Authored(), Setting(band)), cycle(verdicts)
    lines = Lines(random.Random(f"{slug}/{band}/{manner}"))
    progress = Progress(language)
    strategy, judgement = Strategy("GREET"), None
    while True:
        draft = Author(story, progress, manner, Setting(band), lines).compose(strategy, judgement, "Miss Green")
        yield strategy, progress, draft
        progress = draft.progress
        if progress.ending:
            return
        heard = judgement = None
        if progress.pending is not None:
            verdict: Verdict = "correct" if progress.pending.kind == "assent" else next(answers)
            misconception = 0 if verdict == "wrong" and _misconceptions(story, progress.pending) else None
            judgement = Judgement(verdict, language, child_word=WORD[language], misconception=misconception)
            heard = Utterance("…" if verdict != "silence" else "")
        strategy = strategist.plan(story, progress, judgement, heard)


def _misconceptions(story: Story, pending: Pending) -> bool:
    return pending.kind == "prompt" and bool(story.prompt(pending.beat, pending.prompt).words.misconceptions)


CHILDREN: dict[str, list[Verdict]] = {
    "wrong": ["wrong", "question", "dont_know", "wrong", "partial"],
    "quick": ["correct"],
    "mixed": ["correct", "off_topic", "wrong", "question", "silence", "not_understood", "partial", "correct", "dont_know"],
}


@pytest.mark.parametrize("child", sorted(CHILDREN))
@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_the_tutors_is_heard_twice(language: Language, manner: Manner, child: str) -> None:
    said: Counter[int] = Counter()
    texts: dict[int, str] = {}
    turns = 0
    for _, _, draft in walk("night-train", language, "8-10", manner, CHILDREN[child]):
        turns += 1
        for sentence in draft.sentences:
            if sentence.source == "line" and turns <= 60:
                texts[fingerprint(sentence.text)] = sentence.text
                said[fingerprint(sentence.text)] += 1
    assert turns >= (60 if child != "quick" else 40), "too short a session to show anything"
    assert [texts[value] for value, times in said.items() if times > 1] == []


@pytest.mark.parametrize("slug", slugs())
@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("child", sorted(CHILDREN))
def test_whole_sessions_reach_their_goodbye(slug: str, band: Band, child: str) -> None:
    turns = list(walk(slug, LANGUAGES[len(slug) % 3], band, "neutral", CHILDREN[child]))
    ids = [strategy.id for strategy, _, _ in turns]
    assert len(turns) < 200
    assert ids[-1] == "CLOSE"
    assert turns[-1][2].progress.ending == "finished"
    assert len(turns[-1][2].progress.used) <= 600
    if child != "quick":
        assert "SCAFFOLD_HINT" in ids


@pytest.mark.parametrize("slug", slugs())
@pytest.mark.parametrize("band", BANDS)
def test_a_session_meets_all_five_types_of_question(slug: str, band: Band) -> None:
    *_, last = walk(slug, "en", band, "neutral", ["correct"])
    progress = last[2].progress
    assert len(progress.types) == 5, progress.types
    assert 0.25 <= progress.implicit / progress.questions <= 0.5


@pytest.mark.parametrize("slug", slugs())
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_question_is_asked_twice_in_a_session(slug: str, language: Language) -> None:
    asked = [
        (progress.pending.beat, progress.pending.prompt)
        for strategy, _, draft in walk(slug, language, "6-7", "extravert", CHILDREN["mixed"])
        if strategy.id.startswith("DR_")
        and (progress := draft.progress).pending is not None
        and progress.pending.kind == "prompt"
    ]
    assert len(asked) == len(set(asked))
    assert len(asked) >= 5


def test_what_the_child_is_told_is_whole_sentences() -> None:
    for *_, draft in walk("seed", "fr", "6-7", "introvert", CHILDREN["mixed"]):
        for sentence in draft.sentences:
            assert sentences(sentence.text), sentence
            assert "{" not in sentence.text
            assert "[" not in sentence.text
