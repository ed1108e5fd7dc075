"""What a turn acts through: the context of the graph. Built in ``agent.run``, before LangGraph has been imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.judging import Judge
from agent.lines import Lines
from agent.personality import Profile
from agent.ports import Ears, Robot
from agent.speaking import Speaker
from agent.story import Story
from agent.storyteller import Storyteller
from agent.strategist import Strategist
from agent.turn import Language


@dataclass(frozen=True)
class Ports:
    """``story`` loads the session's story in a language, ``profile`` is the personality as it is now, ``over`` is "time"
    or "turns"
    once a limit is reached, ``lines`` gives the tutor's lines for a turn, ``slowness`` scales the patience for an answer."""

    ears: Ears
    robot: Robot
    speaker: Speaker
    judge: Judge
    strategist: Strategist
    storyteller: Storyteller
    story: Callable[[Language], Story]
    profile: Callable[[], Profile]
    over: Callable[[], str]
    lines: Callable[[int], Lines]
    slowness: float = 1.0
