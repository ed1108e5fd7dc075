"""Running text at a child's level: the stories in three bands, their words explained, questions with their answers."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.data.moments import story
from adapters.data.rows import Row
from adapters.data.split import of_story
from agent.asides import about_the_robot
from agent.story import Beat, Prompt, Story, slugs, split_mark
from agent.turn import BANDS, LANGUAGES, Band, Language

# How a word is asked for, and what it is called that it means: {w} the word.
ASKED: dict[Language, tuple[str, ...]] = {
    "en": ("What does “{w}” mean?", "What is meant by “{w}”?", "Do you know the word “{w}”?"),
    "fr": (
        "Que veut dire «\u202f{w}\u202f»\u202f?",
        "C'est quoi, «\u202f{w}\u202f»\u202f?",
        "Connais-tu le mot «\u202f{w}\u202f»\u202f?",
    ),
    "de": ("Was heißt „{w}“?", "Was bedeutet „{w}“?", "Kennst du das Wort „{w}“?"),
}


def bare(texts: tuple[str, ...]) -> str:
    """Sentences without their gesture marks, as one text."""
    return " ".join(split_mark(text)[1] for text in texts)


def rows() -> Iterator[Row]:
    """All of it. What is about no story is trained on."""
    for slug in slugs():
        for language in LANGUAGES:
            told = story(slug, language)
            for name, text in _of(told):
                split = of_story(slug, name)
                yield Row("prose", {"text": text, "language": language, "story": slug, "split": split})
    for language in LANGUAGES:
        for entry in about_the_robot(language):
            for band in BANDS[:1]:
                said = bare(entry.says[band])
                asked = entry.asks[0]
                text = f"{asked[0].upper()}{asked[1:]}{_mark(language)} {said}"
                yield Row("prose", {"text": text, "language": language, "story": "", "split": "train"})


def _of(told: Story) -> Iterator[tuple[str, str]]:
    """Each text of a story with a name that is the same in every language."""
    wording, language = told.wording, told.language
    for band in BANDS:
        scenes = [bare(beat.words.tell[band]) for beat in told.beats]
        yield f"whole/{band}", f"{wording.title}\n{wording.about}\n" + "\n".join([*scenes, wording.farewell])
        yield f"recap/{band}", f"{wording.title}. {bare(wording.recap[band])} {wording.recall[band]}"
        for place, beat in enumerate(told.beats):
            before = scenes[place - 1] if place else ""
            yield f"scene/{band}/{beat.id}", f"{before} {scenes[place]}".strip()
            for prompt in beat.prompts:
                yield f"lesson/{band}/{beat.id}/{prompt.shape.id}", _lesson(beat, prompt, band)
    for place, (word, meaning) in enumerate(wording.glossary.items()):
        for number, asked in enumerate(ASKED[language]):
            yield f"word/{place}/{number}", f"{asked.format(w=word)} {meaning}"
    for place, entry in enumerate(wording.questions):
        for band in BANDS:
            asked = entry.asks[BANDS.index(band) % len(entry.asks)]
            yield f"asked/{band}/{place}", f"{asked[0].upper()}{asked[1:]}{_mark(language)} {bare(entry.says[band])}"


def _lesson(beat: Beat, prompt: Prompt, band: Band) -> str:
    """The end of a scene, its question, help in growing strength, the answer and what belongs to it."""
    words = prompt.words
    parts = [bare(beat.words.tell[band][-3:]), split_mark(words.ask[band])[1]]
    parts += [split_mark(hint)[1] for hint in words.hints[band]]
    parts += [bare(words.think_aloud[band]), bare(words.explain[band]), split_mark(words.expand.says[band])[1]]
    return " ".join(parts)


def _mark(language: Language) -> str:
    return "\u202f?" if language == "fr" else "?"
