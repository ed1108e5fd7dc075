"""Which unsafe topic a text touches, and whether it is in another language, by the lexica of ``agent/words/safety``.

Stories know killing, poison and fights, so the patterns speak of the child, of people around it, or of how something is
done; ``harmless`` patterns ("dying of laughter", "beats me at chess") are taken out of the text before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.safety.lexicon import Call, Topic, lexicon
from agent.safety.patterns import compile_patterns, fold, fold_allowed
from agent.turn import LANGUAGES, Band, Language

Who = Literal["child", "robot"]
# Direct speech; a quotation that goes over several sentences has only one of its marks in each.
_SPEECH = re.compile(r"«[^»]*(?:»|$)|„[^“”]*(?:[“”]|$)|“[^”]*(?:”|$)|\"[^\"]*(?:\"|$)|^[^«„“\"]*[»”]")
_QUOTED = re.compile(r"«[^»]{1,40}»|“[^”]{1,40}”|„[^“”]{1,40}[“”]|\"[^\"]{1,40}\"|‘[^’]{1,40}’")
_SPOKEN = re.compile(r"[^\W\d_]+(?:['’](?=[^\W\d_]))?")


@dataclass(frozen=True)
class Found:
    """A topic that was found, and the pattern (or patterns that met) by which it was found."""

    category: str
    call: Call
    pattern: str


@dataclass(frozen=True)
class _Rule:
    topic: Topic
    says: re.Pattern[str] | None
    together: tuple[re.Pattern[str], ...]
    unless: re.Pattern[str] | None
    without: re.Pattern[str] | None


@dataclass(frozen=True)
class _Rules:
    harmless: re.Pattern[str]
    rules: tuple[_Rule, ...]


@lru_cache(maxsize=2 * len(LANGUAGES))
def _rules(language: Language, who: Who) -> _Rules:
    """The topics that count for a speaker, the gravest first."""
    entries = lexicon(language)
    topics = [topic for topic in entries.topics if topic.who in (who, "both")]
    topics.sort(key=lambda topic: topic.call != "handoff")
    rules = tuple(
        _Rule(
            topic=topic,
            says=compile_patterns(topic.says, language) if topic.says else None,
            together=tuple(compile_patterns(group, language) for group in topic.together),
            unless=compile_patterns(topic.unless, language) if topic.unless else None,
            without=compile_patterns(topic.without, language) if topic.without else None,
        )
        for topic in topics
    )
    return _Rules(compile_patterns(entries.harmless, language), rules)


def find(text: str, language: Language, who: Who, band: Band = "6-7", allowed: str = "") -> Found | None:
    """The gravest topic of a text, or None. What stands word for word in ``allowed`` is not looked at."""
    rules = _rules(language, who)
    plain = rules.harmless.sub(" _", fold(text, language))
    told = narration(text)
    narrated = plain
    if told != text and len(_SPOKEN.findall(told)) > 1:
        narrated = rules.harmless.sub(" _", fold(told, language))
    authored = fold_allowed(allowed, language)
    for rule in rules.rules:
        if band not in rule.topic.bands:
            continue
        looked_at = plain if rule.topic.quoted else narrated
        if rule.unless:
            looked_at = rule.unless.sub(" _", looked_at)
        topic = rule.topic
        for match in rule.says.finditer(looked_at) if rule.says else ():
            if authored and f"{match[0]} " in authored:
                continue
            return Found(topic.category, topic.call, _which(topic.says, match[0], language))
        if rule.together and (found := _together(rule, looked_at, authored, language)):
            return Found(topic.category, topic.call, found)
    return None


def _together(rule: _Rule, looked_at: str, authored: str, language: Language) -> str:
    """The patterns that meet in one sentence, or ""."""
    for sentence in looked_at.split(" ."):
        if not sentence.strip() or (authored and f"{sentence} " in authored):
            continue
        sentence += " "
        matches: list[re.Match[str]] = []
        for group in rule.together:
            match = group.search(sentence)
            if match is None:  # most sentences end here, at the first group or the second
                break
            matches.append(match)
        if len(matches) == len(rule.together) and not (rule.without and rule.without.search(sentence)):
            pairs = zip(rule.topic.together, matches, strict=True)
            return " + ".join(_which(group, match[0], language) for group, match in pairs)
    return ""


def _which(patterns: tuple[str, ...], words: str, language: Language) -> str:
    """The pattern, as its author wrote it, that found these words."""
    for pattern in patterns:
        if compile_patterns((pattern,), language).match(words + " "):
            return pattern
    return ""


def narration(text: str) -> str:
    """A text without its direct speech."""
    return _SPEECH.sub(" ", text)


@lru_cache(maxsize=len(LANGUAGES))
def _evidence(language: Language) -> dict[str, int]:
    """Words that speak for this language (1) or for another one (-1)."""
    own = {word.casefold() for word in lexicon(language).function_words}
    other = {word.casefold() for word in lexicon(language).foreign_words}
    for neighbour in LANGUAGES:
        if neighbour != language:
            other.update(word.casefold() for word in lexicon(neighbour).function_words)
    return dict.fromkeys(own, 1) | dict.fromkeys(other - own, -1)


def other_language(text: str, language: Language) -> bool:
    """Whether a sentence is (mostly) in another language than ``language``, judged by its function words.

    Words in quotation marks may come from anywhere. A single foreign function word is borrowed unless the sentence has
    no word of its own that speaks for ``language``.
    """
    words = [word.casefold().replace("’", "'") for word in _SPOKEN.findall(_QUOTED.sub(" ", text))]
    if not words:
        return False
    if sum(any(sign > "\u024f" for sign in word) for word in words) * 2 > len(words):
        return True
    evidence = _evidence(language)
    votes = [evidence.get(word, evidence.get(word.rstrip("'"), 0)) for word in words]
    own, foreign = votes.count(1), votes.count(-1)
    if foreign == 0:
        return False
    return own == 0 if foreign == 1 else foreign > own or _longest_run(votes) >= 4


def _longest_run(votes: list[int]) -> int:
    """The longest run of foreign function words that no own function word interrupts."""
    best = here = 0
    for vote in votes:
        here = 0 if vote == 1 else here + (vote == -1)
        best = max(best, here)
    return best
