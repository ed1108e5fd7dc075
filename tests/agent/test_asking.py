"""What an open question expects, for every question of every story."""

from __future__ import annotations

import pytest

from agent.asking import REPEAT_PATIENCE, YES, expectation, listening, prompt_of
from agent.judging import Judge
from agent.readability import LIMITS
from agent.story import slugs
from agent.turn import BANDS, LANGUAGES, Language, Pending, PendingKind, Utterance
from tests.conftest import story_of

JUDGE = Judge()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_yes_is_heard_as_a_yes_and_a_no_as_a_no(language: Language) -> None:
    expected = expectation(story_of("rainbow", language), Pending("assent", "?"))
    no = {"en": ("no", "no thanks"), "fr": ("non", "non merci"), "de": ("nein", "nein danke")}[language]
    for yes in YES[language]:
        assert JUDGE.judge(Utterance(yes), expected).verdict == "correct", yes
    for answer in no:
        assert JUDGE.judge(Utterance(answer), expected).verdict in ("wrong", "stop"), answer


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_a_questions_own_answers_are_right_and_its_misconceptions_are_not(slug: str, language: Language) -> None:
    """Never "wrong" to an accepted answer as the authors wrote it; never "right" to a misconception."""
    story, refused, accepted = story_of(slug, language), [], []
    count = 0
    for beat in story.beats:
        for prompt in beat.prompts:
            expected = expectation(story, Pending("prompt", prompt.words.ask["6-7"], beat.id, prompt.shape.id))
            assert expected.accepted == prompt.words.accepted
            assert expected.answer == prompt.shape.answer
            for answer in prompt.words.accepted:
                count += 1
                if JUDGE.judge(Utterance(answer), expected).verdict != "correct":
                    refused.append(f"{beat.id}/{prompt.shape.id}: {answer}")
            if prompt.shape.answer == "closed":
                for wrong in prompt.words.misconceptions:
                    accepted += [
                        f"{beat.id}/{prompt.shape.id}: {way}"
                        for way in wrong.says
                        if JUDGE.judge(Utterance(way), expected).verdict == "correct"
                    ]
    assert count > 50
    assert len(refused) <= 0.01 * count, refused
    assert accepted == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_way_of_choosing_chooses(language: Language) -> None:
    chosen = 0
    for slug in slugs():
        story = story_of(slug, language)
        for beat in story.beats:
            for choice, ways in beat.words.choices.items():
                expected = expectation(story, Pending("choice", beat.words.choose, beat.id))
                assert choice in expected.choices
                for way in (ways.offer, *ways.says):
                    assert JUDGE.judge(Utterance(way), expected).choice == choice, way
                    chosen += 1
    assert chosen >= 4


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("kind", ["assent", "prior", "prompt", "repeat", "recall", "role"])
def test_nobody_is_hurried(kind: PendingKind, band: str) -> None:
    story = story_of("seed", "en")
    beat = story.beats[0]
    pending = Pending(kind, "What?", beat.id, beat.prompts[0].shape.id if kind in ("prompt", "repeat") else "")
    for slowness in (1.0, 2.5):
        how = listening(story, pending, band, slowness)  # type: ignore[arg-type]
        assert how.patience == (REPEAT_PATIENCE if kind == "repeat" else LIMITS[band].wait * slowness)  # type: ignore[index]
        assert (how.question, how.language, how.about) == ("What?", "en", pending.about)
        assert set(story.wording.names) <= set(how.words)


def test_a_repeated_word_and_an_open_question_are_welcome_in_any_form() -> None:
    story = story_of("seed", "en")
    beat = story.beats[0]
    prompt = beat.prompts[0]
    said = Pending("repeat", "Say it with me.", beat.id, prompt.shape.id)
    expected = expectation(story, said)
    assert (expected.accepted, expected.answer) == (prompt.words.expand.words, "open")
    assert prompt_of(story, said) == prompt
    for kind in ("prior", "recall", "role"):
        assert expectation(story, Pending(kind, "What?", beat.id)).answer == "open"
        assert prompt_of(story, Pending(kind, "What?", beat.id)) is None
