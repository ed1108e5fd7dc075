"""The tutor's lines for training: those it speaks, and as many again written for the models alone (``words/*.toml``).

A model of a few million parameters recombines what it has read, so it is worth as much as this bank is rich. A line of
``words`` may end in a colon: the turn's material follows it in the same sentence.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import cache
from pathlib import Path

from agent.lines import Bank, LineFile, Manner, bank, expansions, fingerprint
from agent.readability import sentences
from agent.toml_file import read_toml
from agent.turn import Language

FOLDER = Path(__file__).resolve().parent / "words"


@cache
def own(language: Language) -> dict[str, Bank]:
    """The lines written for training. Raises :class:`agent.toml_file.FileProblem` for a broken file."""
    return read_toml(FOLDER / f"{language}.toml", LineFile).root


@cache
def frames(key: str, language: Language, manner: Manner) -> tuple[tuple[str, ...], ...]:
    """Every frame of a key, each as all the sentences it stands for."""
    more = own(language).get(key)
    written = (*bank(language)[key].frames(manner), *(more.frames(manner) if more else ()))
    return tuple(tuple(expansions(frame)) for frame in written)


class Phrases:
    """Picks lines as :class:`agent.lines.Lines` does, out of both banks, and remembers which key each came from."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.keys: dict[str, str] = {}

    def pick(
        self,
        key: str,
        language: Language,
        manner: Manner,
        used: Collection[int] = (),
        avoid: Collection[str] = (),
        **slots: str,
    ) -> str:
        """A line for ``key`` not in ``used``. ``avoid`` is left to the guard, which every reply has to pass."""
        choices = frames(key, language, manner)
        weights = _weights(choices)
        text = ""
        for _ in range(8):
            text = self.rng.choice(self.rng.choices(choices, weights)[0])
            for name, value in slots.items():
                text = text.replace(f"{{{name}}}", value)
            if not any(fingerprint(sentence) in used for sentence in sentences(text)):
                break
        for sentence in sentences(text):
            self.keys[sentence] = key
        return text


@cache
def _weights(choices: tuple[tuple[str, ...], ...]) -> tuple[float, ...]:
    """A frame of many sentences is drawn more often, but not in proportion: rare ones are to be learned as well."""
    return tuple(len(choice) ** 0.5 for choice in choices)
