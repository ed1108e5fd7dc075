"""Whether a sentence reveals an answer, contradicts the story or brings in a name, judged by stems and negations.

Answers and misconceptions are short ("because light bends in the drop"), so a sentence that holds all their content words is
taken to be about them, and an odd number of negations to deny them. Questions affirm nothing. What cannot be told apart in
this way is refused: an authored line is always at hand.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.safety import privacy
from agent.safety.lexicon import lexicon
from agent.safety.patterns import compile_patterns, fold, fold_word
from agent.turn import LANGUAGES, Language

_SNOWBALL = {"en": "english", "fr": "french", "de": "german"}
_YES_NO = frozenset({"yes", "no", "oui", "non", "ja", "nein"})
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@lru_cache(maxsize=len(LANGUAGES))
def invitation(language: Language) -> re.Pattern[str]:
    """What a request to the child begins with, to be searched in a folded sentence."""
    return compile_patterns(tuple(f"^ {words}" for words in lexicon(language).invitations), language)


def revealed(sentence: str, language: Language, hidden: tuple[str, ...]) -> str:
    """The hidden answer that a sentence gives away, or ""."""
    if not hidden:
        return ""
    stems = _stems(sentence, language)
    first = stems[0] if stems else ""
    for answer in hidden:
        wanted = _content(answer, language)
        if len(wanted) == 1 and wanted[0] in _YES_NO:
            given = first == wanted[0]
        else:
            present = sum(_has(stems, stem) for stem in wanted)
            given = bool(wanted) and present >= (len(wanted) if len(wanted) < 4 else 0.75 * len(wanted))
        if given:
            return answer
    return ""


def affirmed(sentence: str, language: Language, wrong: tuple[str, ...], right: tuple[str, ...]) -> str:
    """The misconception that a sentence states as true, or ""."""
    if sentence.rstrip(" ”“»\"')").endswith("?"):
        return ""
    stems = _stems(sentence, language)
    for fact in wrong:
        wanted = _content(fact, language)
        if not wanted or not all(_has(stems, stem) for stem in wanted):
            continue
        if _negative(stems, language) != _negative(_stems(fact, language), language):
            continue
        # The same words in another order may be the truth: "the earth goes round the sun".
        mixed = any(set(wanted) <= set(_content(fact, language)) for fact in right)
        if not mixed or [stem for stem in stems if stem in wanted] == list(wanted):
            return fact
    return ""


def denied(sentence: str, language: Language, right: tuple[str, ...]) -> str:
    """The accepted answer that a sentence states as false, or ""."""
    if sentence.rstrip(" ”“»\"')").endswith("?"):
        return ""
    stems = _stems(sentence, language)
    for fact in right:
        wanted = _content(fact, language)
        if not wanted or not all(_has(stems, stem) for stem in wanted):
            continue
        if len(wanted) > 1:
            against = _negative(stems, language) != _negative(_stems(fact, language), language)
        else:
            against = not _negative(_stems(fact, language), language) and _negated_at(stems, wanted[0], language)
        if against:
            return fact
    return ""


def invented_name(sentence: str, language: Language, names: tuple[str, ...], allowed: str) -> str:
    """A person's name in a sentence that is neither the story's nor in the authored material, or ""."""
    known = _known(names, allowed, language)
    proper = _proper(language)
    tokens = list(_WORD.finditer(sentence))
    for place, token in enumerate(tokens):
        word = re.sub(r"['’]s$", "", token[0])
        word = re.sub(r"^[^\W\d_]{1,2}['’]", "", word) if language == "fr" else word
        if not word or not word[0].isupper() or fold_word(word, language) in known:
            continue
        if privacy.is_first_name(word, language):
            return word
        begins = place == 0 or re.search(r"[.!?…:“”«„\"‘]\s*$", sentence[: token.start()]) is not None
        if language != "de" and not begins and fold_word(word, language) not in proper:
            return word
    return ""


@lru_cache(maxsize=64)
def _known(names: tuple[str, ...], allowed: str, language: Language) -> frozenset[str]:
    words = [word for text in (*names, allowed) for word in _WORD.findall(text)]
    words += [part for word in words for part in re.split(r"['’-]", word)]
    return frozenset(fold_word(word, language) for word in words)


@lru_cache(maxsize=len(LANGUAGES))
def _proper(language: Language) -> frozenset[str]:
    entries = lexicon(language)
    return frozenset(fold_word(word, language) for word in (*entries.proper, *entries.personal.fiction))


def _has(stems: tuple[str, ...], wanted: str) -> bool:
    """Whether a stem is there, also misspelt by one letter if it is long enough to be sure."""
    if wanted in stems:
        return True
    if len(wanted) < 5:
        return False
    from rapidfuzz.distance import OSA

    return any(len(stem) > 3 and OSA.distance(stem, wanted, score_cutoff=1) <= 1 for stem in stems)


def _negative(stems: tuple[str, ...], language: Language) -> bool:
    return sum(stem in _negations(language) for stem in stems) % 2 == 1


def _negated_at(stems: tuple[str, ...], wanted: str, language: Language) -> bool:
    """Whether a negation stands just before a word (within three) or just behind it (within two)."""
    for place, stem in enumerate(stems):
        if stem == wanted and _negative((*stems[max(0, place - 3) : place], *stems[place + 1 : place + 3]), language):
            return True
    return False


@lru_cache(maxsize=len(LANGUAGES))
def _negations(language: Language) -> frozenset[str]:
    """Negations as stems. French negates twice ("ne … pas"): its "ne" is not counted."""
    words = lexicon(language).negations
    return frozenset(_stem(fold_word(word, language), language) for word in words if word not in ("ne", "n", "n'"))


@lru_cache(maxsize=len(LANGUAGES))
def _small(language: Language) -> frozenset[str]:
    return frozenset(fold_word(word, language) for word in lexicon(language).articles)


@lru_cache(maxsize=2_000)
def _content(fact: str, language: Language) -> tuple[str, ...]:
    """The stems of the words that carry a fact, without negations; all its words if it has only small ones."""
    words = [word for word in fold(fact, language).split() if word != "."]
    negations = _negations(language)
    found = [_stem(word, language) for word in words if word not in _small(language)]
    found = [stem for stem in found if stem not in negations or (stem in _YES_NO and len(words) == 1)]
    return tuple(dict.fromkeys(found)) or tuple(_stem(word, language) for word in words)


def _stems(text: str, language: Language) -> tuple[str, ...]:
    return tuple(_stem(word, language) for word in fold(text, language).split() if word != ".")


@lru_cache(maxsize=20_000)
def _stem(word: str, language: Language) -> str:
    """A folded word's stem; a number word becomes its figure."""
    digits = _digits(language)
    if word in digits:
        return digits[word]
    return str(_stemmer(language).stemWord(word))


@lru_cache(maxsize=len(LANGUAGES))
def _digits(language: Language) -> dict[str, str]:
    numbers = lexicon(language).personal.digits
    return {fold_word(word, language): str(value) for word, value in numbers.items() if value}


@lru_cache(maxsize=len(LANGUAGES))
def _stemmer(language: Language):  # type: ignore[no-untyped-def]  # snowballstemmer has no types
    import snowballstemmer

    return snowballstemmer.stemmer(_SNOWBALL[language])
