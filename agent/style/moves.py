"""The single moves of style on one sentence: each returns the changed sentence body, or None where it does not fit.

A body is a sentence without its final mark, quotations set aside. No move knows about levels or chance, and none
touches a word outside the lexicon's closed lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from agent.style.text import capitalised, plain, tokens
from agent.style.words import Lexicon, Swap, alternation

Kind = Literal["story", "statement", "praise", "invitation", "question", "fixed"]
Pick = Callable[[Sequence[str]], str]
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
DASHES = ("–", "—", "-")
_INNER = re.compile(r"[,:;–—…(]")


def starts(body: str, phrases: Iterable[str]) -> str:
    """The longest of the phrases the body starts with (as whole words), or ""."""
    found = re.match(rf"(?:{alternation(phrases)})(?![\w'])", plain(body))
    return found[0] if found else ""


def has(body: str, phrases: Iterable[str]) -> bool:
    """Whether one of the phrases stands in the body, as whole words (an apostrophe ends a word)."""
    return bool(re.search(rf"(?<!\w)(?:{alternation(phrases)})(?!\w)", plain(body)))


def negated(body: str, words: Lexicon) -> bool:
    """Whether the body has a negation in it."""
    return has(body, (word.rstrip("'") for word in words.markers.negations)) or "n't" in plain(body)


def spoken(body: str) -> bool:
    """Whether somebody speaks in it: a quotation, or a line of dialogue after a dash."""
    return body.startswith(DASHES) or bool(re.search(r"[\ue000-\ue0ff]", body))


def kind_of(body: str, end: str, telling: bool, words: Lexicon) -> Kind:
    """What sort of sentence it is; ``fixed`` sentences (completions, sober ones, tagged ones) get nothing added."""
    if "…" in end or not tokens(body) or body.startswith(DASHES) or has(body, words.grammar.sober):
        return "fixed"
    if "?" in end:
        tagged = any(plain(body).endswith(", " + plain(tag).rstrip(" ?")) for tag in words.markers.tags)
        return "fixed" if tagged or telling else "question"
    # What follows an opener tells the kind, so that a sentence keeps its kind when it is given one.
    opener = words.openers_high.match(plain(body)) or words.openers_low.match(plain(body))
    body = body[opener.end() :] if opener and tokens(body[opener.end() :]) else body
    if starts(body, words.grammar.invitations):
        return "fixed" if telling else "invitation"
    if telling:
        return "story"
    return "praise" if starts(body, words.grammar.praises) else "statement"


def opened(body: str, words: Lexicon) -> bool:
    """Whether the sentence already opens with an interjection, a softener or an inclusive word."""
    marks, low = words.markers, plain(body)
    if words.openers_high.match(low) or words.openers_low.match(low):
        return True
    lists = (marks.acknowledgements_high, marks.acknowledgements_low, marks.calls, marks.choices, marks.tentatives)
    inclusive = [*words.high.we_forms.values(), *words.high.together_tail, *words.high.together_after]
    return bool(starts(body, [phrase for phrases in lists for phrase in phrases] + inclusive))


def tailed(body: str, words: Lexicon) -> bool:
    """Whether an invitation has been left open already."""
    return any(plain(body).endswith(", " + plain(tail)) for tail in words.low.invitation_tail)


def without_interjection(body: str, interjections: Iterable[str]) -> str | None:
    """Drop an opening interjection of the other manner, if something remains."""
    match = re.match(rf"(?:{alternation(interjections)})\s*[,…]\s*", plain(body))
    rest = body[match.end() :] if match else ""
    return capitalised(rest) if tokens(rest) else None


def with_opener(body: str, phrase: str, words: Lexicon) -> str | None:
    """Put an opener in front. None where the first word might be a name, so that its capital cannot be lowered."""
    match = _WORD.match(plain(body))
    if match is None or tokens(body)[0] in tokens(phrase):
        return None
    keeps_capital = words.language == "de" and phrase.endswith(":")
    first = match[0].split("'")[0]
    if words.language == "en" and first == "i":
        keeps_capital = True
    if not keeps_capital and first not in words.lowerable and match[0] not in words.lowerable:
        return None
    return f"{phrase} {body if keeps_capital else body[:1].lower() + body[1:]}"


def adjective_pattern(words: Lexicon, evaluative: bool) -> str:
    """Any adjective of degree of the lexicon in any of its forms."""
    grammar = words.grammar
    stems = (*grammar.adjectives, *(grammar.evaluative if evaluative else ()))
    return rf"(?:{alternation(stems)})(?:{alternation(grammar.inflections)})?"


def emphasised(body: str, words: Lexicon, evaluative: bool, pick: Pick) -> str | None:
    """Put an emphasiser before the first adjective of degree that stands after a copula or an indefinite article."""
    grammar, low = words.grammar, plain(body)
    if has(body, words.markers.emphasisers):
        return None
    found = list(_WORD.finditer(low))
    for place in range(1, len(found)):
        word, before = found[place], found[place - 1][0]
        if low[found[place - 1].end() : word.start()] != " " or negated(low[max(0, word.start() - 24) : word.start()], words):
            continue
        after = found[place + 1][0] if place + 1 < len(found) and low[word.end() : found[place + 1].start()] == " " else ""
        opinion = evaluative and word[0] in grammar.evaluative
        ends = (not after or after in grammar.follow) and not has(low[word.end() :], grammar.blocks)
        noun = bool(after) and after not in grammar.follow
        if before in grammar.copulas and ends and (opinion or word[0] in grammar.adjectives):
            emphasis = pick(words.high.evaluative if opinion else words.high.predicative)
        elif before in grammar.articles and noun and _before_noun(word[0], words, evaluative):
            emphasis = pick(words.high.attributive)
        else:
            continue
        return f"{body[: word.start()]}{emphasis} {body[word.start() :]}"
    return None


def _before_noun(word: str, words: Lexicon, evaluative: bool) -> bool:
    if words.grammar.attributive:
        return word in words.grammar.attributive
    if not words.grammar.inflections:
        return word in words.grammar.adjectives or (evaluative and word in words.grammar.evaluative)
    forms = sorted(words.grammar.inflections, key=len, reverse=True)
    stem = next((word[: -len(form)] for form in forms if word.endswith(form)), "")
    return stem in words.grammar.adjectives or (evaluative and stem in words.grammar.evaluative)


def emphasised_liking(body: str, words: Lexicon, pick: Pick) -> str | None:
    """ "I like …" → "I really like …": only at the start of a sentence, only for the robot's own liking."""
    if has(body, words.markers.emphasisers):
        return None
    for phrase in words.high.after:
        before, _, after = phrase.partition("_")
        then = rf"(?= {re.escape(plain(after).strip())}\b)" if after else r"(?= |,|$)"
        match = re.match(re.escape(plain(before).strip()) + then, plain(body))
        if match:
            return f"{body[: match.end()]} {pick(words.high.after_words)}{body[match.end() :]}"
    return None


def calmed(body: str, words: Lexicon) -> str | None:
    """Drop emphasisers before adjectives of degree; not under a negation, not in "so big that"."""
    low = plain(body)
    if negated(body, words):
        return None
    pattern = re.compile(rf"(?<= )(?:{alternation(words.grammar.removable)}) (?={adjective_pattern(words, True)}(?!\w))")
    result = body
    for match in reversed(list(pattern.finditer(low))):
        if not has(low[match.end() :], words.grammar.blocks):
            result = result[: match.start()] + result[match.end() :]
    return _article(result, words) if result != body else None


def swapped(body: str, swap: Swap, lively: bool, words: Lexicon, pick: Pick) -> str | None:
    """Exchange a word of praise for a livelier or a calmer one of the same row."""
    targets, others = (swap.high, swap.calm) if lively else (swap.calm, swap.high)
    source = [word for word in (*swap.plain, *others) if word not in targets]
    target = pick(targets)
    result = body
    for match in reversed(list(re.finditer(rf"(?<!\w)(?:{alternation(source)})(?!\w)", plain(body)))):
        rest = plain(body)[match.end() :]
        if starts(rest.lstrip(), swap.not_before) or (" " in match[0] and re.match(r" ?\w", rest)):
            continue
        said = capitalised(target) if body[match.start()].isupper() else target
        result = result[: match.start()] + said + result[match.end() :]
    return _article(result, words) if result != body else None


def _article(body: str, words: Lexicon) -> str:
    """English "a" or "an" before an adjective of the closed lists (whose spelling tells the sound)."""
    if words.language != "en":
        return body
    praise = [word for swap in words.swaps for word in (*swap.high, *swap.calm)]
    known = alternation((*words.grammar.adjectives, *words.grammar.evaluative, *praise))
    return re.sub(
        rf"\b([Aa])n? (?=({known})\b)",
        lambda match: f"{match[1]}{'n' if match[2][0].lower() in 'aeiou' else ''} ",
        body,
    )


def shared(body: str, words: Lexicon) -> str | None:
    """Turn an invitation into an inclusive one ("Look at …" → "Let's look at …") unless it is about the child's own."""
    if has(body, words.grammar.personal) or _INNER.search(body):
        return None
    match = re.match(rf"({alternation(words.high.we_forms)})(?= \w|$)", plain(body))
    return capitalised(words.high.we_forms[match[1]]) + body[match.end() :] if match else None


def together(body: str, words: Lexicon) -> str | None:
    """Add "together" to an invitation that is inclusive already."""
    high = words.high
    if has(body, [high.together]) or words.openers_high.match(plain(body)):
        return None
    if found := starts(body, high.together_after):
        rest = body[len(found) :]
        return None if re.match(r" (?:uns|nous)\b", rest) else f"{body[: len(found)]} {high.together}{rest}"
    if starts(body, high.together_tail) and not _INNER.search(body) and len(tokens(body)) > 2:
        return f"{body} {high.together}"
    return None


def with_tail(body: str, tail: str, words: Lexicon) -> str | None:
    """Leave an invitation open ("…, if you like")."""
    if _INNER.search(body) or has(body, words.markers.choices) or has(body, words.grammar.blocks):
        return None
    return f"{body}, {tail}"


def with_tentative(body: str, words: Lexicon, pick: Pick) -> str | None:
    """ "Can you see …" → "Can you perhaps see …", at the start of a question only."""
    found = starts(body, words.low.tentative_after)
    if not found or has(body, words.markers.tentatives) or len(body) == len(found):
        return None
    return f"{body[: len(found)]} {pick(words.low.tentative)}{body[len(found) :]}" if body[len(found)] == " " else None
