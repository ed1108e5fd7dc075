"""How much of an expected answer a child's words cover, in content and in whether it is so or not so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from agent.turn import Language
from agent.understanding.likeness import SURE, joined, like, opposites_of
from agent.understanding.normalise import pattern, plain
from agent.understanding.vocabulary import Word, head_of, read

_ENDS = frozenset({"stop_it", "finish", "away", "leave", "die"})
GIVEN = 0.2  # what is left of a word's weight when the question has already said it


@dataclass(frozen=True)
class Target:
    """Something a child may say, ready to be compared. ``all_given``: the question itself names everything in it."""

    text: str
    words: tuple[Word, ...]
    weights: tuple[float, ...]
    all_given: bool

    @property
    def total(self) -> float:
        return sum(self.weights)


@dataclass(frozen=True)
class Cover:
    """``share`` 0 to 1 of a target's weight; ``against``: said, but negated or as its contrary; ``pairs``: the
    child's words with the wanted ones they stand for; ``weight``: the weight that was covered."""

    share: float
    against: bool
    pairs: tuple[tuple[Word, Word], ...]
    weight: float


def target(text: str, question: Sequence[Word], language: Language) -> Target:
    """Prepare one accepted answer, key idea or misconception. Words of the question weigh less, as they are no news."""
    words = tuple(word for word in read(text, language) if word.weight > 0)
    if not words:  # "you and me": nothing but function words, so these are the content
        words = tuple(replace(word, weight=0.5) for word in read(text, language) if len(word.folded) > 1 or word.folded == "i")
    given = [any(like(asked, word, language) >= SURE for asked in question if asked.weight > 0) for word in words]
    all_given = bool(words) and all(given)
    weights = tuple(w.weight * (GIVEN if is_given and not all_given else 1.0) for w, is_given in zip(words, given, strict=True))
    return Target(text, words, weights, all_given)


@lru_cache(maxsize=256)
def child_words(text: str, language: Language) -> tuple[Word, ...]:
    """A child's words, and neighbouring ones run together."""
    words = read(turned(text, language), language)
    return words + _heads(words, language) + joined(words, language)


_NOT: dict[Language, str] = {"en": "not", "fr": "pas", "de": "nicht"}


def turned(text: str, language: Language) -> str:
    """ "The opposite of big" is not big."""
    said = plain(text, language)
    found = pattern(language, "contrary")
    return found.sub(_NOT[language], said) if found.search(said) else text


def _heads(words: Sequence[Word], language: Language) -> tuple[Word, ...]:
    """The one word that carries a fixed expression ("warm" in "gets warm"), so that it is found by itself too."""
    return tuple(
        replace(head, negated=word.negated, clause=word.clause)
        for word in words
        if " " in word.text and (head := head_of(word.text, language))
    )


def cover(
    said: Sequence[Word],
    wanted: Target,
    language: Language,
    polarity: bool = True,
    welcome: frozenset[str] = frozenset(),
) -> Cover:
    """Compare. A contrary that is ``welcome`` (a concept of another answer) does not speak against this one.

    With ``polarity`` a negated word does not count for one that is not, and speaks against it."""
    if not wanted.words or wanted.total == 0:
        return Cover(0.0, False, (), 0.0)
    gained, against, hints_against, used = 0.0, False, False, []
    floor = min(0.6, max(word.weight for word in wanted.words))  # "he did not let her go" denies an answer of small words
    ended = any(word.meaning.concepts & _ENDS for word in wanted.words)
    for word, weight in zip(wanted.words, wanted.weights, strict=True):
        best, best_word, contrary, weak = 0.0, None, False, True
        meant, opposites = word.meaning.concepts, opposites_of(word)
        for child in said:
            alike = like(child, word, language)
            if polarity and alike >= SURE and child.negated != word.negated:
                if ended and child.negated:  # "no more rain" for "the rain stopped"
                    best, best_word = alike, child
                    gained += sum(
                        w for other, w in zip(wanted.words, wanted.weights, strict=True) if other.meaning.concepts & _ENDS
                    )
                else:
                    contrary, weak = True, False
                continue
            meaning = child.meaning.concepts
            opposed = not opposites.isdisjoint(meaning) and meant.isdisjoint(meaning)
            if opposed and child.negated != word.negated:
                best, best_word = max((best, best_word), (SURE, child), key=lambda pair: pair[0])  # "not happy" for "sad"
            elif alike > best:
                best, best_word = alike, child
            elif opposed and child.negated == word.negated and not child.meaning.concepts & welcome:
                contrary, weak = True, weak and child.weight == 0
        if best >= SURE and best_word is not None:
            gained += weight * best
            used.append((best_word, word))
        else:
            if best >= 0.55 and best_word is not None:
                gained += weight * best * 0.6
                used.append((best_word, word))
            against = against or (contrary and not weak and word.weight >= floor)
            # "On the leaf" for "under the leaf": a preposition speaks against an answer only beside the rest of it.
            hints_against = hints_against or (contrary and word.weight >= 0.6)
    against = against or (hints_against and gained > 0)
    return Cover(gained / wanted.total, against, tuple(used), gained)
