"""Which language a child speaks in this turn: English, French, German, or one that is none of ours.

Three witnesses: py3langid's naive Bayes model over letter sequences, the words of our own lexica, and the session's
language as a prior. One or two words never switch the language unless they are unmistakable; a whole sentence does.
"""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agent.turn import LANGUAGES, Language
from agent.understanding.lexicon import foreign, manner
from agent.understanding.normalise import fold, folded_words, is_break, tokens
from agent.understanding.vocabulary import ARTICLES, is_known

# The languages spoken most in the classes this is made for, and those a short sentence is easily mistaken for.
_CANDIDATES = (
    *LANGUAGES,
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "tr",
    "ar",
    "ro",
    "sq",
    "hr",
    "bs",
    "sr",
    "sv",
    "da",
    "no",
    "hu",
    "cs",
    "sk",
    "ru",
    "uk",
    "bg",
    "el",
    "fa",
    "ur",
    "hi",
    "ku",
    "vi",
    "so",
    "zh",
    "ja",
    "ko",
    "fi",
    "ca",
    "he",
    "ta",
    "th",
    "sl",
    "lt",
)
_PRIOR = 2.0  # advantage of the session's language, in the units of the scores below
_WORD = 4.0  # what a share of 1.0 of known words is worth
_FOREIGN = 2.5  # how much better a fourth language must be than the best of ours when none of its small words was heard
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzàâäæçéèêëîïôœöùûüÿß")
_lock = threading.Lock()


@dataclass(frozen=True)
class Heard:
    """``language`` is the prior when a fourth language (``foreign``) was spoken. ``borrowed``: single words came from
    another of our languages. ``confidence`` is 0 to 1, how surely it is ``language`` among the three."""

    language: Language
    foreign: bool
    borrowed: bool
    confidence: float


@lru_cache(maxsize=1)
def _load() -> Any:
    """py3langid's model with only the candidate languages: a quarter of its memory. Takes 0.7 s.

    None where it cannot be loaded: it unpacks itself into the temporary folder, which may be full. Words alone then decide.
    """
    import numpy as np
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    try:
        whole = LanguageIdentifier.from_model_file(MODEL_FILE)
    except (OSError, MemoryError):
        return None
    keep = [index for index, name in enumerate(whole.nb_classes) if name in _CANDIDATES]
    return LanguageIdentifier(
        np.ascontiguousarray(whole.nb_ptc[:, keep]),
        whole.nb_pc[keep],
        [whole.nb_classes[index] for index in keep],
        whole.tk_nextmove,
        whole.tk_output,
        tk_row=whole.tk_row,
    )


def _model() -> Any:
    with _lock:
        return _load()


def warm() -> None:
    """Load the model now (about 0.7 s), for a thread that runs while the robot says hello."""
    _model()


def _letters(text: str) -> dict[str, float]:
    """Log-likelihoods by language, flattened by the text's length so that short texts decide little."""
    model = _model()
    if model is None:
        return {}
    scores = dict(model.rank(text))
    scale = 1.0 / math.sqrt(max(1, len(text.encode())))
    return {name: score * scale for name, score in scores.items()}


@lru_cache(maxsize=1)
def _only_foreign() -> frozenset[str]:
    """The listed words of fourth languages that none of ours has, accents counting."""
    listed = {unicodedata.normalize("NFC", word) for words in foreign().values() for word in words}
    ours = {word for language in LANGUAGES for name in ("function", "fillers") for word in getattr(manner(language), name)}
    accented = {word for word in listed if not word.isascii() and word not in ours}
    return frozenset(accented | {word for word in listed if not any(is_known(word, language) for language in LANGUAGES)})


def _other_script(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    strange = [letter for letter in letters if not unicodedata.name(letter, "LATIN").startswith("LATIN")]
    return len(strange) >= 2 and len(strange) > len(letters) / 2


def _shares(words: Sequence[str]) -> dict[Language, float]:
    """For each language the share of the words its lexicon knows; small words count once more when only one knows them."""
    found: dict[Language, float] = {}
    for language in LANGUAGES:
        small = folded_words(language, "function")
        score = 0.0
        for word in words:
            if not is_known(word, language) or word in _only_foreign():
                continue
            rivals = sum(is_known(word, other) for other in LANGUAGES if other != language)
            score += 1.0 / (1 + rivals) if rivals else 1.25 if fold(word, language) in small else 1.0
        found[language] = min(1.0, score / len(words))
    return found


@lru_cache(maxsize=2_000)
def hear(text: str, prior: Language) -> Heard:
    """The language of one utterance; ``prior`` is the session's."""
    if _other_script(text):
        return Heard(prior, True, False, 0.0)
    spoken = unicodedata.normalize("NFC", text).lower().replace("’", "'")
    words = [token for token in tokens(spoken, "en") if not is_break(token) and not token.isdigit()]
    pieces = [token for token in tokens(spoken, "fr") if not is_break(token) and not token.isdigit()]
    words = [word for word in words if not any(word in folded_words(language, "fillers") for language in LANGUAGES)]
    if not words:
        return Heard(prior, False, False, 0.5)
    shares = {language: _shares(pieces if language == "fr" else words)[language] for language in LANGUAGES}
    letters = _letters(" ".join(pieces if "'" in spoken else words)) if len(words) >= 2 else {}
    scores = {
        language: letters.get(language, 0.0) + _WORD * shares[language] + (_PRIOR if language == prior else 0.0)
        for language in LANGUAGES
    }
    best = max(LANGUAGES, key=lambda language: scores[language])
    is_foreign = _is_foreign(spoken, letters, shares)
    if is_foreign:
        return Heard(prior, True, False, 0.0)
    if best != prior and not _switches(words, shares, best, prior):
        best = prior
    borrowed = _borrows(pieces if best == "fr" else words, best)
    top = sorted(scores.values())
    return Heard(best, False, borrowed, round(1 / (1 + math.exp(-(top[-1] - top[-2]))), 3))


def _switches(words: Sequence[str], shares: dict[Language, float], best: Language, prior: Language) -> bool:
    """A switch needs three words, or words that the session's language does not have at all."""
    if len(words) >= 3:
        return shares[best] > shares[prior]
    small = folded_words(best, "function")
    own = [word for word in words if fold(word, best) in small - ARTICLES and not is_known(word, prior)]
    return len(words) == 2 and len(own) >= 1 and shares[best] >= 0.9 and shares[prior] == 0.0


def _borrows(words: Sequence[str], language: Language) -> bool:
    others = [other for other in LANGUAGES if other != language]
    return any(
        len(word) > 2 and not is_known(word, language) and any(is_known(word, other) for other in others) for word in words
    )


def _is_foreign(spoken: str, letters: dict[str, float], shares: dict[Language, float]) -> bool:
    """A fourth language shows in its own small words, in letters that ours do not have, or in the model's judgement."""
    natural = re.findall(r"[^\W\d_]+", spoken)
    ours = max(shares.values())
    only = sum(word in _only_foreign() for word in natural) / len(natural) if natural else 0.0
    if not natural or ours >= 0.75:
        return False
    if len(natural) == 1:
        return only == 1.0 and len(natural[0]) >= 5
    listed = {name: sum(word in words for word in natural) / len(natural) for name, words in foreign().items()}
    most = max(listed.values())
    if only >= 0.2 and most >= 0.5 and most > ours + 0.1:
        return True
    if ours < 0.5 and sum(bool(set(word) - _ALPHABET) for word in natural) >= max(1, len(natural) // 4):
        return True
    if len(natural) < 3 or not letters or ours >= 0.5:
        return False
    best_ours = max(letters[language] for language in LANGUAGES) + _WORD * ours
    other = max(score + _WORD * listed.get(name, 0.0) for name, score in letters.items() if name not in LANGUAGES)
    return other > best_ours + _FOREIGN * max(0.0, 1.0 - 2 * only)
