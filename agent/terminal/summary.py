"""The figures of one session, from its events: what was asked and answered, and how the robot spoke.

``python -m agent.terminal.summary FOLDER`` prints them for a session that was kept.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.terminal.words import known_language, printable
from agent.turn import CROWDS, STRATEGIES, VERDICTS, Crowd, Language

ENOUGH_WORDS = 50  # below that, one marker decides the style
_GRADED = ("correct", "partial", "wrong", "dont_know")
_CROWD_OF: dict[object, Crowd] = {f"DR_{crowd.upper()}": crowd for crowd in CROWDS}


@dataclass(frozen=True)
class Style:
    """How the robot's side sounded in one language: the index of :mod:`agent.style.measure` and some of its markers.

    ``exclamations`` and ``questions`` are shares of the sentences (0 to 1), ``sentence_length`` is in words.
    """

    language: Language
    words: int
    index: float
    exclamations: float
    questions: float
    sentence_length: float


@dataclass(frozen=True)
class Summary:
    """What one session came to. Counters hold names and how often; ``seconds`` is on the session's clock.

    ``tried`` questions had an answer, ``right_first`` of them a right one at the first try. ``implicit`` of ``questions``
    story questions had an answer that was not told in so many words; both are None when the log does not say.
    ``sources`` counts the sentences that were spoken, ``refused`` those that the guard refused before them, by the source
    of what was spoken instead.
    """

    ending: str = ""
    seconds: float = 0.0
    folder: str = ""
    turns: int = 0
    beats: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    tried: int = 0
    right_first: int = 0
    strategies: dict[str, int] = field(default_factory=dict)
    crowds: dict[str, int] = field(default_factory=dict)
    questions: int | None = None
    implicit: int | None = None
    new_words: tuple[str, ...] = ()
    sources: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    interruptions: int = 0
    alerts: int = 0
    concerns: tuple[int, ...] = ()
    faults: int = 0
    styles: tuple[Style, ...] = ()


def summarise(events: Iterable[Mapping[str, object]]) -> Summary:
    """The figures of a session from its events, in order, as the screen gets them or as the log keeps them.

    Fields that are missing count as nothing, so that a log cut short by a power cut can be read too.
    """
    log = [event for event in events if event.get("kind")]
    judged, planned, said = _of(log, "judged"), _of(log, "planned"), _of(log, "said")
    closed = _of(log, "closed")[-1] if _of(log, "closed") else {}
    turns = _of(log, "turn")
    first: dict[str, object] = {}
    for event in judged:
        about = str(event.get("about", ""))
        if about.startswith("prompt:") and event.get("verdict") in _GRADED:
            first.setdefault(about, event["verdict"])
    asked = {str(event["target"]): _CROWD_OF[event["strategy"]] for event in planned if _asks(event)}
    return Summary(
        ending=str(closed.get("ending", "")),
        seconds=_number(closed.get("seconds")) or _span(log),
        folder=str(closed.get("folder", "")),
        turns=int(max((_number(event.get("turn")) for event in turns), default=0)),
        beats=int(max((_number(event.get("beats_told")) for event in turns), default=0)),
        answers=_ordered(Counter(str(event.get("verdict")) for event in judged if _answers(event)), VERDICTS),
        tried=len(first),
        right_first=list(first.values()).count("correct"),
        strategies=_ordered(Counter(str(event.get("strategy")) for event in planned), STRATEGIES),
        crowds=_ordered(_counts(closed.get("types")) or Counter(asked.values()), CROWDS),
        questions=_count(closed.get("questions")),
        implicit=_count(closed.get("implicit")),
        new_words=_texts(closed.get("new_words")),
        sources=dict(Counter(str(event.get("source", "")) for event in said)),
        refused=_refused(said),
        interruptions=sum(bool(event.get("broke_in")) for event in _of(log, "heard")),
        alerts=len(_of(log, "alert")),
        concerns=tuple(int(str(event.get("turn", 0))) for event in _of(log, "concern")),
        faults=len(_of(log, "fault")),
        styles=_styles(said),
    )


def _of(log: Sequence[Mapping[str, object]], kind: str) -> list[Mapping[str, object]]:
    return [event for event in log if event["kind"] == kind]


def _answers(event: Mapping[str, object]) -> bool:
    """Whether the child answered a question: agreeing to a story or saying a word after the robot is none."""
    return not str(event.get("about", "prompt")).startswith(("assent", "repeat")) and event.get("about", "prompt") != ""


def _asks(event: Mapping[str, object]) -> bool:
    return event.get("strategy") in _CROWD_OF and bool(event.get("target"))


def _span(log: Sequence[Mapping[str, object]]) -> float:
    """Seconds from the first to the last row of a log that was never closed."""
    times = [_number(event["t"]) for event in log if "t" in event]
    return times[-1] - times[0] if times else 0.0


def _refused(said: Sequence[Mapping[str, object]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for event in said:
        counts[str(event.get("source", ""))] += int(_number(event.get("refused")))
    return dict(+counts)


def _styles(said: Sequence[Mapping[str, object]]) -> tuple[Style, ...]:
    """One measurement a language, the most spoken first. Fixed words have no style and are left out."""
    from agent.readability import words
    from agent.style.measure import index, markers

    texts: dict[Language, list[str]] = {}
    for event in said:
        if event.get("role") != "fixed" and event.get("text"):
            texts.setdefault(known_language(event.get("language"), "en"), []).append(str(event["text"]))
    styles = []
    for language, parts in texts.items():
        text = " ".join(parts)
        found = markers(text, language)
        measured = (found["exclamations"], found["questions"], found["sentence_length"])
        styles.append(Style(language, len(words(text)), index(text, language), *measured))
    return tuple(sorted(styles, key=lambda style: -style.words))


def _ordered(counts: Mapping[str, int], order: Sequence[str]) -> dict[str, int]:
    """Known names in their own order, anything else after them."""
    names = [name for name in order if name in counts] + sorted(set(counts) - set(order))
    return {name: counts[name] for name in names if counts[name]}


def _counts(value: object) -> dict[str, int]:
    return {str(name): int(_number(count)) for name, count in value.items()} if isinstance(value, Mapping) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item) for item in value)) if isinstance(value, (list, tuple)) else ()


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


# ---------------------------------------------------------------------- as a table


def rows(summary: Summary) -> list[tuple[str, str]]:
    """The figures as (name, value) lines for a person; what did not happen is left out."""
    made = [
        ("session", f"{summary.ending or 'not closed'} · {_clock(summary.seconds)} · {_plural(summary.turns, 'turn')}"),
        ("story", f"{_plural(summary.beats, 'scene')} told"),
        ("answers", _listed(summary.answers)),
        ("right at first try", _share(summary.right_first, summary.tried)),
        ("questions by type", _listed(summary.crowds)),
        ("implicit questions", _share(summary.implicit, summary.questions)),
        ("strategies", _listed(summary.strategies)),
        ("new words", ", ".join(summary.new_words)),
        ("sentences by source", _listed(summary.sources)),
        ("refused, replaced by", _listed(summary.refused)),
        *((f"style ({style.language})", _styled(style)) for style in summary.styles),
        ("child broke in", _times(summary.interruptions)),
        ("alerts", _times(summary.alerts)),
        ("please look at turn", ", ".join(map(str, summary.concerns))),
        ("faults", _times(summary.faults)),
        ("log", summary.folder),
    ]
    return [(name, printable(value)) for name, value in made if value]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _times(count: int) -> str:
    return str(count) if count else ""


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ') if name.islower() else name} {count}" for name, count in counts.items())


def _share(part: int | None, whole: int | None) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if part is not None and whole else ""


def _styled(style: Style) -> str:
    if style.words < ENOUGH_WORDS:
        return f"{style.words} words: too few to measure"
    return (
        f"extraversion index {style.index:+.1f} · {style.exclamations:.0%} exclaimed · {style.questions:.0%} asked · "
        f"{style.sentence_length:.1f} words a sentence · {style.words} words"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures of one kept session. Returns 0, or 2 when there is no such session."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 1 or given[0].startswith("-"):
        print("usage: python -m agent.terminal.summary SESSION_FOLDER", file=sys.stderr)
        return 2
    from agent.record import EVENTS, read_events

    folder = Path(given[0])
    if not (folder / EVENTS).is_file():
        print(f"{folder}: there is no {EVENTS} in it; name the folder of one session.", file=sys.stderr)
        return 2
    found = replace(summarise(read_events(folder)), folder=str(folder))
    table = rows(found)
    width = max(len(name) for name, _ in table)
    for name, value in table:
        print(f"{name:<{width}}  {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
