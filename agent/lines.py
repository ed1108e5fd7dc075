"""The tutor's own lines: what it says around the story's text, in three languages and three manners.

``words/lines/<language>.toml`` holds frames such as ``"(Well|So), what do you think (now|this time)?"``; every choice of
alternatives is a sentence of its own, so that a long session need not say one twice. ``python -m agent.lines`` checks
the files and, with ``--sample N``, reads some of them out.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from agent.readability import sentences, words
from agent.toml_file import FileProblem, read_toml
from agent.turn import LANGUAGES, Language

FOLDER = Path(__file__).resolve().parent / "words" / "lines"
Manner = Literal["introvert", "neutral", "extravert"]
MANNERS: tuple[Manner, ...] = ("introvert", "neutral", "extravert")
_BLANKS, _LOOSE = re.compile(r" {2,}"), re.compile(r" +([.,])")
_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")
LONGEST_SENTENCE = 11


class Key(BaseModel):
    """What a key needs: distinct expansions in each manner, its slots, and whether it asks."""

    model_config = ConfigDict(frozen=True)
    least: int
    asks: bool = False
    slots: tuple[str, ...] = ()


# What stands in the files. The comment says when a line is used.
REQUIRED: dict[str, Key] = {
    "hello": Key(least=6),  # first words of a session
    "robot": Key(least=6),  # "I am Reachy, a robot." – honest: no person, no feelings like a person's
    "free": Key(least=6),  # "You can say stop whenever you like."
    "noted": Key(least=3),  # what is said is written down for the grown-ups (only when it is)
    "assent": Key(least=6, asks=True),  # do you want to hear a story with me?
    "assent_again": Key(least=4, asks=True),  # the answer was unclear: yes or no?
    "assent_yes": Key(least=8),
    "assent_no": Key(least=6),  # kind, no guilt: that is fine, bye
    "title": Key(least=6, slots=("title",)),  # the story is called …
    "prior_thanks": Key(least=12),  # thanks for what the child already knew (nothing judged)
    "begin": Key(least=8),  # the story begins
    "go_on": Key(least=40),  # the story goes on
    "yes_right": Key(least=60),  # the answer is right (names no ability, no "clever")
    "yes_open": Key(least=50),  # an open question was answered: nice thought (nothing right or wrong)
    "partly": Key(least=40),  # part of it is right
    "partly_idea": Key(least=20, slots=("word",)),  # … and this part, the child's word, is right
    "not_yet": Key(least=60),  # the answer is not right: kind, never "wrong", no question
    "not_word": Key(least=20, slots=("word",)),  # I heard “{word}”; let us look again (no judgement of ability)
    "no_matter": Key(least=40),  # the child does not know: that is fine
    "word": Key(least=40, slots=("word",)),  # takes up the child's word in a right answer
    "praise": Key(least=50),  # names effort or a way of working (listened, tried again, thought it over)
    "hint": Key(least=40),  # here is a little help
    "try": Key(least=60, asks=True),  # after a hint: what do you think now?
    "probe": Key(least=30, asks=True),  # after a partial answer: why / how do you know / what else?
    "think": Key(least=20),  # I think aloud now
    "tell_you": Key(least=20),  # now I tell you the answer
    "check": Key(least=30, asks=True),  # after telling: now you, what was it?
    "new_word": Key(least=12, slots=("word",)),  # here comes a new word
    "repeat": Key(least=40, slots=("words",)),  # say it with me: {words} (no question mark; ends in {words} and a full stop)
    "repeated": Key(least=25),  # the child said it after me
    "wait": Key(least=25),  # silence: take your time (no question)
    "wait_more": Key(least=15),  # second silence: no need to talk, I help
    "pardon": Key(least=25),  # not understood: my ears, please say it again
    "again": Key(
        least=30, slots=("ask",)
    ),  # asks the same question again: "Once more: {ask}" ({ask} ends the line, no other ?)
    "foreign": Key(least=8),  # I do not speak that language yet; I speak English, French and German
    "off_topic": Key(least=30),  # that is for later, back to the story
    "good_question": Key(least=25),  # the child asked something, and an answer follows
    "ask_teacher": Key(least=20),  # I do not know that; your teacher will
    "back": Key(least=25),  # back to my question
    "redirect": Key(least=12),  # off limits: I do not talk about that; your teacher can help you
    "unkind": Key(least=10),  # the child swore or was rude: such words hurt; I like you all the same; let us go on
    "private": Key(least=8),  # the child told something private: keep that to yourself, I shall not repeat it
    "role": Key(least=20, asks=True, slots=("name",)),  # you are {name} now: what do you say or do?
    "choose": Key(least=10),  # you decide how it goes on
    "chosen": Key(least=15, slots=("offer",)),  # the child chose {offer} ("the boat")
    "not_chosen": Key(least=8, slots=("offer",)),  # nothing was chosen: then we take {offer}
    "recap": Key(least=6),  # let us look back
    "time": Key(least=6),  # our time is over for today
    "bye": Key(least=10),  # goodbye without guilt
    "stopped": Key(least=8),  # the child said stop: fine, we stop here
    "welcome_back": Key(least=6),  # after an interruption: here I am again
    "trouble": Key(least=8),  # something did not work on my side; not the child's fault
    "handoff": Key(
        least=1
    ),  # disclosure: fixed words, 3 or 4 short sentences: thank you for telling me; it is not your fault; a grown-up
    #   who can help is coming / I am telling {adult} now; no probing, no promise of secrecy (use any = ["…"]; slot adult)
    "handoff_wait": Key(least=1),  # fixed: we make a pause now; stay here, {adult} is coming (any)
}
_OPTIONAL_SLOTS = {"handoff": ("adult",), "handoff_wait": ("adult",)}

Frames = Annotated[tuple[str, ...], Field(min_length=1)]


class Bank(BaseModel):
    """The frames of one key, by manner."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    introvert: Frames = ()
    neutral: Frames = ()
    extravert: Frames = ()
    any: Frames = ()

    @model_validator(mode="after")
    def _complete(self) -> Bank:
        if not self.any and not (self.introvert and self.neutral and self.extravert):
            raise ValueError("needs introvert, neutral and extravert, or any")
        return self

    def frames(self, manner: Manner) -> tuple[str, ...]:
        own: tuple[str, ...] = getattr(self, manner)
        return own or self.any


class LineFile(RootModel[dict[str, Bank]]):
    """One language's lines by key."""


@cache
def bank(language: Language) -> dict[str, Bank]:
    """The lines of one language. Raises :class:`FileProblem` for a broken file or a missing key."""
    path = FOLDER / f"{language}.toml"
    found = read_toml(path, LineFile).root
    missing = [key for key in REQUIRED if key not in found]
    if missing:
        raise FileProblem(path, 1, f"the key [{missing[0]}] is missing")
    return found


def expansions(frame: str) -> Iterator[str]:
    """Every sentence a frame stands for."""
    parts = _GROUP.split(frame)
    options = [part.split("|") if place % 2 else [part] for place, part in enumerate(parts)]
    for choice in product(*options):
        yield _tidy("".join(choice))


def count(frame: str) -> int:
    """How many sentences a frame stands for."""
    return math.prod(len(group.split("|")) for group in _GROUP.findall(frame))


def _tidy(text: str) -> str:
    return _LOOSE.sub(r"\1", _BLANKS.sub(" ", text).strip())


def _expand(frame: str, rng: random.Random) -> str:
    return _tidy(_GROUP.sub(lambda group: rng.choice(group[1].split("|")), frame))


class Lines:
    """Picks lines of one language and manner that have not been heard yet."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def pick(
        self,
        key: str,
        language: Language,
        manner: Manner,
        used: Collection[int] = (),
        avoid: Collection[str] = (),
        **slots: str,
    ) -> str:
        """A line for ``key``, none of whose sentences is in ``used`` (fingerprints) and that holds no phrase of ``avoid``,
        if the bank still has one."""
        frames = bank(language)[key].frames(manner)
        weights = _weights(frames)
        known = frozenset(used)
        best, least = "", 1_000
        for attempt in range(60):
            frame = self.rng.choices(frames, weights)[0] if attempt % 2 else self.rng.choice(frames)
            text = _SLOT.sub(lambda slot: slots.get(slot[1], ""), _expand(frame, self.rng))
            heard = sum(fingerprint(sentence) in known for sentence in sentences(text))
            heard += 10 * (bool(avoid) and _holds(text, avoid))
            if heard < least:
                best, least = text, heard
            if not heard:
                break
        return best


@cache
def _weights(frames: tuple[str, ...]) -> list[int]:
    return [count(frame) for frame in frames]


def _holds(text: str, phrases: Collection[str]) -> bool:
    plain = f" {' '.join(words(text.lower()))} "
    return any(f" {' '.join(words(phrase.lower()))} " in plain for phrase in phrases)


def fingerprint(sentence: str) -> int:
    """A small stable number for "this sentence was heard": case, punctuation and manner of writing do not count."""
    return zlib.crc32("".join(words(sentence.lower())).encode())


def check(language: Language) -> list[str]:
    """What is wrong with one language's lines, a line each."""
    path = FOLDER / f"{language}.toml"
    try:
        banks = bank(language)
    except FileProblem as problem:
        return [str(problem)]
    found = [f"{path}: unknown key [{key}]" for key in banks if key not in REQUIRED]
    everywhere: Counter[str] = Counter()
    for key, need in REQUIRED.items():
        for manner in MANNERS:
            frames = banks[key].frames(manner)
            distinct = {text for frame in frames for text in expansions(frame)}
            where = f"{path}: [{key}] {manner}:"
            if len(distinct) < need.least:
                found.append(f"{where} {len(distinct)} expansions, at least {need.least}")
            for frame in frames:
                found += sorted({f"{where} {fault}: “{frame}”" for fault in _faults(key, frame, language)})
            if not banks[key].any:
                everywhere.update(distinct)
    found += [f"{path}: “{text}” stands {times} times" for text, times in everywhere.items() if times > 1]
    return found


def _faults(key: str, frame: str, language: Language) -> Iterator[str]:
    need = REQUIRED[key]
    slots = set(_SLOT.findall(frame))
    known = {*need.slots, *_OPTIONAL_SLOTS.get(key, ())}
    if slots - known:
        yield f"unknown slot {sorted(slots - known)}"
    if set(need.slots) - slots:
        yield f"needs the slot {sorted(set(need.slots) - slots)}"
    if frame.count("(") != frame.count(")") or re.search(r"\([^|()]*\)", frame):
        yield "parentheses hold alternatives: (a|b)"
    for text in expansions(frame):
        asked = text.count("?")
        if asked != (1 if need.asks else 0):
            yield "asks" if asked else "does not ask"
        if not re.search(r"([.!?…]|\{ask\})[»”“\"]?$", text):
            yield "does not end like a sentence"
        if max((len(words(part)) for part in sentences(_SLOT.sub("word", text))), default=0) > LONGEST_SENTENCE:
            yield f"a sentence of more than {LONGEST_SENTENCE} words"
        if language == "fr" and re.search("[^\u202f][!?]", text):
            yield "U+202F is missing before ! or ?"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m agent.lines", description="Checks the tutor's lines.")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="also read out N lines of each language")
    parser.add_argument("language", nargs="*", default=[], help="en, fr, de (default: all)")
    arguments = parser.parse_args()
    unknown = [language for language in arguments.language if language not in LANGUAGES]
    if unknown:
        parser.error(f"unknown language “{unknown[0]}”; there are {', '.join(LANGUAGES)}")
    faulty = False
    for language in [known for known in LANGUAGES if not arguments.language or known in arguments.language]:
        found = check(language)
        faulty = faulty or bool(found)
        print("\n".join(found) if found else f"{language}: nothing to mend")
        rng = random.Random(0)
        for _ in range(arguments.sample if not found else 0):
            key, manner = rng.choice(list(REQUIRED)), rng.choice(MANNERS)
            print(f"  {key:14} {manner:10} {_expand(rng.choice(bank(language)[key].frames(manner)), rng)}")
    return int(faulty)


if __name__ == "__main__":
    sys.exit(main())
