"""What a screen itself says (who speaks, what became of an answer), in the session's language."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent.toml_file import read_toml
from agent.turn import LANGUAGES, Language, Verdict

FOLDER = Path(__file__).resolve().parents[1] / "words" / "screen"
_GRADED = ("correct", "partial", "wrong", "dont_know")


class ScreenWords(BaseModel):
    """``words/screen/<language>.toml``. ``signs`` are for the child's eyes, so they encourage and never grade; each
    carries its meaning in words beside the symbol. ``scene`` has the places ``{here}`` and ``{all}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    robot: str
    child: str
    you: str
    quiet: str
    unkept: str
    scene: str
    turn: str
    hint: str
    break_in: str
    signs: dict[Verdict, str]


@cache
def screen_words(language: Language) -> ScreenWords:
    """The words in one language. Raises :class:`agent.toml_file.FileProblem` with file and line."""
    return read_toml(FOLDER / f"{language}.toml", ScreenWords)


def known_language(value: object, otherwise: Language) -> Language:
    """``value`` if it is one of the three languages."""
    return next((language for language in LANGUAGES if language == value), otherwise)


def printable(value: object) -> str:
    """Text that cannot steer a terminal: each control character becomes a space, so that places in the text stay the same."""
    return "".join(" " if unicodedata.category(character) in ("Cc", "Cs") else character for character in str(value))


def friendly_sign(judged: Mapping[str, object], words: ScreenWords) -> str:
    """What an answer's verdict looks like to the child; "" where nothing was there to be right or wrong."""
    verdict = next((name for name in words.signs if name == judged.get("verdict")), None)
    if verdict is None or (verdict in _GRADED and not str(judged.get("about", "")).startswith("prompt:")):
        return ""
    return words.signs[verdict]


def child_line(heard: Mapping[str, object], judged: Mapping[str, object], words: ScreenWords) -> str:
    """The child's words, or a few of ours where there are none to show."""
    if heard.get("text"):
        return printable(heard["text"])
    return words.unkept if heard.get("withheld") and judged.get("verdict") != "silence" else words.quiet
