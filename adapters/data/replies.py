"""The reply to a turn: what the authored draft says, with the richer lines, in the manner of the level, checked by the guard.

The prompt is the one that :class:`agent.storyteller.Storyteller` makes, with four differences that serving has to share (see
DATASHEET.md, "What the prompt adds"): the material is in the level's style already, ``question`` is always the open question
of the story, ``words`` are the new words and ``close`` says how the reply ends.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import lru_cache

from adapters.data.faults import fault_of, note, sentence_fault_of
from adapters.data.moments import Moment
from adapters.data.phrases import Phrases
from adapters.data.slots import slot
from adapters.data.turns import Heard
from agent.asking import prompt_of
from agent.clock import VirtualClock
from agent.guard import Contract
from agent.models.authored import Authored
from agent.personality import Profile, load
from agent.ports import Prompt
from agent.prompts import RESPONSE, joined, render, split
from agent.readability import LIMITS, sentences
from agent.replies import Author, Draft
from agent.safety.story_facts import revealed
from agent.story import split_mark
from agent.storyteller import Request, Storyteller
from agent.strategist import Setting
from agent.style.styling import Stylist
from agent.turn import Band, Language

NOT_YET_SAID = ("SCAFFOLD_HINT", "SOCRATIC_PROBE", "MODEL_THINKALOUD")  # these must not reveal the answer
TAKING_UP = {"yes_right": "word", "yes_open": "word", "partly": "partly_idea", "not_yet": "not_word"}
MAY_GO = ("hint", "think", "tell_you", "good_question", "back", "no_matter")  # announcements: a reply is whole without them
# What a reply is made of comes before what it must not say.
ORDER: tuple[str, ...] = (
    *("language", "age", "story", "strategy", "rung", "level", "verdict", "child_word", "praise", "correction", "material"),
    *("words", "close", "question", "accepted", "names"),
)
_STYLIST = Stylist()


@dataclass(frozen=True)
class Turn:
    """One training turn: the prompt, the reply in words, and the reply with slots."""

    prompt: Prompt
    plain: str
    slotted: str
    keys: tuple[str, ...]


def without_answer(heard: Heard) -> Heard:
    """The turn with no word of the child's to take up where that word would give the answer away."""
    pending, word = heard.progress.pending, heard.judgement.child_word
    prompt = prompt_of(heard.story, pending) if pending else None
    if not word or prompt is None or prompt.shape.answer != "closed" or heard.strategy.id not in NOT_YET_SAID:
        return heard
    if not revealed(f"“{word}”", heard.story.language, prompt.words.accepted):
        return heard
    return replace(heard, judgement=replace(heard.judgement, child_word=""))


def prompted(made: Prompt, heard: Heard, draft: Draft) -> Prompt:
    """The prompt with what the storyteller does not tell a model yet."""
    facts = dict(made.facts)
    said, material = facts.pop("child"), split(facts["material"])
    first = draft.material[0] if draft.material else ""
    turned = first if first in misconception_replies(heard) else ""
    facts["material"] = joined(material[1:] if turned else material)
    facts["correction"] = material[0] if turned else ""
    facts["words"] = joined(draft.taught)
    facts["close"] = closing(heard, draft)
    order = [name for name in ORDER if name in facts] + [name for name in facts if name not in ORDER]
    return render(RESPONSE, {name: facts[name] for name in order}, made.messages[0].content.partition("\n")[2], said)


def misconception_replies(of: Heard | Request) -> tuple[str, ...]:
    """What turns the misconceptions of the open question."""
    pending = of.progress.pending
    prompt = prompt_of(of.story, pending) if pending else None
    return tuple(split_mark(idea.reply)[1] for idea in prompt.words.misconceptions) if prompt else ()


@lru_cache(maxsize=9)
def profile(level: int) -> Profile:
    return load(str(level))


def closing(heard: Heard, draft: Draft) -> str:
    """How the reply ends: ``repeat`` the new words together, name the ``new word``, ``invite`` an answer, ``ask again``,
    ``material`` (its last sentence asks), or ``none``."""
    if heard.strategy.id == "RECAST_EXPAND":
        return "repeat" if draft.asks else "new word" if _names_new_word(draft) else "none"
    if not draft.asks:
        return "none"
    if heard.strategy.id in ("BRING_BACK", "ANSWER_QUESTION"):
        return "ask again"
    return "material" if draft.material and draft.material[-1].endswith(("?", "…")) else "invite"


def _names_new_word(draft: Draft) -> bool:
    """Whether there was room to name the new word."""
    lines = [sentence.text for sentence in draft.sentences if sentence.source == "line"]
    return bool(draft.taught and lines and draft.taught[0] in lines[-1])


def compose(moment: Moment, heard: Heard, level: int, seed: int, refused: dict[str, int] | None = None) -> Turn | None:
    """The turn at a level, or None if no reply passed the guard. ``refused`` counts the reasons."""
    setting = Setting(moment.band, moment.second)
    storyteller = Storyteller(Authored(), setting, VirtualClock(), seed, "", lambda text, why: None)
    heard = without_answer(heard)
    request = Request(
        heard.story, heard.progress, heard.strategy, heard.judgement, heard.utterance, profile(level), heard.facts
    )
    draft = storyteller.draft(request)
    contract = storyteller.contract
    assert contract is not None
    material = tuple(styled(text, heard.story.language, moment.band, level) for text in draft.material)
    kept = tuple(
        new if not _spoilt(old, new, draft, contract) else old for old, new in zip(draft.material, material, strict=True)
    )
    prompt = prompted(storyteller.prompt(request, replace(draft, material=kept, question="")), heard, draft)
    # In serving, the draft's own lines may be said as they stand; a model writes others, which have to pass without that.
    strict = replace(contract, allowed=" ".join((*draft.material, *kept, prompt.facts["question"])))
    if any(sentence_fault_of(piece, strict) for text in kept for piece in sentences(text)):
        note(refused, "the material itself")
        return None
    for attempt in range(4):
        rng = random.Random(f"{seed}/{level}/{heard.story.language}/{attempt}")
        text, keys = _written(request, setting, dict(zip(draft.material, kept, strict=True)), rng)
        fault = _astray(prompt, keys) or fault_of(text, strict)
        if not fault:
            return Turn(prompt, text, slot(text, prompt.facts), keys)
        note(refused, fault)
    return None


def _astray(prompt: Prompt, keys: tuple[str, ...]) -> str:
    """Why a reply does not end as its prompt says, or ""."""
    close = prompt.facts["close"]
    if prompt.facts["strategy"] == "RECAST_EXPAND" and ("new_word" in keys) != (close == "new word"):
        return "names the new word where it should not, or not where it should"
    return ""


def _written(request: Request, setting: Setting, manner: dict[str, str], rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """The draft's sentences out of the richer bank, and the keys of its lines."""
    phrases = Phrases(rng)
    author = Author(request.story, request.progress, request.profile.bank, setting, phrases)  # type: ignore[arg-type]
    draft = author.compose(request.strategy, request.judgement, facts=request.facts)
    level, language = request.profile.level, request.story.language
    said, keys = [], []
    plain = " ".join(sentence.text for sentence in draft.sentences if sentence.source == "line")
    turned = any(sentence.text in misconception_replies(request) for sentence in draft.sentences)
    word = request.judgement.child_word if request.judgement and not turned else ""
    shorter = rng.random() < 0.35
    for place, sentence in enumerate(draft.sentences):
        key = phrases.keys.get(sentence.text, "")
        if sentence.source == "story":
            said.append(manner.get(sentence.text, sentence.text))
            continue
        if shorter and key in MAY_GO and len(draft.sentences) > 2 and not (key == "no_matter" and place and said):
            continue
        line = sentence.text
        if key in TAKING_UP and word and f"{word}" not in plain and rng.random() < 0.85:
            key = TAKING_UP[key]  # there was no room for both: the child's own word says more
            line = phrases.pick(key, language, request.profile.bank, word=word)
            word = ""
        if level != 5 and sentence.role != "fixed" and key not in ("repeat", "again", "new_word") and rng.random() < 0.5:
            line = styled(line, language, setting.band, level, asks=sentence.role == "ask")
        said.append(line)
        keys.append(key)
    return " ".join(said), tuple(keys)


@lru_cache(maxsize=60_000)
def styled(text: str, language: Language, band: Band, level: int, asks: bool = False) -> str:
    """A sentence in the manner of a level; questions stay as many as they were."""
    role = "ask" if asks else "talk"
    result = _STYLIST.realise(text, language, level, role=role, limit=LIMITS[band].longest_sentence)  # type: ignore[arg-type]
    return result if result.count("?") == text.count("?") else text


def _spoilt(old: str, new: str, draft: Draft, contract: Contract) -> bool:
    """Whether style did harm to a piece of material: a taught word lost, or the guard's veto (see ``Storyteller.finish``)."""
    if new == old:
        return False
    if any(word.lower() in old.lower() and word.lower() not in new.lower() for word in draft.taught):
        return True
    wide = replace(contract, allowed=f"{contract.allowed} {old}")
    return any(sentence_fault_of(piece, wide) for piece in sentences(new))
