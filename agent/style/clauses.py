"""Rhythm: where a sentence may pause, take a comma, or be said as two. Works on bodies, as agent.style.moves does."""

from __future__ import annotations

import re

from agent.style.moves import starts
from agent.style.text import capitalised, count_words, plain, tokens
from agent.style.words import Lexicon, alternation


def paused(body: str, words: Lexicon) -> str | None:
    """One pause: before a conjunction after a comma, between two main clauses, or after an adverb of time in front."""
    if "…" in body or count_words(body) < 4:
        return None
    low = plain(body)
    if match := re.search(rf", (?={alternation(words.grammar.pauses_before)} )", low):
        return f"{body[: match.start()]}… {body[match.end() :]}"
    if place := clause_break(body, words):
        return f"{body[: place[0]]}…{body[place[0] :]}"
    found = starts(body, words.grammar.pauses_after)
    if found and not words.openers_low.match(low):
        rest = body[len(found) :].removeprefix(",")
        return f"{body[: len(found)]}…{rest}" if rest.startswith(" ") else None
    return None


def with_comma(body: str, words: Lexicon) -> str | None:
    """A comma between two main clauses that have none."""
    place = clause_break(body, words)
    return f"{body[: place[0]]},{body[place[0] :]}" if place and body[place[0]] == " " else None


def burst(body: str, words: Lexicon) -> tuple[str, str] | None:
    """Two main clauses joined by "and" as two sentences."""
    place = clause_break(body, words)
    return (body[: place[0]], capitalised(body[place[1] :])) if place else None


def clause_break(body: str, words: Lexicon) -> tuple[int, int] | None:
    """Where the first main clause ends and the second begins, if a conjunction surely joins two main clauses."""
    low = plain(body)
    if re.search(r"[:;–—(…\ue000-\ue0ff]", low):
        return None
    for match in re.finditer(rf"(,?) (?:{alternation(words.grammar.conjunctions)}) ", low):
        if _is_main(low[: match.start()], low[match.end() :], bool(match[1]), words):
            return match.start(), match.end()
    return None


def _is_main(before: str, after: str, comma: bool, words: Lexicon) -> bool:
    """A finite verb before; after it a subject that can be nothing else, in the word order of a main clause."""
    grammar, left, right = words.grammar, tokens(before), tokens(after)
    if len(left) < 3 or len(right) < 2 or not any(word in grammar.finite for word in left):
        return False
    if any(word in grammar.subordinators for word in left):
        return False
    german = words.language == "de"
    if right[0] in grammar.leads:
        if german:
            return len(right) > 2 and right[1] in grammar.finite and right[2] in (*grammar.subjects, *grammar.subjects_unsure)
        return len(right) > 2 and right[1] in grammar.subjects
    if right[0] in grammar.subjects:
        return not german or right[1] in grammar.finite
    if right[0] in grammar.subjects_unsure:
        rest = [word for word in right[1:5] if word not in grammar.clitics]
        return bool(rest) and rest[0] in grammar.finite
    # "… and the sun shines": a noun phrase begins a clause only if this is no list and a verb follows at once; without
    # a comma not after "sees", "hears" or "lets" either, whose objects can be followed by a verb too.
    alone = "," not in before and "," not in after and not any(word in grammar.conjunctions for word in (*left, *right))
    alone = alone and (comma or not any(word in grammar.perceives for word in left))
    return alone and right[0] in grammar.determiners and any(word in grammar.finite for word in right[2:4])
