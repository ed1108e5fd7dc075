"""Reading TOML into validated models, with errors that name the file, the line and the nearest known key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*("[^"]+"|'[^']+'|[A-Za-z0-9_.\-]+)\s*=""")
_PART = re.compile(r""""([^"]+)"|'([^']+)'|([A-Za-z0-9_\-]+)""")


class FileProblem(Exception):
    """A file that a person wrote is wrong. ``str()`` is what that person should read: ``file:line: what to do``."""

    def __init__(self, path: Path, line: int, message: str) -> None:
        super().__init__(f"{path}:{line}: {message}")
        self.path, self.line, self.message = path, line, message


def read_toml(path: Path, model: type[Model]) -> Model:
    """Read ``path`` as a ``model``. Raises :class:`FileProblem` for a missing, malformed or invalid file."""
    text = _text(path)
    try:
        return model.model_validate(_parse(path, text))
    except ValidationError as error:
        raise problem(path, text, error, model) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileProblem(path, 1, "there is no such file") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise FileProblem(path, line, "is not UTF-8 text; save it again as UTF-8") from None
    except OSError as error:
        raise FileProblem(path, 1, f"cannot be read: {error.strerror}") from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+)", str(error))
        line = int(where[1]) if where else text.count("\n") + 1
        raise FileProblem(path, line, f"is not valid TOML: {re.sub(r' [(]at .*', '', str(error))}") from None


def problem(path: Path, text: str, error: ValidationError, model: type[BaseModel]) -> FileProblem:
    """The first thing a validation found, as a sentence with its place."""
    # A misspelt key is also a missing one: the spelling is what helps.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    place = [part for part in first["loc"] if not str(part).startswith(("function-", "tagged-", "dict[", "list["))]
    name = ".".join(str(part) for part in place)
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.4)
        hint = f"did you mean “{near[0]}”?" if near else f"known here: {', '.join(sorted(known))}"
        message = f"unknown key “{name}”; {hint}"
    elif first["type"] == "missing":
        message = f"“{name}” is missing"
    else:
        said = first["msg"].removeprefix("Value error, ")
        message = f"{name}: {said}" if name else said
    return FileProblem(path, line_of(text, place), message)


def _fields_at(model: Any, place: Sequence[int | str]) -> list[str]:
    """The keys a nested model knows at ``place`` (through lists and tables)."""
    current = model
    for part in place:
        if isinstance(current, type) and issubclass(current, BaseModel) and str(part) in current.model_fields:
            current = current.model_fields[str(part)].annotation
        current = _inner(current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _inner(annotation: Any) -> Any:
    """The model inside ``list[M]``, ``dict[str, M]`` or ``M | None``; the annotation itself otherwise."""
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return annotation


def line_of(text: str, place: Sequence[int | str]) -> int:
    """The 1-based line of the deepest part of ``place`` that can be found in TOML ``text``."""
    table: list[str] = []
    counts: dict[str, int] = {}
    best, best_depth = 1, 0
    wanted = [str(part) for part in place]
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            parts = ["".join(found) for found in _PART.findall(header[2])]
            table = []
            for depth, part in enumerate(parts, start=1):
                table.append(part)
                name = ".".join(parts[:depth])
                if header[1] == "[[" and depth == len(parts):
                    counts[name] = counts.get(name, -1) + 1
                    for inner in [key for key in counts if key.startswith(name + ".")]:
                        del counts[inner]
                if name in counts:
                    table.append(str(counts[name]))
            here = table
        elif key := _KEY.match(line):
            here = [*table, *("".join(found) for found in _PART.findall(key[1]))]
        else:
            continue
        depth = 0
        while depth < min(len(here), len(wanted)) and here[depth] == wanted[depth]:
            depth += 1
        if depth > best_depth:
            best, best_depth = number, depth
    return best
