"""What a child does with its turn, by the words as a whole: trained on thousands of turns, for where the rules are unsure.

The rules know the question and its answers; the model knows how children ask, stop, wander off and give up. It speaks up only
when it is sure, and never against an answer that stands word for word. How sure it must be depends on how little the rules
had to go by.
"""

from __future__ import annotations

from typing import cast

from agent.classifiers.linear import model
from agent.language import Heard
from agent.turn import Verdict
from agent.understanding.expectation import Expectation, about_the_child
from agent.understanding.prepared import Weighed

_SURE = 0.8  # on two held-out sets .7 to .9 were alike
_LIKELY = 0.5  # enough where the rules have nothing to go by
_CERTAIN = 0.98  # whoever is asked for what it has lived talks of its own life, as those do who wander off
_ENDS = 0.95  # a session that ends by mistake cannot be taken back
_ACTS = frozenset({"dont_know", "question", "off_topic", "not_understood", "stop"})
_FIRM = ("matches", "says", "made", "points")  # how the reasons begin that rest on the answer's own words
# Reasons of those who found nothing that speaks for the verdict, and what the model may then put in its place.
_GUESSES = ("nothing speaks", "another answer", "says it in words", "a statement", "points")
_GUESSED = frozenset({"question", "off_topic"})


def act_instead(text: str, verdict: Verdict, weighed: Weighed, expected: Expectation, heard: Heard) -> Verdict | None:
    """The act that the words are instead of ``verdict``, or None."""
    firm = verdict == "correct" and weighed.reason.startswith(_FIRM)
    if firm or verdict in ("disclosure", "silence") or expected.answer == "yes_no" or expected.choices or heard.foreign:
        return None
    if not any(letter.isalnum() for letter in text):
        return None
    shares = model("acts", heard.language).probabilities(text)
    likeliest = max(shares, key=shares.__getitem__)
    if likeliest not in _ACTS or likeliest == verdict:
        return None
    if shares[likeliest] >= _needed(likeliest, verdict, weighed, expected):
        return cast(Verdict, likeliest)
    return None


def _needed(act: str, verdict: Verdict, weighed: Weighed, expected: Expectation) -> float:
    """The probability from which the model is believed; more than 1 where it never is."""
    answered = verdict in ("correct", "partial", "wrong")
    if act == "dont_know" and answered and (expected.answer == "open" or verdict == "partial"):
        return 2.0  # "nothing, I never get angry"; "the sun, and I only know one"
    if verdict in _ACTS - {"not_understood"} and {act, verdict} != {"question", "off_topic"}:
        return _CERTAIN  # the rules have heard another act in the very words
    if act == "stop":
        return _ENDS
    if act == "off_topic" and expected.answer == "open" and about_the_child(expected):
        return _CERTAIN
    return _LIKELY if act in _GUESSED and answered and weighed.reason.startswith(_GUESSES) else _SURE
