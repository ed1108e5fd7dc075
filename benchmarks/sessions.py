"""Many whole sessions on the virtual clock: ``python -m benchmarks.sessions [-n 1000] [--personas …]``.

Runs personas × languages × personalities × stories × ages in turn, on all cores, and reports per persona how sessions
end, how many
answers are right at first and in the end, what of the dialogue's rules was kept, and how long it took. Exit code 1 when
a session did not end in a goodbye.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import mean, median
from typing import Any

from agent.children.child import persona_names
from agent.config import Settings
from agent.lines import fingerprint
from agent.story import slugs
from agent.turn import BANDS, CROWDS, LANGUAGES

PERSONALITIES = ("extravert", "introvert", "neutral")


def conditions(count: int, personas: list[str]) -> Iterator[Settings]:
    """``count`` different sessions: every combination comes up before one comes again, with another seed."""
    grid = list(itertools.product(slugs(), LANGUAGES, PERSONALITIES, BANDS, personas))
    stride = 7919  # a prime: neighbours differ in everything
    for number in range(count):
        story, language, personality, age, persona = grid[number * stride % len(grid)]
        yield Settings(
            child=f"simulated:{persona}",
            language=language,
            personality=personality,
            story=story,
            age=age,
            seed=number,
            speed="fast",
            log=False,
            second_language=persona == "second-language",
        )


def one(settings: Settings) -> dict[str, Any]:
    """Run one session and take its measures."""
    from benchmarks.witness import run

    started, cpu = time.perf_counter(), time.process_time()
    seen = run(settings).seen
    closed = seen.of("closed")[0]
    judged = [event for event in seen.of("judged") if event["about"].startswith("prompt:")]
    # Open questions have no wrong answers: success is counted on the others, as the learner model does.
    closed_ones = [event for event in judged if event["verdict"] in ("correct", "partial", "wrong", "dont_know")]
    first = [event["verdict"] == "correct" for event in closed_ones if event["attempt"] == 0 and event["reason"] != "open"]
    by_question: dict[str, list[str]] = defaultdict(list)
    for event in closed_ones:
        by_question[event["about"]].append(event["verdict"])
    lines = [event["text"] for event in seen.of("said") if event["source"] == "line"]
    counts = Counter(fingerprint(text) for text in lines)
    planned = seen.of("planned")
    asked = [event["strategy"] for event in planned if event["strategy"].startswith("DR_")]
    progress = seen.of("turn")[-1] if seen.of("turn") else {}
    return {
        "persona": settings.child.partition(":")[2],
        "language": settings.language,
        "ending": closed["ending"],
        "turns": progress.get("turn", 0),
        "first": first,
        "final": ["correct" in verdicts for verdicts in by_question.values()],
        "repeats": sum(times - 1 for times in counts.values()),
        "lines": len(lines),
        "types": len(set(asked)),
        "crowds": len(CROWDS),
        "refused": len(seen.of("guard_refused")),
        "faults": [event["error"] for event in seen.of("fault")],
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "simulated": closed["seconds"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sessions", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="how many sessions (default: 1000)")
    parser.add_argument("--personas", nargs="*", default=persona_names())
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    arguments = parser.parse_args()
    started = time.perf_counter()
    settings = list(conditions(arguments.n, arguments.personas))
    with multiprocessing.Pool(arguments.processes) as pool:
        rows = list(pool.imap_unordered(one, settings, chunksize=4))
    elapsed = time.perf_counter() - started
    minutes = 1000 * elapsed / len(rows) / 60
    cpu, simulated = median(row["cpu"] for row in rows), median(row["simulated"] for row in rows) / 60
    print(f"{len(rows)} sessions in {elapsed:.0f} s on {arguments.processes} cores ({minutes:.1f} min a thousand)")
    print(f"CPU a session: median {cpu:.2f} s; simulated minutes: median {simulated:.1f}\n")
    print(
        f"{'persona':16} {'ended':26} {'turns':>6} {'1st try':>9} {'in the end':>10} {'repeats':>8} {'types':>6} {'faults':>6}"
    )
    for persona in arguments.personas:
        mine = [row for row in rows if row["persona"] == persona]
        if not mine:
            continue
        first = [right for row in mine for right in row["first"]]
        final = [right for row in mine for right in row["final"]]
        endings = ", ".join(f"{name} {count}" for name, count in Counter(row["ending"] for row in mine).most_common())
        turns, types = median(row["turns"] for row in mine), mean(row["types"] for row in mine)
        repeats = sum(row["repeats"] for row in mine) / max(1, sum(row["lines"] for row in mine))
        broken = sum(len(row["faults"]) for row in mine)
        print(
            f"{persona:16} {endings:26} {turns:6.0f} {mean(first or [0]):9.0%} {mean(final or [0]):10.0%} "
            f"{repeats:8.2%} {types:6.1f} {broken:6}"
        )
    faults = Counter(fault for row in rows for fault in row["faults"])
    for fault, count in faults.most_common(10):
        print(f"fault {count}×: {fault}")
    return int(any(row["ending"] in ("left", "") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
