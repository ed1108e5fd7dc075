"""Slots: short tokens that stand in a reply for the turn's own material, filled by the program after a model has written.

A small model learns at once where ``<hint>`` belongs, and can neither misspell nor invent what stands there. The same prompt
serves models that need no slots. ``fill`` and ``slot`` know nothing but ``Prompt.facts``.

=================  =====================================================================================
``<hint>``         the hint of the turn's rung
``<correction>``   the reply to a recognised misconception
``<idea>``         the turn's first sentence of material (expansion, think-aloud, explanation, answer)
``<idea2>`` …      the next ones
``<child_word>``   the child's word, between quotation marks
``<word1>`` …      a new word: between quotation marks, or all of them after a colon
``<ask>``          the open question, as it stands after a colon
=================  =====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from agent.ports import Message, Prompt
from agent.prompts import split
from agent.readability import words

MOST = 4  # ideas and words that have a token of their own
SLOTS: tuple[str, ...] = (
    "<hint>",
    "<correction>",
    "<idea>",
    *(f"<idea{place}>" for place in range(2, MOST + 1)),
    "<child_word>",
    *(f"<word{place}>" for place in range(1, MOST + 1)),
    "<ask>",
)
_TOKEN = re.compile("|".join(map(re.escape, SLOTS)))
_OPEN = '(?:(?<=[“„"‘])|(?<=«[\u202f\u00a0 ]))'
_CLOSE = '(?=[”“"’]|[\u202f\u00a0 ]»)'


def values(facts: Mapping[str, str]) -> dict[str, str]:
    """What each token stands for in a turn; tokens without a value are left out. Reads ``strategy``, ``material``,
    ``correction``, ``child_word``, ``words``, ``question``, ``names`` and ``language``."""
    material = split(facts.get("material", ""))
    found: dict[str, str] = {}
    if turned := facts.get("correction", ""):
        found["<correction>"] = turned
    if facts.get("strategy") == "SCAFFOLD_HINT" and material:
        found["<hint>"] = material[-1]
    else:
        for place, text in enumerate(material[:MOST], start=1):
            found["<idea>" if place == 1 else f"<idea{place}>"] = text
    if word := facts.get("child_word", ""):
        found["<child_word>"] = word
    for place, word in enumerate(split(facts.get("words", ""))[:MOST], start=1):
        found[f"<word{place}>"] = word
    if ask := facts.get("question", ""):
        found["<ask>"] = after_colon(ask, facts.get("language", "en"), split(facts.get("names", "")))
    return found


def after_colon(ask: str, language: str, names: tuple[str, ...]) -> str:
    """A question as it stands after a colon: with a small letter, except in German and before a name or "I"."""
    spoken = words(ask)
    if language == "de" or not spoken or spoken[0] in (*names, "I"):
        return ask
    return ask[0].lower() + ask[1:]


def fill(text: str, facts: Mapping[str, str]) -> str:
    """The text with every token replaced by what it stands for. A token that stands for nothing in this turn stays, and
    the guard refuses the sentence it is in."""
    known = values(facts)
    return _TOKEN.sub(lambda token: known.get(token[0], token[0]), text)


def slot(text: str, facts: Mapping[str, str]) -> str:
    """The inverse of :func:`fill`: the turn's material in the text replaced by tokens.

    ``fill(slot(text, facts), facts) == text`` for every text. Raises ValueError for a text that has a token in it already,
    because it could not be told apart afterwards.
    """
    if found := _TOKEN.search(text):
        raise ValueError(f"“{found[0]}” is a slot already: slot a text only once")
    pattern, replacements = _pattern(tuple(values(facts).items()))
    return pattern.sub(lambda match: replacements[match.lastgroup or ""], text) if pattern is not None else text


@lru_cache(maxsize=4096)
def _pattern(known: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    """One pattern for all values, the longest first, and the token by the name of its group."""
    shapes: list[tuple[str, str, str]] = []  # value, pattern, token
    new = [(token, value) for token, value in known if token.startswith("<word")]
    if new:
        together = ", ".join(value for _, value in new)
        shapes.append((together, rf"(?<=: ){re.escape(together)}(?!\w)", ", ".join(token for token, _ in new)))
    for token, value in known:
        exact = re.escape(value)
        if token.startswith(("<word", "<child")):
            shapes.append((value, f"{_OPEN}{exact}{_CLOSE}", token))
        else:
            shapes.append((value, rf"(?<!\w){exact}(?!\w)", token))
    shapes.sort(key=lambda shape: -len(shape[0]))
    if not shapes:
        return None, {}
    named = {f"s{place}": token for place, (_, _, token) in enumerate(shapes)}
    return re.compile("|".join(f"(?P<s{place}>{shape})" for place, (_, shape, _) in enumerate(shapes))), named


# What a reply with slots depends on, besides which slots there are; the rest of a prompt can neither be said nor needed.
_KEPT = ("language", "age", "strategy", "rung", "level", "verdict", "praise", "close")


def compact(prompt: Prompt) -> Prompt:
    """The prompt for a model that writes slots: the turn's material as tokens, without persona, names and hidden answers.

    A tenant makes it out of the prompt that every model is given. Nothing of a story is in it, so no story is unknown to it.
    """
    facts = {name: prompt.facts.get(name, "") for name in _KEPT}
    there = values(prompt.facts)
    asks = [token for token, text in there.items() if text.endswith(("?", "…")) and token != "<ask>"]
    facts["slots"] = " ".join(there)
    facts["asks"] = " ".join(asks)
    lengths = [f"{token} {len(words(text))}" for token, text in there.items() if token not in ("<ask>", "<child_word>")]
    facts["lengths"] = " ".join(length for length in lengths if not length.startswith("<word"))
    state = "\n".join(f"{name}: {value}" for name, value in facts.items() if value)
    return Prompt((Message("system", "Write the robot's next reply with slots."), Message("user", state)), prompt.facts)
