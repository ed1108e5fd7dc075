"""Choosing what to do: hard rules name the allowed strategies, the strategy adapter ranks inside that set.

The rules stand in the order in which they decide. A rule that leaves one strategy decides alone and says so; otherwise the
model ranks, and a model that answers nonsense is replaced by the policy of ``models/authored.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from agent import learner
from agent.models.authored import Authored
from agent.ports import LLM
from agent.ports import Prompt as ModelPrompt
from agent.prompts import STRATEGY, joined, render
from agent.story import Beat, Prompt, Story
from agent.turn import CROWDS, Band, Crowd, Judgement, Progress, Strategy, StrategyId, Utterance

CROWD_STRATEGY: dict[Crowd, StrategyId] = {
    "completion": "DR_COMPLETION",
    "recall": "DR_RECALL",
    "open": "DR_OPEN",
    "wh": "DR_WH",
    "distancing": "DR_DISTANCING",
}
STRATEGY_CROWD: dict[StrategyId, Crowd] = {strategy: crowd for crowd, strategy in CROWD_STRATEGY.items()}
IMPLICIT_SHARE = (0.25, 0.50)
FIT = 0.10  # questions whose predicted success is this much further from the target than the best one's are left out
QUIET = 2  # questions in a row that ended in silence: from here on the robot asks once and tells on
MOST_UNCLEAR = 2  # times in a row the robot asks a child to say it again


@dataclass(frozen=True)
class Setting:
    """What does not change within a session. ``second_language``: the child is still learning the session's language."""

    band: Band
    second_language: bool = False


class Strategist:
    """Plans one turn. ``plan`` never raises for what a model answers."""

    def __init__(self, llm: LLM, setting: Setting) -> None:
        self.llm, self.setting = llm, setting
        self._policy = Authored()

    def plan(
        self,
        story: Story,
        progress: Progress,
        judgement: Judgement | None,
        heard: Utterance | None,
        *,
        over: str = "",
        broke_in: bool = False,
    ) -> Strategy:
        """The next strategy. ``over`` is "time" or "turns" when the session must come to its end; ``broke_in`` says that the
        child spoke while the robot was speaking."""
        pending = progress.pending
        if judgement is not None and heard is not None:
            if rule := self._safety(judgement, heard):
                return rule
            if over and (pending is None or pending.kind != "assent"):
                return _only("CLOSE", f"limit:{over}", "the session's limit is reached")
            if heard.safety.startswith("redirect"):
                return _only("SAFE_REDIRECT", "unsafe", heard.safety.partition(":")[2])
            if broke_in and judgement.verdict != "question":
                return _only("GO_ON", "interjection", "the child said something in between")
            if broke_in:
                return _only("ANSWER_QUESTION", "question", "the child asked something in between")
            if pending is not None:
                return self._answer(story, progress, judgement, heard)
        if over:
            return _only("CLOSE", f"limit:{over}", "the session's limit is reached")
        return self._next_question(story, progress)

    def _safety(self, judgement: Judgement, heard: Utterance) -> Strategy | None:
        if judgement.verdict == "disclosure" or heard.safety.startswith("handoff"):
            return _only("HANDOFF_ADULT", "disclosure", "a grown-up must decide")
        if judgement.verdict == "stop":
            return _only("CLOSE", "stop", "the child said stop")
        return None

    def _answer(self, story: Story, progress: Progress, judgement: Judgement, heard: Utterance) -> Strategy:
        """A question is open and the child has had its turn."""
        pending = progress.pending
        assert pending is not None
        verdict = judgement.verdict
        if pending.kind == "assent":
            return self._assent(progress, judgement)
        if judgement.foreign and verdict != "correct" and pending.unclear < MOST_UNCLEAR:
            return _only("REPAIR", "language", "a language the robot does not speak")
        if verdict == "question":
            return _only("ANSWER_QUESTION", "question", "the child asked something of its own")
        if pending.kind in ("prior", "repeat"):  # whatever a child says here is welcome, and nothing too
            return self._next_question(story, progress)
        if verdict == "not_understood" and pending.unclear < MOST_UNCLEAR:
            return _only("REPAIR", "confidence", f"recognition {heard.confidence:.2f} is too unsure")
        if verdict == "silence":
            return self._silence(story, progress)
        if pending.kind == "choice":
            if judgement.choice or pending.attempts or pending.unclear:
                return self._next_question(story, replace(progress, choice=judgement.choice))
            return _only("REPAIR", "choice", "no choice was understood")
        if verdict == "correct":
            return Strategy(
                "RECAST_EXPAND",
                allowed=("RECAST_EXPAND",),
                scores=(0.0,),
                reason=f"answered: {judgement.matched}",
                praise=_effort(progress),
            )
        if verdict == "off_topic":
            options: list[StrategyId] = ["BRING_BACK"]
            if progress.strategies.count("BRING_BACK") and pending.kind == "prompt":
                options.append("ROLE_PLAY")
            return self._rank(story, progress, judgement, heard, options, "the child's mind is elsewhere")
        return self._ladder(story, progress, judgement, heard)

    def _assent(self, progress: Progress, judgement: Judgement) -> Strategy:
        pending = progress.pending
        assert pending is not None
        if judgement.verdict == "correct":
            return _only("ELICIT_PRIOR", "assent", "the child said yes")
        if judgement.verdict == "wrong" and judgement.reason == "says no":
            return _only("CLOSE", "declined", "the child said no")
        if pending.unclear + pending.silences >= MOST_UNCLEAR:
            return _only("CLOSE", "declined", "no yes was heard, and only a yes is a yes")
        return _only("REPAIR", "assent", "neither yes nor no")

    def _silence(self, story: Story, progress: Progress) -> Strategy:
        pending = progress.pending
        assert pending is not None
        if progress.silent >= QUIET or pending.silences >= 2:
            if pending.kind == "prompt" and not pending.told and progress.silent < QUIET:
                return _only("DIRECT_INSTRUCTION", "silence", "the robot answers itself and tells on")
            return self._next_question(story, progress)
        return _only("WAIT", "silence", f"silence {pending.silences + 1}")

    def _ladder(self, story: Story, progress: Progress, judgement: Judgement, heard: Utterance) -> Strategy:
        """Partly right, not right, or not known: how to help next."""
        pending = progress.pending
        assert pending is not None
        if pending.told or pending.kind in ("recall", "role"):
            return self._next_question(story, progress)
        failed = pending.attempts  # before this answer
        options: list[StrategyId]
        if failed >= 3 or (pending.thought and failed >= 2):
            options = ["DIRECT_INSTRUCTION"] if pending.thought else ["MODEL_THINKALOUD", "DIRECT_INSTRUCTION"]
            reason = "three answers were not right"
        elif pending.rung >= 2:
            options, reason = ["MODEL_THINKALOUD", "SCAFFOLD_HINT"], "two hints did not help"
        elif judgement.verdict == "partial" and self.setting.band != "4-5" and not pending.probed:
            options, reason = ["SOCRATIC_PROBE", "SCAFFOLD_HINT"], f"part of it is right: {judgement.matched}"
        else:
            options, reason = ["SCAFFOLD_HINT"], f"answer {failed + 1} was {judgement.verdict}"
        if pending.rung >= 3 and "SCAFFOLD_HINT" in options:
            options = [option for option in options if option != "SCAFFOLD_HINT"] or ["DIRECT_INSTRUCTION"]
        chosen = self._rank(story, progress, judgement, heard, options, reason)
        praise = judgement.verdict in ("partial", "wrong") and failed >= 1
        return replace(chosen, praise=praise, rung=pending.rung + 1 if chosen.id == "SCAFFOLD_HINT" else 0)

    def _next_question(self, story: Story, progress: Progress) -> Strategy:
        """Nothing is open: which question of this beat or the next one, or the end."""
        if progress.phase == "recall":
            return _only("CLOSE", "end", "the story is told and looked back on")
        here = story.beat(progress.beat) if progress.beat else None
        if here is not None and not progress.told:
            return self._ask_in(story, progress, here, ())
        if here is not None and here.shape.choices and "choice" not in progress.asked:
            return self._ask_in(story, replace(progress, asked=progress.asked or ("none",)), here, ())
        if here is not None and not here.shape.choices:
            more = self._more_questions(story, progress, here)
            if more:
                return self._ask_in(story, progress, here, more)
        following = story.after(here.id, progress.choice) if here is not None else story.beats[0].id
        if not following:
            return _only("DR_RECALL", "end", "the story is told: what do you remember?", target="story/recall")
        beat = story.beat(following)
        return self._ask_in(story, replace(progress, asked=(), right=0, beat=following), beat, ())

    def _more_questions(self, story: Story, progress: Progress, beat: Beat) -> tuple[Prompt, ...]:
        """Second questions in a scene: only for a child who answers, and only while there is a reason to."""
        if progress.silent >= QUIET or len(progress.asked) != 1 or not progress.right:
            return ()
        return tuple(prompt for prompt in beat.prompts if prompt.shape.id not in progress.asked)

    def _ask_in(self, story: Story, progress: Progress, beat: Beat, more: tuple[Prompt, ...]) -> Strategy:
        if beat.shape.choices and (not beat.prompts or progress.asked):
            return _only("ROLE_PLAY", "choice", "the child steers the story", target=f"{beat.id}/choice")
        left = more or tuple(prompt for prompt in beat.prompts if prompt.shape.id not in progress.asked)
        fitting = self._fitting(progress, left, second=bool(more))
        if not fitting:
            if more:
                return self._next_question(story, replace(progress, asked=(*progress.asked, "none")))
            return _only("GO_ON", "no question", "this scene only tells", target=f"{beat.id}/")
        by_strategy: dict[StrategyId, Prompt] = {}
        for prompt in fitting:
            by_strategy.setdefault(CROWD_STRATEGY[prompt.shape.crowd], prompt)
        options = list(by_strategy)
        unused = [crowd for crowd in CROWDS if not progress.types.get(crowd)]
        if more and not self._must_cover(story, progress, beat, unused):
            options.append("GO_ON")
        chosen = self._rank(story, progress, None, None, options, _difficulty_reason(progress, fitting), after=bool(more))
        if chosen.id == "GO_ON":
            onward = self._next_question(story, replace(progress, asked=(*progress.asked, "none")))
            weighed = ", ".join(f"{option} {score:.2f}" for option, score in zip(options, chosen.scores, strict=True))
            return replace(onward, reason=f"enough asked in this scene ({weighed}); {onward.reason}")
        return replace(chosen, target=f"{beat.id}/{by_strategy[chosen.id].shape.id}")

    def _must_cover(self, story: Story, progress: Progress, beat: Beat, unused: list[Crowd]) -> bool:
        """True when a second question is due so that the session still meets all five CROWD types."""
        return bool(unused) and story.beats_from(beat.id) <= 2 * len(unused)

    def _fitting(self, progress: Progress, prompts: tuple[Prompt, ...], second: bool) -> list[Prompt]:
        """The questions the rules allow, best fitting difficulty first."""
        running = set(progress.crowds[-2:]) if len(progress.crowds) >= 2 else set()
        tired = running.pop() if len(running) == 1 else ""
        allowed = [prompt for prompt in prompts if prompt.shape.crowd != tired]
        if not second:
            allowed = [prompt for prompt in allowed if prompt.shape.crowd != "distancing"]
        helped = self.setting.band != "8-10" or self.setting.second_language or progress.silent > 0
        if not helped and progress.types.get("completion"):
            allowed = [prompt for prompt in allowed if prompt.shape.crowd != "completion"]
        allowed = allowed or [prompt for prompt in prompts if prompt.shape.crowd != tired]
        allowed = _balanced(progress, allowed)
        if not allowed:
            return []

        def distance(prompt: Prompt) -> float:
            return abs(_predicted(progress, prompt) - learner.TARGET)

        best = min(map(distance, allowed))
        missing = {crowd for crowd in CROWDS if not progress.types.get(crowd)}
        fitting = [prompt for prompt in allowed if distance(prompt) <= best + FIT or (second and prompt.shape.crowd in missing)]
        return sorted(fitting, key=distance)

    def _rank(
        self,
        story: Story,
        progress: Progress,
        judgement: Judgement | None,
        heard: Utterance | None,
        options: list[StrategyId],
        reason: str,
        after: bool = False,
    ) -> Strategy:
        if len(options) == 1:
            return _only(options[0], "only one allowed", reason)
        prompt = render(STRATEGY, self.facts(story, progress, judgement, after), said=heard.text if heard else "")
        scores, note = self._scores(prompt, options)
        best = max(range(len(options)), key=scores.__getitem__)
        return Strategy(options[best], allowed=tuple(options), scores=tuple(scores), reason=f"{reason}{note}")

    def _scores(self, prompt: ModelPrompt, options: list[StrategyId]) -> tuple[list[float], str]:
        try:
            scores = [float(score) for score in self.llm.rank(prompt, options, adapter=STRATEGY)]
            if len(scores) == len(options) and all(math.isfinite(score) for score in scores):
                return scores, ""
            note = " (the model's scores were no numbers: ranked by the policy)"
        except Exception as error:  # any model may fail in any way, and the child must not notice
            note = f" (the model failed, {type(error).__name__}: ranked by the policy)"
        return self._policy.rank(prompt, options, adapter=STRATEGY), note

    def facts(self, story: Story, progress: Progress, judgement: Judgement | None, after: bool) -> dict[str, str]:
        """The state in words, as the strategy adapter reads it."""
        pending = progress.pending
        return {
            "language": progress.language,
            "age": self.setting.band,
            "story": story.slug,
            "point": "after an answer" if after else "an answer" if judgement else "a new scene",
            "verdict": judgement.verdict if judgement else "",
            "attempts": str(pending.attempts + 1 if pending and judgement else 0),
            "rung": str(pending.rung if pending else 0),
            "silences": str(pending.silences if pending else 0),
            "quiet": "yes" if progress.silent else "no",
            "second_language": "yes" if self.setting.second_language else "no",
            "questions_in_scene": str(len(progress.asked)),
            "recent": joined(progress.strategies[-4:]),
            "unused_types": joined(tuple(CROWD_STRATEGY[crowd] for crowd in CROWDS if not progress.types.get(crowd))),
        }


def _only(strategy: StrategyId, rule: str, reason: str, target: str = "") -> Strategy:
    return Strategy(strategy, allowed=(strategy,), scores=(0.0,), rule=rule, reason=reason, target=target)


def _effort(progress: Progress) -> bool:
    """Praise names an effort, so there must have been one: an answer that took more than one go."""
    return bool(progress.pending and progress.pending.attempts)


def _predicted(progress: Progress, prompt: Prompt) -> float:
    shape = prompt.shape
    return learner.predicted(progress.knowledge, shape.concept, shape.difficulty, shape.answer == "open")


def _balanced(progress: Progress, prompts: list[Prompt]) -> list[Prompt]:
    """Keeps the share of implicit questions inside its bounds, where the scene leaves a choice."""
    if progress.questions < 2:
        return prompts
    share = progress.implicit / progress.questions
    if share < IMPLICIT_SHARE[0] + 0.05:
        wanted = [prompt for prompt in prompts if prompt.shape.implicit]
    elif share > IMPLICIT_SHARE[1] - 0.08:
        wanted = [prompt for prompt in prompts if not prompt.shape.implicit]
    else:
        return prompts
    return wanted or prompts


def _difficulty_reason(progress: Progress, prompts: list[Prompt]) -> str:
    first = prompts[0]
    return f"difficulty {first.shape.difficulty}: predicted success {_predicted(progress, first):.0%}"
