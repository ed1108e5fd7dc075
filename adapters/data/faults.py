"""What the guard has against a reply: the same verdicts as in serving, at a price that many thousand replies can pay."""

from __future__ import annotations

import re
from functools import lru_cache

from agent.guard import Contract, reply_faults, sentence_fault
from agent.lines import fingerprint
from agent.readability import LIMITS, sentences, words
from agent.safety import story_facts
from agent.turn import BANDS, Language


def fault_of(text: str, contract: Contract) -> str:
    """The first thing the guard has against a reply, or ""."""
    parts = sentences(text)
    for part in parts:
        if fault := sentence_fault_of(part, contract):
            return fault
    if len({fingerprint(part) for part in parts}) < len(parts):
        return "says a sentence twice"
    if len(words(text)) > LIMITS[contract.band].words_per_turn:
        return "more words than the age band hears in one turn"
    faults = reply_faults(parts, contract)
    return faults[0] if faults else ""


def sentence_fault_of(sentence: str, contract: Contract) -> str:
    """``agent.guard.sentence_fault``. What does not depend on the turn is asked once: lines come back many thousand times."""
    language, names = contract.language, contract.names
    if _unfit(sentence, language, ()) and _unfit(sentence, language, names):
        return sentence_fault(sentence, contract)  # this turn's material, or an older child, may still excuse it
    if story_facts.revealed(sentence, language, contract.hidden):
        return "reveals the answer"
    wrong, right = contract.wrong_facts, contract.right_facts
    if story_facts.affirmed(sentence, language, wrong, right) or story_facts.denied(sentence, language, right):
        return sentence_fault(sentence, contract)  # what stands in the story may be said as it stands there
    return ""


@lru_cache(maxsize=200_000)
def _unfit(sentence: str, language: Language, names: tuple[str, ...]) -> bool:
    """Whether the guard would refuse the sentence where nothing excuses it: without material, and for the youngest."""
    return bool(sentence_fault(sentence, Contract(language, BANDS[0], names=names)))


def note(refused: dict[str, int] | None, fault: str) -> None:
    """Count a fault by its kind: without the words it was found in, and without figures."""
    if refused is not None:
        kind = re.split(r"[“\d:]|-\d", fault)[0].strip()
        refused[kind] = refused.get(kind, 0) + 1
