"""The tenant without a model: ranks strategies by a small policy and leaves the wording to the authored lines.

The policy is additive: every strategy starts from a base score, and each fact of the state adds or takes away. Scores
are turned into log-probabilities. It is the teacher that later adapters learn from, so it reads only what a prompt says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from agent.ports import Prompt
from agent.prompts import split

_BASE = {"SCAFFOLD_HINT": 1.0, "RECAST_EXPAND": 1.0, "DR_WH": 0.6, "DR_RECALL": 0.5, "DR_OPEN": 0.5, "GO_ON": 0.4}


class Authored:
    """No model: :meth:`stream` writes nothing, so the authored lines speak."""

    name = "authored"

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        return iter(())

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        scores = [score(option, prompt.facts) for option in options]
        total = math.log(sum(math.exp(value) for value in scores))
        return [value - total for value in scores]


def score(strategy: str, facts: Mapping[str, str]) -> float:
    """How well a strategy fits the state; only differences between strategies mean anything."""
    value = _BASE.get(strategy, 0.5)
    attempts = int(facts.get("attempts", "0"))
    recent = split(facts.get("recent", ""))
    if strategy in recent[-1:]:
        value -= 0.6
    if strategy in split(facts.get("unused_types", "")):
        value += 0.8
    match strategy:
        case "SOCRATIC_PROBE":
            value += 1.2 if facts.get("verdict") == "partial" else 0.0
            value -= 0.8 if facts.get("second_language") == "yes" else 0.0
        case "SCAFFOLD_HINT":
            value -= 0.5 * max(0, attempts - 1)
        case "MODEL_THINKALOUD":
            value += 0.4 * attempts + (0.6 if facts.get("verdict") == "dont_know" else 0.0)
        case "DIRECT_INSTRUCTION":
            value += 0.3 * attempts + (0.4 if facts.get("second_language") == "yes" else 0.0)
        case "DR_COMPLETION":
            value += 1.0 if "yes" in (facts.get("second_language"), facts.get("quiet")) else 0.0
            value += 0.4 if facts.get("age") == "4-5" else 0.0
        case "DR_DISTANCING":
            value += 0.5 if facts.get("point") == "after an answer" else 0.0
        case "DR_OPEN":
            value += 0.2 if facts.get("age") == "8-10" else 0.0
        case "ROLE_PLAY":
            value += 0.9 if recent.count("BRING_BACK") else -0.2
        case "GO_ON":
            value += 0.5 if int(facts.get("questions_in_scene", "0")) > 1 else 0.0
            value += 0.6 if facts.get("quiet") == "yes" else 0.0
    return value
