"""Questions that name what there is to choose from ("the cork or the stone?"), and answers that only point at one.

"Not the stone" leaves the cork; "the first one" is the one that was named first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from agent.turn import Language
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import folded_words, pattern, plain, tokens
from agent.understanding.prepared import Prepared, Sort, Weighed
from agent.understanding.vocabulary import Word, read

_OR = frozenset({"or", "ou", "oder"})
_ASKING = frozenset({"lequel", "laquelle", "que", "is", "are", "does", "do", "welches", "welcher", "welche", "est"})
_MOST_WORDS = 8  # who says more tells something rather than pointing


def points_at_one(text: str, question: str, ready: Prepared, language: Language) -> Weighed | None:
    """The verdict on an answer that only excludes or counts what the question named; None for any other answer."""
    options = named_options(question, ready.language)
    right = [index for index, option in enumerate(options) if _accepted(option, ready)]
    if len(options) < 2 or len(right) != 1 or len(plain(text, language).split()) > _MOST_WORDS:
        return None
    pointed = _counted(text, len(options), language)
    if pointed is None:
        pointed = _left_over(text, options, language)
    if pointed is None:
        pointed = _named(text, options, language)
        pointed = None if pointed == right[0] else pointed
    if pointed is None:
        return None
    sure = pointed == right[0]
    sort: Sort = "correct" if sure else "wrong"
    return Weighed(sort, float(sure), options[pointed][-1].text, reason="points at one of those named")


@lru_cache(maxsize=256)
def named_options(question: str, language: Language) -> tuple[tuple[Word, ...], ...]:
    """The things on both sides of an "or" and the commas before it, each as its words with content."""
    parts: list[list[str]] = [[]]
    found = tokens(question, language)
    if not _OR & set(found):
        return ()
    for token in found:
        if token in _OR or token == ",":
            parts.append([])
        elif token in {":", ".", "?", "!"}:
            parts = [*parts, []] if len(parts) > 1 and parts[-1] else [[]]
        else:
            parts[-1].append(token)
    asking = folded_words(language, "indirect") | _ASKING
    parts = [part for part in parts if not asking & set(part)]  # "which one floats" names nothing to choose from
    read_parts = [tuple(word for word in read(" ".join(part), language) if word.weight >= 0.6) for part in parts if part]
    options = [words for words in read_parts if words and len(words) <= 3]
    return tuple(options) if len(options) >= 2 else ()


def _accepted(option: Sequence[Word], ready: Prepared) -> bool:
    return any(
        like(word, wanted, ready.language) >= SURE
        for word in option[-2:]
        for item in ready.accepted
        for wanted in item.words
        if not wanted.negated
    )


def _counted(text: str, count: int, language: Language) -> int | None:
    """ "The first one", "le dernier", "das zweite"."""
    said = plain(text, language)
    for name, index in (("first_one", 0), ("second_one", 1), ("last_one", count - 1)):
        if pattern(language, name).search(said):
            return index if index < count else None
    return None


def _named(text: str, options: Sequence[Sequence[Word]], language: Language) -> int | None:
    """The only one that was named, where nothing else with content was said."""
    content = [word for word in read(text, language) if word.weight >= 0.6]
    named = [{i for i, option in enumerate(options) if any(like(w, o, language) >= SURE for o in option)} for w in content]
    if not named or any(len(found) != 1 for found in named) or len(set().union(*named)) != 1:
        return None
    return None if any(word.negated for word in content) else next(iter(named[0]))


def _left_over(text: str, options: Sequence[Sequence[Word]], language: Language) -> int | None:
    """The only one that was not refused, where all that was said is a refusal ("not the cork and not the button")."""
    said = plain(text, language).split()
    if not set(said) & (folded_words(language, "negators") | {"ni"}) or {"because", "weil", "parce"} & set(said):
        return None
    content = [word for word in read(text, language) if word.weight >= 0.6]
    refused = {
        index
        for index, option in enumerate(options)
        if any(like(word, named, language) >= SURE for word in content for named in option)
    }
    others = [
        word
        for word in content
        if not any(like(word, named, language) >= SURE for option in options for named in option)
        and word.folded not in folded_words(language, "negators")
    ]
    left = [index for index in range(len(options)) if index not in refused]
    denied = said[0] in folded_words(language, "negators") | {"ni"} or said[:2] in (["c", "est"], ["its", "not"])
    return left[0] if len(left) == 1 and refused and not others and denied else None
