"""Rows for making things: a story from a topic and an age, the next scene, a retelling for another age, a summary, three
questions with their answers, an answer to a child's question, and the same words in another language.

All of it comes out of the stories, which say the same thing in three languages and three bands.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from adapters.data.moments import story
from adapters.data.prose import bare
from adapters.data.rows import Row, chat_row
from adapters.data.split import of_story
from agent.ports import Message
from agent.story import Prompt, Story, slugs, split_mark
from agent.turn import BANDS, LANGUAGES, Band, Language

SYSTEM: dict[str, str] = {
    "story": "You write stories for children. Write a story about the topic, for the age and in the language given.",
    "continue": "You write stories for children. Write the next scene, for the age and in the language given.",
    "retell": "You write stories for children. Tell the scene again for the age given. Keep what happens.",
    "summary": "You write stories for children. Say in a few sentences what happened, for the age given.",
    "questions": "You are a teacher of children. Ask three questions about the text and give the answer to each.",
    "answer": "You are a teacher of children. Answer the child's question about the story, for the age given.",
    "translate": "You translate for children. Say the same in the language given.",
}
NAMES: dict[Language, str] = {"en": "English", "fr": "français", "de": "Deutsch"}
LABELS: dict[Language, tuple[str, str]] = {
    "en": ("Question", "Answer"),
    "fr": ("Question", "Réponse"),
    "de": ("Frage", "Antwort"),
}


def rows(seed: int) -> Iterator[Row]:
    """All rows, story by story."""
    for slug in slugs():
        for language in LANGUAGES:
            told = story(slug, language)
            yield from _stories(told)
            yield from _questions(told, random.Random(f"{seed}/{slug}/{language}"))
            for other in LANGUAGES:
                if other != language:
                    yield from _translations(told, story(slug, other))


def _row(task: str, told: Story, name: str, asked: dict[str, str], answer: str) -> Row:
    """A row whose prompt is a list of facts, as in the prompts of a turn."""
    facts = "\n".join(f"{key}: {value}" for key, value in asked.items())
    messages: Sequence[Message] = (Message("system", SYSTEM[task]), Message("user", facts))
    split = of_story(told.slug, name)
    return chat_row(task, messages, answer, language=told.language, story=told.slug, split=split, turn=f"{told.slug}/{name}")


def _stories(told: Story) -> Iterator[Row]:
    wording, language = told.wording, told.language
    for band in BANDS:
        head = {"language": language, "age": band}
        scenes = [bare(beat.words.tell[band]) for beat in told.beats]
        whole = "\n".join([wording.title, *scenes, wording.farewell])
        for number, topic in enumerate((wording.title, wording.about)):
            yield _row("story", told, f"story/{band}/{number}", {**head, "topic": topic}, whole)
        recap = bare(wording.recap[band])
        yield _row("summary", told, f"summary/{band}", {**head, "text": "\n".join(scenes)}, recap)
        for place, beat in enumerate(told.beats):
            following = told.after(beat.id)
            if following:
                after = bare(told.beat(following).words.tell[band])
                asked = {**head, "story": wording.about, "text": scenes[place]}
                yield _row("continue", told, f"continue/{band}/{beat.id}", asked, after)
            for other in BANDS:
                if other != band:
                    asked = {**head, "text": bare(beat.words.tell[other])}
                    yield _row("retell", told, f"retell/{other}/{band}/{beat.id}", asked, scenes[place])


def _questions(told: Story, rng: random.Random) -> Iterator[Row]:
    language = told.language
    for band in BANDS:
        head = {"language": language, "age": band}
        for beat in told.beats:
            if len(beat.prompts) >= 3:
                asked = {**head, "text": bare(beat.words.tell[band])}
                for number in range(2):
                    answer = _three(rng.sample(beat.prompts, 3), band, language)
                    yield _row("questions", told, f"questions/{band}/{beat.id}/{number}", asked, answer)
        everything = [prompt for beat in told.beats for prompt in beat.prompts if prompt.shape.answer != "open"]
        text = "\n".join(bare(beat.words.tell[band]) for beat in told.beats)
        for number in range(2):
            answer = _three(rng.sample(everything, 3), band, language)
            yield _row("questions", told, f"questions/{band}/all/{number}", {**head, "text": text}, answer)
        for place, entry in enumerate(told.wording.questions):
            for number, asks in enumerate(entry.asks):
                asked = {**head, "story": told.wording.about, "child": asks}
                yield _row("answer", told, f"answer/{band}/{place}/{number}", asked, bare(entry.says[band]))


def _three(prompts: Sequence[Prompt], band: Band, language: Language) -> str:
    question, answer = LABELS[language]
    gap = "\u00a0" if language == "fr" else ""
    return "\n".join(
        f"{question} {number}{gap}: {split_mark(prompt.words.ask[band])[1]}\n{answer}{gap}: {bare(prompt.words.explain[band])}"
        for number, prompt in enumerate(prompts, start=1)
    )


def _translations(told: Story, other: Story) -> Iterator[Row]:
    """The same turn in another language: scenes, questions, hints, explanations and what is added to an answer."""
    for band in BANDS:
        asked = {"from": NAMES[other.language], "language": told.language, "age": band}
        for beat, there in zip(told.beats, other.beats, strict=True):
            name = f"translate/{band}/{beat.id}"
            text = bare(there.words.tell[band])
            yield _row("translate", told, name, {**asked, "text": text}, bare(beat.words.tell[band]))
            for prompt, twin in zip(beat.prompts, there.prompts, strict=True):
                yield _row(
                    "translate",
                    told,
                    f"{name}/{prompt.shape.id}",
                    {**asked, "text": _turn(twin, band)},
                    _turn(prompt, band),
                )


def _turn(prompt: Prompt, band: Band) -> str:
    """A question and what the tutor says to it."""
    words = prompt.words
    return bare((words.ask[band], words.hints[band][0], *words.explain[band], words.expand.says[band]))
