"""``--explain``: what an event says about how an answer was judged and why a strategy was chosen, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_BAR = 10  # cells of a knowledge bar


class Explainer:
    """Turns events into lines. Remembers what the child knew, to show only what changed."""

    def __init__(self) -> None:
        self._knowledge: dict[str, float] = {}

    def lines(self, event: Mapping[str, object]) -> list[str]:
        """The lines for one event; none for an event that explains nothing."""
        match event["kind"]:
            case "judged":
                return [_judged(event), *self._learned(event.get("knowledge"))]
            case "planned":
                return _planned(event)
            case "answered":
                return _answered(event)
            case "guard_refused":
                return [f"refused “{event['text']}”: {event['reason']}"]
            case "robot":
                return [f"robot: {event['line']}"]
            case "fault":
                return [f"fault: {event['error']}"]
        return []

    def _learned(self, knowledge: object) -> list[str]:
        """One line for each concept whose probability of being known has changed."""
        if not isinstance(knowledge, Mapping):
            return []
        before, self._knowledge = self._knowledge, dict(knowledge)
        return [_knows(concept, p, before.get(concept)) for concept, p in knowledge.items() if before.get(concept) != p]


def _judged(event: Mapping[str, object]) -> str:
    parts = [f"judged {event['verdict']}", f"score {_number(event.get('score')):.2f}"]
    if event.get("reason"):
        parts.append(str(event["reason"]))
    if event.get("matched"):
        parts.append(f"matched “{event['matched']}”")
    if event.get("misconception") is not None:
        parts.append(f"misconception {_number(event['misconception']) + 1:.0f}")
    if event.get("choice"):
        parts.append(f"chose {event['choice']}")
    parts += [name for name in ("borrowed", "foreign") if event.get(name)]
    return " · ".join([*parts, str(event.get("language", ""))])


def _knows(concept: str, now: float, before: float | None) -> str:
    filled = round(now * _BAR)
    change = "" if before is None else f" ({100 * (now - before):+.0f})"
    return f"knows {concept}  {'▰' * filled}{'▱' * (_BAR - filled)}  {now:.0%}{change}"


def _planned(event: Mapping[str, object]) -> list[str]:
    rung = f" rung {event['rung']}" if event.get("rung") else ""
    why = f"rule: {event['rule']}" if event.get("rule") else "ranked"
    parts = [f"plan {event['strategy']}{rung}", why]
    if event.get("reason"):
        parts.append(str(event["reason"]))
    if event.get("praise"):
        parts.append("praises the effort")
    lines = [" · ".join(parts)]
    allowed, scores = _sequence(event.get("allowed")), _sequence(event.get("scores"))
    if len(allowed) > 1:
        scored = [f"{name} {_number(score):.2f}" for name, score in zip(allowed, scores, strict=False)] or map(str, allowed)
        lines.append("allowed: " + " · ".join(scored))
    if event.get("target"):
        lines.append(f"asks {event['target']}")
    return lines


def _answered(event: Mapping[str, object]) -> list[str]:
    sources = [str(source) for source in _sequence(event.get("sources"))]
    counts = ", ".join(f"{sources.count(source)} {source}" for source in dict.fromkeys(sources))
    refused = f" · {event['refused']} refused before" if event.get("refused") else ""
    return [f"answer: {counts}{refused}"] if sources else []


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
