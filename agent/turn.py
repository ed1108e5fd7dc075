"""The words of the domain: what one turn of a conversation is made of.

Everything here is plain, frozen and printable: these values travel through the LangGraph state, the
checkpoint and the log, so they hold words and numbers only, never audio and never a handle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
    "GREET",
    "WAIT",
    "REPAIR",
    "BRING_BACK",
    "SAFE_REDIRECT",
    "HANDOFF_ADULT",
    "ANSWER_QUESTION",
    "GO_ON",
    "CLOSE",
]

Source = Literal["story", "line", "safety", "model"]
Role = Literal["tell", "talk", "ask", "fixed"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
BANDS: tuple[Band, ...] = get_args(Band)
CROWDS: tuple[Crowd, ...] = get_args(Crowd)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
STRATEGIES: tuple[StrategyId, ...] = get_args(StrategyId)


@dataclass(frozen=True)
class Utterance:
    """What was heard of the child in one turn.

    ``text`` is empty when nothing was said. ``confidence`` is the recogniser's, from 0 to 1 (typing is 1).
    ``started`` and ``ended`` are seconds on the session's clock. ``safety`` is what the guard found in the words as they
    were said: "", "redirect:CATEGORY", "handoff:CATEGORY", or "concern" where only an adult can tell. ``text`` may have
    had personal data taken out since.
    """

    text: str
    confidence: float = 1.0
    started: float = 0.0
    ended: float = 0.0
    safety: str = ""


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
    PROCESS_FEEDBACK modifier: the reply also names the child's effort or way of working. ``target`` is the question the
    strategy asks next: ``beat/prompt``, or "" when it asks none of the story's.
    """

    id: StrategyId
    rung: int = 0
    allowed: tuple[StrategyId, ...] = ()
    scores: tuple[float, ...] = ()
    rule: str = ""
    reason: str = ""
    praise: bool = False
    target: str = ""

    def __post_init__(self) -> None:
        # A checkpoint gives lists back for tuples.
        object.__setattr__(self, "allowed", tuple(self.allowed))
        object.__setattr__(self, "scores", tuple(self.scores))


@dataclass(frozen=True)
class Sentence:
    """One sentence the robot says. ``source`` is ``story``, ``line`` (authored reply), ``safety`` or ``model``.
    ``role`` tells the style apart: a story is told, a reply is talk, a question is asked, fixed words stay as they are.

    ``gesture`` names an entry of hardware/gestures.toml, or is empty. ``refused`` counts the sentences the guard
    refused before this one took their place. ``plain`` is the text before style changed it, "" if it did not.
    """

    text: str
    language: Language
    gesture: str = ""
    source: Source = "line"
    role: Role = "talk"
    refused: int = 0
    plain: str = ""


@dataclass(frozen=True)
class Reply:
    """What the robot says in one turn, sentence by sentence."""

    sentences: tuple[Sentence, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentences", tuple(self.sentences))

    @property
    def text(self) -> str:
        return " ".join(sentence.text for sentence in self.sentences)


PendingKind = Literal["assent", "prior", "prompt", "choice", "repeat", "recall", "role"]
Phase = Literal["greeting", "prior", "story", "recall", "closed"]
Ending = Literal["", "finished", "stopped", "declined", "time", "turns", "handoff", "left"]


@dataclass(frozen=True)
class Pending:
    """The question that is open: asked, and not answered yet.

    ``attempts`` counts answers that were not right, ``silences`` and ``unclear`` turns without an answer. ``rung`` is the last
    hint given; ``probed`` that a why-question followed a partial answer, ``thought`` that the robot thought aloud,
    ``told`` that the answer was explained and asked back.
    """

    kind: PendingKind
    ask: str
    beat: str = ""
    prompt: str = ""
    attempts: int = 0
    silences: int = 0
    unclear: int = 0
    rung: int = 0
    probed: bool = False
    thought: bool = False
    told: bool = False

    @property
    def about(self) -> str:
        """``kind:beat/prompt``, the same for every attempt at one question."""
        return f"{self.kind}:{self.beat}/{self.prompt}"


@dataclass(frozen=True)
class Progress:
    """How far a session is: all that a resumed session needs, bounded in size however long the session runs.

    ``asked`` are prompt ids of the present beat, ``right`` how many of them were answered; ``crowds``, ``strategies`` and
    ``verdicts`` the most recent ones, oldest first; ``types`` how often each CROWD type was asked; ``questions`` and
    ``implicit`` count the story questions asked; ``knowledge`` maps a concept to the probability that it is known;
    ``used`` fingerprints of sentences heard; ``silent`` counts questions in a row that ended in silence;
    ``words`` are the new words the child has met.
    """

    language: Language
    phase: Phase = "greeting"
    beat: str = ""
    told: bool = False
    asked: tuple[str, ...] = ()
    right: int = 0
    choice: str = ""
    pending: Pending | None = None
    crowds: tuple[Crowd, ...] = ()
    strategies: tuple[StrategyId, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    types: dict[str, int] = field(default_factory=dict)
    questions: int = 0
    implicit: int = 0
    knowledge: dict[str, float] = field(default_factory=dict)
    used: tuple[int, ...] = ()
    silent: int = 0
    words: tuple[str, ...] = ()
    turns: int = 0
    beats_told: int = 0
    ending: Ending = ""

    def __post_init__(self) -> None:
        for name in ("asked", "crowds", "strategies", "verdicts", "used", "words"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
