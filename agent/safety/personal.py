"""Personal data in a child's own words: what the cues of ``agent.safety.privacy`` announce, and what a trained tagger sees.

The cues are exact and say what kind of data it is; they need an announcement ("my name is"). Children rarely announce: half
of what they let out is found by the tagger alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from agent.classifiers.tagger import WORD, tagger
from agent.language import hear
from agent.safety import privacy
from agent.safety.lexicon import lexicon
from agent.safety.patterns import fold_word
from agent.safety.privacy import Span
from agent.turn import Language
from agent.understanding.numerals import is_numeral

_PLACEHOLDER = re.compile(r"\[[A-Z]+\]")
_FEW = 3  # numbers in a row that may still be an answer: a telephone number or a code has more


def find(text: str, language: Language, names: tuple[str, ...] = (), answers: Collection[str] = ()) -> list[Span]:
    """Personal data in the order of the text. ``names`` are the story's; ``answers`` hold words that a question asks for."""
    # What was taken out stays out; a text with gaps has been through the tagger, which would take the gaps for names.
    hidden = [match.span() for match in _PLACEHOLDER.finditer(text)]
    found = [
        span
        for span in privacy.find(text, language, names)
        if not any(begin - 2 < span.end and span.begin < end + 2 for begin, end in hidden)
    ]
    proper = lexicon(language).proper  # weekdays, languages: written like names, and nobody's
    spared = {fold_word(word, language) for known in (*names, *answers, *proper) for word in WORD.findall(known)}
    heard = hear(text, language)
    if hidden or heard.foreign:  # every word of a language that the tagger does not know would look like a name
        return found
    tagged = tagger(heard.language).personal(text, lambda word: privacy.is_first_name(word, heard.language))
    for begin, end in tagged:
        words = WORD.findall(text[begin:end])
        if _counted(words, language) or {fold_word(word, language) for word in words} <= spared:
            continue
        # Where both saw something, the cues know its kind and the tagger how far it goes ("my name is e m m a").
        met = [span for span in found if begin < span.end and span.begin < end]
        begin, end = min([begin, *(span.begin for span in met)]), max([end, *(span.end for span in met)])
        found = [span for span in found if span not in met]
        found.append(Span(begin, end, met[0].kind if met else "PERSONAL", any(span.own for span in met)))
    return sorted(found, key=lambda span: span.begin)


def redact(text: str, language: Language, names: tuple[str, ...] = (), answers: Collection[str] = ()) -> str:
    """``text`` with each stretch of personal data replaced by its kind in brackets."""
    return privacy.replace(text, find(text, language, names, answers))


def _counted(words: list[str], language: Language) -> bool:
    """A number or two, and nothing else."""
    short = [word for word in words if (word.isdigit() and len(word) < 5) or is_numeral(word.lower(), language)]
    return len(words) <= _FEW and len(short) == len(words)
