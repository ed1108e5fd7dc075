"""Which unsafe topic a text touches, found with the patterns of ``agent/lexicon_safety/<language>.toml``.

A text is first folded (lower case, no accents, no doubled letters, no fillers, known misspellings put right), so that
what a recogniser mangles or a child misspells still reads the same. A pattern is then words with five signs:

- ``{class}``  any entry of that class of the same file; ``{name}`` is any first name listed there, ``{not}`` any negation
- ``(a|b c)``  one of several; ``(a|b)?`` one of them or nothing
- ``...``      up to five words of the same sentence, none of them a negation
- ``hit*``     any ending
- ``^``        the beginning or the end of a sentence

Stories know killing, poison and fights, so patterns speak of the child, of people around it, or of how something is
done; ``harmless`` patterns ("dying of laughter", "beats me at chess") are taken out of the text before.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.toml_file import FileProblem, read_toml
from agent.turn import BANDS, LANGUAGES, Band, Language

LEXICA = Path(__file__).resolve().parent / "lexicon_safety"
Who = Literal["child", "robot"]
Call = Literal["handoff", "redirect", "refuse"]
Lines = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]

_HIDDEN = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_LIKE_LATIN = str.maketrans("авеёзікмнорстухьѕјԁɡһαβεικνορτυχ’‘`´ʼ", "abee3ikmhopctyxbsjdghabeiknoptyx'''''")
_LEET = str.maketrans("0134578@$", "oieastbas")
_LEET_WORD = re.compile(r"(?<![\w@$])(?=[\w@$]*[a-z])(?=[a-z]*[0-9@$])(?!\d+[a-z]{0,3}\b)[a-z0-9@$]{3,}(?![\w@$])")
_STARRED = re.compile(r"(?<=[a-z])[*#]+(?=[a-z])")
_SPELLED = re.compile(r"(?<![\w'])[a-z](?:[ .\-_]{1,2}[a-z]){2,}(?![\w'])")
_PIECE = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*'?|[.!?…;:\n]+")
_DOUBLED = re.compile(r"([bcdfghj-np-tv-z])\1+|([a-z])\2{2,}")
_TRIPLED = re.compile(r"([a-z])\1{2,}")
_LITERAL = re.compile(r"[^\W_]+(?:['’][^\W_]*)*")
_PART = re.compile(r"\.\.\.|\(|\)\??|[|^$]|\{[a-z_]+\}|[^\s()|{}]+")
_SIGNS = {"(": "(?:", ")": ")", ")?": ")?", "|": "|", "^": r" \.", "$": r" \."}
_CLASS = re.compile(r"\{([a-z_]+)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Topic(_Strict):
    """Something that is not to be talked about: who may not say it, what follows, and how it is said.

    One of the patterns in ``says`` is enough; of ``together``, each list must have one in the same sentence, in any order, and
    none of ``without``. ``bands`` are the age bands it counts for; ``unless`` are harmless for this topic alone. With
    ``quoted = false`` a character of a story may say it: what stands in quotation marks is not looked at.
    """

    category: Annotated[str, Field(min_length=1)]
    who: Literal["child", "robot", "both"]
    call: Call
    bands: tuple[Band, ...] = BANDS
    quoted: bool = True
    says: tuple[str, ...] = ()
    together: tuple[Lines, ...] = ()
    unless: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _finds_something(self) -> Topic:
        if not self.says and not self.together:
            raise ValueError(f"the topic “{self.category}” needs “says” or “together”")
        return self


class Personal(_Strict):
    """What announces personal data; :mod:`agent.privacy` says how each list is used.

    Cues are regular expressions in which a blank stands for any white space and an apostrophe for any apostrophe or none.
    ``addresses``, ``schools`` and ``dates`` are plain ones; the group ``it``, where there is one, is what is personal.
    """

    name_cues: Lines
    weak_cues: Lines
    called: Lines
    possessives: Lines
    relations: Lines
    titles: Lines
    not_names: Lines
    fiction: Lines
    first_names: Lines
    place_cues: Lines
    place_prefixes: Lines
    not_places: Lines
    places: Lines
    phone_cues: Lines
    digits: dict[str, int]
    at: Lines
    dot: Lines
    addresses: Lines
    schools: Lines
    birthday_cues: Lines
    dates: Lines


class Lexicon(_Strict):
    """One language's file. ``function_words`` occur in this language and hardly in the two others."""

    language: Language
    function_words: Lines
    foreign_words: Lines
    negations: Lines
    invitations: Lines
    articles: Lines
    proper: Lines
    fillers: Lines
    spelling: dict[str, str]
    classes: dict[str, Lines]
    harmless: Lines
    topics: tuple[Topic, ...]
    personal: Personal

    @model_validator(mode="after")
    def _patterns_are_readable(self) -> Lexicon:
        """A pattern with a class that is not there, or with a stray bracket, would silently find nothing or too much."""
        patterns = [*self.harmless, *(entry for entries in self.classes.values() for entry in entries)]
        patterns += [pattern for topic in self.topics for pattern in (*topic.says, *topic.unless, *topic.without)]
        patterns += [pattern for topic in self.topics for group in topic.together for pattern in group]
        for pattern in patterns:
            unknown = [name for name in _CLASS.findall(pattern) if name not in ("name", "not", *self.classes)]
            if unknown:
                raise ValueError(f"the pattern “{pattern}” uses the class “{unknown[0]}”, which is not in [classes]")
            if pattern.count("(") != pattern.count(")"):
                raise ValueError(f"the pattern “{pattern}” has a bracket too many or too few")
        return self


@dataclass(frozen=True)
class Found:
    """A topic that was found, and the pattern (or patterns that met) by which it was found."""

    category: str
    call: Call
    pattern: str


@dataclass(frozen=True)
class _Rule:
    topic: Topic
    says: re.Pattern[str] | None
    together: tuple[re.Pattern[str], ...]
    unless: re.Pattern[str] | None
    without: re.Pattern[str] | None


@dataclass(frozen=True)
class _Rules:
    harmless: re.Pattern[str]
    rules: tuple[_Rule, ...]


@lru_cache(maxsize=len(LANGUAGES))
def lexicon(language: Language) -> Lexicon:
    """The lexicon of a language, read once. Raises :class:`FileProblem` naming file and line."""
    path = LEXICA / f"{language}.toml"
    found = read_toml(path, Lexicon)
    if found.language != language:
        raise FileProblem(path, 1, f"language is “{found.language}”, but the file is called {path.name}")
    return found


def fold_word(word: str, language: Language) -> str:
    """One word (or words with apostrophes) as it stands in a folded text, apart from corrected spelling."""
    word = unicodedata.normalize("NFKD", word.casefold().replace("œ", "oe").replace("æ", "ae").replace("’", "'"))
    word = "".join(sign for sign in word if not unicodedata.combining(sign))
    word = word.replace("'", " " if language == "fr" else "")
    if language == "de":
        # Umlauts are written ä, ae or a, by keyboards and by recognisers.
        word = word.replace("ae", "a").replace("oe", "o").replace("ue", "u")
    return " ".join((_DOUBLED if len(part) > 3 else _TRIPLED).sub(_once, part) for part in word.split())


def _once(run: re.Match[str]) -> str:
    return run[0][0]


def fold(text: str, language: Language) -> str:
    """The text as patterns see it: folded words and " . " between sentences, with one blank at either end."""
    text = unicodedata.normalize("NFKC", _HIDDEN.sub("", text)).casefold().translate(_LIKE_LATIN)
    text = text.replace("œ", "oe").replace("æ", "ae")
    text = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    text = _STARRED.sub("", _LEET_WORD.sub(lambda found: found[0].translate(_LEET), text))
    text = _SPELLED.sub(lambda found: re.sub(r"[^a-z]", "", found[0]), text)
    spelling, fillers = _spelling(language)
    words = ["."]
    for piece in _PIECE.findall(text):
        if not piece[0].isalnum():
            words.append(".")
            continue
        for word in fold_word(piece, language).split():
            if word not in fillers:
                words.extend(spelling.get(word, word).split())
    words.append(".")
    kept = [word for place, word in enumerate(words) if place == 0 or word != words[place - 1]]
    folded = f" {' '.join(kept)} "
    for wrong, right in _phrases(language):
        folded = folded.replace(f" {wrong} ", f" {right} ")
    return folded


@lru_cache(maxsize=len(LANGUAGES))
def _phrases(language: Language) -> tuple[tuple[str, str], ...]:
    """The spellings of several words."""
    return tuple((wrong, right) for wrong, right in _spelling(language)[0].items() if " " in wrong)


@lru_cache(maxsize=64)
def fold_allowed(text: str, language: Language) -> str:
    """:func:`fold` for authored material, which is asked for again with every sentence of a turn."""
    return fold(text, language) if text else ""


@lru_cache(maxsize=len(LANGUAGES))
def _spelling(language: Language) -> tuple[dict[str, str], frozenset[str]]:
    entries = lexicon(language)
    spelling = {fold_word(wrong, language): fold_literals(right, language) for wrong, right in entries.spelling.items()}
    return spelling, frozenset(fold_word(word, language) for word in entries.fillers)


def fold_literals(text: str, language: Language) -> str:
    """Fold the words of a pattern and leave its signs."""
    return _LITERAL.sub(lambda found: fold_word(found[0], language), text)


@lru_cache(maxsize=4_000)
def compile_patterns(patterns: tuple[str, ...], language: Language) -> re.Pattern[str]:
    """One expression for all ``patterns``, to be searched in a folded text."""
    return re.compile("|".join(_expression(pattern, language) for pattern in patterns))


@lru_cache(maxsize=10_000)
def _expression(pattern: str, language: Language) -> str:
    """A pattern as a regular expression; every word brings the blank before it, and a blank follows the last."""
    return f"(?:{_inner(pattern, language)})(?= )"


def _inner(pattern: str, language: Language) -> str:
    found = []
    for part in _PART.findall(pattern):
        if part == "...":
            found.append(_gap(language))
        elif part in _SIGNS:
            found.append(_SIGNS[part])
        elif part.startswith("{"):
            found.append(_any_of(part[1:-1], language))
        else:
            folded = fold_literals(part.replace("-", " "), language)
            # Texts have their spelling put right, so patterns too.
            found.append(" " + _spelling(language)[0].get(folded, folded).replace("*", "[a-z0-9]*"))
    return "".join(found)


@lru_cache(maxsize=200)
def _any_of(name: str, language: Language) -> str:
    entries = lexicon(language)
    options = {"name": entries.personal.first_names, "not": entries.negations, **entries.classes}[name]
    return f"(?:{'|'.join(_inner(option, language) for option in options)})"


@lru_cache(maxsize=len(LANGUAGES))
def _gap(language: Language) -> str:
    negation = "|".join(_folded(lexicon(language).negations, language))
    return rf"(?: (?!(?:{negation}) )[a-z0-9_]+){{0,5}}?"


def _folded(words: tuple[str, ...], language: Language) -> list[str]:
    return [fold_word(word, language) for word in words]


@lru_cache(maxsize=2 * len(LANGUAGES))
def _rules(language: Language, who: Who) -> _Rules:
    """The topics that count for a speaker, the gravest first."""
    entries = lexicon(language)
    topics = [topic for topic in entries.topics if topic.who in (who, "both")]
    topics.sort(key=lambda topic: topic.call != "handoff")
    rules = tuple(
        _Rule(
            topic=topic,
            says=compile_patterns(topic.says, language) if topic.says else None,
            together=tuple(compile_patterns(group, language) for group in topic.together),
            unless=compile_patterns(topic.unless, language) if topic.unless else None,
            without=compile_patterns(topic.without, language) if topic.without else None,
        )
        for topic in topics
    )
    return _Rules(compile_patterns(entries.harmless, language), rules)


def find(text: str, language: Language, who: Who, band: Band = "6-7", allowed: str = "") -> Found | None:
    """The gravest topic of a text, or None. What stands word for word in ``allowed`` is not looked at."""
    rules = _rules(language, who)
    plain = rules.harmless.sub(" _", fold(text, language))
    told = narration(text)
    narrated = plain
    if told != text and len(_SPOKEN.findall(told)) > 1:
        narrated = rules.harmless.sub(" _", fold(told, language))
    authored = fold_allowed(allowed, language)
    for rule in rules.rules:
        if band not in rule.topic.bands:
            continue
        looked_at = plain if rule.topic.quoted else narrated
        if rule.unless:
            looked_at = rule.unless.sub(" _", looked_at)
        topic = rule.topic
        for match in rule.says.finditer(looked_at) if rule.says else ():
            if authored and f"{match[0]} " in authored:
                continue
            return Found(topic.category, topic.call, _which(topic.says, match[0], language))
        if rule.together and (found := _together(rule, looked_at, authored, language)):
            return Found(topic.category, topic.call, found)
    return None


def _together(rule: _Rule, looked_at: str, authored: str, language: Language) -> str:
    """The patterns that meet in one sentence, or ""."""
    for sentence in looked_at.split(" ."):
        if not sentence.strip() or (authored and f"{sentence} " in authored):
            continue
        sentence += " "
        matches = [group.search(sentence) for group in rule.together]
        if all(matches) and not (rule.without and rule.without.search(sentence)):
            pairs = zip(rule.topic.together, matches, strict=True)
            return " + ".join(_which(group, match[0], language) for group, match in pairs if match)
    return ""


def _which(patterns: tuple[str, ...], words: str, language: Language) -> str:
    """The pattern, as its author wrote it, that found these words."""
    for pattern in patterns:
        if compile_patterns((pattern,), language).match(words + " "):
            return pattern
    return ""


# Direct speech; a quotation that goes over several sentences has only one of its marks in each.
_SPEECH = re.compile(r"«[^»]*(?:»|$)|„[^“”]*(?:[“”]|$)|“[^”]*(?:”|$)|\"[^\"]*(?:\"|$)|^[^«„“\"]*[»”]")
_QUOTED = re.compile(r"«[^»]{1,40}»|“[^”]{1,40}”|„[^“”]{1,40}[“”]|\"[^\"]{1,40}\"|‘[^’]{1,40}’")
_SPOKEN = re.compile(r"[^\W\d_]+(?:['’](?=[^\W\d_]))?")


def narration(text: str) -> str:
    """A text without its direct speech."""
    return _SPEECH.sub(" ", text)


@lru_cache(maxsize=len(LANGUAGES))
def _evidence(language: Language) -> dict[str, int]:
    """Words that speak for this language (1) or for another one (-1)."""
    own = {word.casefold() for word in lexicon(language).function_words}
    other = {word.casefold() for word in lexicon(language).foreign_words}
    for neighbour in LANGUAGES:
        if neighbour != language:
            other.update(word.casefold() for word in lexicon(neighbour).function_words)
    return {word: 1 for word in own} | {word: -1 for word in other - own}


def other_language(text: str, language: Language) -> bool:
    """Whether a sentence is (mostly) in another language than ``language``, judged by its function words.

    Words in quotation marks may come from anywhere. A single foreign function word is borrowed unless the sentence has
    no word of its own that speaks for ``language``.
    """
    words = [word.casefold().replace("’", "'") for word in _SPOKEN.findall(_QUOTED.sub(" ", text))]
    if not words:
        return False
    if sum(any(sign > "\u024f" for sign in word) for word in words) * 2 > len(words):
        return True
    evidence = _evidence(language)
    votes = [evidence.get(word, evidence.get(word.rstrip("'"), 0)) for word in words]
    own, foreign = votes.count(1), votes.count(-1)
    if foreign == 0:
        return False
    return own == 0 if foreign == 1 else foreign >= own or _longest_run(votes) >= 4


def _longest_run(votes: list[int]) -> int:
    """The longest run of foreign function words that no own function word interrupts."""
    best = here = 0
    for vote in votes:
        here = 0 if vote == 1 else here + (vote == -1)
        best = max(best, here)
    return best
