"""Recipes: every shipped one is sound, and a wrong one is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.recipe import ROOT, Recipe, load
from agent.toml_file import FileProblem

RECIPES = ROOT / "adapters" / "recipes"
OURS = ("strategy", "response", "response-lora", "new-language", "teacher", "parent", "addition", "multiplication")


def written(folder: Path, more: str = "") -> Path:
    path = folder / "r.toml"
    path.write_text(f'name = "r"\nbase = "b"\ndata = ["d.jsonl"]\n{more}', encoding="utf-8")
    return path


@pytest.mark.parametrize("name", OURS)
def test_every_shipped_recipe_is_sound_and_named_like_its_file(name: str) -> None:
    recipe = load(RECIPES / f"{name}.toml")
    assert recipe.name == name
    assert recipe.adapter.targets == "all", "attention alone learns worse"
    assert recipe.training.learning_rate >= 2e-4, "ten times what full fine-tuning takes"
    assert recipe.gate.at_most["forgetting"] == 0.05, "no adapter is published that forgets more"
    assert recipe.test, "an adapter that is not tested cannot pass a gate"


def test_the_two_served_adapters_are_qlora_under_the_names_that_are_served() -> None:
    from agent.prompts import RESPONSE, STRATEGY

    for name in (STRATEGY, RESPONSE):
        recipe = load(RECIPES / f"{name}.toml")
        assert (recipe.name, recipe.task, recipe.adapter.method, recipe.template) == (name, name, "qlora", "phi3")


def test_alpha_is_twice_the_rank_unless_said(tmp_path: Path) -> None:
    assert load(written(tmp_path, "[adapter]\nrank = 12\n")).alpha == 24
    assert load(written(tmp_path, "[adapter]\nrank = 12\nalpha = 7\n")).alpha == 7


@pytest.mark.parametrize(
    ("more", "line", "said"),
    [
        ("[training]\nlerning_rate = 1e-3\n", 5, "learning_rate"),
        ("[adapter]\nmethod = 'qloro'\n", 5, "qlora"),
        ("[adapter]\nrank = 0\n", 5, "greater than or equal to 1"),
        ("[training]\nlearning_rate = 3\n", 5, "less than or equal to 0.1"),
        ("task = 'strategy'\ntemplate = 'own'\n", 1, "remove template"),
    ],
)
def test_a_wrong_key_or_value_is_told_with_its_line(tmp_path: Path, more: str, line: int, said: str) -> None:
    path = written(tmp_path, more)
    with pytest.raises(FileProblem, match=said) as caught:
        load(path)
    assert caught.value.line == line


def test_a_recipe_cannot_be_changed_once_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(written(tmp_path)).name = "other"


def test_changes_on_the_command_line_win_and_are_checked_too(tmp_path: Path) -> None:
    path = written(tmp_path, "[training]\nbatch = 2\n")
    changed = load(path, ["training.batch=4", "adapter.method=dora", "training.learning_rate=1e-4", 'where.language=["fr"]'])
    assert (changed.training.batch, changed.adapter.method, changed.training.learning_rate) == (4, "dora", 1e-4)
    assert changed.where == {"language": ("fr",)}
    with pytest.raises(ValueError, match="“batch”"):
        load(path, ["training.batsh=4"])
    with pytest.raises(ValueError, match="write it as"):
        load(path, ["training.batch"])
    with pytest.raises(ValueError, match="write it as"):
        load(path, ["name.more=1"])


def test_missing_data_are_named_with_what_makes_them(tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"name": "r", "base": "b", "data": [str(tmp_path / "*.jsonl"), str(tmp_path / "b.json")]})
    with pytest.raises(FileProblem, match=r"adapters\.data build"):
        recipe.files(recipe.data)
    for name in ("b.jsonl", "a.jsonl", "b.json"):
        (tmp_path / name).touch()
    assert [path.name for path in recipe.files(recipe.data)] == ["a.jsonl", "b.jsonl", "b.json"]
