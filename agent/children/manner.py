"""How a child's words come out, and what arrives of them: learners' slips, two languages at once, a poor recogniser."""

from __future__ import annotations

import random
import re
import unicodedata

from agent.children.words import ChildWords
from agent.story import Prompt

_WORD = re.compile(r"(?<!['’])\b[^\W\d_]+")
_SAFE = 3  # letters; in shorter words one letter more or less makes another word
_UMLAUTS = str.maketrans({"ß": "ss", "œ": "oe", "æ": "ae"})


def with_slips(text: str, words: ChildWords, rng: random.Random, share: float = 0.6) -> str:
    """The text as somebody says it who is still learning the language: articles left out or wrong, verbs unbent.

    ``share`` (0 to 1) is how many of the words that can slip do.
    """

    def slip(match: re.Match[str]) -> str:
        word = match[0]
        other = words.slips.get(word.lower())
        if other is None or rng.random() >= share:
            return word
        return other if rng.random() < 0.6 else ""

    return _tidy(_WORD.sub(slip, text)) or text


def mixed(text: str, other: ChildWords, rng: random.Random, here: Prompt | None, there: Prompt | None) -> str:
    """The text with one borrowed word: the answer's own word in the other language, or one that is always at hand.

    ``here`` and ``there`` are the question in both languages. Only where one idea is the whole answer in both is its word
    known to mean the same.
    """
    if here is not None and there is not None and rng.random() < 0.3:
        own, borrowed = here.words.key_ideas, there.words.key_ideas
        if len(own) == 1 and len(borrowed) == 1 and own[0].lower() != borrowed[0].lower():
            swapped, times = re.subn(rf"\b{re.escape(own[0])}\b", lambda _: borrowed[0], text, count=1, flags=re.IGNORECASE)
            if times:
                return swapped
    word = rng.choice(other.borrowed)
    return f"{word} {text}" if rng.random() < 0.5 else f"{text} {word}"


def misheard(text: str, words: ChildWords, rng: random.Random) -> tuple[str, float]:
    """What a recogniser makes of the text, and how sure it is (0.2 to 0.9): the more it lost, the less sure.

    Letters are dropped or doubled letters lost, words written as others that sound the same, two words run together, accents
    and umlauts lost; one time in twenty nothing but noise is left.
    """
    if rng.random() < 0.05:
        return rng.choice(words.noises), round(rng.uniform(0.2, 0.4), 2)
    severity = rng.betavariate(2, 3)
    spoken = text.split()
    heard = [_misheard_word(word, words, rng) if rng.random() < 0.5 * severity else word for word in spoken]
    if heard == spoken:  # no recogniser of this kind gets every word
        place = rng.randrange(len(spoken))
        heard[place] = _misheard_word(spoken[place], words, rng)
    if len(heard) > 2 and rng.random() < 0.5 * severity:
        place = rng.randrange(len(heard) - 1)
        heard[place : place + 2] = ["".join(heard[place : place + 2])]
    confidence = min(0.9, max(0.2, 0.95 - 0.8 * severity + rng.uniform(-0.1, 0.1)))
    return " ".join(filter(None, heard)) or text, round(confidence, 2)


def as_written(text: str, rng: random.Random, asking: bool = False) -> str:
    """As a good recogniser writes it: half of the time like a sentence, otherwise just the words."""
    if rng.random() < 0.5:
        return text
    return text[:1].upper() + text[1:] + ("." if text[-1:].isalnum() and not asking else "")


def _misheard_word(word: str, words: ChildWords, rng: random.Random) -> str:
    bare = word.strip(".,;:!?…\u202f")
    if (other := words.sounds_like.get(bare.lower())) and rng.random() < 0.6:
        return other
    plain = _without_accents(bare)
    if plain != bare and rng.random() < 0.7:
        return plain
    if len(bare) <= _SAFE:
        return bare.lower()
    if doubled := re.search(r"(.)\1", bare):
        return bare[: doubled.start()] + bare[doubled.start() + 1 :]
    place = rng.randrange(1, len(bare))  # the beginning of a word is what is heard best
    return bare[:place] + bare[place + 1 :]


def _without_accents(word: str) -> str:
    apart = unicodedata.normalize("NFD", word.translate(_UMLAUTS))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"\s+([,.])", r"\1", text).strip(" ,")
