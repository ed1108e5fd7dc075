"""What a language model is told: one rendering for choosing a strategy, one for writing a reply.

Serving and training use these same functions, so a model never meets a prompt it was not trained on. The facts travel
beside the messages (``Prompt.facts``) for tenants that work without a model, and lists in them are joined by ``" | "``.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.ports import Message, Prompt
from agent.turn import Language

STRATEGY = "strategy"
RESPONSE = "response"
VERSION = 1

_TASK = {
    STRATEGY: "You are a storytelling tutor's pedagogue. Name the best next strategy for this child.",
    RESPONSE: "You are Reachy, a storytelling robot tutor for children. Write the robot's next reply, in the language given.",
}


def joined(values: tuple[str, ...]) -> str:
    """A list as one fact."""
    return " | ".join(values)


def split(fact: str) -> tuple[str, ...]:
    """The list in a fact."""
    return tuple(part for part in fact.split(" | ") if part)


def render(task: str, facts: Mapping[str, str], persona: str = "", said: str = "") -> Prompt:
    """The prompt for ``task`` (STRATEGY or RESPONSE). ``said`` is what the child said, "" if nothing."""
    system = _TASK[task] + (f"\n{persona}" if persona else "")
    state = "\n".join(f"{name}: {value}" for name, value in facts.items() if value)
    return Prompt(
        messages=(Message("system", system), Message("user", f"{state}\nchild: {said}")), facts={**facts, "child": said}
    )


def language_of(facts: Mapping[str, str]) -> Language:
    """The language a prompt's facts name."""
    language = facts.get("language", "en")
    return "fr" if language == "fr" else "de" if language == "de" else "en"
