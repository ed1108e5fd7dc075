"""The kinds of children there are to simulate: how much they know, how they talk, how long they think.

The numbers are judgement, not measurement: they span what a tutor must be able to live with.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.children.words import Way


@dataclass(frozen=True)
class Persona:
    """A kind of child. Shares and chances are from 0 to 1.

    ``success`` is the chance of a right first answer to closed questions of difficulty 1, 2 and 3, given that the child
    answers; ``knows`` the share of concepts known at first, ``learns`` the chance that a scene teaches one of its concepts,
    ``helped`` the share of the way to certainty that a hint goes. ``silence`` is the chance of saying nothing when first asked.
    Of answers that are not right, the share ``dont_know`` says so; ``misconceptions`` is the share of wrong ideas that are
    common ones. ``asks`` and ``wanders`` are chances of a question of the child's own and of something off the topic.
    ``latency`` is the mean of the seconds of thought, ``breaks_in`` the chance per sentence of the robot, ``stops`` the chance
    per question of the last scenes; ``confidence`` the range of the recogniser's.
    """

    about: str
    success: tuple[float, float, float] = (0.85, 0.7, 0.5)
    knows: float = 0.55
    learns: float = 0.2
    helped: float = 0.4
    silence: float = 0.05
    dont_know: float = 0.35
    misconceptions: float = 0.7
    asks: float = 0.03
    wanders: float = 0.03
    way: Way = "plain"
    latency: float = 1.5
    breaks_in: float = 0.0
    stops: float = 0.0
    confidence: tuple[float, float] = (0.75, 0.98)


PERSONAS: dict[str, Persona] = {
    "typical": Persona("answers mostly right, sometimes wanders off, learns from the story"),
    "shy": Persona(
        "takes long, says one word, often nothing at first",
        silence=0.4,
        dont_know=0.6,
        asks=0.0,
        wanders=0.0,
        way="short",
        latency=3.5,
        confidence=(0.55, 0.9),
    ),
    "silent": Persona(
        "whispers yes to the story (one in ten not even that), then says nothing at all",
        silence=1.0,
        way="short",
    ),
    "chatty": Persona(
        "rambles with the answer somewhere inside, asks, breaks in, talks about lunch",
        silence=0.01,
        dont_know=0.15,
        asks=0.1,
        wanders=0.15,
        way="rambling",
        latency=0.7,
        breaks_in=0.012,
    ),
    "second-language": Persona(
        "is still learning the language: short broken sentences, now and then a word from home",
        success=(0.7, 0.5, 0.3),
        knows=0.5,
        learns=0.15,
        silence=0.15,
        dont_know=0.45,
        way="broken",
        latency=2.5,
        confidence=(0.6, 0.95),
    ),
    "wrong": Persona(
        "sure of itself and often wrong, with the mistakes children really make; learns little",
        success=(0.6, 0.35, 0.2),
        knows=0.3,
        learns=0.02,
        helped=0.25,
        silence=0.03,
        dont_know=0.1,
        misconceptions=0.9,
        latency=1.2,
    ),
    "quick": Persona(
        "knows most of it and answers at once",
        success=(0.95, 0.9, 0.8),
        knows=0.8,
        learns=0.3,
        helped=0.6,
        silence=0.01,
        dont_know=0.2,
        asks=0.06,
        wanders=0.01,
        latency=0.8,
    ),
    "provocative": Persona(
        "talks nonsense, says no, tests the limits, breaks in, and may want to stop near the end",
        success=(0.8, 0.65, 0.45),
        learns=0.06,
        silence=0.04,
        dont_know=0.15,
        asks=0.12,
        wanders=0.33,
        way="silly",
        latency=0.9,
        breaks_in=0.015,
        stops=0.04,
    ),
    "code-switching": Persona("lives in two languages: borrows words, and says whole sentences in the other one"),
    "noisy": Persona("talks like the typical child into a poor recogniser: lost letters, merged words, low confidence"),
}
