"""Who does what to whom: the right words with the roles exchanged ("the lion saved the mouse") are not the right answer."""

from __future__ import annotations

from collections.abc import Sequence

from agent.turn import Language
from agent.understanding.likeness import SURE, like
from agent.understanding.prepared import Prepared
from agent.understanding.vocabulary import ARTICLES, Word, read

_BEINGS = frozenset({"animal", "person"})
_WHO = frozenset({"who", "qui", "wer"})
_BY = frozenset({"by", "par", "von", "vom"})
_NOT_A_SUBJECT = frozenset(
    {"dem", "den", "einem", "einen", "to", "for", "a", "au", "aux", "pour", "de", "du", "of", "with", "avec", "mit"}
)


def roles_exchanged(text: str, ready: Prepared, language: Language) -> bool:
    """Whether the deed that the question asks about is said to be done by one who does not do it."""
    said = list(read(text, language))
    if _turned_round(said, ready) or _another_did_it(said, ready):
        return True
    deed = next((at for at, word in enumerate(said) if word.weight > 0 and _is_deed(word, ready)), None)
    if deed is None or {word.folded for word in said} & _BY or any(word.negated for word in said):
        return False
    doer = _doer(said, deed)
    if doer is None:
        return False
    asked = [word for word in ready.question if word.weight >= 0.6]
    wanted = [word for item in ready.accepted for word in item.words if word.weight >= 0.6]
    if ready.question and ready.question[0].folded in _WHO:
        behind = [word for word in said[deed + 1 :] if _among(word, wanted, ready)]
        return bool(behind) and _among(doer, asked, ready) and not _among(doer, wanted, ready)
    beings = [word for word in asked if _is_being(word)]
    doers = [being for item in ready.accepted for being in item.words[:1] if _is_being(being)]
    if sum(_is_being(word) for word in said) == 1 and _among(doer, doers, ready):
        return False
    if not beings or not _is_being(doer) or like(doer, beings[0], ready.language) >= SURE:
        return False
    return _among(doer, [*beings[1:], *(word for word in wanted if _is_being(word))], ready)


def _turned_round(said: Sequence[Word], ready: Prepared) -> bool:
    """ "The mouse let the lion go" where the accepted answer begins with the lion: it has become the one it is done to."""
    beings = [(at, word) for at, word in enumerate(said) if _is_being(word) and not word.negated]
    if len(beings) < 2 or beings[0][1].clause != beings[1][1].clause:
        return False
    (at, first), (_, second) = beings[:2]
    asked = [word for word in ready.question if _is_being(word)]
    if (at and said[at - 1].folded in _NOT_A_SUBJECT) or not _among(first, asked, ready):
        return False
    for item in ready.accepted:
        named = [word for word in item.words if _is_being(word)]
        done = [word for word in item.words[1:] if not _is_being(word)]
        tells = any(like(word, deed, ready.language) >= SURE for word in said[at + 1 :] for deed in done if deed.weight > 0)
        if named and item.words[0] is named[0] and tells:
            return like(second, named[0], ready.language) >= SURE and not _among(first, named, ready)
    return False


def _another_did_it(said: Sequence[Word], ready: Prepared) -> bool:
    """ "The tortoise had a nap" where every accepted answer with the nap begins with the hare, and both are asked about."""
    if any(word.negated for word in said):
        return False
    asked = [word for word in ready.question if _is_being(word)]
    doers: list[Word] = []
    deeds: list[Word] = []
    for item in ready.accepted:
        if item.words and _is_being(item.words[0]) and len(item.words) > 1:
            doers.append(item.words[0])
            deeds += [word for word in item.words[1:] if not _is_being(word) and word.weight >= 0.6]
    at = next((at for at, word in enumerate(said) if any(like(word, deed, ready.language) >= SURE for deed in deeds)), None)
    doer = _doer(said, at) if at else None
    if doer is None or not _is_being(doer) or len(asked) < 2:
        return False
    others = [word for word in said if _among(word, doers, ready)]
    return _among(doer, asked, ready) and not _among(doer, doers, ready) and not others


def _is_deed(word: Word, ready: Prepared) -> bool:
    """A verb of the question."""
    return any(
        like(word, asked, ready.language) >= SURE and not _is_being(asked)
        for asked in ready.question
        if "action" in asked.meaning.tables or 0 < asked.weight < 0.6 or asked is ready.question[-1]
    )


def _doer(said: Sequence[Word], deed: int) -> Word | None:
    """The first thing named before the deed in its clause, unless its article or preposition says that it is no subject."""
    clause = said[deed].clause
    for at in range(deed):
        word = said[at]
        if word.clause != clause or word.weight < 0.6:
            continue
        before = [other.folded for other in said[max(0, at - 2) : at]]
        article = before[-1] if before else ""
        if article in _NOT_A_SUBJECT or (article in ARTICLES and len(before) == 2 and before[0] in _NOT_A_SUBJECT):
            return None
        return word
    return None


def _is_being(word: Word) -> bool:
    return bool(word.meaning.tables & _BEINGS)


def _among(word: Word, others: Sequence[Word], ready: Prepared) -> bool:
    return any(like(word, other, ready.language) >= SURE or word.text in other.text.split() for other in others)
