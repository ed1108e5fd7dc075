"""What a child does with its turn, by the words as a whole: trained on thousands of turns, for where the rules are unsure.

The rules know the question and its answers; the model knows how children ask, stop, wander off and give up. It speaks up only
when it is sure, and never against an answer that stands word for word.
"""

from __future__ import annotations

from typing import cast

from agent.classifiers.linear import model
from agent.language import Heard
from agent.turn import Verdict
from agent.understanding.expectation import Expectation
from agent.understanding.prepared import Weighed

_SURE = 0.8  # on two held-out sets .7 to .9 were alike
_ACTS = frozenset({"dont_know", "question", "off_topic", "not_understood", "stop"})
_FIRM = ("matches", "says", "made", "points")  # how the reasons begin that rest on the answer's own words


def act_instead(text: str, verdict: Verdict, weighed: Weighed, expected: Expectation, heard: Heard) -> Verdict | None:
    """The act that the words are instead of ``verdict``, or None."""
    firm = verdict == "correct" and weighed.reason.startswith(_FIRM)
    if firm or verdict in ("disclosure", "silence") or expected.answer == "yes_no" or expected.choices or heard.foreign:
        return None
    if not any(letter.isalnum() for letter in text):
        return None
    shares = model("acts", heard.language).probabilities(text)
    likeliest = max(shares, key=shares.__getitem__)
    if likeliest in _ACTS and likeliest != verdict and shares[likeliest] >= _SURE:
        return cast(Verdict, likeliest)
    return None
