"""A recipe: everything that decides how an adapter comes out, in one TOML file.

Relative paths in a recipe count from the project's root. A key that does not exist is an error that names the nearest one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.toml_file import FileProblem, problem, read_toml

ROOT = Path(__file__).resolve().parent.parent
Method = Literal["qlora", "lora", "dora", "rslora", "pissa", "full"]
Rate = Annotated[float, Field(gt=0, le=0.1)]
Rank = Annotated[int, Field(ge=1, le=256)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    """A frozen part of the file in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shape(_Strict):
    """[adapter]: what is trained. ``alpha`` is 2 × ``rank`` unless said; ``targets`` are module names, or all of them.

    ``qlora``: LoRA on a base in 4-bit NF4 with double quantisation. ``dora`` and ``full`` cannot become a GGUF adapter.
    """

    method: Method = "qlora"
    rank: Rank = 16
    alpha: Annotated[float, Field(gt=0)] | None = None
    dropout: Share = 0.0
    targets: Literal["all"] | Annotated[tuple[Text, ...], Field(min_length=1)] = "all"


class Training(_Strict):
    """[training]: one optimiser step sees ``batch`` × ``accumulate`` examples on every GPU.

    ``steps`` wins over ``epochs``. ``warmup`` is a share of all steps. After ``patience`` looks at the held-back examples
    (one every ``eval_every`` steps) without a gain training stops; 0 never stops early. ``valid_share`` is held back where the
    data name no split of their own. ``max_tokens`` truncates nothing: longer examples are refused.
    """

    steps: Count | None = None
    epochs: Annotated[float, Field(gt=0)] = 1.0
    batch: Count = 8
    accumulate: Count = 1
    learning_rate: Rate = 2e-4
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    warmup: Share = 0.03
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    optimizer: Literal["adamw_torch", "adamw_8bit", "paged_adamw_8bit"] = "adamw_torch"
    max_tokens: Annotated[int, Field(ge=16)] = 512
    eval_every: Count = 50
    patience: Annotated[int, Field(ge=0)] = 3
    valid_share: Share = 0.05
    checkpointing: bool = False
    packing: bool = False
    seed: int = 0
    threads: Count | None = None


class Sweep(_Strict):
    """[sweep]: every pair is trained for ``steps`` from the same start, with the recipe's ratio of alpha to rank."""

    learning_rate: tuple[Rate, ...] = ()
    rank: tuple[Rank, ...] = ()
    steps: Count = 100


class Gate(_Strict):
    """[gate]: what an adapter must reach to be published, by the names of its scores.

    ``slack`` is how much worse than the adapter in its place any of those scores may be.
    """

    at_least: dict[str, float] = {}
    at_most: dict[str, float] = {}
    slack: Annotated[float, Field(ge=0)] = 0.01


class Recipe(_Strict):
    """A whole file. ``under`` is an adapter that is active beneath ours and stays as it is (Phi-Ed's LoRA).

    ``template``: ``phi3`` is the one this project's servers send (adapters/template.py), ``own`` the tokenizer's, for bases
    that are served elsewhere. ``data`` are learned from; ``test`` and ``general`` (running text, for what the base
    forgets) only adapters.evaluate reads. ``where`` keeps the examples whose mark has one of the values:
    ``{ language = ["fr"] }``.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    task: Literal["strategy", "response", "text"] = "text"
    base: Path
    data: Annotated[tuple[Text, ...], Field(min_length=1)]
    test: tuple[Text, ...] = ()
    general: tuple[Text, ...] = ()
    where: dict[str, tuple[str, ...]] = {}
    under: Path | None = None
    template: Literal["phi3", "own"] = "phi3"
    language: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...] = ("en", "fr", "de")
    audience: str = ""
    skill: str = ""
    adapter: Shape = Shape()
    training: Training = Training()
    sweep: Sweep = Sweep()
    gate: Gate = Gate()

    @model_validator(mode="after")
    def _served_as_trained(self) -> Self:
        if self.template == "own" and self.task != "text":
            raise ValueError(f'“{self.task}” is served with this project\'s template: remove template = "own"')
        return self

    @property
    def alpha(self) -> float:
        return 2.0 * self.adapter.rank if self.adapter.alpha is None else self.adapter.alpha

    def files(self, patterns: Sequence[str]) -> list[Path]:
        """What ``data``, ``test`` or ``general`` stand for. Raises :class:`FileProblem` where one stands for nothing."""
        found: list[Path] = []
        for pattern in patterns:
            matched = sorted(map(Path, glob(str(ROOT / pattern))))
            if not matched:
                raise FileProblem(
                    ROOT / pattern, 1, "there is no such file; `python -m adapters.data build` makes the project's own"
                )
            found += matched
        return found


def load(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in ``path``, with ``changes`` such as ``training.batch=4`` on top.

    Raises :class:`FileProblem` for a wrong file, ValueError for a change that is none.
    """
    recipe = read_toml(path, Recipe)
    if not changes:
        return recipe
    whole: dict[str, Any] = recipe.model_dump()
    for change in changes:
        key, equals, value = change.partition("=")
        *tables, name = key.strip().split(".")
        table = whole
        for part in tables:
            table = table.get(part, {}) if isinstance(table, dict) else {}
        if not equals or not isinstance(table, dict):
            raise ValueError(f"--set {change}: write it as training.batch=4")
        table[name] = _value(value.strip())
    try:
        return Recipe.model_validate(whole)
    except ValidationError as error:
        raise ValueError(f"--set {' '.join(changes)}: {problem(path, '', error, Recipe).message}") from None


def _value(written: str) -> Any:
    """A value as TOML reads it; anything else is taken as a word."""
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written
