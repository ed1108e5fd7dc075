"""Answers to what children ask of their own accord."""

from __future__ import annotations

import pytest

from agent.asides import about_the_robot, answer
from agent.guard import Contract, sentence_fault
from agent.readability import LIMITS, sentences, words
from agent.story import slugs
from agent.turn import BANDS, LANGUAGES, Language
from tests.conftest import story_of


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_every_known_question_gets_its_own_answer(slug: str, language: Language) -> None:
    story = story_of(slug, language)
    first: dict[str, tuple[str, ...]] = {}
    for entry in (*story.wording.questions, *about_the_robot(language)):
        for way in entry.asks:
            first.setdefault(" ".join(words(way.lower())), entry.says["6-7"])  # the story knows better than the robot
    for way, says in first.items():
        assert answer(way, story, "6-7") == says, way


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_known_question_is_known_however_it_is_typed(language: Language) -> None:
    story = story_of("seed", language)
    for entry in story.wording.questions:
        for way in (f"{entry.asks[0].upper()} ?!", f"um {entry.asks[0]}"):
            assert answer(way, story, "6-7") == entry.says["6-7"], way


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_of_the_glossary_is_explained(language: Language) -> None:
    story = story_of("seed", language)
    asked = {"en": "what does {} mean", "fr": "c'est quoi {}", "de": "was heißt {}"}[language]
    explained = 0
    for word, meaning in story.wording.glossary.items():
        found = answer(asked.format(word), story, "6-7")
        assert found, word
        explained += found == (meaning,)
    assert explained >= 0.7 * len(story.wording.glossary), "questions of the story may know better"


@pytest.mark.parametrize(
    ("language", "asked"),
    [
        ("en", ""),
        ("en", "?!"),
        ("en", "what is the capital of france"),
        ("en", "how many stars are there in the universe"),
        ("fr", "quelle est la capitale de l'italie"),
        ("de", "wie viele sterne gibt es im weltall"),
        ("de", "wann gibt es heute mittagessen"),
    ],
)
def test_what_nobody_wrote_down_is_left_to_the_teacher(language: Language, asked: str) -> None:
    for slug in slugs():
        assert answer(asked, story_of(slug, language), "6-7") == (), slug


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_is_short_safe_and_asks_nothing(language: Language) -> None:
    faults = []
    for slug in slugs():
        story = story_of(slug, language)
        for entry in (*story.wording.questions, *(about_the_robot(language) if slug == "seed" else ())):
            for band in BANDS:
                contract = Contract(
                    language, band, question="none", names=story.wording.names, allowed=" ".join(entry.says[band])
                )
                text = " ".join(entry.says[band])
                assert len(words(text)) <= LIMITS[band].words_per_turn, text
                for sentence in sentences(text):
                    if fault := sentence_fault(sentence, contract):
                        faults.append(f"{slug}: “{sentence}”: {fault}")
    assert faults == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_robot_is_honest_about_itself(language: Language) -> None:
    asked = {"en": "are you a robot", "fr": "tu es un robot", "de": "bist du ein roboter"}[language]
    found = " ".join(answer(asked, story_of("rainbow", language), "6-7")).lower()
    assert "robot" in found


def test_every_language_knows_the_same_questions() -> None:
    assert len({len(about_the_robot(language)) for language in LANGUAGES}) == 1
