"""The recipe of a small model made from nothing: one TOML file, frozen and checked.

A phase is a stretch of the training: ``until`` is the share of it (0 to 1) at which it ends, ``weights`` say how many tokens
come from which files, by the files' stems (a pattern such as ``response-*`` is one source). The last phase ends at 1.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]


class Strict(BaseModel):
    """A frozen part of a recipe in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenizerShape(Strict):
    """``size`` pieces at most; ``slots`` are tokens that a program fills in (``<hint>``)."""

    size: Annotated[int, Field(ge=270, le=65535)]
    slots: tuple[str, ...] = ()


class ModelShape(Strict):
    """A Phi-3 model. ``context`` in tokens; ``tied``: reading and writing share one embedding."""

    hidden: Positive
    layers: Positive
    heads: Positive
    intermediate: Positive
    context: Annotated[int, Field(ge=16)] = 512
    tied: bool = True

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden must be an even multiple of heads: {self.hidden} is not one of {self.heads}")
        return self


class DataShape(Strict):
    """``folder`` of ``*.jsonl``. A row whose ``split`` is anything but ``train`` is never trained on; where no row of a file
    has a split, ``held_out`` of its rows are put aside. ``held_rows`` is how many rows a language the held-out loss reads.
    ``prompt_weight`` is what a prompt's tokens count where an answer's count 1."""

    folder: str = "build/data"
    held_out: Share = 0.02
    held_rows: Positive = 64
    prompt_weight: Annotated[float, Field(ge=0, le=1)] = 0.1


class Phase(Strict):
    """See the head of this file."""

    until: Annotated[float, Field(gt=0, le=1)] = 1.0
    weights: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]


class Training(Strict):
    """How long and how fast. It ends after ``minutes`` of wall time or ``steps``, whichever comes first, and the learning
    rate reaches its end there. ``matrix_rate`` is Muon's, ``rate`` AdamW's (embeddings and norms; everything without Muon).
    ``warmup`` steps; ``decay`` is the last share of the training in which ``wsd`` goes down. ``batch_rows`` rows of
    ``context`` tokens make a step, ``micro_rows`` of them at once in memory."""

    seed: int = 0
    threads: Positive = 1
    device: Literal["cpu", "cuda"] = "cpu"
    minutes: Annotated[float, Field(gt=0)] | None = None
    steps: Positive | None = None
    batch_rows: Positive = 16
    micro_rows: Positive = 16
    optimizer: Literal["muon", "adamw"] = "muon"
    rate: Rate = 0.003
    matrix_rate: Rate = 0.02
    schedule: Literal["wsd", "cosine"] = "wsd"
    warmup: Annotated[int, Field(ge=0)] = 20
    decay: Annotated[float, Field(gt=0, le=1)] = 0.4
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    clip: Annotated[float, Field(gt=0)] = 1.0
    save_every: Positive = 50
    evaluate_every: Positive = 100

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.minutes is None and self.steps is None:
            raise ValueError("say when training ends: minutes, steps or both")
        return self


class Recipe(Strict):
    """A whole recipe file. ``name`` is also the default folder, ``adapters/weights/<name>``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    about: str = ""
    tokenizer: TokenizerShape
    model: ModelShape
    data: DataShape = DataShape()
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    training: Training

    @model_validator(mode="after")
    def _phases_go_on(self) -> Self:
        ends = [phase.until for phase in self.phases]
        if ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ValueError(f"phases must follow one another and the last must end at 1: they end at {ends}")
        return self

    def digest(self) -> str:
        """sha256 of everything that decides what is learned; not of how long it may take on which machine."""
        kept = self.model_dump(mode="json")
        for key in ("minutes", "steps", "threads", "device", "micro_rows", "save_every", "evaluate_every"):
            del kept["training"][key]
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
