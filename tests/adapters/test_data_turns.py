"""Turns and replies: the real judge and strategist decide, the guard has the last word, and the turn's material is used."""

from __future__ import annotations

import random
from functools import cache

import pytest

from adapters.data import phrases
from adapters.data.moments import SHARES, Moment, draw, story
from adapters.data.replies import MAY_GO, TAKING_UP, Turn, compose, styled
from adapters.data.slots import SLOTS, fill, values
from adapters.data.split import HELD_OUT_STORIES
from adapters.data.turns import Heard, Stage
from agent.clock import VirtualClock
from agent.guard import reply_faults, sentence_fault
from agent.lines import MANNERS, REQUIRED, bank, expansions
from agent.models.authored import Authored
from agent.personality import load
from agent.prompts import split
from agent.readability import sentences
from agent.story import slugs
from agent.storyteller import WRITTEN, Request, Storyteller
from agent.strategist import Setting, Strategist
from agent.style.measure import index
from agent.turn import LANGUAGES, Language

MOMENTS = 24


@cache
def happened() -> tuple[tuple[Moment, Heard, Language, int, Turn], ...]:
    """Some turns, each at three levels."""
    stage = Stage()
    found: list[tuple[Moment, Heard, Language, int, Turn]] = []
    for number in range(MOMENTS):
        moment = draw(number, random.Random(f"test/{number}"))
        for language in LANGUAGES:
            heard = stage.heard(moment, language, random.Random(f"{number}/{language}"))
            for level in (1, 5, 9):
                if heard is None:
                    continue
                turn = compose(moment, heard, level, number)
                if turn is not None:
                    found.append((moment, heard, language, level, turn))
    return tuple(found)


def test_every_written_strategy_is_drawn() -> None:
    assert set(SHARES) == WRITTEN
    drawn = {draw(number, random.Random(number)).wanted for number in range(200)}
    assert drawn == WRITTEN


def test_every_story_is_met() -> None:
    assert {draw(number, random.Random(number)).slug for number in range(300)} == set(slugs()) > HELD_OUT_STORIES


def test_a_moment_is_the_same_in_every_language() -> None:
    turns = [(moment.number, level, heard.strategy.id) for moment, heard, _, level, _ in happened()]
    by_turn: dict[tuple[int, int], set[str]] = {}
    for number, level, strategy in turns:
        by_turn.setdefault((number, level), set()).add(strategy)
    assert all(len(strategies) == 1 for strategies in by_turn.values())
    assert {language for _, _, language, _, _ in happened()} == set(LANGUAGES)


def test_the_strategy_was_allowed_by_the_real_strategist() -> None:
    for moment, heard, *_ in happened():
        planned = Strategist(Authored(), Setting(moment.band, moment.second)).plan(
            heard.story, heard.progress, heard.judgement, heard.utterance
        )
        assert heard.strategy.id in planned.allowed
        if planned.id == heard.strategy.id:
            assert planned.rung == heard.strategy.rung


def test_no_reply_breaks_its_contract() -> None:
    """Asked of the guard itself, without the shortcut that the build takes."""
    for moment, heard, _, level, turn in happened():
        storyteller = Storyteller(
            Authored(), Setting(moment.band, moment.second), VirtualClock(), 0, "", lambda text, why: None
        )
        request = Request(
            heard.story, heard.progress, heard.strategy, heard.judgement, heard.utterance, load(str(level)), heard.facts
        )
        draft = storyteller.draft(request)
        assert storyteller.contract is not None
        material = (*draft.material, *split(turn.prompt.facts["material"]), turn.prompt.facts["correction"])
        allowed = " ".join((*material, turn.prompt.facts["question"]))
        contract = storyteller.contract.__class__(**{**storyteller.contract.__dict__, "allowed": allowed})
        parts = sentences(turn.plain)
        assert [sentence_fault(part, contract) for part in parts] == [""] * len(parts), turn.plain
        assert reply_faults(parts, contract) == [], turn.plain


def test_the_reply_is_made_of_the_turns_own_material() -> None:
    for _, heard, _, _, turn in happened():
        facts = turn.prompt.facts
        assert fill(turn.slotted, facts) == turn.plain
        known = values(facts)
        match heard.strategy.id:
            case "SCAFFOLD_HINT":
                assert "<hint>" in turn.slotted
            case "RECAST_EXPAND" if "<idea>" in known:
                assert "<idea>" in turn.slotted
            case "MODEL_THINKALOUD" | "DIRECT_INSTRUCTION":
                assert "<idea" in turn.slotted
            case "BRING_BACK":
                assert turn.slotted.endswith("<ask>")
        assert not any(token in turn.prompt.messages[-1].content for token in SLOTS)
        if facts["close"] == "repeat":
            assert turn.slotted.endswith("<word1>, <word2>.") or turn.slotted.endswith("<word1>.")


def test_the_prompt_says_how_the_reply_ends() -> None:
    for _, heard, _, _, turn in happened():
        close, end = turn.prompt.facts["close"], turn.plain.rstrip(' ”“»"')
        if close in ("invite", "material"):
            assert end.endswith(("?", "…"))
        if close == "new word":
            assert "<word" in turn.slotted or "?" not in turn.plain
        if heard.strategy.id == "BRING_BACK":
            assert close == "ask again"


def test_a_hint_never_names_the_answer_before_it_may_be_said() -> None:
    for _, heard, _, _, turn in happened():
        if heard.strategy.id in ("RECAST_EXPAND", "DIRECT_INSTRUCTION"):
            assert turn.prompt.facts["accepted"] == ""


def test_extravert_replies_sound_more_extravert() -> None:
    for language in LANGUAGES:
        said = {
            level: " ".join(t.plain for _, _, own, at, t in happened() if own == language and at == level)
            for level in (1, 5, 9)
        }
        assert index(said[1], language) < index(said[5], language) < index(said[9], language)


def test_style_of_material_is_the_storytellers() -> None:
    """The build styles material by itself, because ``finish`` remembers; both must say the same."""
    for slug in ("seed", "bendy"):
        for language in LANGUAGES:
            told = story(slug, language)
            for beat in told.beats[:3]:
                for prompt in beat.prompts:
                    hint = prompt.words.hints["8-10"][0]
                    for level in (1, 9):
                        made = styled(hint, language, "8-10", level)
                        assert made.count("?") == hint.count("?")
                        teller = Storyteller(Authored(), Setting("8-10"), VirtualClock(), 0, "", lambda text, why: None)
                        assert made == teller.stylist.realise(hint, language, level, limit=18) or made == hint


def test_the_words_for_training_are_lines_of_known_keys() -> None:
    for language in LANGUAGES:
        for key, found in phrases.own(language).items():
            need = REQUIRED[key]
            for manner in MANNERS:
                for frame in found.frames(manner):
                    for text in expansions(frame):
                        assert text.count("?") == int(need.asks), text
                        assert all(f"{{{name}}}" in text for name in need.slots), text
                        ends = (
                            (".", "!", "?", "…", "{ask}", ":")
                            if key in ("hint", "think", "tell_you")
                            else (".", "!", "?", "{ask}")
                        )
                        assert text.rstrip("”“»\u202f").endswith(ends), text
                        if language == "fr":
                            assert not any(wide in text for wide in (" ?", " !", "« ", " »", " :")), text


def test_both_banks_are_drawn_from() -> None:
    picked = phrases.Phrases(random.Random(0))
    texts = {picked.pick("hint", "en", "neutral") for _ in range(300)}
    theirs = {text for frame in bank("en")["hint"].frames("neutral") for text in expansions(frame)}
    own = {text for frame in phrases.own("en")["hint"].frames("neutral") for text in expansions(frame)}
    assert texts & theirs
    assert texts & own
    assert texts <= theirs | own


def test_a_line_heard_before_is_avoided() -> None:
    from agent.lines import fingerprint

    picked = phrases.Phrases(random.Random(1))
    used = {fingerprint(text) for frame in bank("en")["hint"].frames("neutral") for text in expansions(frame)}
    again = [picked.pick("hint", "en", "neutral", used) for _ in range(40)]
    assert sum(fingerprint(text) in used for text in again) <= 4


def test_what_may_go_and_what_takes_its_place_are_keys_of_lines() -> None:
    assert {*MAY_GO, *TAKING_UP, *TAKING_UP.values()} <= set(REQUIRED)


@pytest.mark.parametrize("level", [1, 5, 9])
def test_the_same_seed_gives_the_same_turn(level: int) -> None:
    moment = draw(3, random.Random("test/3"))
    heard = Stage().heard(moment, "fr", random.Random(1))
    if heard is not None:
        first, second = compose(moment, heard, level, 7), compose(moment, heard, level, 7)
        assert first == second
