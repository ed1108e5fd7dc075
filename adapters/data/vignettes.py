"""States told in words: what happened, what may be done, what is best and why. Read before any choosing is learned.

The reasons are found, not asserted: a fact is a reason if the best option's lead over the next one shrinks without it.
"""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

from adapters.data.states import State
from agent.models.authored import score
from agent.prompts import split
from agent.story import Lines, Strict
from agent.toml_file import read_toml
from agent.turn import Band, Language, StrategyId

FOLDER = Path(__file__).resolve().parent / "vignettes"
_ELIDED = re.compile(r"\b([Dd]|[Qq]u|[Pp]uisqu)e (?=[aeiouyàâéèêîô])")
# What a fact would be in a state about which it says nothing.
_WITHOUT: dict[str, dict[str, str]] = {
    "verdict": {"verdict": ""},
    "attempts": {"attempts": "1"},
    "recent": {"recent": ""},
    "unused_types": {"unused_types": ""},
    "quiet": {"quiet": "no"},
    "second_language": {"second_language": "no"},
    "age": {"age": "6-7"},
    "point": {"point": "an answer"},
    "questions_in_scene": {"questions_in_scene": "0"},
}


class Words(Strict):
    """One language's words for states."""

    or_: str
    and_: str
    opening: Lines
    options: Lines
    best: Lines
    label: Lines
    tries: Lines
    recent: Lines
    unused: Lines
    quiet: Lines
    second_language: Lines
    in_scene: Lines
    because_of_all: Lines
    who: dict[Band, Lines]
    point: dict[str, tuple[str, ...]]
    verdict: dict[str, Lines]
    do: dict[StrategyId, Lines]
    because: dict[str, Lines]


@cache
def words(language: Language) -> Words:
    """Raises :class:`agent.toml_file.FileProblem` for a broken file."""
    return read_toml(FOLDER / f"{language}.toml", Words)


def reasons(state: State) -> tuple[str, ...]:
    """The facts that put the best option before the next one, the strongest first."""
    facts, best, other = state.known, state.best, _second(state)
    lead = score(best, facts) - score(other, facts)
    found = []
    for name, without in _WITHOUT.items():
        bare = {**facts, **without}
        found.append((round(lead - (score(best, bare) - score(other, bare)), 6), name))
    return tuple(name for gain, name in sorted(found, reverse=True) if gain > 0.01)


def reason(state: State, language: Language, rng: random.Random | None = None) -> str:
    """Why the best option is better than the next one, in words."""
    chosen = rng or random.Random(state.key)
    because, found = words(language).because, reasons(state)
    if not found:
        return chosen.choice(words(language).because_of_all)
    fact, other = found[0], _second(state)
    key = fact
    if fact == "verdict":
        key = state.known["verdict"]
    elif fact == "attempts":
        key = "attempts_many" if state.best in ("MODEL_THINKALOUD", "DIRECT_INSTRUCTION") else "attempts_few"
    elif fact == "unused_types":
        key = "unused"
    elif fact == "recent":
        brought = state.best == "ROLE_PLAY" and "BRING_BACK" in split(state.known["recent"])
        key = "brought_back" if brought else "recent"
    text = chosen.choice(because[key])
    return text.format(other=chosen.choice(words(language).do[other]))


def vignette(state: State, language: Language, rng: random.Random, about: str) -> str:
    """The state as a short text that ends in the name of the best option."""
    known, voc = state.known, words(language)
    who = rng.choice(voc.who[known["age"]])  # type: ignore[index]
    told = [rng.choice(voc.opening).format(who=who, about=about)]
    middle = []
    if known["verdict"]:
        said = rng.choice(voc.verdict[known["verdict"]])
        middle.append(f"{said} {rng.choice(voc.tries).format(n=known['attempts'])}")
    elif voc.point[known["point"]]:
        middle.append(rng.choice(voc.point[known["point"]]))
    if known["quiet"] == "yes":
        middle.append(rng.choice(voc.quiet))
    if known["second_language"] == "yes":
        middle.append(rng.choice(voc.second_language))
    recent = [strategy for strategy in split(known["recent"]) if strategy in voc.do]
    if recent:
        middle.append(rng.choice(voc.recent).format(last=rng.choice(voc.do[recent[-1]])))
    unused = [rng.choice(voc.do[strategy]) for strategy in split(known["unused_types"])]  # type: ignore[index]
    if unused and not known["verdict"]:
        middle.append(rng.choice(voc.unused).format(types=_listed(unused, voc.and_)))
    if int(known["questions_in_scene"]) > 1 and not known["verdict"]:
        middle.append(rng.choice(voc.in_scene).format(n=known["questions_in_scene"]))
    first, rest = middle[:1], middle[1:]
    rng.shuffle(rest)
    told += [*first, *rest]
    told.append(rng.choice(voc.options).format(options=_listed([rng.choice(voc.do[one]) for one in state.options], voc.or_)))
    best = rng.choice(voc.do[state.best])
    told.append(rng.choice(voc.best).format(best=best, reason=reason(state, language, rng)))
    told.append(rng.choice(voc.label).format(id=state.best))
    text = " ".join(part[0].upper() + part[1:] for part in told)
    return _ELIDED.sub(r"\1'", text) if language == "fr" else text


def _second(state: State) -> StrategyId:
    """The best of the other options."""
    scores = state.scores
    first = state.options.index(state.best)
    rest = [place for place in range(len(scores)) if place != first]
    return state.options[max(rest, key=scores.__getitem__)]


def _listed(parts: list[str], word: str) -> str:
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}" if len(parts) > 1 else "".join(parts)
