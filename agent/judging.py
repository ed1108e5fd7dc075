"""What a child's words are, as an answer to the open question.

The order of the checks is the order of what must never be missed: a disclosure, a wish to stop, then whether anything
was said and understood, and only then whether it is right. Everything is rules over the lexicon: a judgement is the same every time, costs
a millisecond, and its ``reason`` can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.answers import Prepared, Weighed, prepare, weigh
from agent.coverage import child_words, cover, target
from agent.language import Heard, hear
from agent.language import warm as warm_language
from agent.likeness import SURE, like
from agent.normalise import fold, folded_words, pattern, plain, without_noise
from agent.speech_acts import (
    asks,
    is_empty_talk,
    is_gibberish,
    sounds_like_asking,
    talks_of_own_life,
    wants_to_stop,
    without_dont_know,
    words_of,
)
from agent.turn import LANGUAGES, Judgement, Language, Utterance, Verdict
from agent.vocabulary import ARTICLES, Word, is_known, read

CONFIDENT = 0.35  # the recogniser's confidence below which the robot asks again rather than judging
_WORDS_ONLY = frozenset({"action", "quality", "position"})
_BABBLE = re.compile(r"\b(\w{2,4})(?:[ ,-]+\1){2,}\b")
_ANAPHORA = frozenset("it him them her den ihn es lui dem".split())  # they point back into the story
_FINITE = frozenset("is are was were has have can like likes est sont a ont peut peuvent aime aiment mange mangent ist sind hat haben kann konnen mag mogen war c ca".split())


@dataclass(frozen=True)
class Expectation:
    """What the open question expects.

    ``misconceptions`` are the ways of saying each wrong idea. ``names`` are words of the story. ``answer`` "open"
    welcomes every answer. ``choices`` are the ways to say each choice the story offers, by its id.
    """

    language: Language
    question: str
    accepted: tuple[str, ...]
    key_ideas: tuple[str, ...]
    misconceptions: tuple[tuple[str, ...], ...] = ()
    answer: Literal["closed", "open", "yes_no"] = "closed"
    names: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _never(text: str, language: Language) -> bool:
    return False


class Judge:
    """Judges utterances; keeps nothing of them.

    ``follow``: a whole sentence in another of the three languages changes ``Judgement.language``. ``disclosed`` says
    whether a text tells of harm done to the child (the guard's part); by default nothing does.
    """

    def __init__(self, follow: bool = True, disclosed: Callable[[str, Language], bool] | None = None) -> None:
        self.follow, self.disclosed = follow, disclosed or _never

    def warm(self, language: Language = "en") -> None:
        """Load what the first judgement would have to wait for (about 1.5 s), beside the greeting."""
        warm_language()
        for name in LANGUAGES:
            read("one two", name)
        self.judge(Utterance("the snail"), Expectation(language, "?", ("the snail",), ("snail",)))

    def judge(self, utterance: Utterance, expectation: Expectation) -> Judgement:
        """Never raises for anything a child may say. The language is the expectation's unless another was spoken."""
        heard = hear(without_noise(utterance.text, expectation.language), expectation.language)
        verdict, weighed, choice = self._verdict(utterance, expectation, heard)
        return Judgement(
            verdict,
            heard.language if self.follow else expectation.language,
            score=weighed.score,
            reason=weighed.reason,
            matched=weighed.matched,
            child_word=_echo(weighed, utterance.text, expectation) if verdict in {"correct", "partial", "wrong"} else "",
            misconception=weighed.misconception,
            borrowed=heard.borrowed,
            foreign=heard.foreign,
            choice=choice,
        )

    def _verdict(self, utterance: Utterance, expected: Expectation, heard: Heard) -> tuple[Verdict, Weighed, str]:
        raw, language = utterance.text, heard.language
        text = without_noise(raw, language)

        def said(verdict: Verdict, reason: str, choice: str = "") -> tuple[Verdict, Weighed, str]:
            return verdict, Weighed("none", reason=reason), choice

        if any(self.disclosed(raw, name) for name in {language, expected.language}):
            return said("disclosure", "tells of harm")
        if is_empty_talk(text, language):
            return said("not_understood", "only noise") if re.search(r"\w", raw.strip(" .…")) and text != raw else said("silence", "nothing was said")
        ready = prepare(expected.language, expected.question, expected.accepted, expected.key_ideas, expected.misconceptions, expected.names)
        # "Stop" may be the very answer ("what does the bus do?"); then only a whole sentence ends the session.
        answers = expected.answer == "closed" and _best(text, ready, heard).sort == "correct"
        if wants_to_stop(text, language, firm=answers or bool(expected.choices and _choice(text, expected))):
            return said("stop", "wants to stop")
        if utterance.confidence < CONFIDENT:
            return said("not_understood", f"the recogniser is unsure ({utterance.confidence:.2f})")
        if heard.foreign:
            return said("not_understood", "a fourth language")
        if expected.choices and (choice := _choice(text, expected)):
            return said("correct", "made a choice", choice)
        unknowing, rest = without_dont_know(text, language)
        weighed = _best(rest if unknowing else text, ready, heard)
        if expected.answer == "yes_no" and (side := _yes_or_no(text, expected, weighed, unknowing, language)):
            return side[0], side[1], ""
        if unknowing:
            hedged = bool(set(rest.split()) & folded_words(language, "hedges")) and weighed.sort == "partial"
            if weighed.sort == "correct" or hedged:
                return "correct" if weighed.sort == "correct" else "partial", weighed, ""
            return said("dont_know", "says so")
        if asks(text, language) and not _answers_anyway(text, weighed, language, expected):
            return said("question", "asks something")
        if weighed.sort in {"correct", "partial"} and sounds_like_asking(text, language, strict=False) and _says_more(text, weighed, ready):
            return said("question", "asks something")
        if _speaks_of_itself(text, weighed, expected, language):
            return said("off_topic", "talks of something else")
        if weighed.sort in {"correct", "partial", "wrong"}:
            return _as_verdict(weighed), weighed, ""
        if sounds_like_asking(text, language):
            return said("question", "asks something")
        verdict, reason = _other_talk(text, expected, ready, language)
        if expected.answer == "open" and verdict == "wrong":
            return "correct", Weighed("correct", 0.5, reason="an answer of the child's own"), ""
        return verdict, Weighed("none", weighed.score, reason=reason), ""


def _as_verdict(weighed: Weighed) -> Verdict:
    return "correct" if weighed.sort == "correct" else "partial" if weighed.sort == "partial" else "wrong"


_ORDER = ("correct", "partial", "wrong", "none")


def _best(text: str, ready: Prepared, heard: Heard) -> Weighed:
    """The kinder of two readings when another language than the story's was spoken."""
    readings = [weigh(text, ready, language) for language in dict.fromkeys((ready.language, heard.language))]
    return min(readings, key=lambda weighed: (_ORDER.index(weighed.sort), -weighed.score))


def _choice(text: str, expected: Expectation) -> str:
    """The choice that the words cover best; none if two are equally close or it is refused ("not the boat")."""
    said = child_words(text, expected.language)
    shares = []
    for name, ways in expected.choices.items():
        covers = [cover(said, target(way, (), expected.language), expected.language) for way in ways]
        shares.append((max((found.share for found in covers if not found.against), default=0.0), name))
    shares.sort(reverse=True)
    clear = len(shares) == 1 or shares[0][0] > shares[1][0] + 0.05
    return shares[0][1] if shares[0][0] >= 0.6 and clear else ""


def side_of(text: str, language: Language) -> str:
    """ "yes", "no", "unsure" or "" for what a child says to a yes-no question."""
    said = plain(text, language)
    yes, no = folded_words(language, "yes"), folded_words(language, "no")
    if re.fullmatch(pattern(language, "unsure").pattern, said):
        return "unsure"
    words = said.split()
    first = [word for word in words[:3] if word in yes or word in no]
    first = [word for word in first if not (word == "ne" and len(words) > 1)]
    if first and (len(words) <= 3 or words[0] in yes or words[0] in no):
        return "no" if first[-1] in no else "yes"
    if pattern(language, "no_phrases").search(said):
        return "no"
    return "yes" if pattern(language, "yes_phrases").search(said) else ""


def _yes_or_no(text: str, expected: Expectation, weighed: Weighed, unknowing: bool, language: Language) -> tuple[Verdict, Weighed] | None:
    wanted = {side_of(answer, expected.language) for answer in expected.accepted} & {"yes", "no"}
    side = side_of(text, language) or side_of(text, expected.language)
    if unknowing and plain(text, language).split()[0] not in folded_words(language, "yes") | folded_words(language, "no"):
        return None
    if not wanted:
        return None
    if not side and weighed.sort == "none":
        asked = [word for word in read(expected.question, expected.language) if word.weight >= 0.6]
        echoed = [w for w in child_words(text, expected.language) if any(like(w, a, expected.language) >= SURE for a in asked)]
        if not echoed or asks(text, language) or talks_of_own_life(text, language):
            return None
        side = "no" if any(word.negated for word in echoed) else "yes"
    if side == "unsure":
        return "partial", Weighed("partial", 0.5, reason="yes and no")
    if not side:
        return None
    right = side in wanted
    if not right and weighed.sort == "correct" and not any(word in folded_words(language, "yes") | folded_words(language, "no") for word in plain(text, language).split()):
        return None
    return ("correct" if right else "wrong"), Weighed("correct" if right else "wrong", float(right), side, weighed.pairs, weighed.misconception, f"says {side}")


def _says_more(text: str, weighed: Weighed, ready: Prepared) -> bool:
    """Two or more words with content that are neither in the answer nor in the question: a theme of its own."""
    used = {child.stem for child, _ in weighed.pairs} | {word.stem for word in ready.question}
    return sum(word.weight >= 0.6 and word.stem not in used for word in read(text, ready.language)) >= 2


def _speaks_of_itself(text: str, weighed: Weighed, expected: Expectation, language: Language) -> bool:
    """Talk of the child's own life that only brushes the answer: its age where a number is asked for, its own friend."""
    if expected.answer == "open" or weighed.sort == "correct" or weighed.misconception is not None:
        return False
    numbered = pattern(language, "age").search(" ".join(word.folded for word in read(text, language)))
    if weighed.reason == "another number" and talks_of_own_life(text, language):
        asked = [word for answer in (expected.question, *expected.accepted) for word in read(answer, expected.language)]
        own = [word for word in read(text, language) if word.weight == 1 and word.number is None]
        return any(not any(like(word, other, expected.language) >= SURE for other in asked) for word in own)
    brushes = weighed.sort == "partial" and weighed.reason.startswith(("holds a piece", "names only"))
    return bool(numbered) or (brushes and talks_of_own_life(text, language) and not _addresses_child(expected))


def _answers_anyway(text: str, weighed: Weighed, language: Language, expected: Expectation) -> bool:
    """A question that holds its own right answer ("why? because of the rain"), or whose answer is a question."""
    if weighed.sort != "correct":
        return False
    said = set(plain(text, language).split()[1:])
    return bool(said & folded_words(language, "because")) or any(asks(answer, expected.language) for answer in expected.accepted)


def _other_talk(text: str, expected: Expectation, ready: Prepared, language: Language) -> tuple[Verdict, str]:
    """Words that match nothing: talk about something else, no words at all, or an attempt that is wrong."""
    spoken = words_of(text, language)
    strange = [word for word in spoken if is_gibberish(word) and not any(is_known(word, name) for name in LANGUAGES)]
    if _BABBLE.search(text.lower()) or strange and 2 * len(strange) >= len(spoken):
        return "not_understood", "no words"
    said = read(text, language)
    content = [word for word in said if word.weight > 0]
    story = [word for item in (*ready.accepted, *ready.names, *sum(ready.misconceptions, ())) for word in item.words]
    near = [word for word in content if any(like(word, known, ready.language) >= SURE for known in story)]
    if talks_of_own_life(text, language) and not near:
        topics = re.search(pattern(language, "off_topic").pattern.split(")|(?:")[0].removeprefix("(?:"), plain(text, language))
        if not _addresses_child(expected) or topics:
            return "off_topic", "talks of something else"
    if not content:
        return "not_understood", "no word with content"
    if len(content) >= 2 and len(content) == len(said) and not any(word.known for word in content):
        return "not_understood", "no word that is known"
    if _jumbled(said):
        return "not_understood", "no sentence"
    asked = [word for word in ready.question if word.weight > 0]
    if not near and expected.answer != "open" and _statement_elsewhere(said, content, [*story, *asked], ready, language):
        return "off_topic", "a statement about something else"
    tables = {table for word in story for table in word.meaning.tables} - _WORDS_ONLY
    if language != expected.language and not any(word.meaning.tables & tables for word in content):
        return "not_understood", "an answer in another language"
    return "wrong", "another answer"


def _addresses_child(expected: Expectation) -> bool:
    """Whether the question is about the child's own life ("what do you do when it rains?"), not only put to it ("do you think")."""
    if expected.answer == "open":
        return True
    asked = pattern(expected.language, "frames").sub(" ", plain(expected.question, expected.language))
    return bool(pattern(expected.language, "address").search(asked))


def _jumbled(said: tuple[Word, ...]) -> bool:
    """Articles that belong to nothing, again and again: what is left of a sentence the recogniser did not catch."""
    loose = sum(one.folded in ARTICLES and other.weight == 0 and other.folded not in ARTICLES for one, other in zip(said, said[1:], strict=False))
    return loose >= 2 or (loose == 1 and said[-1].weight == 0)


def _statement_elsewhere(said: tuple[Word, ...], content: list[Word], known: list[Word], ready: Prepared, language: Language) -> bool:
    """A whole statement with a subject and a theme of its own ("dinosaurs are big")."""
    if any(like(word, other, ready.language) >= SURE for word in content for other in known):
        return False
    if len(said) < 3 or {word.folded for word in said} & (folded_words(language, "because") | _ANAPHORA):
        return False
    start = 1 if said[0].folded in ARTICLES else 0
    return said[start].weight >= 0.6 and said[start + 1].folded in _FINITE and len(said) > start + 2


def _echo(weighed: Weighed, text: str, expected: Expectation) -> str:
    """A word of the child's that a reply may take up: known to the story or the lexicon, never a rude one or a private name."""
    language = expected.language
    pairs = list(weighed.pairs)
    if not pairs:
        asked = read(expected.question, language)
        tables = {table for answer in expected.accepted for word in read(answer, language) for table in word.meaning.tables} - _WORDS_ONLY
        for word in read(text, language):
            fits = bool(word.meaning.tables & tables) or (expected.answer == "open" and bool(word.meaning.tables - _WORDS_ONLY))
            if word.weight >= 0.6 and (fits or any(like(word, other, language) >= SURE for other in asked if other.weight > 0)):
                pairs.append((word, word))
    rude = folded_words(language, "rude")
    usable = [
        (child, wanted)
        for child, wanted in pairs
        if child.number is None and not child.negated and len(child.folded) >= 3 and not set(child.folded.split()) & rude and child.weight >= 0.6
    ]
    if not usable:
        return ""
    child, wanted = max(usable, key=lambda pair: (bool(pair[0].meaning.tables - _WORDS_ONLY), len(pair[0].folded)))
    same = child.folded == wanted.folded or child.own
    return _spelt(child.text if same else wanted.text, child, expected)


def _spelt(word: str, child: Word, expected: Expectation) -> str:
    """The word with its capital, where the story or German spelling gives it one."""
    wanted = fold(word, expected.language)
    for text in (*expected.accepted, *expected.key_ideas, *expected.names, expected.question):
        for token in re.findall(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*", text)[0 if expected.language == "de" else 0 :]:
            if fold(token, expected.language) == wanted and (expected.language == "de" or token in expected.names):
                return str(token)
    if expected.language == "de" and child.meaning.tables - _WORDS_ONLY - {"feeling", "colour"}:
        return word.capitalize()
    return word
