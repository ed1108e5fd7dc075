"""What an open question expects: the answers it accepts, the words a recogniser may look for, and how long to wait."""

from __future__ import annotations

from agent.judging import Expectation
from agent.ports import Listening
from agent.readability import LIMITS
from agent.story import Prompt, Story
from agent.turn import Band, Language, Pending

YES: dict[Language, tuple[str, ...]] = {
    "en": ("yes", "yes please", "okay", "I want to", "of course", "sure"),
    "fr": ("oui", "d'accord", "je veux bien", "bien sûr", "s'il te plaît"),
    "de": ("ja", "ja bitte", "gerne", "klar", "ich möchte", "in Ordnung"),
}
REPEAT_PATIENCE = 3.0  # seconds; a child who does not repeat a word is not kept waiting


def prompt_of(story: Story, pending: Pending) -> Prompt | None:
    """The story question behind ``pending``; None when it is not one of a beat's."""
    return story.prompt(pending.beat, pending.prompt) if pending.kind in ("prompt", "repeat") and pending.prompt else None


def expectation(story: Story, pending: Pending) -> Expectation:
    """How the judge should read an answer to ``pending``."""
    language, names = story.language, story.wording.names
    prompt = prompt_of(story, pending)
    if pending.kind == "assent":
        yes = YES[language]
        return Expectation(language, pending.ask, accepted=yes, key_ideas=yes[:1], answer="yes_no")
    if pending.kind == "choice":
        choices = {key: (words.offer, *words.says) for key, words in story.beat(pending.beat).words.choices.items()}
        accepted = tuple(way for ways in choices.values() for way in ways)
        return Expectation(language, pending.ask, accepted=accepted, key_ideas=(), names=names, choices=choices)
    if pending.kind == "repeat" and prompt is not None:
        return Expectation(language, pending.ask, accepted=prompt.words.expand.words, key_ideas=(), answer="open", names=names)
    if prompt is not None:
        return Expectation(
            language,
            pending.ask,
            accepted=prompt.words.accepted,
            key_ideas=prompt.words.key_ideas,
            misconceptions=tuple(wrong.says for wrong in prompt.words.misconceptions),
            answer=prompt.shape.answer,
            names=names,
        )
    return Expectation(language, pending.ask, accepted=(), key_ideas=(), answer="open", names=names)


def listening(story: Story, pending: Pending, band: Band, slowness: float = 1.0) -> Listening:
    """How to listen to the answer. ``slowness`` scales the patience for a child who needs longer."""
    found = expectation(story, pending)
    words = (*story.wording.names, *found.accepted)
    patience = REPEAT_PATIENCE if pending.kind == "repeat" else LIMITS[band].wait * slowness
    return Listening(pending.ask, story.language, patience, words=words, about=pending.about)
