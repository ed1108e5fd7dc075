"""The settings of a session: one frozen model, from a TOML file and the command line.

``fabula.toml`` in the present folder (or ``--config FILE``) may set what is otherwise given as flags; a flag wins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.toml_file import FileProblem, read_toml
from agent.turn import BANDS, Band

DEFAULT_FILE = Path("fabula.toml")
MINUTES: dict[Band, float] = {"4-5": 20, "6-7": 25, "8-10": 30}  # after this the robot says goodbye; attention spans, ours


class Settings(BaseModel):
    """What a session is run with.

    ``language`` auto starts in the system's language. ``personality`` is a profile's name or a level 1-9. ``child`` is
    ``typed`` or
    ``simulated[:PERSONA]``. ``minutes`` limits a session (0: by age). ``adult`` is the grown-up the robot names when a
    child needs one. ``slowness`` scales the patience for an answer. ``log`` off keeps no record at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    child: str = ""
    language: Literal["en", "fr", "de", "auto"] = "auto"
    follow_language: bool = True
    personality: str = "extravert"
    story: str = "rainbow"
    age: Band = BANDS[1]
    model: Literal["authored"] = "authored"
    participant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = "guest"
    second_language: bool = False
    adult: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    turns: Annotated[int, Field(ge=0)] = 0
    minutes: Annotated[float, Field(ge=0)] = 0.0
    speed: Literal["real", "fast"] = "real"
    voice: Literal["espeak", "none", "auto"] = "auto"
    robot: str = "simulator"
    slowness: Annotated[float, Field(gt=0, le=5)] = 1.0
    save_audio: bool = False
    data: Path = Path("sessions")
    log: bool = True

    @property
    def limit(self) -> float:
        """Seconds after which the session comes to its end."""
        return 60 * (self.minutes or MINUTES[self.age])


def read(path: Path | None) -> Settings:
    """The settings of a file; the defaults when there is none. Raises :class:`FileProblem`."""
    if path is None:
        return read_toml(DEFAULT_FILE, Settings) if DEFAULT_FILE.exists() else Settings()
    if not path.exists():
        raise FileProblem(path, 1, "there is no such settings file")
    return read_toml(path, Settings)
