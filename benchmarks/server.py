"""How many robots a server feeds: ``python -m benchmarks.server http://127.0.0.1:8000/v1``.

For each number of robots, that many threads take turns without a pause: a ranking of five strategies, then a reply read to
its end, each by its adapter. Reported are the time to the first piece and to the whole reply, and turns a second; a robot
that takes a turn every ``--every`` seconds is fed by that many turns. Figures of one run.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from statistics import median

from agent.models.server import Server
from agent.models.server_http import ServerProblem
from agent.ports import Prompt
from agent.prompts import RESPONSE, STRATEGY, render

OPTIONS = ("SCAFFOLD_HINT", "SOCRATIC_PROBE", "MODEL_THINKALOUD", "DIRECT_INSTRUCTION", "GO_ON")
PERSONA = "You are calm and kind. You speak in short sentences, and you like to ask. " * 6  # as long as a profile's


def asked(task: str, turn: int) -> Prompt:
    """A prompt as long as a session's, another one each turn."""
    facts = {"language": "en", "strategy": "SCAFFOLD_HINT", "material": "It hung on the rope between the two posts. " * 4}
    return render(task, facts, PERSONA if task == RESPONSE else "", f"I think it is answer number {turn}")


class Robot(threading.Thread):
    """Takes ``turns`` turns and notes its times, in seconds."""

    def __init__(self, url: str, elsewhere: bool, turns: int, place: int) -> None:
        super().__init__(daemon=True)
        self.server = Server(url, elsewhere=elsewhere, seconds=120, silence=60, most_tokens=60)
        self.turns, self.place = turns, place
        self.first: list[float] = []
        self.whole: list[float] = []
        self.ranking: list[float] = []
        self.problem = ""

    def run(self) -> None:
        try:
            for turn in range(self.turns):
                self._turn(1000 * self.place + turn)
        except ServerProblem as problem:
            self.problem = str(problem)

    def _turn(self, number: int) -> None:
        started = time.perf_counter()
        try:
            self.server.rank(asked(STRATEGY, number), OPTIONS, adapter=STRATEGY)
            self.ranking.append(time.perf_counter() - started)
        except ServerProblem as problem:
            if "policy" not in str(problem):
                raise
        started, heard = time.perf_counter(), False
        for _ in self.server.stream(asked(RESPONSE, number), adapter=RESPONSE):
            if not heard:
                self.first.append(time.perf_counter() - started)
            heard = True
        self.whole.append(time.perf_counter() - started)


def crowd(url: str, elsewhere: bool, count: int, turns: int, every: float) -> str:
    """One line: how ``count`` robots at once are served. Raises :class:`ServerProblem` if any was not."""
    robots = [Robot(url, elsewhere, turns, place) for place in range(count)]
    started = time.perf_counter()
    for robot in robots:
        robot.start()
    for robot in robots:
        robot.join()
    taken = time.perf_counter() - started
    if problem := next((robot.problem for robot in robots if robot.problem), ""):
        raise ServerProblem(problem)
    first = sorted(value for robot in robots for value in robot.first or robot.whole)
    whole = sorted(value for robot in robots for value in robot.whole)
    ranking = [value for robot in robots for value in robot.ranking]
    rate = count * turns / taken
    ranks = f"ranking {1000 * median(ranking):6.0f} ms" if ranking else "no likelihoods"
    return (
        f"{count:4d} at once: first piece {1000 * median(first):6.0f} ms (p95 {1000 * late(first):6.0f}), "
        f"reply {median(whole):5.2f} s (p95 {late(whole):5.2f}), {ranks}, {rate:6.2f} turns/s: feeds {rate * every:5.0f} robots"
    )


def late(values: list[float]) -> float:
    """The 95th percentile of sorted values."""
    return values[min(len(values) - 1, int(0.95 * len(values)))]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("url", help="the server's address, as in http://127.0.0.1:8000/v1")
    parser.add_argument("--robots", default="1,2,4,8", metavar="N,N", help="how many at once (default: 1,2,4,8)")
    parser.add_argument("--turns", type=int, default=8, help="turns each (default: 8)")
    parser.add_argument("--every", type=float, default=15.0, help="seconds between two turns of one child (default: 15)")
    parser.add_argument("--elsewhere", action="store_true", help="allow an address on another machine")
    given = parser.parse_args()
    try:
        print(f"{Server(given.url, elsewhere=given.elsewhere).check()}")
        for count in map(int, given.robots.split(",")):
            print(crowd(given.url, given.elsewhere, count, given.turns, given.every), flush=True)
    except ServerProblem as problem:
        print(problem, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
