"""Personal data in what a child says: found by what announces it, and taken out before anything is kept.

Names, places and schools are found after their cues ("my name is", "my sister", "I live in") and by a list of first names;
numbers, mails, addresses and dates by their shape. A language model would find more and would need a network or a
gigabyte; what must not be missed here is what a child says about itself.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.safety.lexicon import Personal, lexicon
from agent.safety.patterns import fold_word
from agent.turn import LANGUAGES, Language

Kind = Literal["NAME", "PLACE", "PHONE", "MAIL", "SCHOOL", "BIRTHDAY", "ADDRESS", "URL", "PERSONAL"]

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BETWEEN = re.compile(r"[\s,:\"“„«»'’]*")
_BLANK = re.compile(r"[ \t\u00a0\u202f]+|['’](?=[A-ZÀ-Ý])")
_URL = re.compile(r"https?://\S+|www\.\S+|\b[\w-]+\.(?:com|org|net|de|fr|be|eu|co\.uk|uk|io|ch|at|tv|app)\b(?:/\S*)?", re.I)
_MAIL = re.compile(r"[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)*")
_NUMERALS = re.compile(r"(?<![\w.,])(?:\+\s?|\(\s?)?\d(?:[\s./()-]{0,3}\d){5,}(?![\w])")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:[ .,]\d{3})+$|[1-9]\d*0{5,}$")
_ENDINGS = "com|org|net|de|fr|be|eu|uk|co uk|io|ch"
_PROVIDERS = "gmail|hotmail|yahoo|outlook|gmx|web|icloud|orange|free|skynet|telenet|t-online|laposte|googlemail"
_PARTICLES = frozenset(
    {"von", "van", "de", "der", "den", "el", "al", "di", "da", "le", "la", "du", "des", "mc", "o", "ben", "bin", "zu"}
)
_DAY = re.compile(r"[.!?;\n]")


@dataclass(frozen=True)
class Span:
    """Personal data at ``text[begin:end]``. ``own`` says that the speaker tells it about itself or its nearest."""

    begin: int
    end: int
    kind: Kind
    own: bool


def redact(text: str, language: Language, keep: tuple[str, ...] = ()) -> str:
    """``text`` with personal data replaced by its kind in brackets; names in ``keep`` (the story's) stay."""
    return replace(text, find(text, language, keep))


def replace(text: str, spans: list[Span]) -> str:
    """``text`` with each span (in the order of the text) replaced by its kind in brackets."""
    for span in reversed(spans):
        text = f"{text[: span.begin]}[{span.kind}]{text[span.end :]}"
    return text


def find(text: str, language: Language, keep: tuple[str, ...] = ()) -> list[Span]:
    """Personal data in ``text`` in the order of the text, without overlaps."""
    finder = _finder(language)
    kept = frozenset(fold_word(part, language) for name in keep for part in _WORD.findall(name))
    found: list[Span] = []
    for span in finder.spans(text, kept):
        if span.end > span.begin and all(span.end <= other.begin or span.begin >= other.end for other in found):
            found.append(span)
    return sorted(found, key=lambda span: span.begin)


def is_first_name(word: str, language: Language) -> bool:
    """Whether a word is in a list of first names and means nothing else in ``language``."""
    finder = _finder(language)
    folded = fold_word(word, language)
    return folded in finder.first_names and folded not in finder.other


@lru_cache(maxsize=len(LANGUAGES))
def _finder(language: Language) -> _Finder:
    return _Finder(language)


def _cue(cues: Iterable[str]) -> re.Pattern[str]:
    """Any of some cues, longest first: a blank is any white space, an apostrophe any apostrophe or none."""
    ordered = sorted(cues, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(_flexible(cue) for cue in ordered)})(?![\w])", re.I)


def _flexible(cue: str) -> str:
    return cue.replace(" ?", r"\s*").replace(" ", r"\s+").replace("'", "['’ ]?")


class _Finder:
    """The compiled lists of one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        own: Personal = lexicon(language).personal
        self.names = _cue(own.name_cues)
        self.weak = _cue(own.weak_cues)
        relations = "|".join(sorted((_flexible(word) for word in own.relations), key=len, reverse=True))
        possessives = "|".join(own.possessives)
        called = "|".join(sorted((_flexible(word) for word in own.called), key=len, reverse=True))
        whose = rf"(?<!\w)(?:{possessives})\s+(?:[^\W\d_]+\s+){{0,2}}?(?:{relations})"
        self.relation = re.compile(rf"{whose}(?!\w)(?P<is>,?\s*(?:c['’]est|is|est|ist)(?!\w))?", re.I)
        self.called = re.compile(rf"{whose}(?:\w*|['’]s)?(?:\s+[^\W\d_]+){{0,3}}?\s*(?<!\w)(?:{called})(?!\w)", re.I)
        self.titles = re.compile(rf"(?<!\w)(?:{'|'.join(own.titles)})(?!\w)\.?", re.I)
        self.places = _cue(own.place_cues)
        self.phones = _cue(own.phone_cues)
        self.birthdays = _cue(own.birthday_cues)
        self.dates = [re.compile(date, re.I) for date in own.dates]
        self.addresses = [re.compile(address, re.I) for address in own.addresses]
        self.schools = [re.compile(rf"(?<!\w)(?:{school})", re.I) for school in own.schools]
        at, dot = "|".join(own.at), "|".join(own.dot)
        parts = rf"[\w+-]+(?:\s+(?:{dot}|minus|underscore|dash|tiret|bindestrich|unterstrich)\s+[\w-]+)*"
        self.spoken_mail = re.compile(
            rf"{parts}\s+(?:{at})\s+(?!www)(?:[\w-]+(?:\s+(?:{dot})\s+[\w-]+)+|[\w-]+\.\w+|(?:{_PROVIDERS})(?!\w))", re.I
        )
        self.spoken_url = re.compile(rf"(?<!\w)(?:www\s+(?:{dot})\s+)?[\w-]+\s+(?:{dot})\s+(?:{_ENDINGS})(?!\w)", re.I)
        self.digits = {self.fold(word): value for word, value in own.digits.items()}
        self.first_names = frozenset(self.fold(name) for one in LANGUAGES for name in lexicon(one).personal.first_names)
        self.own_names = frozenset(self.fold(name) for name in own.first_names)
        self.fiction = frozenset(self.fold(name) for name in own.fiction)
        proper = frozenset(self.fold(word) for word in lexicon(language).proper)
        self.other = frozenset(self.fold(word) for word in own.not_names) | proper
        self.not_places = frozenset(self.fold(word) for word in own.not_places)
        self.prefixes = frozenset(self.fold(word) for word in own.place_prefixes)
        self.known_places = frozenset(self.fold(word) for word in own.places)
        common = (*lexicon(language).function_words, *lexicon(language).articles)
        self.common = self.other | frozenset(self.fold(word) for word in common)

    def fold(self, word: str) -> str:
        return fold_word(word, self.language)

    def spans(self, text: str, kept: frozenset[str]) -> Iterator[Span]:
        """Everything found, the surest first; the caller drops overlaps."""
        for shape in (_MAIL, self.spoken_mail):
            yield from (Span(*match.span(), "MAIL", True) for match in shape.finditer(text))
        for shape in (_URL, self.spoken_url):
            yield from (Span(*match.span(), "URL", False) for match in shape.finditer(text))
        yield from self._birthdays(text)
        yield from self._phones(text)
        yield from _matched(self.addresses, text, "ADDRESS")
        yield from _matched(self.schools, text, "SCHOOL")
        words = list(_WORD.finditer(text))
        lower = not any(word[0][0].isupper() for word in words[1:]) if words else True
        for find in (self._named, self._called, self._places, self._related, self._titled, self._listed):
            yield from find(text, words, lower, kept)

    def _birthdays(self, text: str) -> Iterator[Span]:
        """Every date in a sentence that speaks of a birthday."""
        for cue in self.birthdays.finditer(text):
            begin = max(
                (
                    end.end()
                    for end in _DAY.finditer(text, 0, cue.start())
                    if not text[end.start() - 1 : end.start()].isdecimal()
                ),
                default=0,
            )
            after = next(
                (end.start() for end in _DAY.finditer(text, cue.end()) if not text[end.start() - 1].isdecimal()), len(text)
            )
            for shape in self.dates:
                yield from (Span(*match.span(), "BIRTHDAY", True) for match in shape.finditer(text, begin, after))

    def _phones(self, text: str) -> Iterator[Span]:
        for match in _NUMERALS.finditer(text):
            groups = re.findall(r"\d+", match[0])
            counted = len(groups) > 3 and _in_order([int(group) for group in groups])
            starts = match[0][0] in "+(0"
            if starts or not (counted or _THOUSANDS.match(match[0]) or len("".join(groups)) < 7):
                yield Span(*match.span(), "PHONE", True)
        for cue in self.phones.finditer(text):
            number = re.compile(r"[\s:,]*(\+?\d[\d\s./-]{2,}\d)").match(text, cue.end())
            if number:
                yield Span(*number.span(1), "PHONE", True)
        tokens = [(match.start(), match.end(), self._value(match[0])) for match in re.finditer(r"\d+|[^\W\d_]+", text)]
        run: list[tuple[int, int, int]] = []
        for begin, end, value in [*tokens, (len(text), len(text), None)]:
            if value is not None and (not run or not re.search(r"[.!?;+*=]", text[run[-1][1] : begin])):
                run.append((begin, end, value))
                continue
            yield from self._spoken(text, run)
            run = [(begin, end, value)] if value is not None else []

    def _spoken(self, text: str, run: list[tuple[int, int, int]]) -> Iterator[Span]:
        if not run or all(text[begin].isdecimal() for begin, _, _ in run):
            return
        announced = any(0 <= run[0][0] - cue.end() <= 12 for cue in self.phones.finditer(text))
        zero = run[0][2] == 0 and len(run) >= 4
        if (announced and len(run) >= 3) or zero or (len(run) >= 7 and not _in_order([value for _, _, value in run])):
            plus = re.search(r"plus\s+$", text[: run[0][0]], re.I)
            yield Span(plus.start() if plus else run[0][0], run[-1][1], "PHONE", True)

    def _value(self, word: str) -> int | None:
        if word.isdecimal():
            return int(word) if len(word) <= 4 else None
        folded = self.fold(word)
        if folded in self.digits:
            return self.digits[folded]
        units, joint, tens = folded.partition("und")
        return self.digits[tens] + self.digits[units] if joint and units in self.digits and tens in self.digits else None

    def _named(self, text: str, words: list[re.Match[str]], lower: bool, kept: frozenset[str]) -> Iterator[Span]:
        """ "My name is X", and "I'm X" where X is a name."""
        for cue in self.names.finditer(text):
            yield from self._name_after(text, words, cue.end(), lower, kept, True, lambda _: True)
        for cue in self.weak.finditer(text):
            yield from self._name_after(text, words, cue.end(), lower, kept, True, self._weakly)

    def _weakly(self, word: str) -> bool:
        folded = self.fold(word)
        return folded in self.first_names and folded not in self.fiction

    def _called(self, text: str, words: list[re.Match[str]], lower: bool, kept: frozenset[str]) -> Iterator[Span]:
        for cue in self.called.finditer(text):
            yield from self._name_after(text, words, cue.end(), lower, kept, False, lambda _: True)

    def _related(self, text: str, words: list[re.Match[str]], lower: bool, kept: frozenset[str]) -> Iterator[Span]:
        """ "My sister Emma": a listed name, or (where nouns are small) a capitalised word."""

        def plausible(word: str) -> bool:
            return self.fold(word) in self.first_names or (self.language != "de" and word[0].isupper())

        for cue in self.relation.finditer(text):
            yield from self._name_after(text, words, cue.end(), lower, kept, False, plausible)
            if self.language == "de" and not cue["is"]:
                yield from self._german_name(text, words, cue.end(), kept)

    def _german_name(self, text: str, words: list[re.Match[str]], end: int, kept: frozenset[str]) -> Iterator[Span]:
        """In German any noun is capitalised; a name is followed by a verb in place, a comma or the end."""
        place = next((place for place, word in enumerate(words) if word.start() >= end), None)
        if place is None or not _BLANK.fullmatch(text[end : words[place].start()]) or not words[place][0][0].isupper():
            return
        word = words[place]
        following = words[place + 1][0].casefold() if place + 1 < len(words) else ""
        closes = not text[word.end() :].strip(" \t")[:1].isalpha()
        if (following in _GERMAN_VERBS or closes) and self.fold(word[0]) not in self.common | kept:
            yield Span(*word.span(), "NAME", False)

    def _titled(self, text: str, words: list[re.Match[str]], lower: bool, kept: frozenset[str]) -> Iterator[Span]:
        """ "Mrs Smith", but not "Mr Fox", and in small letters only where nothing is capitalised."""

        def plausible(word: str) -> bool:
            folded = self.fold(word)
            return folded not in self.fiction and folded not in self.common and (word[0].isupper() or lower)

        for title in self.titles.finditer(text):
            if text[: title.start()].casefold().rstrip().endswith(_DETERMINERS):
                continue
            yield from self._name_after(text, words, title.end(), lower, kept, False, plausible)

    def _listed(self, text: str, words: list[re.Match[str]], lower: bool, kept: frozenset[str]) -> Iterator[Span]:
        """First names without a cue, if they mean nothing else and are no fairy tale's."""
        for word in words:
            folded = self.fold(word[0])
            parts = folded.split("-")
            listed = folded in self.first_names or (len(parts) > 1 and all(part in self.first_names for part in parts))
            plain = word[0][0].isupper() or (len(folded) > 3 and folded in self.own_names)
            if listed and plain and folded not in self.common and folded not in self.fiction and folded not in kept:
                yield Span(*word.span(), "NAME", False)

    def _name_after(
        self,
        text: str,
        words: list[re.Match[str]],
        end: int,
        lower: bool,
        kept: frozenset[str],
        own: bool,
        first: Callable[[str], bool],
    ) -> Iterator[Span]:
        """The name that follows at ``end``: a word that ``first`` accepts, and the further names behind it."""
        place = next((place for place, word in enumerate(words) if word.start() >= end), None)
        if place is None or not _BETWEEN.fullmatch(text[end : words[place].start()]):
            return
        if self.language == "de" and words[place][0].casefold() in ("der", "die", "das") and place + 1 < len(words):
            place += 1
        chosen = [words[place]]
        if not first(chosen[0][0]) or self._means_else(chosen[0][0], text, words):
            return
        for word in words[place + 1 : place + 4]:
            if not _BLANK.fullmatch(text[chosen[-1].end() : word.start()]) or not self._continues(text, words, word, lower):
                break
            chosen.append(word)
        while len(chosen) > 1 and chosen[-1][0] in _PARTICLES:
            chosen.pop()
        if not all(self.fold(part) in kept for word in chosen for part in word[0].split("-")):
            yield Span(chosen[0].start(), chosen[-1].end(), "NAME", own)

    def _means_else(self, word: str, text: str, words: list[re.Match[str]]) -> bool:
        """ "My name is not long" names nobody, but "je m'appelle Rose" does."""
        folded = self.fold(word)
        shouted = text.isupper() or len(words) < 2
        capital = word[0].isupper() and not shouted and folded in self.first_names
        return folded in self.other and folded not in self.own_names and not capital

    def _continues(self, text: str, words: list[re.Match[str]], word: re.Match[str], lower: bool) -> bool:
        """Whether a word belongs to the name before it."""
        folded = self.fold(word[0])
        if folded in _PARTICLES and word[0].islower():
            return any(later.start() == word.end() + 1 and later[0][0].isupper() for later in words)
        if folded in self.common:
            return False
        if word[0][0].isupper():
            return True
        ends = re.match(r"\s*(?:$|[,.!?;]|(?:and|et|und)\b)", text[word.end() :]) is not None
        return (lower and ends) or len(word[0]) == 1

    def _places(self, text: str, words: list[re.Match[str]], lower: bool, kept: frozenset[str]) -> Iterator[Span]:
        """ "I live in X"; an article before it only with a place that is known to have one."""
        for cue in self.places.finditer(text):
            place = next((place for place, word in enumerate(words) if word.start() >= cue.end()), None)
            if place is None or not _BLANK.fullmatch(text[cue.end() : words[place].start()]):
                continue
            chosen = [words[place]]
            if self.fold(chosen[0][0]) in self.not_places | self.prefixes and place + 1 < len(words):
                following = words[place + 1]
                known = self.fold(following[0]) in self.known_places
                prefix = self.fold(chosen[0][0]) in self.prefixes and self.fold(following[0]) not in self.not_places
                if not (known or (prefix and (following[0][0].isupper() or chosen[0][0].casefold() not in _ARTICLES))):
                    continue
                chosen.append(following)
            if self.fold(chosen[-1][0]) in self.not_places | kept or self._is_verb(chosen[0][0]):
                continue
            following_words = words[words.index(chosen[-1]) + 1 :][:3]
            for word in following_words:
                gap = text[chosen[-1].end() : word.start()]
                joins = self.fold(word[0]) in _PLACE_JOINTS and word.end() < len(text)
                if (
                    not _BLANK.fullmatch(gap)
                    or not (word[0][0].isupper() or joins)
                    or self.fold(word[0]) in self.common - _PLACE_JOINTS
                ):
                    break
                chosen.append(word)
            while chosen[-1][0] in _PLACE_JOINTS:
                chosen.pop()
            if len(chosen) > 1 and chosen[0][0] in _ARTICLES:
                chosen.pop(0)
            yield Span(chosen[0].start(), chosen[-1].end(), "PLACE", True)

    def _is_verb(self, word: str) -> bool:
        """ "Je viens de manger" names no place."""
        return self.language == "fr" and word.islower() and word.endswith(("er", "ir", "re", "oir"))


_GERMAN_VERBS = frozenset(
    {
        "ist",
        "hat",
        "sagt",
        "sagte",
        "mag",
        "kann",
        "wohnt",
        "spielt",
        "geht",
        "kommt",
        "war",
        "und",
        "heißt",
        "will",
        "liest",
        "findet",
        "schreit",
        "lacht",
        "singt",
        "hilft",
    }
)
_DETERMINERS = (" eine", " die", " der", " ein", " a", " the", " une", " la", " diese", " alte", " junge", " arme")
_ARTICLES = frozenset({"the", "la", "le", "les", "die", "der", "den", "das", "dem"})
_PLACE_JOINTS = frozenset({"am", "an", "der", "sur", "sous", "en", "les", "upon", "de", "la", "im", "bei", "ob"})


def _in_order(values: list[int]) -> bool:
    """Whether numbers only rise or only fall: counting, not a telephone."""
    steps = [after - before for before, after in itertools.pairwise(values)]
    return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)


def _matched(shapes: list[re.Pattern[str]], text: str, kind: Kind) -> Iterator[Span]:
    for shape in shapes:
        for match in shape.finditer(text):
            yield Span(*(match.span("it") if "it" in shape.groupindex else match.span()), kind, True)
