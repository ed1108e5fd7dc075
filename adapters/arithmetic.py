"""``python -m adapters.arithmetic addition | multiplication``: word problems with a way to the answer, in three languages.

The data of the two skills' recipes. Every problem has a hint and a solution; pairs of numbers that are tested are never
trained on (``held-out-numbers``), in no language and no story.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SKILLS = ("addition", "multiplication")
ASKS = {"hint": "Give the child a hint. Do not say the answer.", "solve": "Show the child the way and say the answer."}
FOLDERS = {"train": "train", "dev": "dev", "test": "held-out-numbers"}
_NAMES = ("Mia", "Ali", "Lena", "Noah", "Zoe", "Tom", "Ines", "Luca")
_THINGS = {
    "en": ("apples", "shells", "marbles", "stickers", "leaves", "buttons"),
    "fr": ("pommes", "billes", "plumes", "images", "feuilles", "perles"),
    "de": ("Äpfel", "Muscheln", "Murmeln", "Sticker", "Blätter", "Knöpfe"),
}
# What is asked, the hint, the way: {a} is never smaller than {b} in a sum; {steps} counts on or up.
_WORDS: dict[tuple[str, str], tuple[tuple[str, ...], str, str]] = {
    ("addition", "en"): (
        (
            "{name} has {a} {things}. Then {name} finds {b} more. How many are there now?",
            "There are {a} {things} in a box and {b} in a bag. How many {things} are there?",
        ),
        "Start at {a}. Now count on {b} steps.",
        "Start at {a} and count on: {steps}. {a} plus {b} is {c}.",
    ),
    ("addition", "fr"): (
        (
            "{name} a {a} {things}. Ensuite, {name} en trouve encore {b}. Combien y en a-t-il maintenant\u202f?",
            "Il y a {a} {things} dans une boîte et {b} dans un sac. Combien de {things} y a-t-il\u202f?",
        ),
        "Pars de {a}. Compte encore {b} pas.",
        "Pars de {a} et continue\u202f: {steps}. {a} plus {b}, ça fait {c}.",
    ),
    ("addition", "de"): (
        (
            "{name} hat {a} {things}. Dann findet {name} noch {b} dazu. Wie viele sind es jetzt?",
            "In einer Kiste sind {a} {things}, in einer Tasche {b}. Wie viele {things} sind es?",
        ),
        "Fang bei {a} an. Zähl {b} Schritte weiter.",
        "Fang bei {a} an und zähl weiter: {steps}. {a} plus {b} ist {c}.",
    ),
    ("multiplication", "en"): (
        (
            "{name} has {a} bags with {b} {things} in each. How many {things} are there?",
            "There are {a} rows of {b} {things}. How many are there in all?",
        ),
        "Count by {b}. Stop after {a} steps.",
        "Count by {b}: {steps}. {a} times {b} is {c}.",
    ),
    ("multiplication", "fr"): (
        (
            "{name} a {a} sacs avec {b} {things} dans chaque sac. Combien de {things} y a-t-il\u202f?",
            "Il y a {a} rangées de {b} {things}. Combien y en a-t-il en tout\u202f?",
        ),
        "Compte de {b} en {b}. Arrête-toi après {a} pas.",
        "Compte de {b} en {b}\u202f: {steps}. {a} fois {b}, ça fait {c}.",
    ),
    ("multiplication", "de"): (
        (
            "{name} hat {a} Tüten mit je {b} {things}. Wie viele {things} sind das?",
            "Es gibt {a} Reihen mit je {b} {things}. Wie viele sind es zusammen?",
        ),
        "Zähl in {b}er-Schritten. Hör nach {a} Schritten auf.",
        "Zähl in {b}er-Schritten: {steps}. {a} mal {b} ist {c}.",
    ),
}


def rows(skill: str) -> Iterator[dict[str, Any]]:
    """Every pair of numbers in every language and wording, as a hint and as a solution."""
    most = 12 if skill == "addition" else 10
    pairs = [(a, b) for a in range(2, most + 1) for b in range(2, most + 1) if skill != "addition" or a >= b]
    for a, b in pairs:
        steps = range(a + 1, a + b + 1) if skill == "addition" else range(b, a * b + 1, b)
        for language in ("en", "fr", "de"):
            problems, hint, way = _WORDS[skill, language]
            for number, problem in enumerate(problems * 4):
                key = f"{skill}/{a}/{b}/{number}"
                name, thing = _pick(_NAMES, f"{key}/name"), _pick(_THINGS[language], f"{key}/thing")
                values = {"a": a, "b": b, "c": steps[-1], "name": name, "things": thing, "steps": ", ".join(map(str, steps))}
                for ask, answer in (("hint", hint), ("solve", way)):
                    told = f"language: {language}\nproblem: {problem.format(**values)}"
                    yield {
                        "prompt": [{"role": "system", "content": ASKS[ask]}, {"role": "user", "content": told}],
                        "completion": [{"role": "assistant", "content": answer.format(**values)}],
                        **{"task": skill, "language": language, "split": _split(skill, a, b), "turn": f"{key}/{ask}"},
                    }


def write(skill: str, out: Path) -> dict[str, int]:
    """Writes the files of a skill below ``out``; how many rows each folder got."""
    parts: dict[str, list[str]] = {folder: [] for folder in FOLDERS.values()}
    for row in rows(skill):
        parts[FOLDERS[row["split"]]].append(json.dumps(row, ensure_ascii=False))
    for folder, lines in parts.items():
        (out / folder).mkdir(parents=True, exist_ok=True)
        (out / folder / f"{skill}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {folder: len(lines) for folder, lines in parts.items()}


def _part(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0]


def _pick(choices: Sequence[str], name: str) -> str:
    return choices[_part(name) % len(choices)]


def _split(skill: str, a: int, b: int) -> str:
    """By the two numbers in either order, so that 3 × 4 does not teach what 4 × 3 tests."""
    part = _part(f"{skill}/{min(a, b)}/{max(a, b)}")
    return "test" if part < 40 else "dev" if part < 56 else "train"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m adapters.arithmetic", description="Word problems to train a skill on.")
    parser.add_argument("skill", choices=SKILLS)
    parser.add_argument("--out", type=Path, default=Path("build/data"), help="folder (default: build/data)")
    options = parser.parse_args(arguments)
    for folder, count in write(options.skill, options.out).items():
        print(f"{options.out / folder / options.skill}.jsonl: {count} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
