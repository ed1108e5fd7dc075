"""session.json: what a session is, so that it can be understood, resumed and repeated."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path

from agent import __version__
from agent.config import Settings
from agent.ports import Clock
from agent.record import HEADER
from agent.story import STORIES
from agent.toml_file import FileProblem
from agent.turn import Language

FORMAT = 1
_LIBRARIES = ("langgraph", "langgraph-checkpoint-sqlite", "pydantic", "py3langid", "espeakng-loader", "rich")


def header(settings: Settings, language: Language, session: str, clock: Clock) -> dict[str, object]:
    """The header of a new session. ``condition`` is what a study varies; ``hashes`` are of the words and the code it ran
    with."""
    kind, _, persona = settings.child.partition(":")
    files = sorted((STORIES / settings.story).glob("*.toml"))
    return {
        "format": FORMAT,
        "session": session,
        "participant": settings.participant,
        "condition": {
            "personality": settings.personality,
            "language": language,
            "model": settings.model,
            "robot": settings.robot,
        },
        "personality": settings.personality,
        "story": settings.story,
        "seed": settings.seed,
        "simulated_child": (persona or "typical") if kind == "simulated" else "",
        "started": clock.utc().isoformat(timespec="milliseconds"),
        "settings": settings.model_dump(mode="json"),
        "limit_seconds": settings.limit,
        "system": platform.platform(),
        "hashes": {f"stories/{settings.story}/{file.name}": _digest(file) for file in files} | {"code": _code()},
        "versions": {"fabula": __version__, "python": platform.python_version()}
        | {library: importlib.metadata.version(library) for library in _LIBRARIES},
    }


def settings_of(folder: Path) -> Settings:
    """The settings of a session that is resumed. Raises :class:`FileProblem`."""
    path = folder / HEADER
    try:
        return Settings.model_validate(json.loads(path.read_text(encoding="utf-8"))["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise FileProblem(path, 1, f"is not the header of a session: {error}") from None


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _code() -> str:
    """One digest over the conversation's code, words and personalities, so that two sessions can be told apart by it."""
    home = Path(__file__).resolve().parent
    whole = hashlib.sha256()
    for file in sorted((*home.rglob("*.py"), *home.rglob("*.toml"), *(home.parent / "personalities").glob("*.toml"))):
        whole.update(file.read_bytes())
    return whole.hexdigest()
