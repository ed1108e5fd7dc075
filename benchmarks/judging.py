"""How well the judging of children's words agrees with people: ``python -m benchmarks.judging [FILE.jsonl] [--json]``.

FILE holds one object a line: ``language, question, accepted, key_ideas, misconceptions, utterance`` and, when known,
``label``. With ``--json`` one object is printed per line, otherwise the confusion table of each language, macro-F1, how
often a right answer was called wrong, and the time per utterance. Exit code 2: a line that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from agent.guard import discloses
from agent.judging import Expectation, Judge
from agent.turn import LANGUAGES, VERDICTS, Judgement, Language, Utterance, Verdict
from agent.understanding.yes_no import side_of

OWN = Path(__file__).resolve().parent / "data" / "judging-dev.jsonl"


def _ways(value: object) -> object:
    return [[item] if isinstance(item, str) else item for item in value] if isinstance(value, list) else value


class Case(BaseModel):
    """One line of the file. Each misconception is one way of saying it, or a list of ways."""

    model_config = ConfigDict(frozen=True)
    language: Language
    question: str
    accepted: tuple[str, ...]
    key_ideas: tuple[str, ...] = ()
    misconceptions: Annotated[tuple[tuple[str, ...], ...], BeforeValidator(_ways)] = ()
    utterance: str
    label: Verdict | None = None

    def expectation(self) -> Expectation:
        """What the judge needs. A bare "yes" or "no" among the accepted answers makes it a yes-no question."""
        kind: Literal["closed", "yes_no"] = "closed"
        sides = [side_of(answer, self.language) for answer in self.accepted]
        if any(len(answer.split()) == 1 and side in {"yes", "no"} for answer, side in zip(self.accepted, sides, strict=True)):
            kind = "yes_no"
        return Expectation(self.language, self.question, self.accepted, self.key_ideas, self.misconceptions, kind)


class BadLine(Exception):
    """A line of the file that cannot be read; the message says which and why."""


def cases(path: Path) -> Iterator[Case]:
    """The lines of a file. Raises :class:`BadLine`, naming the line."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _case(path, number, line)
    except OSError as error:
        raise BadLine(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadLine(f"{path}: is not UTF-8 text") from None


def _case(path: Path, number: int, line: str) -> Case:
    try:
        return Case.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadLine(f"{path}:{number}: {place + ': ' if place else ''}{first['msg']}") from None


def judge_all(path: Path) -> Iterator[tuple[Case, Judgement, float]]:
    """Each case with its judgement and the seconds it took."""
    judge = Judge(disclosed=discloses)
    for language in LANGUAGES:
        judge.warm(language)
    for case in cases(path):
        start = time.perf_counter()
        found = judge.judge(Utterance(case.utterance), case.expectation())
        yield case, found, time.perf_counter() - start


def macro_f1(pairs: Counter[tuple[Verdict, Verdict]]) -> float:
    """Mean F1 over the labels that people gave, from counts of (label, judged)."""
    scores = []
    for name in VERDICTS:
        hits = pairs[name, name]
        labelled = sum(count for (label, _), count in pairs.items() if label == name)
        judged = sum(count for (_, verdict), count in pairs.items() if verdict == name)
        if labelled:
            scores.append(2 * hits / (labelled + judged))
    return sum(scores) / len(scores) if scores else 0.0


def report(path: Path) -> list[str]:
    """The tables for people."""
    pairs: dict[Language, Counter[tuple[Verdict, Verdict]]] = {language: Counter() for language in LANGUAGES}
    seconds: list[float] = []
    for case, found, took in judge_all(path):
        seconds.append(took)
        if case.label:
            pairs[case.language][case.label, found.verdict] += 1
    lines: list[str] = []
    for language in LANGUAGES:
        if counts := pairs[language]:
            lines += _table(language, counts)
    if seconds:
        p95 = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
        lines.append(f"{len(seconds)} utterances, {1000 * median(seconds):.2f} ms median, {1000 * p95:.2f} ms p95")
    return lines


def _table(language: Language, counts: Counter[tuple[Verdict, Verdict]]) -> list[str]:
    short = {name: name[:7] for name in VERDICTS}
    lines = [
        f"{language}: rows are people's labels, columns ours",
        " " * 15 + "".join(f"{short[name]:>8}" for name in VERDICTS),
    ]
    for label in VERDICTS:
        row = [counts[label, verdict] for verdict in VERDICTS]
        if any(row):
            lines.append(f"{label:15}" + "".join(f"{count or '·':>8}" for count in row))
    right = sum(count for (label, _), count in counts.items() if label == "correct")
    denied = counts["correct", "wrong"]
    hits = sum(count for (label, verdict), count in counts.items() if label == verdict)
    lines.append(
        f"macro-F1 {macro_f1(counts):.3f}, agreement {hits / counts.total():.1%}, "
        f"right answers called wrong {denied} of {right}{f' ({denied / right:.1%})' if right else ''}"
    )
    return [*lines, ""]


def _json_lines(path: Path) -> Iterator[str]:
    for _, found, _ in judge_all(path):
        yield json.dumps({"judgement": found.verdict, "language": found.language, "score": found.score}, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judging", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("file", nargs="?", type=Path, default=OWN, metavar="FILE.jsonl")
    parser.add_argument("--json", action="store_true", help="print one judgement per line")
    parser.add_argument("--misses", action="store_true", help="print the utterances on which people and we differ")
    options = parser.parse_args(arguments)
    try:
        if options.json:
            for line in _json_lines(options.file):
                print(line)
        elif options.misses:
            for case, found, _ in judge_all(options.file):
                if case.label not in (None, found.verdict):
                    print(
                        f"{case.language} {case.label} → {found.verdict} ({found.reason}): {case.utterance} | {case.question}"
                    )
        else:
            for line in report(options.file):
                print(line)
        sys.stdout.flush()
    except BadLine as problem:
        print(problem, file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
