"""Times of day and sums of money, which are said in many ways: "half past three", "3:30" and "halb vier" are the same.

Where one is asked for, the parts count together: "two euros twenty" is no part of "one euro twenty".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from agent.turn import Language
from agent.understanding.normalise import fold, folded_words, plain, tokens
from agent.understanding.numerals import number_like, with_numbers
from agent.understanding.prepared import Prepared, Weighed
from agent.understanding.vocabulary import is_known

Amount = tuple[str, int]  # "clock" and minutes after twelve, or "money" and cents

_HOUR, _HALF_DAY = 60, 720
# Each pattern with what it adds to the hour ``h`` (in minutes), beside the minutes ``m`` that it may name.
_CLOCK: dict[Language, tuple[tuple[str, int], ...]] = {
    "en": (
        (r"\bhalf (?:past|after) (?P<h>\d+)", 30),
        (r"\b(?:a )?quarter (?:past|after) (?P<h>\d+)", 15),
        (r"\b(?:a )?quarter (?:to|before|of|til) (?P<h>\d+)", -15),
        (r"\b(?P<m>\d+) (?:minutes? )?past (?P<h>\d+)", 0),
        (r"\b(?P<less>\d+) (?:minutes? )?(?:to|before) (?P<h>\d+)", 0),
        (r"\b(?P<h>\d+) : (?P<m>\d\d)\b", 0),
        (r"\b(?P<h>\d+) (?:o ?clocks?|oclocks?)\b(?: (?P<m>\d+))?", 0),
    ),
    "fr": (
        (r"\b(?P<h>\d+) ?h(?:eures?)? (?:et )?demie?\b", 30),
        (r"\b(?P<h>\d+) ?h(?:eures?)? (?:et )?(?:le |un )?quart\b", 15),
        (r"\b(?P<h>\d+) ?h(?:eures?)? moins (?:le |un )?quart\b", -15),
        (r"\b(?P<h>\d+) ?h(?:eures?)? moins (?P<less>\d+)", 0),
        (r"\b(?P<h>\d+) : (?P<m>\d\d)\b", 0),
        (r"\b(?P<h>\d+) ?h(?:eures?)?\b(?: (?P<m>\d+))?", 0),
        (r"\b(?P<h>\d+)h(?P<m>\d\d)\b", 0),
    ),
    "de": (
        (r"\bhalb(?:e)? (?P<h>\d+)", -30),
        (r"\bviertel nach (?P<h>\d+)", 15),
        (r"\b(?:viertel (?:vor|ab)|dreiviertel|3 viertel) (?P<h>\d+)", -15),
        (r"\bviertel (?P<h>\d+)", -45),
        (r"\b(?P<m>\d+) (?:minuten )?(?:nach|ab) (?P<h>\d+)", 0),
        (r"\b(?P<less>\d+) (?:minuten )?vor (?P<h>\d+)", 0),
        (r"\b(?P<h>\d+) : (?P<m>\d\d)\b", 0),
        (r"\b(?P<h>\d+) (?:uhr|ua|uhren)\b(?: (?:und )?(?P<m>\d+))?", 0),
    ),
}
_NAMED_HOURS = {"midi": "12 heures", "minuit": "12 heures", "noon": "12 oclock", "midday": "12 oclock", "midnight": "12 oclock"}
_UNITS = r"(?:euros?|zeuros?|neuros?|€|e|pounds?|£|dollars?|\$|franken|francs?|stutz)"
_CENTS = r"(?:cents?|centimes?|pence|pennies|penny|p|rappen)"
_MONEY = (
    rf"\b(?P<u>\d+) ?{_UNITS}(?: (?:and |et |und )?(?P<c>\d+)\b(?: {_CENTS}\b)?)?",
    r"\b(?P<u>\d+)[€e](?P<c>\d\d)\b",
    rf"\b(?P<u>\d+) [,.] (?P<c>\d\d)\b(?: ?{_UNITS})?",
    r"[£$€] ?(?P<u>\d+)(?: [,.] (?P<c>\d\d))?",
    rf"\b(?P<c>\d+) {_CENTS}\b",
)
_MOST = 2 / 3  # share of the accepted answers that must be amounts of the kind


@lru_cache(maxsize=1_000)
def amounts(text: str, language: Language) -> tuple[Amount, ...]:
    """The times and sums in a text, in the order of their ends."""
    fillers = folded_words(language, "fillers")
    kept = [_repaired(token, language) for token in tokens(text, language) if fold(token, language) not in fillers]
    said = " ".join(fold(token, language) for token in with_numbers(kept, language))
    said = re.sub(r"\b(et|and|und) \1\b", r"\1", said)
    for name, hour in _NAMED_HOURS.items():
        said = re.sub(rf"\b{name}\b", hour, said)
    said = re.sub(r"\b(?:un|une|ein|eine|one|a) (?=heure|uhr|euro|pound|dollar|zeuro|neuro)", "1 ", said)
    spans_by_end: dict[tuple[str, int], tuple[int, int, Amount]] = {}
    for start, end, amount in (*_times(said, language), *_sums(said)):
        known = spans_by_end.get((amount[0], end))
        if known is None or start < known[0]:
            spans_by_end[amount[0], end] = (start, end, amount)
    spans = sorted(spans_by_end.values(), key=lambda item: (item[1], item[0]))
    outer = [one for one in spans if not any(_inside(one, other) for other in spans)]
    return tuple(amount for _, _, amount in outer)


def _repaired(token: str, language: Language) -> str:
    """A misspelt number word as its digits ("dreisig")."""
    return token if len(token) < 4 or is_known(token, language) else number_like(token, language) or token


def _inside(one: tuple[int, int, Amount], other: tuple[int, int, Amount]) -> bool:
    return one is not other and one[2][0] == other[2][0] and other[0] <= one[0] and one[1] <= other[1] and one[:2] != other[:2]


def _times(said: str, language: Language) -> Iterator[tuple[int, int, Amount]]:
    for source, more in _CLOCK[language]:
        for found in re.finditer(source, said):
            parts = {name: int(value) for name, value in found.groupdict().items() if value}
            if parts["h"] <= 24 and parts.get("m", 0) < _HOUR:
                minutes = _HOUR * parts["h"] + parts.get("m", 0) - parts.get("less", 0) + more
                yield found.start(), found.end(), ("clock", minutes % _HALF_DAY)


def _sums(said: str) -> Iterator[tuple[int, int, Amount]]:
    for source in _MONEY:
        for found in re.finditer(source, said):
            parts = {name: int(value) for name, value in found.groupdict().items() if value}
            yield found.start(), found.end(), ("money", 100 * parts.get("u", 0) + parts.get("c", 0))


def weigh_amount(text: str, expected: Prepared, spoken: Language) -> Weighed | None:
    """The verdict where a time or a sum is asked for and one was said; None otherwise."""
    wanted = [amounts(item.text, expected.language)[-1:] for item in expected.accepted]
    for kind in ("clock", "money"):
        values = {amount[0] for amount in wanted if amount and amount[0][0] == kind}
        if not values or sum(bool(a) and a[0][0] == kind for a in wanted) < _MOST * len(wanted):
            continue
        said = [amount for amount in amounts(text, spoken) if amount[0] == kind]
        if not said or len(set(said)) > 2 or {"or", "ou", "oder"} & set(plain(text, spoken).split()):
            return None
        right = said[-1] in values
        unit = _HOUR if kind == "clock" else 100
        if said[-1][1] % unit == 0 and said[-1][1] // unit in {value // unit for _, value in values if value % unit}:
            return Weighed("partial", 0.5, reason="only the whole hours or euros")
        return Weighed("correct" if right else "wrong", float(right), reason="the right amount" if right else "another amount")
    return None
