"""What the child knows, concept by concept, and how hard the next question should be.

Bayesian knowledge tracing (Corbett & Anderson 1995) with the item-difficulty extension KT-IDEM (Pardos & Heffernan
2011): guess and
slip depend on the question's difficulty. Parameters are priors of ours for three levels of story questions, not
fitted to children. A concept not met yet starts from what the child showed on the others, half-way to the prior: a
well-kept library
(pyBKT) fits such models to logs, but brings scikit-learn and a compiler for these few lines of arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping

PRIOR = 0.45
LEARN = 0.12  # chance that one answered question teaches the concept
GUESS = {1: 0.45, 2: 0.28, 3: 0.15}  # by difficulty: right although not known (the story has just said it)
SLIP = {1: 0.05, 2: 0.12, 3: 0.24}  # by difficulty: known, and yet not said right
OPEN_SUCCESS = 0.85  # a question without wrong answers, as seen with simulated children: only silence fails it
TARGET = 0.72  # the middle of the 60-85 % in which children neither give up nor drift off


def known(knowledge: Mapping[str, float], concept: str) -> float:
    """The probability that the child knows ``concept``; for a new one, shrunk from the others."""
    if concept in knowledge:
        return knowledge[concept]
    if not knowledge:
        return PRIOR
    return 0.5 * PRIOR + 0.5 * sum(knowledge.values()) / len(knowledge)


def predicted(knowledge: Mapping[str, float], concept: str, difficulty: int, open_answer: bool = False) -> float:
    """The probability (0 to 1) that the next first answer is right."""
    if open_answer:
        return OPEN_SUCCESS
    p = known(knowledge, concept)
    return p * (1 - SLIP[difficulty]) + (1 - p) * GUESS[difficulty]


def updated(knowledge: Mapping[str, float], concept: str, difficulty: int, right: bool) -> dict[str, float]:
    """The knowledge after one first answer to a question on ``concept``."""
    p, guess, slip = known(knowledge, concept), GUESS[difficulty], SLIP[difficulty]
    if right:
        posterior = p * (1 - slip) / (p * (1 - slip) + (1 - p) * guess)
    else:
        posterior = p * slip / (p * slip + (1 - p) * (1 - guess))
    return {**knowledge, concept: posterior + (1 - posterior) * LEARN}
