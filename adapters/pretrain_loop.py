"""The training loop: steps until the time or the number of steps is used up, checkpoints that survive a power cut.

A checkpoint holds weights, optimiser, place in the data and history; it is written beside the old one and then takes its
place, so there is always a whole one. Going on from it gives the very steps that an uninterrupted run makes, if ``steps`` end
the run; with ``minutes`` the learning rate follows the clock and agrees within noise.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from adapters.pretrain_model import Optimizer, losses
from adapters.pretrain_packing import Batch, Packer
from adapters.pretrain_recipe import Phase, Recipe, Training


class Diverged(Exception):
    """The loss is no number any more."""


@dataclass
class Progress:
    """Where a run stands. ``seconds`` counts earlier parts of an interrupted run too; ``share`` is 1 at the end.
    ``curve`` has (step, tokens, loss in nats a token); ``held`` the held-out losses by name at a step."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    share: float = 0.0
    loss: float = float("nan")
    norm: float = 0.0
    speed: float = 0.0
    curve: list[tuple[int, int, float]] = field(default_factory=list)
    held: list[tuple[int, dict[str, float]]] = field(default_factory=list)


def factor(how: Training, step: int, share: float) -> float:
    """The learning rate's factor, 0 to 1, at ``step`` (from 0) when ``share`` of the training is over."""
    rise = min(1.0, (step + 1) / how.warmup) if how.warmup else 1.0
    if how.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return rise * min(1.0, max(0.0, 1 - share) / how.decay)


def phase_at(phases: Sequence[Phase], share: float) -> Phase:
    """The phase that ``share`` of the training falls into."""
    return next((phase for phase in phases if share < phase.until), phases[-1])


class Loop:
    """One run. ``clock`` gives seconds; ``began`` is when the run began on it (reading data is part of the time)."""

    def __init__(
        self,
        recipe: Recipe,
        model: Any,
        packer: Packer,
        held: Mapping[str, Sequence[Batch]],
        checkpoint: Path,
        marks: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        began: float | None = None,
    ) -> None:
        self.recipe, self.how, self.model, self.packer = recipe, recipe.training, model, packer
        self.optimizer = Optimizer(model, self.how)
        self.progress = Progress()
        self._held, self._checkpoint, self._marks = held, checkpoint, dict(marks)
        self._clock, self._began = clock, clock() if began is None else began
        self._earlier = 0.0  # seconds of the parts before an interruption
        self._step_seconds = self._look_seconds = 0.0

    def run(self, tell: Callable[[Progress], None]) -> Progress:
        """Train to the end; ``tell`` is called after every step. Raises :class:`Diverged`."""
        now = self.progress
        if not now.held:
            self._look()
        while not self._over():
            started = self._clock()
            self._step()
            self._step_seconds = max(0.9 * self._step_seconds, self._clock() - started)
            tell(now)
            # So near to the end a look would take the time in which the learning rate runs out.
            if now.step % self.how.evaluate_every == 0 and self._seconds() + 4 * self._look_seconds < self._budget():
                self._look()
            if now.step % self.how.save_every == 0:
                self.save()
        if now.held[-1][0] != now.step:
            self._look()
        now.share, now.seconds = 1.0, self._seconds()
        return now

    def _seconds(self) -> float:
        return self._earlier + self._clock() - self._began

    def _share(self) -> float:
        shares = [0.0]
        if self.how.steps is not None:
            shares.append(self.progress.step / self.how.steps)
        if self.how.minutes is not None:
            shares.append(self._seconds() / max(1e-9, self._budget()))
        return min(1.0, max(shares))

    def _over(self) -> bool:
        return self._share() >= 1 or self._seconds() + self._step_seconds > self._budget()

    def _budget(self) -> float:
        """Seconds there are for steps: the last two looks and writing the model belong to the time, too."""
        return math.inf if self.how.minutes is None else self.how.minutes * 60 - 3 * self._look_seconds - 1

    def _step(self) -> None:
        now, how = self.progress, self.how
        now.share = self._share()
        batch = self.packer.batch(how.batch_rows, phase_at(self.recipe.phases, now.share).weights)
        started, whole, lost = self._clock(), float(batch.weights.sum()), 0.0
        self.model.train()
        for part in batch.micro(how.micro_rows):
            values, weights = losses(self.model, part)
            loss: Any = (values * weights).sum() / whole
            loss.backward()
            lost += float(loss.detach())
        now.norm = self.optimizer.step(factor(how, now.step, now.share))
        if not (math.isfinite(lost) and math.isfinite(now.norm)):
            where = f"the loss is no number any more at step {now.step + 1}"
            raise Diverged(f"{where}: lower rate and matrix_rate, or raise warmup")
        seen = int((batch.ids != self.packer.pad).sum())
        now.step, now.tokens, now.loss, now.seconds = now.step + 1, now.tokens + seen, lost, self._seconds()
        speed = seen / max(1e-9, self._clock() - started)
        now.speed = speed if not now.speed else 0.9 * now.speed + 0.1 * speed
        now.curve.append((now.step, now.tokens, lost))

    def _look(self) -> None:
        """The loss on what is held out, by name."""
        started = self._clock()
        self.progress.held.append((self.progress.step, {name: held_out(self.model, self._held[name]) for name in self._held}))
        self._look_seconds = self._clock() - started

    def save(self) -> None:
        """Write the checkpoint; whatever happens while writing, a whole one is there."""
        self.progress.seconds = self._seconds()
        whole = {
            "marks": self._marks,
            "progress": asdict(self.progress),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "packer": self.packer.state(),
        }
        part = self._checkpoint.with_name(self._checkpoint.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(whole, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self._checkpoint)

    def go_on(self) -> None:
        """Take up a run from its checkpoint. Raises :class:`ValueError` if it belongs to other data or another recipe."""
        try:
            whole = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
            marks = dict(whole["marks"])
        except Exception as error:  # torch raises what the unpickler raises
            said = str(error).splitlines() or [type(error).__name__]
            raise ValueError(f"{self._checkpoint}: is not a checkpoint ({said[0]}); begin again with --fresh") from None
        for name, mark in self._marks.items():
            if marks.get(name) != mark:
                raise ValueError(f"{self._checkpoint}: was made with another {name}; begin again with --fresh")
        self.model.load_state_dict(whole["model"])
        self.optimizer.load_state_dict(whole["optimizer"])
        self.packer.go_on_from(whole["packer"])
        self.progress = Progress(**whole["progress"])
        self._earlier = self.progress.seconds


def held_out(model: Any, batches: Sequence[Batch]) -> float:
    """Mean cross-entropy (nats a token) over ``batches``."""
    model.eval()
    lost = counted = 0.0
    with torch.no_grad():
        for batch in batches:
            values, weights = losses(model, batch)
            lost += float((values * weights).sum())
            counted += float(weights.sum())
    return lost / counted if counted else float("nan")
