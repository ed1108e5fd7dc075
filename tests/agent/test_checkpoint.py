"""The session's memory on disk: small, safe against a full disk, and able to forget."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph

from agent.checkpoint import Checkpoints
from agent.turn import CROWDS, STRATEGIES, VERDICTS, Judgement, Pending, Progress, Reply, Sentence, Strategy, Utterance

CONFIG: Any = {"configurable": {"thread_id": "session"}}


class State(TypedDict, total=False):
    progress: Progress
    utterance: Utterance | None
    judgement: Judgement | None
    strategy: Strategy
    reply: Reply


def graph(saver: Checkpoints, steps: int = 2) -> Any:
    made = StateGraph(State)

    def step(state: State) -> State:
        progress = state["progress"]
        return {"progress": Progress(progress.language, turns=progress.turns + 1, used=progress.used)}

    names = [f"step{number}" for number in range(steps)]
    for name in names:
        made.add_node(name, step)
    for before, after in zip([START, *names], [*names, END], strict=True):
        made.add_edge(before, after)
    return made.compile(checkpointer=saver)


def stored(path: Path) -> bytes:
    return b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))


PENDINGS = st.builds(
    Pending,
    kind=st.sampled_from(["prompt", "choice", "repeat"]),
    ask=st.text(max_size=30),
    beat=st.just("b"),
    attempts=st.integers(0, 5),
)
PROGRESSES = st.builds(
    Progress,
    language=st.sampled_from(["en", "fr", "de"]),
    beat=st.text(max_size=5),
    asked=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    pending=st.none() | PENDINGS,
    crowds=st.lists(st.sampled_from(CROWDS), max_size=8).map(tuple),
    strategies=st.lists(st.sampled_from(STRATEGIES), max_size=8).map(tuple),
    verdicts=st.lists(st.sampled_from(VERDICTS), max_size=8).map(tuple),
    types=st.dictionaries(st.sampled_from(CROWDS), st.integers(0, 9)),
    knowledge=st.dictionaries(st.text(max_size=8), st.floats(0, 1)),
    used=st.lists(st.integers(0, 2**32 - 1), max_size=50).map(tuple),
    turns=st.integers(0, 500),
)


@given(PROGRESSES)
@settings(max_examples=30, deadline=None)
def test_progress_comes_back_as_it_went(tmp_path_factory: pytest.TempPathFactory, progress: Progress) -> None:
    path = tmp_path_factory.mktemp("c") / "c.sqlite"
    first = Checkpoints(path, durable=False)
    made = graph(first)
    made.update_state(CONFIG, {"progress": progress})
    first.close()
    second = Checkpoints(path, durable=False)
    found = graph(second).get_state(CONFIG).values["progress"]
    second.close()
    assert found == progress
    assert type(found.asked) is tuple


def test_every_word_of_a_turn_comes_back(tmp_path: Path) -> None:
    saver = Checkpoints(tmp_path / "c.sqlite", durable=False)
    whole: State = {
        "progress": Progress("fr", pending=Pending("prompt", "Où ?", "b", "p")),
        "utterance": Utterance("là-bas", 0.5, 1.0, 2.0, "redirect:weapons"),
        "judgement": Judgement("partial", "fr", 0.5, misconception=1),
        "strategy": Strategy("SCAFFOLD_HINT", rung=2, allowed=("SCAFFOLD_HINT",), scores=(0.0,)),
        "reply": Reply((Sentence("Écoute.", "fr", gesture="listen"),)),
    }
    made = graph(saver)
    made.update_state(CONFIG, whole)
    assert made.get_state(CONFIG).values == whole
    saver.close()


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    saver = Checkpoints(path, durable=False)
    made = graph(saver)
    for _ in range(20):
        made.invoke({"progress": Progress("en")}, CONFIG, durability="sync")
    assert len(list(saver.list(CONFIG))) == 1
    [[writes]] = saver.conn.execute("SELECT count(DISTINCT checkpoint_id) FROM writes").fetchall()
    saver.close()
    assert writes <= 1
    assert path.stat().st_size < 100_000


def test_a_forgotten_session_leaves_no_byte(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    saver = Checkpoints(path, durable=False)
    made = graph(saver)
    made.update_state(CONFIG, {"progress": Progress("en"), "utterance": Utterance("flibbertigibbet")})
    made.invoke({"progress": Progress("en")}, CONFIG, durability="sync")
    assert b"flibbertigibbet" in stored(path), "it was there"
    saver.delete_thread("session")
    saver.close()
    assert b"flibbertigibbet" not in stored(path)


def test_words_of_an_earlier_turn_are_gone_once_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    saver = Checkpoints(path, durable=False)
    made = graph(saver)
    made.update_state(CONFIG, {"progress": Progress("en"), "utterance": Utterance("flibbertigibbet")})
    made.update_state(CONFIG, {"utterance": None})
    saver.close()
    assert b"flibbertigibbet" not in stored(path)


def test_a_killed_session_finds_its_last_step(tmp_path: Path) -> None:
    """Nothing is closed: what is on the disk after each step is enough."""
    path = tmp_path / "c.sqlite"
    saver = Checkpoints(path, durable=True)
    stream = graph(saver, steps=4).stream({"progress": Progress("en")}, CONFIG, stream_mode="updates", durability="sync")
    next(stream)
    next(stream)
    next(stream)  # the third step's update comes once the second one's checkpoint is written
    again = Checkpoints(path, durable=False)
    found = graph(again, steps=4).get_state(CONFIG)
    assert found.values["progress"].turns >= 2
    assert found.next
    again.close()
    saver.conn.close()


def test_a_full_disk_does_not_end_the_session(tmp_path: Path) -> None:
    """The database may not grow: as on a full disk, SQLite reads but does not write."""
    saver = Checkpoints(tmp_path / "c.sqlite", durable=False)
    made = graph(saver)
    made.update_state(CONFIG, {"progress": Progress("en", turns=5)})
    [[pages]] = saver.conn.execute("PRAGMA page_count").fetchall()
    saver.conn.execute(f"PRAGMA max_page_count={pages}")
    much = tuple(range(2**31, 2**31 + 20_000))
    final: dict[str, Any] = {}
    for update in made.stream(
        {"progress": Progress("en", turns=6, used=much)}, CONFIG, stream_mode="updates", durability="sync"
    ):
        for values in update.values():
            final.update(values)
    assert final["progress"].turns == 8
    assert "full" in saver.fault
    assert made.get_state(CONFIG).values["progress"].turns == 5, "the last one that was written"
    saver.conn.execute("PRAGMA max_page_count=100000")
    saver.fault = ""
    made.invoke({"progress": Progress("en", turns=8)}, CONFIG, durability="sync")
    assert (saver.fault, made.get_state(CONFIG).values["progress"].turns) == ("", 10)
    saver.close()


def test_a_file_that_is_no_database_is_a_fault_in_words(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_text("this is no database, " * 50)
    saver = Checkpoints(path)
    assert graph(saver).get_state(CONFIG).values == {}
    assert "not a database" in saver.fault
    assert path.read_text().startswith("this is no database"), "nobody's file is overwritten"
    saver.conn.close()
