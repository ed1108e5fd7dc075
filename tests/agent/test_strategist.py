"""The hard rules and the ranking inside them, over every state a session can be in and every nonsense a model can answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.models.authored import Authored
from agent.story import slugs
from agent.strategist import Setting, Strategist
from agent.turn import (
    BANDS,
    CROWDS,
    STRATEGIES,
    VERDICTS,
    Crowd,
    Judgement,
    Pending,
    PendingKind,
    Progress,
    Strategy,
    StrategyId,
    Utterance,
    Verdict,
)
from tests.conftest import Ranking, story_of

STORIES = [story_of(slug, "en") for slug in slugs()]
KINDS: tuple[PendingKind | None, ...] = ("assent", "prior", "prompt", "choice", "repeat", "recall", "role", None)
HELP: tuple[Verdict, ...] = ("wrong", "dont_know", "partial")


@st.composite
def progresses(draw: st.DrawFn, kinds: Sequence[PendingKind | None] = KINDS) -> tuple[int, Progress]:
    """A story's number and a well-formed place in it: what is open belongs to where the session is."""
    number = draw(st.integers(0, len(STORIES) - 1))
    story = STORIES[number]
    kind = draw(st.sampled_from(list(kinds)))
    types: dict[Crowd, int] = draw(st.dictionaries(st.sampled_from(CROWDS), st.integers(1, 6)))
    questions = sum(types.values())
    met: list[Crowd] = [crowd for crowd in CROWDS if crowd in types] or ["wh"]
    crowds = draw(st.lists(st.sampled_from(met), max_size=min(8, questions)))
    progress = Progress(
        "en",
        crowds=tuple(crowds),
        types={str(crowd): count for crowd, count in types.items()},
        questions=questions,
        implicit=draw(st.integers(0, questions)),
        knowledge=draw(st.dictionaries(st.sampled_from(story.structure.concepts), st.floats(0.0, 1.0))),
        silent=draw(st.integers(0, 4)),
        strategies=tuple(draw(st.lists(st.sampled_from(STRATEGIES), max_size=8))),
        verdicts=tuple(draw(st.lists(st.sampled_from(VERDICTS), max_size=8))),
        turns=draw(st.integers(0, 80)),
    )
    if kind == "assent":
        return number, replace(progress, pending=draw(_pendings("assent")), phase="greeting")
    if kind == "prior":
        return number, replace(progress, pending=draw(_pendings("prior")), phase="prior")
    if kind == "recall":
        last = story.beats[-1].id
        return number, replace(progress, pending=draw(_pendings("recall")), phase="recall", beat=last, told=True)
    beats = [beat for beat in story.beats if (beat.shape.choices if kind == "choice" else beat.prompts)]
    assume(beats)
    beat = draw(st.sampled_from(beats))
    ids = [prompt.shape.id for prompt in beat.prompts]
    asked = (
        tuple(draw(st.lists(st.sampled_from(ids), unique=True, min_size=0 if kind is None else 1, max_size=2))) if ids else ()
    )
    here = replace(progress, beat=beat.id, told=True, asked=asked, right=draw(st.integers(0, len(asked))), phase="story")
    if kind == "choice":
        return number, replace(here, asked=(*asked, "choice"), pending=draw(_pendings("choice", beat.id)))
    if kind is None:
        return number, replace(here, told=draw(st.booleans()))
    return number, replace(here, pending=draw(_pendings(kind, beat.id, "" if kind == "role" else asked[-1])))


def _pendings(kind: PendingKind, beat: str = "", prompt: str = "") -> st.SearchStrategy[Pending]:
    return st.builds(
        Pending,
        kind=st.just(kind),
        ask=st.just("What is it?"),
        beat=st.just(beat),
        prompt=st.just(prompt),
        attempts=st.integers(0, 6),
        silences=st.integers(0, 3),
        unclear=st.integers(0, 3),
        rung=st.integers(0, 3),
        probed=st.booleans(),
        thought=st.booleans(),
        told=st.booleans(),
    )


JUDGEMENTS = st.builds(
    Judgement,
    verdict=st.sampled_from(VERDICTS),
    language=st.just("en"),
    score=st.floats(0, 1),
    foreign=st.booleans(),
    choice=st.sampled_from(["", "boat"]),
)
HEARD = st.builds(
    Utterance, text=st.just("hm"), confidence=st.floats(0, 1), safety=st.sampled_from(["", "", "redirect:weapons"])
)
SETTINGS = st.builds(Setting, band=st.sampled_from(BANDS), second_language=st.booleans())
MOODS: dict[str, Callable[[Sequence[str]], list[float]]] = {
    "first": lambda options: [-float(place) for place in range(len(options))],
    "last": lambda options: [float(place) for place in range(len(options))],
    "nan": lambda options: [math.nan] * len(options),
}


def plan(
    place: tuple[int, Progress],
    judgement: Judgement | None,
    heard: Utterance | None,
    setting: Setting | None = None,
    mood: str = "first",
    **more: object,
) -> Strategy:
    strategist = Strategist(Ranking(MOODS[mood]), setting or Setting("6-7"))
    over, broke_in = str(more.get("over", "")), bool(more.get("broke_in"))
    return strategist.plan(STORIES[place[0]], place[1], judgement, heard, over=over, broke_in=broke_in)


def crowd_of(place: tuple[int, Progress], chosen: Strategy) -> Crowd | None:
    """The CROWD type of the story question that is asked next."""
    beat, _, prompt = chosen.target.partition("/")
    if beat in ("", "story") or prompt in ("", "choice"):
        return None
    return STORIES[place[0]].prompt(beat, prompt).shape.crowd


@given(
    progresses(),
    JUDGEMENTS,
    HEARD,
    SETTINGS,
    st.sampled_from(sorted(MOODS)),
    st.sampled_from(["", "time", "turns"]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_choice_is_always_one_of_the_allowed(
    place: tuple[int, Progress], judgement: Judgement, heard: Utterance, setting: Setting, mood: str, over: str, broke_in: bool
) -> None:
    chosen = plan(place, judgement, heard, setting, mood, over=over, broke_in=broke_in)
    assert chosen.allowed
    assert chosen.id in chosen.allowed
    assert len(set(chosen.allowed)) == len(chosen.allowed)
    assert chosen.reason


@given(progresses(), JUDGEMENTS, HEARD, SETTINGS, st.sampled_from(sorted(MOODS)))
@settings(max_examples=100, deadline=None)
def test_scores_run_parallel_to_what_is_allowed(
    place: tuple[int, Progress], judgement: Judgement, heard: Utterance, setting: Setting, mood: str
) -> None:
    chosen = plan(place, judgement, heard, setting, mood)
    assert len(chosen.scores) == len(chosen.allowed)
    assert all(math.isfinite(score) for score in chosen.scores)


@given(progresses(kinds=(None,)), SETTINGS, st.sampled_from(sorted(MOODS)))
@settings(max_examples=80, deadline=None)
def test_the_story_going_on_by_itself_keeps_the_rules(place: tuple[int, Progress], setting: Setting, mood: str) -> None:
    chosen = plan(place, None, None, setting, mood)
    assert chosen.id in chosen.allowed
    assert chosen.target or chosen.id == "CLOSE"


@given(progresses(), JUDGEMENTS, HEARD, st.sampled_from(["", "time", "turns"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_disclosure_then_stop_then_unsafe_win_over_everything(
    place: tuple[int, Progress], judgement: Judgement, heard: Utterance, over: str, broke_in: bool
) -> None:
    unsafe = replace(heard, safety="redirect:weapons")
    told = replace(heard, safety="handoff:harm")
    for said in (heard, unsafe):
        assert _rule(place, replace(judgement, verdict="disclosure"), said, over, broke_in) == ("HANDOFF_ADULT", "disclosure")
    assert _rule(place, judgement, told, over, broke_in) == ("HANDOFF_ADULT", "disclosure")
    assert _rule(place, replace(judgement, verdict="stop"), told, over, broke_in) == ("HANDOFF_ADULT", "disclosure")
    assert _rule(place, replace(judgement, verdict="stop"), unsafe, over, broke_in) == ("CLOSE", "stop")
    assert _rule(place, replace(judgement, verdict="stop"), replace(heard, safety=""), over, broke_in) == ("CLOSE", "stop")
    harmless = replace(judgement, verdict="correct" if judgement.verdict in ("stop", "disclosure") else judgement.verdict)
    if over:  # what is off limits is turned away, but nobody talks past the session's limit with it
        assert _rule(place, harmless, unsafe, over, broke_in) in (("SAFE_REDIRECT", "unsafe"), ("CLOSE", f"limit:{over}"))
    else:
        assert _rule(place, harmless, unsafe, over, broke_in) == ("SAFE_REDIRECT", "unsafe")
        assert plan(place, harmless, unsafe, broke_in=broke_in).allowed == ("SAFE_REDIRECT",)


def _rule(place: tuple[int, Progress], judgement: Judgement, heard: Utterance, over: str, broke_in: bool) -> tuple[str, str]:
    chosen = plan(place, judgement, heard, over=over, broke_in=broke_in)
    return chosen.id, chosen.rule


@given(progresses(), JUDGEMENTS, HEARD, SETTINGS, st.sampled_from(sorted(MOODS)))
@settings(max_examples=150, deadline=None)
def test_never_the_same_type_of_question_three_times_running(
    place: tuple[int, Progress], judgement: Judgement, heard: Utterance, setting: Setting, mood: str
) -> None:
    crowd = crowd_of(place, plan(place, judgement, heard, setting, mood))
    before = place[1].crowds[-2:]
    assert crowd is None or before != (crowd, crowd)


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_type_that_was_just_asked_twice_is_not_asked_again(crowd: Crowd) -> None:
    """The rule bites: at places where the type would be asked, it is not once it has been asked twice running."""
    bitten = 0
    for number, story in enumerate(STORIES):
        for beat in story.beats:
            if not any(prompt.shape.crowd == crowd for prompt in beat.prompts):
                continue
            place = number, Progress("en", phase="story", beat=beat.id, told=False)
            for mood in ("first", "last"):
                free = crowd_of(place, plan(place, None, None, mood=mood))
                tired = number, replace(place[1], crowds=(crowd, crowd))
                assert crowd_of(tired, plan(tired, None, None, mood=mood)) != crowd
                bitten += free == crowd
    assert bitten or crowd == "distancing"


@given(progresses(kinds=("prompt", "repeat", None)), JUDGEMENTS, HEARD, SETTINGS, st.sampled_from(sorted(MOODS)))
@settings(max_examples=150, deadline=None)
def test_a_childs_own_life_is_asked_for_only_after_a_right_answer_in_the_scene(
    place: tuple[int, Progress], judgement: Judgement, heard: Utterance, setting: Setting, mood: str
) -> None:
    number, progress = place
    chosen = plan(place, judgement, heard, setting, mood)
    if crowd_of(place, chosen) != "distancing":
        return
    beat = STORIES[number].beat(chosen.target.partition("/")[0])
    if beat.id == progress.beat and progress.right:
        return
    asked = progress.asked if beat.id == progress.beat else ()
    tired = progress.crowds[-1] if len(progress.crowds) > 1 and progress.crowds[-1] == progress.crowds[-2] else None
    others = [prompt for prompt in beat.prompts if prompt.shape.id not in asked]
    others = [prompt for prompt in others if prompt.shape.crowd not in ("distancing", "completion", tired)]
    assert not others, "something else could have been asked"


@given(progresses(kinds=("prompt",)), JUDGEMENTS, HEARD, SETTINGS, st.sampled_from(sorted(MOODS)))
@settings(max_examples=100, deadline=None)
def test_hints_rise_by_one_and_never_beyond_three(
    place: tuple[int, Progress], judgement: Judgement, heard: Utterance, setting: Setting, mood: str
) -> None:
    chosen, pending = plan(place, judgement, heard, setting, mood), place[1].pending
    assert pending is not None
    if chosen.id == "SCAFFOLD_HINT":
        assert chosen.rung == pending.rung + 1 <= 3
    else:
        assert chosen.rung == 0


@given(progresses(kinds=("prompt",)), st.sampled_from(HELP), SETTINGS, st.sampled_from(sorted(MOODS)))
@settings(max_examples=100, deadline=None)
def test_after_three_failed_attempts_the_robot_thinks_aloud_or_tells(
    place: tuple[int, Progress], verdict: Verdict, setting: Setting, mood: str
) -> None:
    number, progress = place
    assert progress.pending is not None
    failed = (
        number,
        replace(progress, pending=replace(progress.pending, attempts=max(3, progress.pending.attempts), told=False)),
    )
    chosen = plan(failed, Judgement(verdict, "en"), Utterance("hm"), setting, mood)
    assert chosen.id in ("MODEL_THINKALOUD", "DIRECT_INSTRUCTION")
    if progress.pending.thought:
        assert chosen.id == "DIRECT_INSTRUCTION"


@given(
    progresses(kinds=("prompt",)),
    SETTINGS,
    st.sampled_from(sorted(MOODS)),
    st.lists(st.sampled_from(HELP), min_size=9, max_size=9),
)
@settings(max_examples=80, deadline=None)
def test_a_ladder_always_ends(place: tuple[int, Progress], setting: Setting, mood: str, verdicts: list[Verdict]) -> None:
    """Whatever the answers and the model: within nine failed answers to one question the story goes on."""
    number, progress = place
    assert progress.pending is not None
    pending = replace(progress.pending, attempts=0, rung=0, probed=False, thought=False, told=False, silences=0, unclear=0)
    used: list[StrategyId] = []
    for verdict in verdicts:
        chosen = plan((number, replace(progress, pending=pending)), Judgement(verdict, "en"), Utterance("hm"), setting, mood)
        used.append(chosen.id)
        if chosen.target or chosen.id == "CLOSE":
            return
        pending = replace(
            pending,
            attempts=pending.attempts + 1,
            rung=chosen.rung or pending.rung,
            probed=pending.probed or chosen.id == "SOCRATIC_PROBE",
            thought=pending.thought or chosen.id == "MODEL_THINKALOUD",
            told=pending.told or chosen.id == "DIRECT_INSTRUCTION",
        )
    pytest.fail(f"the question never closed: {used}")


@given(progresses(kinds=("prompt", "recall", "role", "choice", "prior", "repeat")), SETTINGS)
@settings(max_examples=60, deadline=None)
def test_a_silent_child_is_never_asked_for_ever(place: tuple[int, Progress], setting: Setting) -> None:
    number, progress = place
    for _ in range(4):
        chosen = plan((number, progress), Judgement("silence", "en"), Utterance(""), setting)
        if chosen.id != "WAIT":
            return
        assert progress.pending is not None
        progress = replace(progress, pending=replace(progress.pending, silences=progress.pending.silences + 1))
    pytest.fail("the robot waits for ever")


@given(progresses(kinds=("assent",)), JUDGEMENTS)
@settings(max_examples=60, deadline=None)
def test_only_a_yes_is_a_yes(place: tuple[int, Progress], judgement: Judgement) -> None:
    chosen = plan(place, judgement, Utterance("hm"))
    if judgement.verdict == "correct":
        assert chosen.id == "ELICIT_PRIOR"
    else:
        assert chosen.id in ("CLOSE", "REPAIR", "HANDOFF_ADULT")


@given(progresses(), JUDGEMENTS, HEARD, st.sampled_from(["time", "turns"]))
@settings(max_examples=60, deadline=None)
def test_a_limit_ends_the_session_kindly(
    place: tuple[int, Progress], judgement: Judgement, heard: Utterance, over: str
) -> None:
    assume(place[1].pending is None or place[1].pending.kind != "assent")
    safe = replace(judgement, verdict="wrong" if judgement.verdict in ("stop", "disclosure") else judgement.verdict)
    chosen = plan(place, safe, replace(heard, safety=""), over=over)
    assert (chosen.id, chosen.rule) == ("CLOSE", f"limit:{over}")


# ---------------------------------------------------------------------- models that answer nonsense


def _raise(options: Sequence[str]) -> list[float]:
    raise ConnectionError("the model is gone")


NONSENSE: dict[str, Callable[[Sequence[str]], list[float]]] = {
    "nan": lambda options: [math.nan] * len(options),
    "one nan": lambda options: [math.nan, *[0.0] * (len(options) - 1)],
    "infinite": lambda options: [-math.inf] * len(options),
    "too few": lambda options: [0.0] * (len(options) - 1),
    "too many": lambda options: [0.0] * (len(options) + 1),
    "none": lambda options: [],
    "raises": _raise,
}


def _contested() -> tuple[int, Progress]:
    """A place where the rules leave a choice: two hints did not help."""
    story = STORIES[0]
    beat = next(beat for beat in story.beats if beat.prompts)
    pending = Pending("prompt", "What is it?", beat.id, beat.prompts[0].shape.id, attempts=2, rung=2)
    return 0, Progress("en", phase="story", beat=beat.id, told=True, asked=(beat.prompts[0].shape.id,), pending=pending)


@pytest.mark.parametrize("kind", sorted(NONSENSE))
def test_a_model_that_answers_nonsense_is_replaced_by_the_policy(kind: str) -> None:
    number, progress = _contested()
    judgement, heard = Judgement("wrong", "en"), Utterance("a frog")
    chosen = Strategist(Ranking(NONSENSE[kind]), Setting("6-7")).plan(STORIES[number], progress, judgement, heard)
    policy = Strategist(Authored(), Setting("6-7")).plan(STORIES[number], progress, judgement, heard)
    assert (chosen.id, chosen.allowed, chosen.scores) == (policy.id, policy.allowed, policy.scores)
    assert "policy" in chosen.reason
    assert "policy" not in policy.reason
    assert ("ConnectionError" in chosen.reason) == (kind == "raises")


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=2, unique=True))
def test_inside_the_allowed_set_the_models_best_score_wins(scores: list[float]) -> None:
    number, progress = _contested()
    strategist = Strategist(Ranking(lambda options: scores), Setting("6-7"))
    chosen = strategist.plan(STORIES[number], progress, Judgement("wrong", "en"), Utterance("a frog"))
    assert chosen.scores == tuple(scores)
    assert chosen.id == chosen.allowed[scores.index(max(scores))]


def test_a_rule_that_leaves_one_strategy_does_not_ask_the_model() -> None:
    number, progress = _contested()
    strategist = Strategist(Ranking(_raise), Setting("6-7"))
    chosen = strategist.plan(STORIES[number], progress, Judgement("stop", "en"), Utterance("stop"))
    assert (chosen.id, chosen.rule, "policy" in chosen.reason) == ("CLOSE", "stop", False)
