"""Gestures are data: keyframes in gestures.toml, read once, checked, and turned into smooth curves."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from agent.toml_file import read_toml
from hardware.curves import Track
from hardware.workspace import AXES, Rows

GESTURES = Path(__file__).with_name("gestures.toml")


class Keyframe(BaseModel):
    """A pose to pass at ``t`` seconds. An axis that is not named is at neutral. ``antennas`` are (left, right)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    t: float = Field(ge=0, le=20)
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    antennas: tuple[float, float] = (0.0, 0.0)
    body: float = 0.0

    def row(self) -> Rows:
        left, right = self.antennas
        return np.array([self.roll, self.pitch, self.yaw, self.x, self.y, self.z, left, right, self.body])


class Gesture(BaseModel):
    """A movement with a meaning, from neutral to neutral."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    meaning: str = Field(min_length=3)
    keyframes: tuple[Keyframe, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _from_neutral_to_neutral(self) -> Self:
        times = [frame.t for frame in self.keyframes]
        if times[0] != 0:
            raise ValueError("the first keyframe must be at t=0")
        if any(later - earlier < 0.04 for earlier, later in pairwise(times)):
            raise ValueError("the times of the keyframes must rise by at least 0.04 s")
        for frame, place in ((self.keyframes[0], "first"), (self.keyframes[-1], "last")):
            if frame.row().any():
                axis = AXES[int(np.flatnonzero(frame.row())[0])]
                raise ValueError(f"the {place} keyframe must be neutral, but its {axis} is not 0")
        return self

    def track(self) -> Track:
        return Track([frame.t for frame in self.keyframes], np.array([frame.row() for frame in self.keyframes]))


class Gestures(RootModel[dict[str, Gesture]]):
    """All gestures, by name."""


@cache
def gestures(path: Path = GESTURES) -> dict[str, Gesture]:
    """The gestures of a file. Raises agent.toml_file.FileProblem, with the line, when it is wrong."""
    return read_toml(path, Gestures).root


@cache
def track(name: str) -> Track:
    """The curve of a gesture. Raises KeyError for a name that is not in gestures.toml."""
    return gestures()[name].track()
