"""A session that is killed at any point resumes where it was: nothing is lost, nothing is asked twice.

Killing is SIGKILL, which no program can notice. Sessions run on the virtual clock in forks of a warmed-up process, so that fifty of
them can be killed and resumed within a minute.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent.checkpoint import Checkpoints
from agent.clock import VirtualClock
from agent.config import Settings
from agent.record import EVENTS, HEADER, write_json
from agent.run import Wiring
from agent.story import load
from benchmarks.witness import Witness
from tests.conftest import quick

Row = dict[str, Any]
ANSWERS = {"correct", "partial", "wrong", "dont_know"}
ROWS = 180  # events of a session of these tests, or a few less
UNRECORDED = {"saying", "notice"}  # shown on the screen, and no rows of the log
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


def rows(folder: Path) -> list[Row]:
    return [json.loads(line) for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines()]


def whole_rows(folder: Path) -> int:
    """How many whole rows a log has; a kill may have torn the last."""
    path = folder / EVENTS
    return path.read_bytes().count(b"\n") if path.exists() else 0


def faults(log: list[Row], before: int, story: str) -> list[str]:
    """What is wrong with the log of a session that was killed after ``before`` rows and resumed."""
    found = []
    if [row["seq"] for row in log] != list(range(len(log))):
        found.append("seq has gaps")
    times = [row["t"] for row in log]
    if times != sorted(times):
        found.append("time runs backwards")
    if log[-1]["kind"] != "closed" or log[-1]["ending"] not in ("finished", "turns", "declined"):
        found.append(f"ends in {log[-1]['kind']} {log[-1].get('ending')}")
    # Only these questions count each answer as an attempt; a "yes" that was not clear is asked for again.
    judged = [row for row in log if row["kind"] == "judged" and row["about"].startswith(("prompt:", "recall:", "role:"))]
    answers = Counter((row["about"], row["attempt"]) for row in judged if row["verdict"] in ANSWERS)
    found += [f"judged {times} times: {what}" for what, times in answers.items() if times > 1]
    right: set[str] = set()
    for row in log:
        if row["kind"] == "judged" and row["verdict"] == "correct" and row["about"].startswith("prompt:"):
            right.add(row["about"])
        if row["kind"] == "turn" and row["open"] in right:
            found.append(f"asked again although it was answered: {row['open']}")
        if row["kind"] == "fault":
            found.append(f"a fault: {row['error']}")
    asked = Counter(row["target"] for row in log if row["kind"] == "planned" and row["target"])
    replanned = {row["target"] for row in log[max(0, before - 2) : before + 4] if row["kind"] == "planned"}
    found += [f"planned {times} times: {target}" for target, times in asked.items() if times > 1 and target not in replanned]
    beats = [beat.id for beat in load(story, "en").beats]
    path = [beats.index(row["beat"]) for row in log if row["kind"] == "turn" and row["beat"]]
    if path != sorted(path):
        found.append(f"goes back in the story: {path}")
    return found


# ---------------------------------------------------------------------- at every event


class Copying(Witness):
    """A screen that copies the session's folder at every event: what a kill just then would leave."""

    def __init__(self, folder: Path, to: Path) -> None:
        super().__init__()
        self.folder, self.to, self.shown = folder, to, 0
        self.moments: list[tuple[Path, int]] = []

    def show(self, event: Mapping[str, object]) -> None:
        super().show(event)
        self.shown += event["kind"] not in UNRECORDED
        copy = self.to / f"{len(self.moments):03}"
        shutil.copytree(self.folder, copy)
        self.moments.append((copy, self.shown))


def session(folder: Path, settings: Settings, screen: Witness, resume: bool = False) -> int:
    start = rows(folder)[-1]["t"] if resume and whole_rows(folder) else 0.0
    return Wiring(settings, "en", VirtualClock(start), folder, screen=screen).run(resume=resume)


@pytest.mark.parametrize(("persona", "turns", "share"), [("wrong", 9, 5), ("quick", 8, 5), ("shy", 7, 5)])
def test_a_kill_at_any_event_loses_at_most_one(persona: str, turns: int, share: int, tmp_path: Path) -> None:
    """Every moment is counted, and every fifth of them resumed."""
    folder, copies = tmp_path / "session", tmp_path / "copies"
    folder.mkdir()
    copies.mkdir()
    settings = quick(log=True, child=f"simulated:{persona}", story="seed", turns=turns)
    screen = Copying(folder, copies)
    assert session(folder, settings, screen) == 0
    assert len(screen.moments) > 40
    for copy, shown in screen.moments:
        assert shown - 1 <= whole_rows(copy) <= shown
    for copy, _ in screen.moments[1::share]:
        before = whole_rows(copy)
        ended = before and rows(copy)[-1]["kind"] == "closed"
        assert session(copy, settings, Witness(), resume=True) == 0
        log = rows(copy)
        found = [fault for fault in faults(log, before, "seed") if not fault.startswith("ends in")]
        assert found == [], (copy.name, rows(copy)[before - 1]["kind"] if before else "", found)
        assert ended or log[-1]["kind"] == "closed"


def test_a_kill_between_a_node_and_its_checkpoint_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node has left its results, but the step they make was not written: they are taken up, not made again."""
    folder, copies = tmp_path / "session", tmp_path / "copies"
    folder.mkdir()
    copies.mkdir()
    put = Checkpoints.put

    def copying(self: Checkpoints, *values: Any) -> Any:
        if not (folder / "stop").exists():
            shutil.copytree(folder, copies / f"{len(list(copies.iterdir())):03}")
        return put(self, *values)

    monkeypatch.setattr(Checkpoints, "put", copying)
    settings = quick(log=True, child="simulated:quick", story="seed", turns=7)
    assert session(folder, settings, Witness()) == 0
    (folder / "stop").touch()
    resumed_in: Counter[str] = Counter()
    for copy in sorted(copies.iterdir())[1::3]:
        before = whole_rows(copy)
        assert session(copy, settings, Witness(), resume=True) == 0
        log = rows(copy)
        resumed_in.update(row["step"] for row in log if row["kind"] == "resumed")
        assert [fault for fault in faults(log, before, "seed") if not fault.startswith("ends in")] == [], copy.name
        asked = Counter(row["target"] for row in log if row["kind"] == "planned" and row["target"])
        assert set(asked.values()) <= {1}, (copy.name, asked)
    assert len(resumed_in) >= 4, resumed_in


def test_a_session_that_broke_off_in_its_greeting_begins_again(tmp_path: Path) -> None:
    """Nothing was checkpointed yet, and nothing answered: the child is greeted once more, and the log goes on."""
    folder, copies = tmp_path / "session", tmp_path / "copies"
    folder.mkdir()
    copies.mkdir()
    settings = quick(log=True, child="simulated:quick", story="seed", turns=4)
    screen = Copying(folder, copies)
    session(folder, settings, screen)
    copy = next(copy for copy, _ in screen.moments if rows(copy) and rows(copy)[-1]["kind"] == "said")
    assert session(copy, settings, Witness(), resume=True) == 0
    log = rows(copy)
    assert [row["seq"] for row in log] == list(range(len(log)))
    assert log[-1]["kind"] == "closed"
    assert [row["strategy"] for row in log if row["kind"] == "planned"].count("GREET") == 2


# ---------------------------------------------------------------------- at fifty random points, with SIGKILL


def _run(arguments: list[str]) -> int:
    """The command line in a fork of this process; its process id."""
    process = os.fork()
    if process == 0:
        code = 99
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            from agent.run import main

            code = main(arguments)
        finally:
            os._exit(code)
    return process


def _wait(folder: Path, count: int, process: int) -> None:
    """Until the log has ``count`` rows, or the session is over: a moment that does not depend on how busy the machine is."""
    for _ in range(20_000):
        logs = list(folder.glob(f"*/{EVENTS}"))
        if (logs and whole_rows(logs[0].parent) >= count) or os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.001)


def _end(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed(data: str, seeds: list[int]) -> list[dict[str, Any]]:
    """Kill one session for each seed at a random point, resume it, and tell what became of it. Runs in a process of its own."""
    settings = ["--speed", "fast", "--language", "en", "--story", "seed", "--age", "6-7", "--turns", "20"]
    warm = ["--child", "simulated:quick", "--data", f"{data}/warm", *settings]
    assert _end_here(warm) == 0  # everything is imported and read before the first fork
    told = []
    for seed in seeds:
        dice = random.Random(seed)
        folder = f"{data}/{seed}"
        persona = dice.choice(["quick", "wrong", "shy", "noisy"])
        process = _run(["--child", f"simulated:{persona}", "--seed", str(seed), "--data", folder, *settings])
        moment = dice.randrange(ROWS)
        _wait(Path(folder), moment, process)
        time.sleep(dice.uniform(0, 0.01))
        os.kill(process, signal.SIGKILL)
        first = _end(process)
        made = [path.parent for path in Path(folder).glob(f"*/{HEADER}")]
        before = whole_rows(made[0]) if made else 0
        code, kills = 0, 1
        if made:
            resume = ["--resume", made[0].name, "--data", folder]
            if dice.random() < 0.3:  # killed once more while it resumes
                process = _run(resume)
                _wait(Path(folder), before + dice.randrange(ROWS // 3), process)
                os.kill(process, signal.SIGKILL)
                _end(process)
                kills = 2
            code = _end(_run(resume))
        told.append(
            {"seed": seed, "persona": persona, "moment": moment, "first": first, "before": before, "kills": kills}
            | {"code": code, "folder": str(made[0]) if made else ""}
        )
    return told


def _end_here(arguments: list[str]) -> int:
    from agent.run import main

    out = sys.stdout
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout = nowhere
        try:
            return main(arguments)
        finally:
            sys.stdout = out


@pytest.mark.parametrize("part", range(3))
def test_fifty_kills(part: int, tmp_path: Path) -> None:
    """Seventeen or eighteen in each part, on two processes."""
    seeds = list(range(part, 52, 3))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        halves = [pool.submit(killed, str(tmp_path / str(half)), seeds[half::2]) for half in range(2)]
        told = [one for half in halves for one in half.result(timeout=300)]
    assert len(told) == len(seeds)
    hit = [one for one in told if one["folder"] and one["first"] == -signal.SIGKILL]
    assert len(hit) >= 0.6 * len(told), "most were killed while they ran"
    for one in told:
        if not one["folder"]:
            continue
        assert one["code"] == 0, one
        log = rows(Path(one["folder"]))
        found = faults(log, one["before"], "seed")
        if one["kills"] == 2:
            found = [fault for fault in found if not fault.startswith("planned")]
        assert found == [], (one, found)
        assert len(log) >= one["before"], "what was in the log stays in it"


def test_a_torn_last_row_is_cut_off_and_the_session_goes_on(tmp_path: Path) -> None:
    settings = quick(log=True, child="simulated:quick", story="seed", turns=6)
    folder, copies = tmp_path / "session", tmp_path / "copies"
    folder.mkdir()
    copies.mkdir()
    write_json(folder / HEADER, {"settings": settings.model_dump(mode="json")})
    screen = Copying(folder, copies)
    session(folder, settings, screen)
    copy = next(copy for copy, _ in screen.moments if whole_rows(copy) > 30)
    with (copy / EVENTS).open("ab") as log:
        log.write(b'{"seq": 31, "t": 12.5, "kind": "sa')
    assert session_of_torn(copy, settings) == 0
    assert [row["seq"] for row in rows(copy)] == list(range(len(rows(copy))))


def session_of_torn(folder: Path, settings: Settings) -> int:
    return Wiring(settings, "en", VirtualClock(100.0), folder, screen=Witness()).run(resume=True)
