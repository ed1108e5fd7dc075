"""Word problems: right answers, hints that do not tell them, and numbers that are tested but never learned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.arithmetic import FOLDERS, SKILLS, main, rows
from adapters.formats import read
from agent.readability import too_hard
from agent.turn import LANGUAGES, Language


@pytest.mark.parametrize("skill", SKILLS)
def test_every_solution_is_right_and_no_hint_says_it(skill: str) -> None:
    for row in rows(skill):
        told, said = row["prompt"][1]["content"], row["completion"][0]["content"]
        a, b = map(int, re.findall(r"\d+", told)[:2])
        right = a + b if skill == "addition" else a * b
        numbers = list(map(int, re.findall(r"\d+", said)))
        if row["prompt"][0]["content"].startswith("Show"):
            assert numbers[-1] == right
            steps = list(map(int, re.findall(r"\d+", said.split(":")[1].split(".")[0])))
            assert steps == (list(range(a + 1, right + 1)) if skill == "addition" else list(range(b, right + 1, b)))
        else:
            assert right not in numbers or right in (a, b)


@pytest.mark.parametrize("skill", SKILLS)
def test_numbers_that_are_tested_are_learned_in_no_language_and_no_order(skill: str) -> None:
    pairs: dict[str, set[frozenset[str]]] = {split: set() for split in FOLDERS}
    for row in rows(skill):
        pairs[row["split"]].add(frozenset(re.findall(r"\d+", row["prompt"][1]["content"])[:2]))
    assert all(pairs.values())
    assert not pairs["train"] & pairs["test"]
    assert not pairs["train"] & pairs["dev"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_hints_are_easy_enough_for_six_years(language: Language) -> None:
    told = {row["completion"][0]["content"] for row in rows("addition") if row["language"] == language}
    hints = [text for text in told if len(re.findall(r"\d+", text)) == 2]
    assert hints
    assert not [text for text in hints if any("sentence" in fault for fault in too_hard(text, language, "6-7"))]


def test_the_command_writes_what_the_recipes_read(tmp_path: Path) -> None:
    assert main(["addition", "--out", str(tmp_path)]) == 0
    for folder in FOLDERS.values():
        found = read([tmp_path / folder / "addition.jsonl"])
        assert {example.marks["language"] for example in found} == set(LANGUAGES)
