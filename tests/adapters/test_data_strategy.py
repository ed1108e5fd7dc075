"""States and their labels: the policy decides, every language agrees, and what is held out is never trained on."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.data.split import (
    DECIDING,
    HELD_OUT_MEETINGS,
    HELD_OUT_STORIES,
    is_held_out_state,
    of_story,
    part,
    state_key,
)
from adapters.data.states import HELP, State, driven, varied
from adapters.data.strategy import cases, prompt_of, rows
from adapters.data.vignettes import reasons, vignette, words
from agent.models.authored import Authored, score
from agent.prompts import split
from agent.turn import LANGUAGES, STRATEGIES

FACTS: tuple[tuple[str, str], ...] = (
    ("age", "6-7"),
    ("point", "an answer"),
    ("verdict", "partial"),
    ("attempts", "1"),
    ("rung", "0"),
    ("silences", "0"),
    ("quiet", "no"),
    ("second_language", "no"),
    ("questions_in_scene", "1"),
    ("recent", "DR_WH"),
    ("unused_types", ""),
)


@cache
def some() -> tuple[dict[str, object], ...]:
    return tuple(row.values for row in rows(260, 0) if row.task == "strategy")


def state(options: tuple[str, ...], **changes: str) -> State:
    return State(tuple({**dict(FACTS), **changes}.items()), options, True)  # type: ignore[arg-type]


def test_the_label_is_what_the_policy_takes() -> None:
    for case in cases(120, 1):
        ranked = Authored().rank(prompt_of(case, "de"), case.state.options, adapter="strategy")
        assert case.state.best == case.state.options[ranked.index(max(ranked))]
        assert case.state.best in case.state.options


def test_the_prompt_lists_the_options_in_their_order() -> None:
    for case in cases(40, 2):
        facts = prompt_of(case, "fr").facts
        assert split(facts["allowed"]) == case.state.options
        assert f"allowed: {facts['allowed']}\n" in prompt_of(case, "fr").messages[-1].content


def test_a_state_has_one_label_in_all_languages() -> None:
    labels, languages = defaultdict(set), defaultdict(set)
    for row in some():
        labels[row["turn"]].add(row["strategy"])
        languages[row["turn"]].add(row["language"])
    assert all(len(found) == 1 for found in labels.values())
    assert all(found == set(LANGUAGES) for found in languages.values())


def test_the_childs_words_differ_between_languages() -> None:
    said = defaultdict(set)
    for row in some():
        child = row["prompt"][1]["content"].rpartition("child: ")[2]  # type: ignore[index]
        if child:
            said[row["turn"]].add(child)
    assert said
    assert sum(len(found) == 3 for found in said.values()) > 0.8 * len(said)


def test_real_states_are_those_the_strategist_asks() -> None:
    rng = random.Random(0)
    found = [one for one in (driven(rng) for _ in range(1500)) if one]
    sets = {frozenset(one.options) for one in found}
    assert frozenset({"SOCRATIC_PROBE", "SCAFFOLD_HINT"}) in sets
    assert frozenset({"MODEL_THINKALOUD", "SCAFFOLD_HINT"}) in sets
    assert frozenset({"MODEL_THINKALOUD", "DIRECT_INSTRUCTION"}) in sets
    assert frozenset({"BRING_BACK", "ROLE_PLAY"}) in sets
    assert frozenset({"SOCRATIC_PROBE", "DIRECT_INSTRUCTION"}) not in sets, "the rules never leave these two"
    assert all(len(one.options) > 1 for one in found)
    assert {one.known["point"] for one in found} == {"an answer", "a new scene", "after an answer"}


def test_varied_states_have_sets_that_the_rules_do_not_leave() -> None:
    rng = random.Random(0)
    found = [one for one in (varied(rng) for _ in range(300)) if one]
    assert any(len(one.options) >= 4 for one in found)
    assert all(len(set(one.options)) == len(one.options) for one in found)
    assert not any(one.driven for one in found)


def test_no_label_drowns_the_others() -> None:
    labels = Counter(case.state.best for case in cases(1200, 0))
    assert len(labels) >= 12
    assert max(labels.values()) < 0.2 * sum(labels.values())


def test_two_stories_and_meetings_of_facts_are_held_out() -> None:
    splits = {row["split"] for row in some()}
    assert {"train", "story", "state"} <= splits
    for row in some():
        held = is_held_out_state(dict(part_.split("=", 1) for part_ in str(row["state"]).split("; ")))
        if row["split"] in ("train", "dev"):
            assert row["story"] not in HELD_OUT_STORIES
            assert not any(
                all(f"{name}={value}" in str(row["state"]).split("; ") for name, value in meeting.items())
                for meeting in HELD_OUT_MEETINGS
            )
        assert isinstance(held, bool)


def test_every_fact_of_a_held_out_meeting_is_trained_on_elsewhere() -> None:
    trained = [str(row["state"]).split("; ") for row in some() if row["split"] == "train"]
    for meeting in HELD_OUT_MEETINGS:
        for name, value in meeting.items():
            assert any(f"{name}={value}" in facts for facts in trained), (name, value)


def test_held_out_states_do_not_depend_on_language_story_or_rung() -> None:
    facts = dict(FACTS)
    for changes in ({"language": "de"}, {"story": "seed"}, {"rung": "2"}, {"silences": "1"}, {"child": "hello"}):
        assert state_key({**facts, **changes}) == state_key(facts)
    for name in DECIDING:
        assert state_key({**facts, name: "x"}) != state_key(facts)
    assert state_key({**facts, "recent": "DR_WH | BRING_BACK"}) != state_key({**facts, "recent": "BRING_BACK | DR_WH"})


@given(st.text(max_size=30))
def test_a_part_is_a_share(name: str) -> None:
    assert 0 <= part(name) < 1
    assert part(name) == part(name)


def test_of_story_keeps_a_turn_on_one_side() -> None:
    assert of_story("rainbow", "anything") == "story"
    found = Counter(of_story("seed", str(number)) for number in range(2000))
    assert set(found) == {"train", "dev"}
    assert 20 < found["dev"] < 120


def test_a_tie_goes_to_the_first_and_says_so() -> None:
    tied = state(("DR_OPEN", "DR_RECALL"), point="a new scene", verdict="", recent="GREET")
    other = state(("DR_RECALL", "DR_OPEN"), point="a new scene", verdict="", recent="GREET")
    assert (tied.best, other.best) == ("DR_OPEN", "DR_RECALL")
    assert tied.margin == 0


def test_a_reason_is_a_fact_that_matters() -> None:
    probe = state(("SOCRATIC_PROBE", "SCAFFOLD_HINT"))
    assert probe.best == "SOCRATIC_PROBE"
    assert reasons(probe)[0] == "verdict"
    late = state(("SCAFFOLD_HINT", "MODEL_THINKALOUD"), verdict="wrong", attempts="4")
    assert late.best == "MODEL_THINKALOUD"
    assert reasons(late)[0] == "attempts"
    assert score("MODEL_THINKALOUD", late.known) > score("SCAFFOLD_HINT", late.known)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_vignette_ends_in_the_best_strategy(language: str) -> None:
    for number, case in enumerate(cases(60, 3)):
        text = vignette(case.state, language, random.Random(number), "Pip sleeps.")  # type: ignore[arg-type]
        assert text.rstrip(".").endswith(case.state.best)
        assert "{" not in text
        assert text == vignette(case.state, language, random.Random(number), "Pip sleeps.")  # type: ignore[arg-type]


def test_every_strategy_has_words_in_every_language() -> None:
    for language in LANGUAGES:
        assert set(words(language).do) >= set(STRATEGIES) - {"SAFE_REDIRECT", "HANDOFF_ADULT", "CLOSE"}
        assert set(HELP) <= set(words(language).do)
