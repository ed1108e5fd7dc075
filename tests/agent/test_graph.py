"""The state machine of one turn: its picture, its edges, and what each node makes of the state."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from agent.clock import VirtualClock
from agent.context import Ports
from agent.graph import TurnState, build, first_step
from agent.ports import Listening
from agent.run import Wiring
from agent.turn import Pending, Progress, Sentence, Utterance
from benchmarks.witness import Witness
from tests.conftest import Answering, quick

NODES = ["hear", "judge", "plan", "answer", "speak"]


def ports(answer: str = "hm", **changes: object) -> tuple[Ports, Witness, Answering]:
    """The ports of a wired session that is not run."""
    clock, seen = VirtualClock(), Witness()
    ears = Answering(clock, lambda how: answer)
    wiring = Wiring(quick(**changes), "en", clock, None, screen=seen, ears=lambda wiring: ears)
    wiring.session.state = {"progress": Progress("en")}
    return wiring.session.ports, seen, ears


def opened(made: Ports, **changes: Any) -> Progress:
    """A story question of the first scene is open."""
    story = made.story("en")
    beat = next(beat for beat in story.beats if any(prompt.shape.answer == "closed" for prompt in beat.prompts))
    prompt = next(prompt for prompt in beat.prompts if prompt.shape.answer == "closed")
    pending = Pending("prompt", prompt.words.ask["6-7"], beat.id, prompt.shape.id)
    base = Progress(
        "en", phase="story", beat=beat.id, told=True, asked=(prompt.shape.id,), pending=pending, questions=1, turns=3
    )
    return replace(base, **changes)


def turn(made: Ports, state: TurnState) -> list[tuple[str, dict[str, Any]]]:
    """Run one turn; what each node gave."""
    updates = build().stream(state, context=made, stream_mode="updates")
    return [(node, values) for update in updates for node, values in update.items()]


def accepted(made: Ports, progress: Progress) -> str:
    assert progress.pending is not None
    return made.story("en").prompt(progress.pending.beat, progress.pending.prompt).words.accepted[0]


def test_the_picture_shows_the_five_nodes_in_order() -> None:
    drawn = build().get_graph().draw_mermaid()
    for node in NODES:
        assert node in drawn
    for before, after in zip(NODES, NODES[1:], strict=False):
        assert f"{before} --> {after}" in drawn


def test_a_turn_passes_through_every_node() -> None:
    made, _, _ = ports()
    assert [node for node, _ in turn(made, {"progress": opened(made)})] == NODES


def test_a_story_that_goes_on_by_itself_is_not_waited_for() -> None:
    made, _, ears = ports()
    steps = turn(made, {"progress": replace(opened(made), pending=None)})
    assert [node for node, _ in steps] == NODES[2:]
    assert ears.asked == []


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ({"progress": Progress("en")}, "plan"),
        ({"progress": Progress("en", pending=Pending("assent", "Yes?"))}, "hear"),
        ({"progress": Progress("en"), "waiting": Utterance("wait")}, "hear"),
        ({"progress": Progress("en"), "waiting": None}, "plan"),
    ],
)
def test_where_a_turn_begins(state: TurnState, step: str) -> None:
    assert first_step(state) == step


def test_words_that_broke_in_are_the_turns_words_and_nobody_listens() -> None:
    made, _, ears = ports()
    progress = opened(made)
    assert progress.pending is not None
    unsaid = (
        Sentence("And then it rained.", "en", role="tell", source="story"),
        Sentence(progress.pending.ask, "en", role="ask", source="story"),
    )
    steps = dict(turn(made, {"progress": progress, "waiting": Utterance("look a bird"), "unsaid": unsaid}))
    assert ears.asked == []
    assert steps["hear"]["utterance"].text == "look a bird"
    assert steps["hear"]["broke_in"]
    assert steps["plan"]["strategy"].rule == "interjection"
    assert steps["speak"]["progress"].pending == opened(made).pending, "the open question stays open"


@pytest.mark.parametrize(
    "unsaid", [(), (Sentence("Here is a hint.", "en"),)], ids=["over the question's end", "over a hint to it"]
)
def test_words_over_the_end_of_the_question_are_its_answer(unsaid: tuple[Sentence, ...]) -> None:
    made, _, _ = ports()
    progress = opened(made)
    steps = dict(turn(made, {"progress": progress, "waiting": Utterance(accepted(made, progress)), "unsaid": unsaid}))
    assert not steps["hear"]["broke_in"]
    assert steps["plan"]["strategy"].id == "RECAST_EXPAND"


def test_a_right_answer_raises_what_the_child_is_thought_to_know_and_a_wrong_one_lowers_it() -> None:
    made, _, _ = ports()
    progress = opened(made)
    assert progress.pending is not None
    concept = made.story("en").prompt(progress.pending.beat, progress.pending.prompt).shape.concept
    known = {}
    for text in (accepted(made, progress), "I don't know"):
        mine, _, _ = ports(text)
        known[text] = dict(turn(mine, {"progress": progress}))["judge"]["progress"].knowledge[concept]
    assert known[accepted(made, progress)] > 0.45 > known["I don't know"]


def test_only_the_first_answer_to_a_question_counts_for_knowledge() -> None:
    made, _, _ = ports("I don't know")
    progress = opened(made)
    assert progress.pending is not None
    again = replace(progress, pending=replace(progress.pending, attempts=1))
    assert dict(turn(made, {"progress": again}))["judge"]["progress"].knowledge == {}


def test_the_open_question_is_put_into_the_language_of_the_child() -> None:
    made, _, _ = ports("je ne sais pas, je parle français à la maison")
    steps = dict(turn(made, {"progress": opened(made)}))
    progress = steps["judge"]["progress"]
    assert progress.language == "fr"
    story = made.story("fr")
    assert progress.pending.ask == story.prompt(progress.pending.beat, progress.pending.prompt).words.ask["6-7"]
    assert {sentence.language for sentence in steps["answer"]["reply"].sentences} == {"fr"}


def test_a_session_that_does_not_follow_stays_in_its_language() -> None:
    made, _, _ = ports("je ne sais pas, je parle français à la maison", follow_language=False)
    assert dict(turn(made, {"progress": opened(made)}))["judge"]["progress"].language == "en"


@pytest.mark.parametrize("kind", ["assent", "prior", "recall", "repeat", "choice", "role"])
def test_every_kind_of_question_survives_a_change_of_language(kind: Any) -> None:
    made, _, _ = ports("ich weiß das nicht, ich spreche zu Hause nur deutsch", story="lighthouse")
    story = made.story("en")
    beat = next(beat for beat in story.beats if (beat.shape.choices if kind == "choice" else beat.prompts))
    prompt = beat.prompts[0].shape.id if kind == "repeat" else ""
    phase: Any = {"assent": "greeting", "prior": "prior", "recall": "recall"}.get(kind, "story")
    pending = Pending(kind, "What is it?", "" if kind in ("assent", "prior", "recall") else beat.id, prompt)
    asked = tuple(prompt.shape.id for prompt in beat.prompts[:1])
    progress = Progress(
        "en",
        phase=phase,
        beat=pending.beat or (story.beats[-1].id if kind == "recall" else ""),
        told=True,
        asked=asked,
        pending=pending,
    )
    steps = dict(turn(made, {"progress": progress}))
    assert steps["judge"]["progress"].language == "de"
    assert {sentence.language for sentence in steps["answer"]["reply"].sentences} == {"de"}
    if kind in ("prior", "recall"):
        assert steps["judge"]["progress"].pending.ask in (
            *made.story("de").wording.prior.values(),
            *made.story("de").wording.recall.values(),
        )


def test_the_state_holds_words_only() -> None:
    """Everything a turn keeps can be printed as JSON: no handle, no sound."""
    made, _, _ = ports()
    state: dict[str, Any] = {"progress": opened(made)}
    for _, values in turn(made, {"progress": opened(made)}):
        state.update(values)
    assert set(state) >= {"progress", "strategy", "reply", "following"}
    assert json.loads(json.dumps(state, default=asdict))["reply"]["sentences"]


def test_the_state_of_a_turn_is_cleared_for_the_next() -> None:
    made, _, _ = ports()
    last = dict(turn(made, {"progress": opened(made)}))["speak"]
    assert (last["utterance"], last["judgement"], last["broke_in"], last["unsaid"], last["waiting"]) == (
        None,
        None,
        False,
        (),
        None,
    )
    assert last["progress"].turns == 4


def test_progress_holds_only_after_it_was_spoken() -> None:
    made, _, _ = ports()
    before = opened(made)
    steps = turn(made, {"progress": before})
    assert dict(steps)["answer"].keys() == {"reply", "following", "unsaid"}
    assert dict(steps)["speak"]["progress"] == dict(steps)["answer"]["following"]


def test_personal_data_is_taken_out_before_anything_keeps_it() -> None:
    made, seen, _ = ports("my name is Tobias Miller")
    heard = dict(turn(made, {"progress": opened(made)}))["hear"]["utterance"]
    assert "Tobias" not in repr(heard)
    assert heard.safety.startswith("redirect")
    assert "Tobias" not in repr(seen.events)


def test_names_of_the_story_are_no_personal_data() -> None:
    made, _, _ = ports(f"it was {quick_name()}")
    heard = dict(turn(made, {"progress": opened(made)}))["hear"]["utterance"]
    assert quick_name() in heard.text


def quick_name() -> str:
    made, _, _ = ports()
    return made.story("en").wording.names[0]


def test_the_robot_moves_again_when_the_ears_fail() -> None:
    made, _, ears = ports()
    held: list[bool] = []
    made.robot.listen = held.append  # type: ignore[assignment, method-assign]

    def deaf(how: Listening) -> str:
        raise OSError("no microphone")

    ears.answer = deaf
    with pytest.raises(OSError, match="microphone"):
        turn(made, {"progress": opened(made)})
    assert held == [True, False]


def test_resumed_between_answer_and_speak_the_words_are_said() -> None:
    made, seen, _ = ports()
    from agent.graph import speak

    class Runtime:
        context = made

    reply_state: TurnState = {"progress": opened(made)}
    steps = dict(turn(made, reply_state))
    seen.events.clear()
    state: Any = {"progress": opened(made), "reply": steps["answer"]["reply"], "following": steps["answer"]["following"]}
    speak(state, Runtime())  # type: ignore[arg-type]
    assert [event["text"] for event in seen.of("said")] != []


def test_every_field_of_the_ports_is_wired() -> None:
    made, _, _ = ports()
    assert all(getattr(made, part.name) is not None for part in fields(made))
