"""What is never trained on: two whole stories with their topics, and a set of states of the strategist.

A row's ``split`` is ``train``, ``dev`` (for early stopping: the stories and states of training, other rows), ``story`` (the two
stories that training has not seen) or ``state`` (combinations of facts that training has not seen, in any story).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from agent.prompts import split as split_list

Split = Literal["train", "dev", "story", "state"]
SPLITS: tuple[Split, ...] = ("train", "dev", "story", "state")

HELD_OUT_STORIES = frozenset({"night-train", "rainbow"})  # how animals sleep; light and colour

# What decides a strategy (see agent.models.authored.score). Language, story, rung, silences and the child's words do not.
DECIDING = (
    "age",
    "point",
    "verdict",
    "attempts",
    "quiet",
    "second_language",
    "questions_in_scene",
    "unused_types",
)
# Every state in which all facts of one row hold is held out: each value is trained on, these meetings of them are not.
HELD_OUT_MEETINGS: tuple[dict[str, str], ...] = (
    {"verdict": "partial", "age": "6-7", "attempts": "2"},
    {"verdict": "dont_know", "second_language": "yes", "attempts": "3"},
    {"verdict": "wrong", "age": "8-10", "attempts": "4"},
    {"point": "after an answer", "second_language": "yes", "age": "8-10"},
    {"point": "a new scene", "quiet": "yes", "age": "6-7"},
    {"verdict": "off_topic", "attempts": "3", "age": "4-5"},
)
HELD_OUT_SHARE = 0.06  # of all other states, by the digest of what decides
DEV_SHARE = 0.03


def part(name: str) -> float:
    """A number in [0, 1) that depends on nothing but ``name``."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") / 2**64


def of_story(slug: str, name: str) -> Split:
    """The split of a row about a story. ``name`` identifies what must stay on one side: a turn in all its languages."""
    if slug in HELD_OUT_STORIES:
        return "story"
    return "dev" if part(f"dev/{slug}/{name}") < DEV_SHARE else "train"


def state_key(facts: Mapping[str, str]) -> str:
    """What decides, as one text; the same in every language and story. Of what was done before, only the last strategy
    counts and whether the child was brought back."""
    recent = split_list(facts.get("recent", ""))
    before = f"last={recent[-1] if recent else ''}; brought_back={'yes' if 'BRING_BACK' in recent else 'no'}"
    return "; ".join([*(f"{name}={facts.get(name, '')}" for name in DECIDING), before])


def is_held_out_state(facts: Mapping[str, str]) -> bool:
    """Whether training must not see this state."""
    for meeting in HELD_OUT_MEETINGS:
        if all(facts.get(name, "") == value for name, value in meeting.items()):
            return True
    return part(f"state/{state_key(facts)}") < HELD_OUT_SHARE
