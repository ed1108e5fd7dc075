"""What a screen itself says (who speaks, what became of an answer), in the session's language."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent.toml_file import read_toml
from agent.turn import LANGUAGES, Language, Verdict

FOLDER = Path(__file__).resolve().parent / "words" / "screen"


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
