"""Which adapters answer this learner: by skill, language, audience and progress, out of the catalogue, with reasons.

One skill adapter and at most one style adapter (an entry without a skill, for an audience or a stage of learning) are used
together, each with its weight; :mod:`adapters.compose` or a runtime's scales add them up. Where nothing fits the base
answers alone. Nothing here raises, and every choice says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.catalog import Catalog, Entry

NEW = 0.45  # below this the skill counts as new (a child about whom nothing is known starts here: agent.learner.PRIOR)
MASTERED = 0.95  # the usual threshold of knowledge tracing (Corbett & Anderson 1995)
BANDS = ("4-5", "6-7", "8-10")  # age bands; a neighbouring one is better than none


@dataclass(frozen=True)
class Learner:
    """Who is to be answered. ``knows`` gives the probability (0 to 1) that a skill is known, as ``agent.learner`` traces it."""

    language: str
    audience: str = ""
    knows: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """The adapters to use together with their weights, the skill that is practised, and why, a line each."""

    parts: tuple[tuple[Entry, float], ...]
    skill: str
    reasons: tuple[str, ...]


def stage(knows: Mapping[str, float], skill: str) -> str:
    """``new``, ``practising`` or ``mastered``; a skill never met is new."""
    known = knows.get(skill, 0.0)
    return "mastered" if known >= MASTERED else "practising" if known > NEW else "new"


def route(catalog: Catalog, base: str, skill: str, learner: Learner, format: str | None = None, style: float = 1.0) -> Route:
    """Chooses for ``skill`` on the model ``base``. ``style`` is the weight of the style adapter, 0 for none."""
    usable = [entry for entry in _newest(catalog) if entry.base == base and format in (None, entry.format)]
    skill, reasons = _due(usable, skill, learner)
    parts: list[tuple[Entry, float]] = []
    skilled = _best([entry for entry in usable if entry.skill and entry.skill == skill], skill, learner)
    if skilled is not None:
        parts.append((skilled, 1.0))
        reasons.append(_reason(skilled, skill, learner))
    else:
        reasons.append(f"no adapter for the skill {skill} answers in {learner.language} on {base}: the base answers alone")
    styled = _best([entry for entry in usable if not entry.skill and (entry.audience or entry.progress)], skill, learner)
    if styled is not None and skilled is not None and style:
        parts.append((styled, style))
        reasons.append(f"{_reason(styled, skill, learner)}, weight {style:g}")
    return Route(tuple(parts), skill, tuple(reasons))


def _newest(catalog: Catalog) -> list[Entry]:
    """The adapters in use: of each name, base, format and variant the newest version that is not withdrawn."""
    found: dict[tuple[str, ...], Entry] = {}
    for entry in catalog.entries:
        key = (entry.name, entry.base, entry.format, entry.variant)
        if entry.kind == "adapter" and not entry.withdrawn and (key not in found or found[key].order < entry.order):
            found[key] = entry
    return list(found.values())


def _due(usable: Sequence[Entry], skill: str, learner: Learner) -> tuple[str, list[str]]:
    """The skill that comes first: back to what it needs, on to what builds on it once it is mastered."""
    reasons: list[str] = []
    asked, seen = skill, {skill}
    while missing := next((need for need in _needs(usable, skill) if _lacks(usable, learner, need) and need not in seen), ""):
        known = learner.knows.get(missing, 0.0)
        reasons.append(f"{skill} needs {missing}, of which only {known:.2f} is known: {missing} first")
        skill = missing
        seen.add(skill)
    if skill == asked and stage(learner.knows, skill) == "mastered":
        for later in sorted({entry.skill for entry in usable if skill in entry.needs and entry.skill}):
            ready = not any(_lacks(usable, learner, need) for need in _needs(usable, later))
            if ready and stage(learner.knows, later) != "mastered" and _speaks(usable, later, learner.language):
                reasons.append(f"{skill} is mastered ({learner.knows[skill]:.2f}): on to {later}")
                return later, reasons
    return skill, reasons


def _needs(usable: Sequence[Entry], skill: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(need for entry in usable if entry.skill == skill for need in entry.needs))


def _lacks(usable: Sequence[Entry], learner: Learner, need: str) -> bool:
    """A needed skill counts as missing only where it is new to the learner and can be taught in the learner's language."""
    return stage(learner.knows, need) == "new" and _speaks(usable, need, learner.language)


def _speaks(usable: Sequence[Entry], skill: str, language: str) -> bool:
    return any(entry.skill == skill and (not entry.language or language in entry.language) for entry in usable)


def _best(entries: Sequence[Entry], skill: str, learner: Learner) -> Entry | None:
    """The entry that fits best: language, audience and stage must not contradict; what was made for just this wins."""
    now = stage(learner.knows, skill)

    def far(entry: Entry) -> tuple[object, ...]:
        audience = _distance(entry.audience, learner.audience)
        language = 0 if entry.language == (learner.language,) else 1 if entry.language else 2
        progress = 0 if entry.progress else 1
        return audience, progress, language, entry.format != "safetensors", [-part for part in entry.order], entry.name

    fitting = [
        entry
        for entry in entries
        if (not entry.language or learner.language in entry.language)
        and (not entry.progress or now in entry.progress)
        and _distance(entry.audience, learner.audience) < 9
    ]
    return min(fitting, key=far, default=None)


def _distance(made_for: str, audience: str) -> int:
    """0 for the same audience, 1 for everybody, 2 and more for neighbouring age bands, 9 for one that does not fit."""
    if made_for == audience:
        return 0
    if not made_for:
        return 1
    if made_for in BANDS and audience in BANDS:
        return 1 + abs(BANDS.index(made_for) - BANDS.index(audience))
    return 2 if (made_for, audience in BANDS) == ("child", True) else 9


def _reason(entry: Entry, skill: str, learner: Learner) -> str:
    whom = f"for {entry.audience}" if entry.audience else "for everybody"
    if entry.audience in BANDS and entry.audience != learner.audience:
        whom += f" (nearest to {learner.audience})"
    words = [
        f"skill {entry.skill}" if entry.skill else "style",
        f"speaks {learner.language}" if entry.language else "any language",
    ]
    at = stage(learner.knows, skill)
    words += [whom, f"{skill} is {at} ({learner.knows.get(skill, 0.0):.2f})" if entry.progress else "for every stage"]
    return f"{entry}: {', '.join(words)}"
