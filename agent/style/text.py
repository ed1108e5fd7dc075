"""The mechanics of a sentence: typography, quotations set aside, sentence ends, tokens. No words of any language here."""

from __future__ import annotations

import re

from agent.turn import Language

NARROW = "\u202f"  # the space before ? ! ; in French
_TOKEN = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*|\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"“[^”]*”|„[^“”]*[“”]|«[^»]*»|»[^«]*«|\"[^\"]*\"|‘[^’]*’(?!\w)|‚[^‘’]*[‘’]|‹[^›]*›")
_SET_ASIDE = range(0xE000, 0xE100)  # private use: stands for a quotation
_PLACE = re.compile(r"[\ue000-\ue0ff]")
# No mark ends a sentence before a small letter: "Hm… the snail", "— Viens ! dit-elle" and "am 3. tag" are one each.
_END = re.compile(r"(?:[.!?]+[\ue000-\ue0ff)\]]*|…+[!?]*)(?=\s|$)")


def plain(text: str) -> str:
    """Lower case, straight apostrophes, ordinary spaces: the form in which words are compared. Keeps the length."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in text)
    return lowered.replace("’", "'").replace(NARROW, " ").replace("\u00a0", " ")


def tokens(text: str) -> list[str]:
    """The words and numbers of a text, lower case; an apostrophe separates ("l'eau" is two tokens)."""
    return _TOKEN.findall(plain(text))


def count_words(text: str) -> int:
    """Words as the readability limits count them: an elision is part of its word."""
    return len(_WORD.findall(text))


def typography(text: str, language: Language) -> str:
    """White space, the ellipsis sign, and in French the narrow space before ? ! and ; (quotations are left alone)."""
    bare, quotations = set_aside(text)
    bare = re.sub(r"[ \t\r\n]+", " ", bare).strip()
    bare = bare.replace("...", "…")
    if language == "fr":
        bare = re.sub(r"(?<=[^\s?!;(])\s*([?!]+|;)", NARROW + r"\1", bare)
    return put_back(bare, quotations)


def set_aside(text: str) -> tuple[str, list[str]]:
    """Replace each quotation by one private sign, so that nothing inside it can be changed."""
    text = _PLACE.sub("", text)
    quotations: list[str] = []

    def keep(match: re.Match[str]) -> str:
        if len(quotations) == len(_SET_ASIDE):
            return match[0]
        quotations.append(match[0])
        return chr(_SET_ASIDE[len(quotations) - 1])

    return _QUOTED.sub(keep, text), quotations


def put_back(text: str, quotations: list[str]) -> str:
    """Undo :func:`set_aside`."""
    return _PLACE.sub(lambda match: quotations[ord(match[0]) - _SET_ASIDE[0]], text)


def split(text: str) -> list[str]:
    """The sentences of a text. A mark before a small letter does not end one, nor does one inside quotation marks."""
    bare, quotations = set_aside(text)
    return [put_back(sentence, quotations) for sentence in split_bare(bare)]


def split_bare(bare: str) -> list[str]:
    """:func:`split` for a text whose quotations are set aside already."""
    found, start = [], 0
    for end in _END.finditer(bare):
        rest = bare[end.end() :].lstrip()
        if rest[:1].islower():
            continue
        found.append(bare[start : end.end()].strip())
        start = end.end()
    if rest := bare[start:].strip():
        found.append(rest)
    return [sentence for sentence in found if sentence]


def cut_end(sentence: str) -> tuple[str, str]:
    """A sentence and its final mark with the space before it: ``"Quoi ?"`` → ``("Quoi", " ?")``."""
    match = re.search(r"[\s\u202f]*[.!?…]+$", sentence)
    return (sentence[: match.start()], match[0]) if match else (sentence, "")


def capitalised(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
