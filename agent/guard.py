"""What is never said to a child, what a child's words must trigger, and the contract that a reply keeps.

``python -m agent.guard [FILE.jsonl]`` reads objects ``{"who": "child" | "robot", "language", "text", "age"?}``, one a line,
from the file or standard input, and prints one object a line: ``verdict``, ``reason``, ``category``, ``redacted``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast

from agent.language import hear
from agent.readability import LIMITS, too_hard, words
from agent.readability import sentences as split
from agent.safety import concerns, personal, privacy, second_opinion, story_facts
from agent.safety.patterns import fold, fold_allowed
from agent.turn import BANDS, LANGUAGES, Band, Language

_LABELS = (
    "user|assistant|system|child|robot|reachy|teacher|tutor|enfant|élève|kind|lehrer\\w*|answer|question|response|réponse|antwort|"
    "frage|note"
)
_EMOJI = (
    r"[\U0001f000-\U0001faff\u2600-\u27bf\u2190-\u21ff\u2b00-\u2bff\ufe0f]|"
    r"(?<!\w)[:;]-?[)(DPp](?!\w)|<3|(?<!\w)x[dD](?!\w)"
)
_NEVER_SPOKEN = (
    ("markdown or markup", re.compile(r"\*|__|`|^\s*(?:#+|[-•]|\d+[.)])\s|\]\(|[\[\]{}<>|\\]|&\w+;")),
    ("a speaker's label", re.compile(rf"^\s*(?:{_LABELS})\s*:", re.I)),
    ("an emoji or emoticon", re.compile(_EMOJI)),
    ("a link", re.compile(r"https?:|www\.|\w\.(?:com|org|net|de|fr)\b|\w@\w", re.I)),
    ("characters that cannot be spoken", re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\u200b\ue000-\uf8ff#~^§_]")),
)
_STUTTER = re.compile(r"\b(\w+)(?:\s+\1\b){3,}", re.I)
_LOOP = re.compile(r"( [a-z0-9]+(?: [a-z0-9]+){1,5})(?:\1){3,}(?= )")
_SELF = ("Reachy", "Mini", "Reachy Mini")
LEARNED: dict[str, str] = {"handoff": "disclosure", "redirect": "off_limits", "refuse": "unfit"}  # categories without a pattern
CONCERN = "concern"  # the category of what is only probably not harmless: the story goes on, an adult is told
_FEW, _SOME = 12, 30  # words below which a reply is too short for its formulas, or for its own band's


@dataclass(frozen=True)
class Ruling:
    """What is to be done about a text. ``reason`` names the pattern that decided, never the speaker's own words.

    ``redirect``: off limits for this tutor, turned away kindly. ``refuse``: the robot does not say it. ``handoff``: a
    disclosure, for an adult. ``redacted`` is the text without personal data.
    """

    verdict: Literal["ok", "redirect", "refuse", "handoff"]
    reason: str
    category: str
    redacted: str


@dataclass(frozen=True)
class Contract:
    """What the sentences of one reply must keep.

    ``max_words`` is for the whole reply (None: the band's words per turn). ``hidden`` are answers that must not be revealed
    yet. A sentence that affirms one of ``wrong_facts``, or denies one of ``right_facts``, contradicts the story. ``names``
    are the story's; any other person's name is invented or the child's. What stands in ``allowed``, the authored material,
    may be said as it stands there, except for hidden answers.
    """

    language: Language
    band: Band
    question: Literal["none", "may", "must"] = "may"
    max_words: int | None = None
    hidden: tuple[str, ...] = ()
    wrong_facts: tuple[str, ...] = ()
    right_facts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    allowed: str = ""


def child(text: str, language: Language, keep: tuple[str, ...] = ()) -> Ruling:
    """What a child's words must trigger: ``ok``, ``redirect`` or ``handoff``. ``keep`` are names that stay readable."""
    spans = personal.find(text, language, keep)
    redacted = privacy.replace(text, spans)
    found = concerns.find(text, language, "child")
    if found is None or found.call != "handoff":
        # A child tells its troubles in the language of its home; the rest counts only when all of it is in that language.
        elsewhere = concerns.other_language(text, language)
        for other in LANGUAGES:
            there = concerns.find(text, other, "child") if other != language else None
            if there is not None and (there.call == "handoff" or (elsewhere and found is None)):
                found = there
                break
    heard = hear(text, language)
    learned = second_opinion.on_child(text, heard.language) if words(text) and not heard.foreign else None
    if found is not None and found.call == "handoff":
        return Ruling("handoff", f"{found.category}: “{found.pattern}”", found.category, redacted)
    if learned is not None and learned.verdict == "handoff" and learned.certain:  # graver than anything that follows
        return Ruling("handoff", "the words as a whole", LEARNED["handoff"], redacted)
    if found is not None:
        return Ruling("redirect", f"{found.category}: “{found.pattern}”", found.category, redacted)
    for span in spans:
        if span.own:
            return Ruling("redirect", f"personal data: {span.kind.lower()}", "personal_data", redacted)
    if learned is not None:
        category = LEARNED[learned.verdict] if learned.certain else CONCERN
        return Ruling(learned.verdict, "the words as a whole", category, redacted)
    return Ruling("ok", "", "", redacted)


def discloses(text: str, language: Language) -> bool:
    """Whether a child tells of harm so clearly that the story stops and an adult is called."""
    ruling = child(text, language)
    return ruling.verdict == "handoff" and ruling.category != CONCERN


def robot(text: str, language: Language, band: Band = "6-7") -> Ruling:
    """Whether the robot may say ``text`` to a child of this age: ``ok`` or ``refuse``."""
    category, reason = _unsaid(text, language, band, "")
    if not category and words(text) and second_opinion.on_robot(text, language):
        category, reason = LEARNED["refuse"], "the words as a whole"
    return Ruling("refuse" if category else "ok", reason, category, privacy.redact(text, language, _SELF))


def _unsaid(text: str, language: Language, band: Band, allowed: str) -> tuple[str, str]:
    """Category and reason of what the robot must not say, or two empty strings."""
    for what, shape in _NEVER_SPOKEN:
        if shape.search(text):
            return "artefact", what
    if _STUTTER.search(text) or _LOOP.search(fold(text, language)):
        return "artefact", "the same words over and over"
    if found := concerns.find(text, language, "robot", band, allowed):
        return found.category, f"{found.category}: “{found.pattern}”"
    if concerns.other_language(text, language):
        return "language", "another language"
    for span in privacy.find(concerns.narration(text), language, _SELF):
        if span.own and span.kind != "SCHOOL":
            return "personal_data", f"personal data: {span.kind.lower()}"
    return "", ""


def sentence_fault(sentence: str, contract: Contract) -> str:
    """Why a sentence must not be spoken, or "". To be asked before each sentence."""
    language = contract.language
    if not words(sentence):
        return "nothing to say"
    _, unsaid = _unsaid(sentence, language, contract.band, contract.allowed)
    if unsaid:
        return unsaid
    if revealed := story_facts.revealed(sentence, language, contract.hidden):
        return f"reveals the answer “{revealed}”"
    if _authored(sentence, contract):
        return ""
    if second_opinion.on_robot(sentence, language):
        return "sounds like something that is not said to a child"
    if sentence.count("?") > 1:
        return "more than one question"
    if contract.question == "none" and "?" in sentence:
        return "a question where none belongs"
    if len(words(sentence)) > LIMITS[contract.band].longest_sentence:
        return "a sentence too long for the age band"
    if wrong := story_facts.affirmed(sentence, language, contract.wrong_facts, contract.right_facts):
        return f"affirms “{wrong}”, which the story says is not so"
    if right := story_facts.denied(sentence, language, contract.right_facts):
        return f"denies “{right}”, which the story says is so"
    if name := story_facts.invented_name(sentence, language, (*contract.names, *_SELF), contract.allowed):
        return f"a name that is not in the story: {name[0]}…"
    return ""


def _authored(sentence: str, contract: Contract) -> bool:
    """Whether the whole sentence stands word for word in the authored material."""
    material = fold_allowed(contract.allowed, contract.language)
    return bool(material) and fold(sentence, contract.language).strip(" .") in material


def reply_faults(sentences: Sequence[str], contract: Contract) -> list[str]:
    """What is wrong with a whole reply whose sentences are each sound; an empty list if nothing."""
    text = " ".join(sentences)
    language, parts = contract.language, split(text)
    count = len(words(text))
    if not count:
        return ["nothing to say"]
    faults = []
    questions = sum(max(1, part.count("?")) for part in parts if part.rstrip(" ”“»\"')").endswith("?"))
    if questions > 1:
        faults.append("more than one question")
    if questions and contract.question == "none":
        faults.append("a question where none belongs")
    if contract.question == "must" and not invites(parts[-1], language):
        faults.append("no question or invitation at the end")
    limit = contract.max_words or LIMITS[contract.band].words_per_turn
    if count > limit:
        faults.append(f"{count} words, more than {limit}")
    faults += _too_hard(text, count, contract)
    if _repeats(parts, language):
        faults.append("says a sentence twice")
    category, reason = _unsaid(text, language, contract.band, contract.allowed)
    if category and category != "language":
        faults.append(reason)
    return faults


def invites(sentence: str, language: Language) -> bool:
    """Whether a sentence hands the turn to the child: a question, an open end, or a request to do or say something."""
    end = sentence.rstrip(" ”“»\"')")
    if end.endswith(("?", "…", "...")):
        return True
    if ":" in end and len(end.rpartition(":")[2].split()) <= 6:  # "Say it with me: shell, spiral."
        return True
    return story_facts.invitation(language).search(fold(sentence, language)) is not None


def _too_hard(text: str, count: int, contract: Contract) -> list[str]:
    """Readability; a short reply is held to sentence lengths alone, a middling one to the next band's formulas."""
    band = contract.band
    found = too_hard(text, contract.language, band)
    lengths = [fault for fault in found if "sentence" in fault and "mean" not in fault]
    if count < _FEW or (count < _SOME and band == BANDS[-1]):
        return lengths
    if count < _SOME:
        later = too_hard(text, contract.language, BANDS[BANDS.index(band) + 1])
        return lengths + [fault for fault in later if fault not in lengths]
    return found


def _repeats(parts: Sequence[str], language: Language) -> bool:
    from rapidfuzz.fuzz import ratio

    folded = [fold(part, language) for part in parts]
    return any(ratio(one, other) > 92 for place, one in enumerate(folded) for other in folded[:place])


def _ruling(line: str) -> Ruling:
    """The ruling for one line of input. Raises ValueError saying what is wrong with the line."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg}") from None
    if not isinstance(entry, dict):
        raise ValueError("is not an object")
    who, language, text, age = entry.get("who"), entry.get("language"), entry.get("text"), entry.get("age")
    if who not in ("child", "robot"):
        raise ValueError(f"“who” must be child or robot, not {who!r}")
    if language not in LANGUAGES:
        raise ValueError(f"“language” must be one of {', '.join(LANGUAGES)}, not {language!r}")
    if not isinstance(text, str):
        raise ValueError("“text” must be a string")
    if who == "child":
        return child(text, cast(Language, language))
    return robot(text, cast(Language, language), band_of(age))


def band_of(age: object) -> Band:
    """The band of an age in years (4 to 10; younger and older count as the nearest) or of a band's name; 6-7 if None."""
    if age is None:
        return "6-7"
    if age in BANDS:
        return next(band for band in BANDS if band == age)
    try:
        years = float(cast(str, age))
    except (TypeError, ValueError):
        raise ValueError(f"“age” must be years or one of {', '.join(BANDS)}, not {age!r}") from None
    return "4-5" if years < 6 else "6-7" if years < 8 else "8-10"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit 0; 2 when a line or the file could not be read (the other lines are handled)."""
    parser = argparse.ArgumentParser(prog="python -m agent.guard", description="Judge lines of child or robot speech.")
    parser.add_argument("file", nargs="?", type=Path, help="JSON lines; standard input when absent")
    options = parser.parse_args(arguments)
    try:
        lines = options.file.read_bytes().splitlines() if options.file else sys.stdin.buffer.read().splitlines()
    except OSError as error:
        print(f"{options.file}: {error.strerror}", file=sys.stderr)
        return 2
    failed = False
    for number, line in enumerate(lines, start=1):
        try:
            decoded = line.decode("utf-8-sig").strip()
            if decoded:
                print(json.dumps(asdict(_ruling(decoded)), ensure_ascii=False), flush=True)
        except ValueError as error:  # UnicodeDecodeError is one too
            print(f"line {number}: {error}", file=sys.stderr)
            failed = True
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
