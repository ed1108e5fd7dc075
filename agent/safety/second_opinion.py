"""What the words as a whole suggest, where no written pattern speaks: trained on children's and robots' sentences.

The patterns of ``agent.safety.concerns`` say why they fired and are exact; this model knows tellings nobody foresaw ("I hide
under the bed when the key turns"). Each raises an alarm alone.
"""

from __future__ import annotations

from typing import Literal

from agent.classifiers.linear import model
from agent.turn import Language


def on_child(text: str, language: Language) -> Literal["redirect", "handoff"] | None:
    """What a child's words call for, if the model is sure that they are not harmless; the likelier of the two."""
    judge = model("child", language)
    shares = judge.probabilities(text)
    if 1.0 - shares["ok"] < judge.alarm:
        return None
    return "handoff" if shares["handoff"] >= shares["redirect"] else "redirect"


def on_robot(text: str, language: Language) -> bool:
    """Whether the model is sure that a robot should not say this to a child."""
    judge = model("robot", language)
    return 1.0 - judge.probabilities(text)["ok"] >= judge.alarm
