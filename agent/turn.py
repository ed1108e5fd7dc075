"""The words of the domain: what one turn of a conversation is made of.

Everything here is plain, frozen and printable: these values travel through the LangGraph state, the
checkpoint and the log, so they hold words and numbers only, never audio and never a handle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Language = Literal["en", "fr", "de"]
Band = Literal["4-5", "6-7", "8-10"]
Crowd = Literal["completion", "recall", "open", "wh", "distancing"]
Verdict = Literal[
    "correct",
    "partial",
    "wrong",
    "dont_know",
    "question",
    "off_topic",
    "silence",
    "not_understood",
    "stop",
    "disclosure",
]
StrategyId = Literal[
    "ELICIT_PRIOR",
    "DR_OPEN",
    "DR_WH",
    "DR_RECALL",
    "DR_COMPLETION",
    "DR_DISTANCING",
    "SOCRATIC_PROBE",
    "SCAFFOLD_HINT",
    "RECAST_EXPAND",
    "MODEL_THINKALOUD",
    "DIRECT_INSTRUCTION",
    "ROLE_PLAY",
    "WAIT",
    "REPAIR",
    "SAFE_REDIRECT",
    "HANDOFF_ADULT",
    "ANSWER_QUESTION",
    "GO_ON",
    "CLOSE",
]

LANGUAGES: tuple[Language, ...] = get_args(Language)
BANDS: tuple[Band, ...] = get_args(Band)
CROWDS: tuple[Crowd, ...] = get_args(Crowd)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
STRATEGIES: tuple[StrategyId, ...] = get_args(StrategyId)


@dataclass(frozen=True)
class Utterance:
    """What was heard of the child in one turn.

    ``text`` is empty when nothing was said. ``confidence`` is the recogniser's, from 0 to 1 (typing is 1).
    ``started`` and ``ended`` are seconds on the session's clock.
    """

    text: str
    confidence: float = 1.0
    started: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """What the child's words are, as an answer to the open question.

    ``score`` is from 0 to 1: how well they match an accepted answer. ``child_word`` is a content word of the
    child's that a reply may take up again (empty if there is none that is safe and on topic).
    ``misconception`` is the index of the beat's misconception that was recognised. ``matched`` is the accepted
    answer or key idea that decided. ``borrowed`` says that single words came from another language.
    ``choice`` is the id of the story choice the child made, if one was offered.
    """

    verdict: Verdict
    language: Language
    score: float = 0.0
    reason: str = ""
    matched: str = ""
    child_word: str = ""
    misconception: int | None = None
    borrowed: bool = False
    foreign: bool = False
    choice: str = ""


@dataclass(frozen=True)
class Strategy:
    """A decision with its reasons: what was allowed, how each was scored, what was chosen and why.

    ``rung`` is 1 to 3 for SCAFFOLD_HINT, otherwise 0. ``scores`` runs parallel to ``allowed`` (log-likelihoods).
    ``rule`` names the hard rule that decided alone, or is empty when the ranking chose. ``praise`` is the
    PROCESS_FEEDBACK modifier: the reply also names the child's effort or way of working.
    """

    id: StrategyId
    rung: int = 0
    allowed: tuple[StrategyId, ...] = ()
    scores: tuple[float, ...] = ()
    rule: str = ""
    reason: str = ""
    praise: bool = False


@dataclass(frozen=True)
class Sentence:
    """One sentence the robot says. ``source`` is ``story``, ``line`` (authored reply), ``safety`` or ``model``.

    ``gesture`` names an entry of hardware/gestures.toml, or is empty. ``refused`` counts the sentences the guard
    refused before this one took their place.
    """

    text: str
    language: Language
    gesture: str = ""
    source: str = "line"
    refused: int = 0


@dataclass(frozen=True)
class Reply:
    """What the robot says in one turn, sentence by sentence."""

    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        return " ".join(sentence.text for sentence in self.sentences)
