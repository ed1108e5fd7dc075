"""Personal data in a child's own words: what the cues of ``agent.safety.privacy`` announce, and what a trained tagger sees.

The cues are exact and say what kind of data it is; they need an announcement ("my name is"). Children rarely announce: half
of what they let out is found by the tagger alone.
"""

from __future__ import annotations

from collections.abc import Collection

from agent.classifiers.tagger import WORD, tagger
from agent.language import hear
from agent.safety import privacy
from agent.safety.lexicon import lexicon
from agent.safety.patterns import fold_word
from agent.safety.privacy import Span
from agent.turn import Language
from agent.understanding.numerals import is_numeral

_FEW = 3  # numbers in a row that may still be an answer: a telephone number or a code has more


def find(text: str, language: Language, names: tuple[str, ...] = (), answers: Collection[str] = ()) -> list[Span]:
    """Personal data in the order of the text. ``names`` are the story's; ``answers`` hold words that a question asks for."""
    found = privacy.find(text, language, names)
    proper = lexicon(language).proper  # weekdays, languages: written like names, and nobody's
    spared = {fold_word(word, language) for known in (*names, *answers, *proper) for word in WORD.findall(known)}
    heard = hear(text, language)
    if heard.foreign:  # every word of a language that the tagger does not know would look like a name
        return found
    tagged = tagger(heard.language).personal(text, lambda word: privacy.is_first_name(word, heard.language))
    for begin, end in tagged:
        words = WORD.findall(text[begin:end])
        covered = any(begin < span.end and span.begin < end for span in found)
        placeholder = text[max(0, begin - 1) : begin] == "["
        if covered or placeholder or _counted(words, language) or {fold_word(word, language) for word in words} <= spared:
            continue
        found.append(Span(begin, end, "PERSONAL", False))
    return sorted(found, key=lambda span: span.begin)


def redact(text: str, language: Language, names: tuple[str, ...] = (), answers: Collection[str] = ()) -> str:
    """``text`` with each stretch of personal data replaced by its kind in brackets."""
    return privacy.replace(text, find(text, language, names, answers))


def _counted(words: list[str], language: Language) -> bool:
    """A number or two, and nothing else."""
    short = [word for word in words if (word.isdigit() and len(word) < 5) or is_numeral(word.lower(), language)]
    return len(words) <= _FEW and len(short) == len(words)
