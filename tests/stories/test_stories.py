"""Every sentence a child may hear, from every story and every line: inside its contract."""

from __future__ import annotations

import random
import re

import pytest

from agent.guard import Contract, sentence_fault
from agent.lines import MANNERS, REQUIRED, bank, expansions
from agent.readability import sentences, words
from agent.story import Story, slugs, split_mark
from agent.turn import BANDS, LANGUAGES, Band, Language
from agent.understanding.prepared import literal
from hardware.gestures import gestures
from stories.check import check
from tests.conftest import story_of

SAMPLE = 1_600
FILLED: dict[Language, dict[str, str]] = {
    "en": {
        "title": "The Seed",
        "word": "snail",
        "words": "dew, drop",
        "name": "Pip",
        "offer": "the boat",
        "ask": "who is it?",
        "adult": "your teacher",
    },
    "fr": {
        "title": "La graine",
        "word": "escargot",
        "words": "rosée, goutte",
        "name": "Nino",
        "offer": "le bateau",
        "ask": "qui est-ce\u202f?",
        "adult": "ta maîtresse",
    },
    "de": {
        "title": "Der Samen",
        "word": "Schnecke",
        "words": "Tau, Tropfen",
        "name": "Fiete",
        "offer": "das Boot",
        "ask": "Wer ist das?",
        "adult": "deine Lehrerin",
    },
}


@pytest.mark.parametrize("slug", slugs())
def test_authors_have_nothing_to_mend(slug: str) -> None:
    assert check(slug) == []


def told(story: Story, band: Band) -> list[str]:
    """Everything of a story that may be said in a band, as it is written."""
    wording = story.wording
    lines = [wording.prior[band], *wording.recap[band], wording.recall[band], wording.farewell, *wording.glossary.values()]
    lines += [line for entry in wording.questions for line in entry.says[band]]
    for beat in story.beats:
        lines += [*beat.words.tell[band], *([beat.words.choose] if beat.words.choose else [])]
        for prompt in beat.prompts:
            part = prompt.words
            lines += [part.ask[band], *part.hints[band], *part.think_aloud[band], *part.explain[band], part.expand.says[band]]
            lines += [wrong.reply for wrong in part.misconceptions]
    return [split_mark(line)[1] for line in lines]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_every_sentence_of_a_story_may_be_said(slug: str, language: Language) -> None:
    story, faults, count = story_of(slug, language), [], 0
    for band in BANDS:
        for line in told(story, band):
            contract = Contract(language, band, names=story.wording.names, allowed=line)
            for sentence in sentences(line):
                count += 1
                if fault := sentence_fault(sentence, contract):
                    faults.append(f"{band}: “{sentence}”: {fault}")
    assert count > 300
    assert sorted(set(faults)) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_hints_do_not_say_the_answer(slug: str, language: Language) -> None:
    story = story_of(slug, language)
    for beat in story.beats:
        for prompt in beat.prompts:
            if prompt.shape.answer != "closed":
                continue
            for band in BANDS:
                helps = [
                    *prompt.words.hints[band],
                    *prompt.words.think_aloud[band],
                    *(wrong.reply for wrong in prompt.words.misconceptions),
                ]
                for text in helps:
                    for accepted in prompt.words.accepted:
                        assert f" {_plain(accepted)} " not in f" {_plain(text)} ", (
                            f"{beat.id}/{prompt.shape.id}: “{text}” says “{accepted}”"
                        )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_a_question_does_not_hold_its_own_answer(slug: str, language: Language) -> None:
    story, found = story_of(slug, language), []
    for beat in story.beats:
        for prompt in beat.prompts:
            for band in BANDS if prompt.shape.answer == "closed" else ():
                asked = f" {_plain(prompt.words.ask[band])} "
                found += [
                    f"{beat.id}/{prompt.shape.id}: {prompt.words.ask[band]} ({way})"
                    for way in prompt.words.accepted
                    if f" {_plain(way)} " in asked
                ]
    assert found == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_a_closed_question_knows_the_ways_children_answer(slug: str, language: Language) -> None:
    """Many ways of saying what is right, some of saying each wrong idea, and none that stands for two of them."""
    found = []
    for beat in story_of(slug, language).beats:
        for prompt in beat.prompts:
            if prompt.shape.answer != "closed":
                continue
            name, ways = f"{beat.id}/{prompt.shape.id}", [literal(way, language) for way in prompt.words.accepted]
            wrong = [[literal(way, language) for way in idea.says] for idea in prompt.words.misconceptions]
            if len(prompt.words.accepted) < 8:
                found.append(f"{name}: {len(prompt.words.accepted)} right answers; expected at least 8")
            found += [f"{name}: {len(idea)} ways of the wrong idea “{idea[0]}”" for idea in wrong if len(idea) < 3]
            found += [f"{name}: “{way}” is right and wrong" for idea in wrong for way in set(idea) & set(ways)]
            said = [way for idea in wrong for way in set(idea)]
            found += [f"{name}: “{way}” stands for two wrong ideas" for way in set(said) if said.count(way) > 1]
    assert found == []


def _plain(text: str) -> str:
    return " ".join(words(text.lower()))


def test_every_gesture_named_in_a_story_exists() -> None:
    known = set(gestures())
    for slug in slugs():
        for language in LANGUAGES:
            story = story_of(slug, language)
            for beat in story.beats:
                for band in BANDS:
                    marks = {split_mark(line)[0] for line in beat.words.tell[band]} - {""}
                    assert marks <= known, marks - known


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_question_stands_in_two_stories(language: Language) -> None:
    seen: dict[str, str] = {}
    for slug in slugs():
        for beat in story_of(slug, language).beats:
            for prompt in beat.prompts:
                for ask in set(prompt.words.ask.values()):
                    assert seen.setdefault(ask, slug) == slug, ask


# ---------------------------------------------------------------------- the tutor's own lines


def sampled(language: Language) -> list[tuple[str, str]]:
    """Lines of every key and manner with their slots filled, evenly over keys; (key, text)."""
    rng = random.Random(language)
    found: list[tuple[str, str]] = []
    share = SAMPLE // (len(REQUIRED) * len(MANNERS)) + 1
    for key in REQUIRED:
        for manner in MANNERS:
            every = [text for frame in bank(language)[key].frames(manner) for text in expansions(frame)]
            for text in every if len(every) <= share else rng.sample(every, share):
                found.append((key, re.sub(r"\{(\w+)\}", lambda slot: FILLED[language][slot[1]], text)))
    rest = [(key, manner) for key in REQUIRED for manner in MANNERS]
    while len(found) < SAMPLE:
        key, manner = rng.choice(rest)
        frame = rng.choice(bank(language)[key].frames(manner))
        found.append((key, re.sub(r"\{(\w+)\}", lambda slot: FILLED[language][slot[1]], rng.choice(list(expansions(frame))))))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tutors_lines_may_be_said(language: Language) -> None:
    """Against an empty contract: no material of a story excuses a line."""
    faults, count = [], 0
    names = tuple(FILLED[language][slot] for slot in ("name", "title"))
    for key, text in sampled(language):
        for sentence in sentences(text):
            contract = Contract(language, "8-10", names=(*names, "Reachy"), allowed="" if key not in ("title",) else text)
            if fault := sentence_fault(sentence, contract):
                faults.append(f"{key}: “{sentence}”: {fault}")
        count += 1
    assert count >= 1_500
    assert sorted(set(faults)) == []
