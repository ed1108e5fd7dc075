"""What a turn costs: ``python -m benchmarks.turn``.

Reports our own time from the child's words to the first sentence handed to the voice, whether a late turn costs more
than an early one, memory, and the time from the command to the robot's first word. Medians of one run on one machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from agent.config import Settings
from agent.ports import Listening
from agent.run import Wiring
from agent.turn import Sentence, Utterance
from benchmarks.witness import run


class Stopwatch:
    """Between ears and voice: wraps both and notes the time from one to the other, in milliseconds."""

    def __init__(self, wiring: Wiring, questions_only: bool) -> None:
        self.wiring, self.questions_only = wiring, questions_only
        self.inner = wiring._ears()
        self.times: list[float] = []
        self._heard = 0.0

    def listen(self, how: Listening) -> Utterance:
        speaker = self.wiring.session.ports.speaker
        if not self.times and not self._heard:
            plain = speaker._say

            def noted(sentence: Sentence) -> None:
                if self._heard:
                    self.times.append(1000 * (time.perf_counter() - self._heard))
                    self._heard = 0.0
                plain(sentence)

            speaker._say = noted  # type: ignore[method-assign]
        said = self.inner.listen(how)
        if self.questions_only and not how.about.startswith("assent"):
            said = Utterance("are you a real robot?", 1.0, said.started, said.ended)
        self._heard = time.perf_counter()
        return said

    def overheard(self) -> Utterance | None:
        return None

    def close(self) -> None:
        self.inner.close()


def measured(settings: Settings, questions_only: bool = False, folder: Path | None = None) -> list[float]:
    """Milliseconds from hearing to speaking, turn by turn, of one session."""
    watches: list[Stopwatch] = []

    def ears(wiring: Wiring) -> Stopwatch:
        watches.append(Stopwatch(wiring, questions_only))
        return watches[0]

    run(settings, ears=ears, folder=folder)
    return watches[0].times


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def first_word(language: str) -> float:
    """Seconds from the command to the moment at which the robot begins its first word, read off the session's log."""
    with tempfile.TemporaryDirectory() as data:
        command = [
            sys.executable,
            "-m",
            "agent.run",
            "--child",
            "simulated",
            "--language",
            language,
            "--data",
            data,
            "--turns",
            "1",
        ]
        started = datetime.now(UTC)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Reachy: "):  # the first sentence is over
                    break
            process.kill()
        events = [json.loads(line) for line in next(Path(data).glob("*/events.jsonl")).read_text(encoding="utf-8").splitlines()]
    first = next(event for event in events if event["kind"] == "said")
    return (datetime.fromisoformat(first["utc"]) - started).total_seconds() - float(first["seconds"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turn", description=__doc__)
    parser.add_argument("--turns", type=int, default=510, help="length of the long session (default: 510)")
    turns = parser.parse_args().turns
    everything: list[float] = []
    measured(
        Settings(child="simulated", speed="fast", log=False, seed=99, language="en")
    )  # loads lexica once, as a first session does
    for language in ("en", "fr", "de"):
        times = []
        for seed in range(4):
            with tempfile.TemporaryDirectory() as folder:
                settings = Settings(child="simulated:typical", language=language, speed="fast", seed=seed)
                times += measured(settings, folder=Path(folder))
        everything += times[1:]
        print(
            f"{language}: words → voice p50 {median(times):6.1f} ms  p95 {percentile(times, 0.95):6.1f} ms ({len(times)} turns)"
        )
    print(
        f"all: words → voice  p50 {median(everything):6.1f} ms   p95 {percentile(everything, 0.95):6.1f} ms   (goal: p95 ≤ 30)"
    )
    with tempfile.TemporaryDirectory() as folder:
        long = measured(
            Settings(child="simulated", language="en", speed="fast", turns=turns, minutes=100_000),
            questions_only=True,
            folder=Path(folder),
        )
    early, late = median(long[5:25]), median(long[-20:])
    print(
        f"turn 5-25: {early:.2f} ms   turn {len(long) - 20}-{len(long)}: {late:.2f} ms  ratio {late / early:.2f} (goal: ≤ 1.2)"
    )
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most   (goal: ≤ 250)")
    words = [first_word("en") for _ in range(5)]
    print(f"command → first word: median {median(words):.2f} s of 5 ({min(words):.2f}-{max(words):.2f})   (goal: ≤ 2.5)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
