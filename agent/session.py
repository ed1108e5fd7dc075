"""One session from the greeting to the goodbye, whatever happens in between.

The session greets (before the graph has even been imported), runs one graph invocation a turn, writes the log from its
updates, and says goodbye when the story ends, when the child or the clock says so, or when something breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol

from agent.ports import Clock, Screen
from agent.record import FolderProblem
from agent.turn import Ending, Pending, Progress, Reply, Sentence, Strategy, Utterance

if TYPE_CHECKING:
    from agent.context import Ports
    from agent.graph import TurnState
    from agent.record import NoRecord, Record

THREAD = "session"
ALERT = "A grown-up is needed now: the child said something serious. Fabula has paused."
CONCERN = "Perhaps the child just told of a trouble. The story goes on; please listen, and look at this turn later."
MOST_FAULTS = 3  # turns that may break before the robot says goodbye


class Prepared(Protocol):
    """The graph, which takes a while to come."""

    def start(self) -> None: ...

    def graph(self) -> Any:
        """The compiled graph; waits for it."""
        ...


class Session:
    """Runs one session. ``prepare`` builds the graph while the robot greets; ``record`` and ``screen`` get every event."""

    def __init__(
        self,
        ports: Ports,
        prepare: Prepared,
        record: Record | NoRecord,
        screen: Screen,
        clock: Clock,
        noted: bool = True,
    ) -> None:
        self.ports, self.prepare, self.record, self.screen, self.clock = ports, prepare, record, screen, clock
        self.noted = noted
        self.state: TurnState = {}
        self.assented = False
        self.faults = 0
        self._unsaved = False
        self._graph: Any = None

    @property
    def progress(self) -> Progress:
        return self.state["progress"]

    def run(self, progress: Progress) -> Ending:
        """A new session: greet, then turn by turn until the goodbye. Returns how it ended."""
        self.state = {"progress": progress, "waiting": None, "unsaid": ()}  # first of all: from here on a goodbye can be said
        self.event("session_started", story=self.ports.story(progress.language).slug, language=progress.language)
        return self._start()

    def _start(self) -> Ending:
        self._greet(self.progress)
        return self._turns()

    def resume(self, fresh: Progress) -> Ending:
        """Go on with a session that was interrupted, where its checkpoint left it; ``fresh`` if it left none."""
        self._graph = self.prepare.graph()
        snapshot = self._graph.get_state(self._config)
        if fault := self._graph.checkpointer.fault:
            raise FolderProblem(f"checkpoint.sqlite of this session cannot be read ({fault}). Start a new session.")
        self.state = dict(snapshot.values)  # type: ignore[assignment]
        if "progress" not in self.state:
            # Killed before the first turn was checkpointed: nothing was answered yet, so it starts again.
            self.state = {"progress": fresh, "waiting": None, "unsaid": ()}
            return self._start()
        self.assented = self.progress.phase != "greeting"
        # A node that had finished, though not yet its checkpoint, is a task with a result and no longer "next".
        task = snapshot.tasks[0] if snapshot.tasks else None
        done = task is not None and task.result is not None
        node = task.name if task else ""
        self.event("resumed", turn=self.progress.turns, beat=self.progress.beat, step=node)
        if self.progress.ending:
            return self.progress.ending
        self._say_lines("welcome_back")
        if node not in ("", "hear") or done:
            self._run_turn(None)
        if (node in ("", "hear") and not done) or node == "speak" or (node == "answer" and done):
            self._ask_again()
        return self._turns()

    def _ask_again(self) -> None:
        """The open question once more, for a child that heard it before the interruption."""
        pending = self.progress.pending
        if pending is not None and pending.ask and not self.progress.ending:
            self._speak_now(Sentence(pending.ask, self.progress.language, source="story", role="ask"))

    @property
    def _config(self) -> dict[str, object]:
        return {"configurable": {"thread_id": THREAD}}

    def _turns(self) -> Ending:
        if self._graph is None:
            self._graph = self.prepare.graph()
        while not self.progress.ending:
            try:
                self._run_turn(self.state)
            except Exception as error:  # any stage may fail in any way: the child hears an authored line and the session lives
                self._fault(error)
        return self.progress.ending

    def _greet(self, progress: Progress) -> None:
        """The first words; whatever fails in them, the child is asked whether it wants a story at all."""
        try:
            self._say_hello(progress)
        except Exception as error:  # the session has hardly begun: an authored line, and the question again
            ask = self._line("assent")
            self.state["progress"] = replace(progress, pending=Pending("assent", ask))
            self._fault(error)

    def _say_hello(self, progress: Progress) -> None:
        from agent.storyteller import Request

        ports = self.ports
        story = ports.story(progress.language)
        strategy = Strategy("GREET", allowed=("GREET",), scores=(0.0,), rule="start", reason="a session begins")
        request = Request(story, progress, strategy, None, None, ports.profile(), facts=("noted",) if self.noted else ())
        draft = ports.storyteller.draft(request)
        self.state["progress"] = draft.progress
        self.event("planned", **_strategy_row(strategy), turn=0)
        ports.speaker.finish = lambda sentence: ports.storyteller.finish(sentence, ports.profile())
        for sentence in draft.sentences:
            ports.speaker.add(sentence)
        self.prepare.start()
        self.state["waiting"] = ports.speaker.wait().interruption

    def _run_turn(self, state: TurnState | None) -> None:
        """One graph invocation; ``None`` goes on with the one that was interrupted."""
        durability = "sync" if self._graph.checkpointer is not None else None
        for update in self._graph.stream(state, self._config, context=self.ports, stream_mode="updates", durability=durability):
            for node, values in update.items():
                self.state.update(values)
                self._row(node, values)
        self.record.flush()
        for line in self.ports.robot.reports():
            self.event("robot", line=line)
        if fault := getattr(self._graph.checkpointer, "fault", ""):
            self._graph.checkpointer.fault = ""
            if not self._unsaved:
                self.event("checkpoint_failed", reason=fault)
        self._unsaved = bool(fault)

    def _row(self, node: str, values: Mapping[str, Any]) -> None:
        """The log's row for one node's update."""
        turn = self.progress.turns
        match node:
            case "hear":
                self._hold("heard", turn=turn, **self._heard_row(values["utterance"], values["broke_in"]))
            case "judge":
                judgement = values["judgement"]
                knowledge = {concept: round(p, 3) for concept, p in self.progress.knowledge.items()}
                pending = self.progress.pending
                about = pending.about if pending and not self.state.get("broke_in") else ""
                row = asdict(judgement)
                if not self.assented:
                    row = {**row, "child_word": "", "matched": ""}
                self._hold(
                    "judged", turn=turn, about=about, attempt=pending.attempts if pending else 0, knowledge=knowledge, **row
                )
            case "plan":
                strategy = values["strategy"]
                if strategy.id == "ELICIT_PRIOR":
                    self.assented = True
                self._hold("planned", turn=turn, **_strategy_row(strategy))
                if strategy.id == "HANDOFF_ADULT":
                    self.event("alert", turn=turn, reason="disclosure", text=ALERT)
                elif (said := self.state.get("utterance")) is not None and said.safety == "concern":
                    self.event("concern", turn=turn, text=CONCERN)
            case "answer":
                reply: Reply = values["reply"]
                sources = [sentence.source for sentence in reply.sentences]
                refused = sum(sentence.refused for sentence in reply.sentences)
                self._hold("answered", turn=turn, sentences=len(sources), sources=sources, refused=refused)
            case "speak":
                progress = self.progress
                self._hold(
                    "turn",
                    turn=progress.turns,
                    phase=progress.phase,
                    beat=progress.beat,
                    beats_told=progress.beats_told,
                    open=progress.pending.about if progress.pending else "",
                    unsaid=len(values["unsaid"]),
                    ending=progress.ending,
                )

    def _heard_row(self, utterance: Utterance, broke_in: bool) -> dict[str, object]:
        row = {**asdict(utterance), "broke_in": broke_in}
        if not self.assented:
            # Nothing the child says is kept before it has agreed.
            row["text"] = ""
            row["withheld"] = True
        return row

    def _hold(self, kind: str, **values: object) -> None:
        self.record.hold(kind, **values)
        self.screen.show({"kind": kind, **values})

    def event(self, kind: str, **values: object) -> None:
        """One event, to the log and to the screen."""
        self.record.write(kind, **values)
        self.screen.show({"kind": kind, **values})

    # ------------------------------------------------------------------ when things go wrong

    def _fault(self, error: Exception) -> None:
        self.faults += 1
        self.event("fault", error=f"{type(error).__name__}: {error}", turn=self.progress.turns)
        self.ports.speaker.cancel()
        self._drain()
        self.state.update({"utterance": None, "judgement": None, "waiting": None, "unsaid": ()})
        if self.faults >= MOST_FAULTS:
            self._say_lines("trouble", "bye")
            self.state["progress"] = replace(self.progress, pending=None, ending="left")
            return
        self._say_lines("trouble")
        pending = self.progress.pending
        if pending is not None and pending.ask:
            self._speak_now(Sentence(pending.ask, self.progress.language, source="story", role="ask"))

    def farewell(self) -> None:
        """Goodbye now, from wherever the session is (Ctrl-C, a closed terminal): short, and it cannot fail."""
        self.ports.speaker.cancel()
        self._drain()
        if "progress" in self.state and not self.progress.ending:
            self._say_lines("bye")
            self.state["progress"] = replace(self.progress, ending="left")

    def close(self) -> None:
        """Let go of the checkpoint."""
        if self._graph is not None and self._graph.checkpointer is not None:
            self._graph.checkpointer.close()

    def forget(self) -> None:
        """Take back what the checkpoint remembers of a child who did not agree."""
        if self._graph is not None and self._graph.checkpointer is not None:
            self._graph.checkpointer.delete_thread(THREAD)

    def _line(self, key: str) -> str:
        """One of the tutor's lines outside a turn."""
        lines, progress = self.ports.lines(self.progress.turns + self.faults), self.progress
        return lines.pick(key, progress.language, self.ports.profile().bank, progress.used)

    def _say_lines(self, *keys: str) -> None:
        for key in keys:
            self._speak_now(Sentence(self._line(key), self.progress.language, gesture="goodbye" if key == "bye" else ""))

    def _speak_now(self, sentence: Sentence) -> None:
        """Say one sentence outside a turn; if the voice is what broke, it is shown and logged without one."""
        speaker = self.ports.speaker
        try:
            speaker.add(sentence)
            speaker.wait()
        except Exception as error:  # the voice or the body itself is broken: captions must still come
            self.event("fault", error=f"{type(error).__name__}: {error}", turn=self.progress.turns)
            speaker.voice = None
            speaker.add(sentence)
            self._drain()

    def _drain(self) -> None:
        try:
            self.ports.speaker.wait()
        except Exception as error:  # already on the way out of one fault: note the second and go on
            self.event("fault", error=f"{type(error).__name__}: {error}", turn=self.progress.turns)


def _strategy_row(strategy: Strategy) -> dict[str, object]:
    row = asdict(strategy)
    row["scores"] = [round(score, 4) for score in strategy.scores]
    return {"strategy": row.pop("id"), **row}
