"""The LangGraph state machine of one turn: hear → judge → plan → answer → speak.

The state holds words only; everything that acts travels as the graph's context. Nodes never log: the session writes its
rows from the stream of updates. A turn without an open question (the story goes on by itself) starts at plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agent import asides, learner
from agent.asking import expectation, listening, prompt_of
from agent.context import Ports
from agent.guard import CONCERN
from agent.guard import child as guard_child
from agent.safety.personal import redact
from agent.story import Story
from agent.storyteller import Request
from agent.turn import Band, Judgement, Pending, Progress, Reply, Sentence, Strategy, Utterance

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

RECENT = 8


class TurnState(TypedDict, total=False):
    """What a turn knows. ``waiting`` is what the child said while the robot spoke, ``unsaid`` what the robot left out for it,
    ``following`` the progress that holds once the reply has been spoken."""

    progress: Progress
    waiting: Utterance | None
    unsaid: tuple[Sentence, ...]
    broke_in: bool
    utterance: Utterance | None
    judgement: Judgement | None
    strategy: Strategy
    reply: Reply
    following: Progress


def hear(state: TurnState, runtime: Runtime[Ports]) -> TurnState:
    """The child's words. Personal data is taken out before anything keeps them."""
    ports, progress = runtime.context, state["progress"]
    story = ports.story(progress.language)
    said = state.get("waiting")
    # Words that come over the end of a question, or over a hint to it, answer it; over a telling they cannot.
    unsaid = {sentence.text for sentence in state.get("unsaid") or ()}
    broke_in = said is not None and bool(unsaid) and (progress.pending is None or progress.pending.ask in unsaid)
    if said is None:
        assert progress.pending is not None
        ports.robot.listen(True)
        try:
            band = ports.strategist.setting.band
            said = ports.ears.listen(listening(story, progress.pending, band, ports.slowness))
        finally:
            ports.robot.listen(False)
    return {"utterance": _fit_to_keep(said, story), "waiting": None, "broke_in": broke_in}


def judge(state: TurnState, runtime: Runtime[Ports]) -> TurnState:
    """What the words are, in whichever of the three languages they came, and what that says about the child's knowledge."""
    ports, progress, said = runtime.context, state["progress"], state["utterance"]
    assert said is not None
    if said.safety.startswith("handoff"):
        return {"judgement": Judgement("disclosure", progress.language, reason=said.safety)}
    story = ports.story(progress.language)
    broke_in = bool(state.get("broke_in"))
    pending = Pending("prior", "") if broke_in or progress.pending is None else progress.pending
    found = ports.judge.judge(said, expectation(story, pending))
    if found.language != progress.language and not found.foreign:
        story = ports.story(found.language)
        pending = _translated(pending, story, ports.strategist.setting.band)
        found = replace(ports.judge.judge(said, expectation(story, pending)), language=story.language)
        kept = progress.pending if broke_in or progress.pending is None else pending
        progress = replace(progress, language=story.language, pending=kept)
    prompt = prompt_of(story, pending)
    if prompt is not None and prompt.shape.answer == "open" and found.verdict in ("partial", "wrong"):
        found = replace(found, verdict="correct")  # a question of taste has no wrong answers, and no half ones
    if found.verdict not in ("correct", "silence", "disclosure") and asides.is_asked(said.text, story):
        found = replace(found, verdict="question", reason="a question children ask")
    if broke_in and found.verdict not in ("stop", "disclosure", "question"):
        reason = "said into the telling, before any question"
        found = replace(found, verdict="off_topic", score=0.0, child_word="", reason=reason)
    if pending.kind == "prompt" and prompt is not None and not pending.attempts:
        progress = _learned(progress, found, prompt.shape.concept, prompt.shape.difficulty, prompt.shape.answer == "open")
    progress = replace(progress, verdicts=(*progress.verdicts, found.verdict)[-RECENT:])
    return {"judgement": found, "progress": progress}


def plan(state: TurnState, runtime: Runtime[Ports]) -> TurnState:
    """What to do about it."""
    ports, progress = runtime.context, state["progress"]
    heard = state.get("utterance")
    strategy = ports.strategist.plan(
        ports.story(progress.language),
        progress,
        state.get("judgement") if heard else None,
        heard,
        over=ports.over(),
        broke_in=bool(state.get("broke_in")),
    )
    return {"strategy": strategy}


def answer(state: TurnState, runtime: Runtime[Ports]) -> TurnState:
    """The words for it; each sentence goes to the speaker as soon as it is ready."""
    ports, progress, strategy = runtime.context, state["progress"], state["strategy"]
    story, heard = ports.story(progress.language), state.get("utterance")
    facts: tuple[str, ...] = ()
    if strategy.id == "ANSWER_QUESTION" and heard is not None:
        facts = asides.answer(heard.text, story, ports.strategist.setting.band)
    unsaid = tuple(state.get("unsaid") or ()) if state.get("broke_in") else ()
    request = Request(story, progress, strategy, state.get("judgement"), heard, ports.profile(), facts, unsaid)
    draft = ports.storyteller.draft(request)
    ports.speaker.finish = lambda sentence: ports.storyteller.finish(sentence, ports.profile())
    sentences = []
    for sentence in ports.storyteller.write(request, draft):
        ports.speaker.add(sentence)
        sentences.append(sentence)
    return {"reply": Reply(tuple(sentences)), "following": draft.progress, "unsaid": ()}


def speak(state: TurnState, runtime: Runtime[Ports]) -> TurnState:
    """Until the reply has been heard, or the child has broken in."""
    ports, speaker = runtime.context, runtime.context.speaker
    if not speaker.busy:  # resumed between answer and speak: the words are here, the speaker is new
        for sentence in state["reply"].sentences:
            speaker.add(sentence)
    spoken, story = speaker.wait(), ports.story(state["progress"].language)
    return {
        "progress": state["following"],
        "waiting": _fit_to_keep(spoken.interruption, story) if spoken.interruption else None,
        "unsaid": spoken.unsaid,
        "utterance": None,
        "judgement": None,
        "broke_in": False,
    }


def _fit_to_keep(said: Utterance, story: Story) -> Utterance:
    """The utterance as it may be kept: what the guard found in it, and personal data taken out."""
    if said.safety:
        return said
    ruling = guard_child(said.text, story.language)
    safety = "" if ruling.verdict == "ok" else f"{ruling.verdict}:{ruling.category}"
    if ruling.category == CONCERN:
        safety = CONCERN if ruling.verdict == "handoff" else ""
    return replace(said, text=redact(said.text, story.language, story.wording.names, story.answer_words), safety=safety)


def first_step(state: TurnState) -> Literal["hear", "plan"]:
    """Hear, if a question is open or the child has already spoken; otherwise the story goes on by itself."""
    return "hear" if state.get("waiting") or state["progress"].pending else "plan"


def build(checkpointer: BaseCheckpointSaver[str] | None = None) -> CompiledStateGraph[TurnState, Ports, TurnState, TurnState]:
    """The compiled graph; ``build().get_graph().draw_mermaid()`` draws it."""
    graph = StateGraph(TurnState, context_schema=Ports)
    graph.add_node("hear", hear)
    graph.add_node("judge", judge)
    graph.add_node("plan", plan)
    graph.add_node("answer", answer)
    graph.add_node("speak", speak)
    graph.add_conditional_edges(START, first_step)
    graph.add_edge("hear", "judge")
    graph.add_edge("judge", "plan")
    graph.add_edge("plan", "answer")
    graph.add_edge("answer", "speak")
    graph.add_edge("speak", END)
    return graph.compile(checkpointer=checkpointer)


def _translated(pending: Pending, story: Story, band: Band) -> Pending:
    """The same open question in another language."""
    prompt = prompt_of(story, pending)
    if prompt is not None and pending.kind == "prompt":
        return replace(pending, ask=prompt.words.ask[band])
    if pending.kind == "choice":
        return replace(pending, ask=story.beat(pending.beat).words.choose)
    if pending.kind == "prior":
        return replace(pending, ask=story.wording.prior[band])
    if pending.kind == "recall":
        return replace(pending, ask=story.wording.recall[band])
    return pending


def _learned(progress: Progress, found: Judgement, concept: str, difficulty: int, open_answer: bool) -> Progress:
    if open_answer or found.verdict not in ("correct", "partial", "wrong", "dont_know"):
        return progress
    right = found.verdict == "correct"
    return replace(progress, knowledge=learner.updated(progress.knowledge, concept, difficulty, right))
