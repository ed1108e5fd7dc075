"""What a child does with its words when it does not answer: stop, "don't know", a question of its own, other talk."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.turn import LANGUAGES, Language
from agent.understanding.lexicon import manner
from agent.understanding.normalise import fold, folded_words, pattern, plain, tokens
from agent.understanding.vocabulary import ARTICLES, Word, read


def _within(text: str, language: Language) -> str:
    """The text without polite words around it."""
    text = text.replace("s il te plait", "stp").replace("thank you", "thanks")
    lead, tail = folded_words(language, "lead"), folded_words(language, "tail")
    words = text.split()
    while len(words) > 1 and words[0] in lead:
        words = words[1:]
    while len(words) > 1 and words[-1] in tail:
        words = words[:-1]
    return " ".join(words)


def wants_to_stop(text: str, language: Language, firm: bool = False) -> bool:
    """ "Stop", in any of the three languages. ``firm``: only a whole sentence counts, because "stop" could be the answer."""
    for other in (language, *(name for name in LANGUAGES if name != language)):
        said = plain(text, other)
        if pattern(other, "stop_anywhere").search(said):
            return True
        whole = pattern(other, "stop_whole")
        if not firm and (whole.fullmatch(_within(said, other)) or whole.fullmatch(said)):
            return True
    return False


def without_dont_know(text: str, language: Language) -> tuple[bool, str]:
    """Whether the child says that it does not know, and what else it says (folded)."""
    said = plain(text, language)
    known = pattern(language, "dont_know")
    within = _within(said, language)
    found = known.search(said) or known.search(within)
    if not found:
        return False, said
    return True, f"{known.sub(' , ', said if known.search(said) else within)}"


def asks(text: str, language: Language) -> bool:
    """Whether the child asks something of its own rather than answering with a rising voice ("is it the snail?")."""
    said = _within(plain(text, language), language)
    if not said:
        return False
    opener = pattern(language, "openers").match(said)
    if opener and talks_of_own_life(said[opener.end() :], language):
        return False  # "guess what, I have a hamster"
    anywhere = pattern(language, "asks_anywhere")
    asked = bool(anywhere.search(said) or anywhere.search(plain(text, language)))
    if hesitates(text, language):
        return asked or bool(pattern(language, "wonders").search(said))
    return asked or bool(pattern(language, "asks_start").match(said))


def asks_about(text: str, known: Sequence[Word], language: Language) -> bool:
    """A verb and then somebody or something of the question, which recognisers write without a mark ("was Mila new there")."""
    said = read(_within(plain(text, language), language), language)
    if len(said) < 4 or said[0].folded not in folded_words(language, "auxiliaries"):
        return False
    named = said[2] if said[1].folded in ARTICLES else said[1]
    return any(word.weight == 1 and word.stem == named.stem for word in known)


def sounds_like_asking(text: str, language: Language, strict: bool = True) -> bool:
    """A sentence with a question mark that is more than a hesitant answer ("the snail?", "because it rained?").

    ``strict``: what begins with an article names something, so it is an answer.
    """
    said = plain(text, language).split()
    if "?" not in text or len(said) < 3 or hesitates(text, language):
        return False
    answering = folded_words(language, "because") | (ARTICLES if strict else frozenset())
    # French names the subject first and takes it up again: "les plantes elles parlent ?"
    if language == "fr" and {"il", "elle", "ils", "elles"} & set(said[1:]):
        answering -= ARTICLES
    return said[0] not in answering and not {"or", "ou", "oder"} & set(said)


def begins_a_question(text: str, language: Language) -> bool:
    """A question word with a verb or a thing behind it ("wo wohnen Eisbären"); not "where the bears are"."""
    said = read(_within(plain(text, language), language), language)
    first = said[0].folded if said else ""
    if len(said) < 3 or first not in folded_words(language, "indirect") - {"when", "quand", "si", "if", "ob", "ce"}:
        return False
    return said[1].weight > 0


def is_inverted(text: str, language: Language) -> bool:
    """Words in the order of a question ("can frogs breathe"), which recognisers write without its mark."""
    text = re.sub(r"(?<=[a-z])['’]re\b", " are", text)  # "we're" is not "were"
    said = _within(plain(text, language), language)
    if pattern(language, "openers").match(said):
        return False
    return bool(pattern(language, "inverted").search(said)) and not hesitates(text, language)


def hesitates(text: str, language: Language) -> bool:
    """An answer in the form of a question: "is it …"."""
    return bool(pattern(language, "hesitant").match(_within(plain(text, language), language)))


def talks_of_own_life(text: str, language: Language) -> bool:
    """Words about the child's own day or wishes, or other things children bring up in the middle of a story."""
    said = _within(plain(text, language), language)
    words = set(said.split())
    if words & folded_words(language, "because") and not words & folded_words(language, "own_life"):
        return False  # "because he stayed up last night" tells of somebody in the story
    return bool(pattern(language, "off_topic").search(said))


def begins_another_topic(text: str, language: Language, firm: bool = False) -> bool:
    """ "Guess what, I have …", "it is raining outside": talk that is clearly about something else.

    ``firm``: only what calls for attention, because the rain may be in the story too."""
    said = plain(text, language)
    calls = pattern(language, "openers").match(said)
    if calls and talks_of_own_life(said[calls.end() :], language):
        return True
    return not firm and bool(pattern(language, "elsewhere").search(said))


def talks_of_other_things(text: str, language: Language) -> bool:
    """Television, games, the toilet: never an answer, whatever was asked (the first pattern of the list)."""
    return bool(re.search(fold(manner(language).off_topic[0], language), plain(text, language)))


def is_empty_talk(text: str, language: Language) -> bool:
    """Nothing but fillers ("um", "..."), or nothing at all."""
    return not plain(text, language)


_VOWEL = re.compile(r"[aeiouyäöüàâéèêëîïôûùœ]")
_CLUSTER = re.compile(r"[bcdfghjklmnpqrstvwxz]{5,}")
_KEYBOARD = re.compile(r"q[^uaeiäöüéèê\W]|[^aeiouyn]j(?![aeiouyäöü])|sdf|dfg|kjh|qwe|^[^aeiouyäöü]{4,}")  # no word of ours
_BABBLE = re.compile(r"(\w{1,3})\1{2,}|(.)\2{3,}")


def only_fills_a_pause(text: str, language: Language) -> bool:
    """Humming with nothing in it but "yes" or "well" ("öhm ja äh"), where no yes or no was asked for."""
    spoken = [token for token in tokens(text, language) if token.isalpha()]
    said = plain(text, language).split()
    return len(said) < len(spoken) and set(said) <= folded_words(language, "lead") | folded_words(language, "yes")


def is_gibberish(token: str) -> bool:
    """A word nobody could mean: no vowel, five consonants at once (German "Schrift" apart), or babble ("blablabla")."""
    if token.isdecimal():
        return False
    if len(token) < 2:
        return not _VOWEL.search(token)
    if _BABBLE.fullmatch(token) or _BABBLE.search(token):
        return True
    soft = token.replace("sch", "s").replace("ch", "k").replace("ngst", "ns")
    return not _VOWEL.search(token) or bool(_CLUSTER.search(soft) or _KEYBOARD.search(soft))


def words_of(text: str, language: Language) -> list[str]:
    """The spoken words, lower case, without punctuation."""
    return [token for token in tokens(text, language) if token.isalnum()]
