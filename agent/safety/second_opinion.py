"""What the words as a whole suggest, where no written pattern speaks: trained on children's and robots' sentences.

The patterns of ``agent.safety.concerns`` say why they fired and are exact; this model knows tellings nobody foresaw ("I hide
under the bed when the key turns"). Each raises an alarm alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from agent.classifiers.linear import model
from agent.turn import Language

_HIDDEN = re.compile(r"\[[A-Z]+\]")  # what stands for personal data that was taken out


@dataclass(frozen=True)
class Opinion:
    """What a child's words call for. Only a ``certain`` one breaks off a story; the others are passed on to an adult."""

    verdict: Literal["redirect", "handoff"]
    certain: bool


def on_child(text: str, language: Language) -> Opinion | None:
    """The likelier of the two verdicts if the words are probably not harmless, or None."""
    judge = model("child", language)
    shares = judge.probabilities(_HIDDEN.sub(" ", text))
    trouble = 1.0 - shares["ok"]
    if trouble < judge.alarm:
        return None
    return Opinion("handoff" if shares["handoff"] >= shares["redirect"] else "redirect", trouble >= judge.certain)


def on_robot(text: str, language: Language) -> bool:
    """Whether the model is sure that a robot should not say this to a child."""
    judge = model("robot", language)
    return 1.0 - judge.probabilities(text)["ok"] >= judge.alarm
