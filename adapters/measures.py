"""What an adapter is worth, measured through the port that serves it (``agent.ports.LLM``): so any tenant can be measured.

Every function returns named numbers. Shares and F1 are from 0 to 1, latencies in milliseconds. What the data give no
occasion to measure is left out, never guessed.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, median, quantiles

from adapters.data.slots import fill
from adapters.formats import Example
from agent.guard import Contract, band_of, reply_faults, sentence_fault
from agent.language import hear
from agent.ports import LLM, Prompt
from agent.prompts import language_of, split
from agent.readability import measure, sentences, too_hard, words
from agent.safety import story_facts
from agent.style.measure import index

BINS = 10
INVITES = ("repeat", "ask again", "material", "invite")  # values of the fact “close” that hand the turn to the child
Scores = dict[str, float]


def facts_of(example: Example) -> dict[str, str]:
    """The facts beside a prompt, or read back from the words ``agent.prompts.render`` made of them."""
    if isinstance(example.marks.get("facts"), dict):
        return {name: str(value) for name, value in example.marks["facts"].items()}
    lines = example.messages[-1].content.splitlines()
    return {name: value for name, colon, value in (line.partition(": ") for line in lines) if colon}


def strategy(llm: LLM, examples: Sequence[Example], adapter: str) -> Scores:
    """How strategies are chosen inside each example's ``allowed`` set (a list among its marks, or a fact)."""
    chosen, right, took, sure = [], [], [], []
    by_state: dict[str, dict[str, str]] = {}
    for example in examples:
        facts = facts_of(example)
        options = tuple(example.marks.get("allowed") or split(facts.get("allowed", "")))
        if example.answer not in options:
            raise ValueError(f"{example.place}: “{example.answer}” is not among its allowed strategies {', '.join(options)}")
        started = time.perf_counter()
        ranked = llm.rank(Prompt(example.messages, facts), options, adapter=adapter)
        took.append(1000 * (time.perf_counter() - started))
        best = max(range(len(options)), key=ranked.__getitem__)
        chosen.append(options[best])
        right.append(example.answer)
        sure.append(_share_of_best(ranked))
        if state := str(example.marks.get("turn") or example.marks.get("state") or ""):
            by_state.setdefault(state, {})[facts.get("language", "en")] = options[best]
    hits = [a == b for a, b in zip(chosen, right, strict=True)]
    scores = {"macro_f1": macro_f1(right, chosen), "accuracy": fmean(hits), "ece": calibration_error(sure, hits)}
    scores["rank_p50"], scores["rank_p95"] = median(took), _p95(took)
    several = [set(found.values()) for found in by_state.values() if len(found) > 1]
    if several:
        scores["same_in_languages"] = fmean(len(found) == 1 for found in several)
    return scores


def response(llm: LLM, examples: Sequence[Example], adapter: str, authored: Sequence[Example] = ()) -> Scores:
    """How replies turn out. ``authored`` are replies of training, from which an independent judge learns to tell strategies."""
    texts, first, whole = written(llm, examples, adapter)
    judge = Judge(authored) if authored else None
    seen: dict[str, list[float]] = {}
    for example, text in zip(examples, texts, strict=True):
        for name, value in _reply(facts_of(example), text).items():
            seen.setdefault(name, []).append(value)
        if judge and (strategy := str(example.marks.get("strategy") or "")):
            seen.setdefault("strategy_followed", []).append(judge(example, text) == strategy)
            authored_too = judge(example, _filled(example, example.answer)) == strategy
            seen.setdefault("strategy_told_in_authored", []).append(authored_too)
    scores = {name: fmean(values) for name, values in seen.items()}
    scores |= _diversity(examples, texts) | _manner(examples, texts)
    return scores | {"first_p50": median(first), "first_p95": _p95(first), "reply_p50": median(whole), "reply_p95": _p95(whole)}


def text(llm: LLM, examples: Sequence[Example], adapter: str, audience: str = "") -> Scores:
    """Any other skill: answers that are right word for word, how much of the expected answer's words is there, and how hard
    they are to read for ``audience`` (an age band is held to its limits; of others the mean LIX is told)."""
    texts, first, whole = written(llm, examples, adapter)
    languages = [language_of({"language": str(example.marks.get("language", "en"))}) for example in examples]
    scores = {
        "exact": fmean(_folded(a) == _folded(e.answer) for a, e in zip(texts, examples, strict=True)),
        "relevance": fmean(overlap(a, e.answer) for a, e in zip(texts, examples, strict=True)),
        "lix": fmean(measure(a, language).lix for a, language in zip(texts, languages, strict=True)),
        **_diversity(examples, texts),
        **{"first_p95": _p95(first), "reply_p95": _p95(whole)},
    }
    if audience[:1].isdigit():
        band = band_of(audience)
        scores["readable"] = fmean(not too_hard(a, language, band) for a, language in zip(texts, languages, strict=True))
    return scores


def written(llm: LLM, examples: Sequence[Example], adapter: str) -> tuple[list[str], list[float], list[float]]:
    """What is answered, and the milliseconds until the first piece and the last. Slots are filled as a tenant fills them."""
    texts, first, whole = [], [], []
    for example in examples:
        pieces, started, began = [], time.perf_counter(), 0.0
        for piece in llm.stream(Prompt(example.messages, facts_of(example)), adapter=adapter):
            began = began or 1000 * (time.perf_counter() - started)
            pieces.append(piece)
        whole.append(1000 * (time.perf_counter() - started))
        first.append(began or whole[-1])
        texts.append(_filled(example, "".join(pieces).strip()))
    return texts, first, whole


class Judge:
    """Tells a reply's strategy from its words, by a linear model over the authored replies of training. The turn's own material
    is set aside, whatever kind it is, so that neither the story nor the strategy in the prompt gives the answer away. What it
    gets right of authored replies (``strategy_told_in_authored``) is the most a model can reach."""

    def __init__(self, authored: Sequence[Example]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        told = random.Random(0).sample(list(authored), min(len(authored), 6000))
        words_and_marks = TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, min_df=2, token_pattern=r"[^\W\d_]+|[?!…]")
        self._model = make_pipeline(words_and_marks, LogisticRegression(C=10, max_iter=400))
        texts = [self._frame(example, _filled(example, example.answer)) for example in told]
        self._model.fit(texts, [str(example.marks.get("strategy") or "") for example in told])

    def __call__(self, example: Example, text: str) -> str:
        return str(self._model.predict([self._frame(example, text)])[0])

    @staticmethod
    def _frame(example: Example, text: str) -> str:
        facts = facts_of(example)
        kinds = {"material": "Xmaterial", "question": "Xquestion", "words": "Xword", "child_word": "Xchild"}
        pieces = [(piece, kind) for name, kind in kinds.items() for piece in split(facts.get(name, ""))]
        for piece, kind in sorted(pieces, key=lambda pair: -len(pair[0])):
            text = text.replace(piece, kind).replace(piece[0].lower() + piece[1:], kind)
        return text


def macro_f1(right: Sequence[str], chosen: Sequence[str]) -> float:
    """The mean F1 over all labels that are right somewhere."""
    hit, wanted, given = Counter(a for a, b in zip(right, chosen, strict=True) if a == b), Counter(right), Counter(chosen)
    return fmean(2 * hit[label] / (wanted[label] + given[label]) for label in wanted)


def calibration_error(sure: Sequence[float], hits: Sequence[bool]) -> float:
    """Expected calibration error: how far from the share of right choices their probability is, over ten equal bins."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for probability, hit in zip(sure, hits, strict=True):
        bins.setdefault(min(BINS - 1, int(BINS * probability)), []).append((probability, hit))
    return sum(abs(fmean(p for p, _ in held) - fmean(h for _, h in held)) * len(held) for held in bins.values()) / len(hits)


def distinct(texts: Sequence[str], n: int = 2) -> float:
    """The share of word n-grams that are different ones."""
    grams = [gram for text in texts for gram in zip(*(_folded(text)[start:] for start in range(n)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 0.0


def overlap(text: str, expected: str) -> float:
    """F1 of two texts' words."""
    ours, theirs = Counter(_folded(text)), Counter(_folded(expected))
    return 2 * (ours & theirs).total() / max(1, ours.total() + theirs.total())


def auc(low: Sequence[float], high: Sequence[float]) -> float:
    """The chance that one of ``high`` is above one of ``low``."""
    return fmean((b > a) + 0.5 * (a == b) for a in low for b in high)


def _reply(facts: Mapping[str, str], text: str) -> Scores:
    language = language_of(facts)
    contract = Contract(
        language,
        band_of(facts.get("age")),
        question="must" if facts.get("close") in INVITES else "may",
        hidden=split(facts.get("accepted", "")),
        names=split(facts.get("names", "")),
        allowed=" ".join((*split(facts.get("material", "")), facts.get("question", ""))),
    )
    parts = sentences(text)
    heard = hear(text, language)
    faults = [fault for part in parts if (fault := sentence_fault(part, contract))] + reply_faults(parts, contract)
    invented = [story_facts.invented_name(part, language, (*contract.names, "Reachy"), contract.allowed) for part in parts]
    given_away = [story_facts.revealed(part, language, contract.hidden) for part in parts]
    found = {
        "right_language": heard.language == language and not heard.foreign and bool(parts),
        "guard_first_try": not faults,
        "facts_kept": bool(parts) and not any((*invented, *given_away)),
        f"lix_{contract.band}": measure(text, language).lix,
    }
    if material := split(facts.get("material", "")):
        found["relevance"] = any(overlap(part, piece) >= 0.5 for part in parts for piece in material)
    if word := facts.get("child_word"):
        found["child_word_used"] = word.casefold() in text.casefold()
    return {name: float(value) for name, value in found.items()}


def _diversity(examples: Sequence[Example], texts: Sequence[str]) -> Scores:
    """Distinct-2 of the answers, and its share of the authored answers' to the same prompts."""
    authored = [_filled(example, example.answer) for example in examples]
    there = distinct(authored)
    return {"distinct_2": distinct(texts)} | ({"distinct_2_of_authored": distinct(texts) / there} if there else {})


def _manner(examples: Sequence[Example], texts: Sequence[str]) -> Scores:
    """How well extravert (7 to 9) and introvert (1 to 3) replies are told apart by style words and marks alone."""
    told = [(facts_of(example), text) for example, text in zip(examples, texts, strict=True)]
    graded = [(int(facts.get("level", "5")), index(text, language_of(facts))) for facts, text in told if words(text)]
    low, high = [value for level, value in graded if level <= 3], [value for level, value in graded if level >= 7]
    return {"style_auc": auc(low, high)} if low and high else {}


def _filled(example: Example, answer: str) -> str:
    return fill(answer, facts_of(example)) if "<" in answer else answer


def _folded(text: str) -> list[str]:
    return [word.casefold() for word in words(text)]


def _share_of_best(ranked: Sequence[float]) -> float:
    """The probability of the best option. ``ranked`` are log-likelihoods, whether normalised or not."""
    from math import exp

    return 1 / sum(exp(value - max(ranked)) for value in ranked)


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
