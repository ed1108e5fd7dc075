"""What a child's words are, as an answer to the open question.

The order of the checks is the order of what must never be missed: a disclosure, a wish to stop, then whether anything
was said and understood, and only then whether it is right. Everything is rules over the lexicon: a judgement is the
same every time, costs a few milliseconds, and its ``reason`` can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from agent.language import Heard, hear
from agent.language import warm as warm_language
from agent.turn import LANGUAGES, Judgement, Language, Utterance, Verdict
from agent.understanding.acts import act_instead
from agent.understanding.alternatives import points_at_one
from agent.understanding.answers import weigh
from agent.understanding.coverage import child_words, cover, target
from agent.understanding.echo import echo
from agent.understanding.expectation import Expectation
from agent.understanding.grammar import is_word_salad, out_of_order
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import folded_words, plain, without_noise
from agent.understanding.open_answer import leaves_it_open, open_verdict
from agent.understanding.other_talk import other_talk, says_more, speaks_of_itself
from agent.understanding.other_words import OWN_WORDS
from agent.understanding.prepared import Prepared, Weighed, literal, prepare, said_word_for_word
from agent.understanding.speech_acts import (
    asks,
    asks_about,
    begins_a_question,
    begins_another_topic,
    hesitates,
    is_empty_talk,
    is_inverted,
    only_fills_a_pause,
    sounds_like_asking,
    talks_of_other_things,
    talks_of_own_life,
    wants_to_stop,
    without_dont_know,
)
from agent.understanding.vocabulary import read
from agent.understanding.yes_no import yes_or_no

__all__ = ["CONFIDENT", "Expectation", "Judge"]

CONFIDENT = 0.35  # the recogniser's confidence below which the robot asks again rather than judging


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
        if not (expectation.accepted or expectation.key_ideas or expectation.choices):
            expectation = replace(expectation, answer="open")  # what accepts nothing in particular accepts everything
        if literally := self._literally(utterance, expectation):
            verdict, weighed, choice = literally
            heard = Heard(expectation.language, False, False, 1.0)
        else:
            heard = hear(without_noise(utterance.text, expectation.language), expectation.language)
            verdict, weighed, choice = self._verdict(utterance, expectation, heard)
            if act := act_instead(utterance.text, verdict, weighed, expectation, heard):
                verdict, weighed = act, Weighed("none", reason="the words as a whole")
        return Judgement(
            verdict,
            heard.language if self.follow else expectation.language,
            score=weighed.score,
            reason=weighed.reason,
            matched=weighed.matched,
            child_word=echo(weighed, utterance.text, expectation) if verdict in {"correct", "partial", "wrong"} else "",
            misconception=weighed.misconception,
            borrowed=heard.borrowed,
            foreign=heard.foreign,
            choice=choice,
        )

    def _literally(self, utterance: Utterance, expected: Expectation) -> tuple[Verdict, Weighed, str] | None:
        """What is word for word in the story is that, whatever else it could mean: "stop" where "stop" is the answer."""
        language = expected.language
        if utterance.confidence < CONFIDENT:
            return None
        if expected.choices:
            said = literal(utterance.text, language)
            named = [name for name, ways in expected.choices.items() if said and said in {literal(w, language) for w in ways}]
            return ("correct", Weighed("correct", 1.0, reason="made a choice"), named[0]) if len(named) == 1 else None
        found = said_word_for_word(utterance.text, _ready(expected))
        if found is None or (expected.answer == "open" and found.sort == "wrong") or self.disclosed(utterance.text, language):
            return None
        return _as_verdict(found), found, ""

    def _verdict(self, utterance: Utterance, expected: Expectation, heard: Heard) -> tuple[Verdict, Weighed, str]:
        raw, language = utterance.text, heard.language
        text = without_noise(raw, language)

        def said(verdict: Verdict, reason: str, choice: str = "") -> tuple[Verdict, Weighed, str]:
            return verdict, Weighed("none", reason=reason), choice

        if any(self.disclosed(raw, name) for name in {language, expected.language}):
            return said("disclosure", "tells of harm")
        if is_empty_talk(text, language):
            noise = text != raw and re.search(r"\w", raw) is not None
            return said("not_understood", "only noise") if noise else said("silence", "nothing was said")
        ready = _ready(expected)
        if wants_to_stop(text, language):
            # "Stop" may be the very answer ("what does the bus do?"); then only a whole sentence ends the session.
            answers = expected.answer == "closed" and _best(text, ready, heard).sort == "correct"
            answers = answers or bool(expected.choices and _choice(text, expected))
            if not answers or wants_to_stop(text, language, firm=True):
                return said("stop", "wants to stop")
        if utterance.confidence < CONFIDENT:
            return said("not_understood", f"the recogniser is unsure ({utterance.confidence:.2f})")
        if heard.foreign and not (len(raw.split()) <= 2 and weigh(text, ready, expected.language).sort == "correct"):
            return said("not_understood", "a fourth language")
        if expected.answer == "closed" and only_fills_a_pause(text, language):
            return said("silence", "nothing was said")
        if expected.choices and (choice := _choice(text, expected)):
            return said("correct", "made a choice", choice)
        unknowing, rest = without_dont_know(text, language)
        if expected.answer == "open":
            if unknowing and leaves_it_open(rest, language):
                return said("dont_know", "says so")
            verdict, reason = open_verdict(text, expected, ready, language)
            weighed = _best(text, ready, heard)
            if verdict == "correct":
                return verdict, Weighed("correct", max(0.5, weighed.score), "", weighed.pairs, reason=reason), ""
            return said(verdict, reason)
        if pointed := points_at_one(text, expected.question, ready, language):
            return _as_verdict(pointed), pointed, ""
        weighed = _best(rest if unknowing else text, ready, heard)
        if unknowing and weighed.sort != "correct" and (whole := _best(text, ready, heard)).sort == "correct":
            return "correct", whole, ""  # "it is too heavy" answers where it could also mean "too hard for me"
        if expected.answer == "yes_no" and (side := yes_or_no(text, expected, weighed, unknowing, language)):
            return side[0], side[1], ""
        if unknowing:
            if rest.replace(",", " ").split()[:1] and rest.replace(",", " ").split()[0] in folded_words(language, "indirect"):
                return said("dont_know", "says what it does not know")
            hedged = bool(set(rest.split()) & folded_words(language, "hedges")) and weighed.sort == "partial"
            hedged = hedged or (weighed.sort == "partial" and _knows_a_part(weighed, ready))
            if weighed.sort == "correct" or hedged:
                return "correct" if weighed.sort == "correct" else "partial", weighed, ""
            return said("dont_know", "says so")
        certain = weighed.sort == "correct" and weighed.reason != OWN_WORDS
        loose = weighed.sort == "none" or (weighed.sort == "partial" and weighed.reason.startswith("names"))
        own = talks_of_own_life(text, language) or sounds_like_asking(text, language) or is_inverted(text, language)
        own = own or asks_about(text, ready.question, language)
        if is_word_salad(text, ready, language, certain) or (loose and out_of_order(text, language, plainly=True) and not own):
            return said("not_understood", "no sentence holds the words together")
        if (weighed.sort == "none" and talks_of_other_things(text, language)) or (
            weighed.sort != "wrong" and not certain and begins_another_topic(text, language, firm=weighed.sort != "none")
        ):
            return said("off_topic", "talks of something else")
        if asks(text, language) and not _answers_anyway(text, weighed, language, expected):
            return said("question", "asks something")
        vaguely = weighed.sort == "none" or weighed.reason.startswith("names")
        knows = (language != "fr" or weighed.sort == "wrong") and says_more(text, weighed, ready)
        if (vaguely and asks_about(text, ready.question, language)) or (is_inverted(text, language) and (vaguely or knows)):
            return said("question", "asks in the order of a question")
        if (
            weighed.sort in {"correct", "partial"}
            and sounds_like_asking(text, language, strict=False)
            and says_more(text, weighed, ready)
        ):
            return said("question", "asks something")
        if speaks_of_itself(text, weighed, expected, language):
            return said("off_topic", "talks of something else")
        if loose and not own and out_of_order(text, language):
            return said("not_understood", "no order holds the words together")
        if weighed.sort in {"correct", "partial", "wrong"}:
            return _as_verdict(weighed), weighed, ""
        if sounds_like_asking(text, language) or begins_a_question(text, language):
            return said("question", "asks something")
        if text != raw and weighed.sort == "none":
            return said("not_understood", "noise in the middle of it")
        verdict, reason = other_talk(text, expected, ready, language)
        return verdict, Weighed("none", weighed.score, reason=reason), ""


def _ready(expected: Expectation) -> Prepared:
    return prepare(
        expected.language, expected.question, expected.accepted, expected.key_ideas, expected.misconceptions, expected.names
    )


def _as_verdict(weighed: Weighed) -> Verdict:
    return "correct" if weighed.sort == "correct" else "partial" if weighed.sort == "partial" else "wrong"


def _knows_a_part(weighed: Weighed, ready: Prepared) -> bool:
    """ "Pollen, and I forgot the other": beside "I don't know", a thing of the answer that the question has not named."""
    if ready.numbers or not weighed.reason.startswith("holds"):
        return False
    asked = [word for word in ready.question if word.weight > 0]
    return any(
        wanted.weight == 1 and not any(like(child, word, ready.language) >= SURE for word in asked)
        for child, wanted in weighed.pairs
    )


_KINDEST_FIRST = ("correct", "partial", "wrong", "none")


def _best(text: str, ready: Prepared, heard: Heard) -> Weighed:
    """The kinder of two readings when another language than the story's was spoken."""
    readings = [weigh(text, ready, language) for language in dict.fromkeys((ready.language, heard.language))]
    return min(readings, key=lambda weighed: (_KINDEST_FIRST.index(weighed.sort), -weighed.score))


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


def _answers_anyway(text: str, weighed: Weighed, language: Language, expected: Expectation) -> bool:
    """A question that holds its own right answer ("why? because of the rain"), or whose answer is a question."""
    if weighed.sort != "correct":
        return False
    words = plain(text, language).split()
    if hesitates(text, language) or (language == "fr" and words[-1] == "quoi" and words[-2:-1] != ["est"]):
        return True  # "is it …" with the right thing; "il est triste, quoi"
    said = set(words[1:])
    return bool(said & folded_words(language, "because")) or any(
        asks(answer, expected.language) for answer in expected.accepted
    )
