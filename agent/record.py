"""One session on disk: ``session.json`` (what it was), ``events.jsonl`` (what happened) and the checkpoint beside them.

The event log is append-only: one JSON object a line with a gapless ``seq``, seconds on the session's monotonic clock
(``t``) and UTC. A row that belongs to a graph step is held until the step's checkpoint is on disk, so that the log never
claims what a resumed session does not know; a kill therefore loses one row at most. When the disk is full, rows wait in
memory and the next write tries again.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.ports import Clock

HEADER, EVENTS, CHECKPOINT = "session.json", "events.jsonl", "checkpoint.sqlite"


class FolderProblem(Exception):
    """The data folder cannot be used; ``str()`` says what is wrong and what to do."""


def new_folder(data: Path, clock: Clock, participant: str) -> Path:
    """Make a folder of its own for one session; never an existing one."""
    name = f"{clock.utc():%Y%m%d-%H%M%S}-{participant}-{secrets.token_hex(2)}"
    folder = data / name
    try:
        data.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            return new_folder(data, clock, participant)
        folder.mkdir()
    except OSError as error:
        raise FolderProblem(f"{data}: {error.strerror}. Choose a folder that can be written to with --data DIR.") from None
    return folder


def find_folder(data: Path, session: str) -> Path:
    """The folder of a session to resume, by its name, path or the end of its name."""
    for folder in (data / session, Path(session)):
        if (folder / HEADER).is_file():
            return folder
    known = sorted(folder.parent for folder in data.glob(f"*/{HEADER}"))
    matching = [folder for folder in known if folder.name.endswith(session)]
    if len(matching) == 1:
        return matching[0]
    latest = f" The latest is {known[-1].name}." if known else ""
    raise FolderProblem(f"There is no session “{session}” in {data}.{latest}")


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a whole file or none of it."""
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise FolderProblem(f"{path}: {error.strerror}. Make room, or choose another folder with --data DIR.") from None


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of a log, without a last line that a kill has torn."""
    path = folder / EVENTS
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


class NoRecord:
    """The record of a session that keeps none."""

    def write(self, kind: str, **values: object) -> None: ...

    def hold(self, kind: str, **values: object) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Record:
    """The open log of one session. ``notice`` gets one line when the disk fails and one when it works again."""

    def __init__(self, folder: Path, clock: Clock, notice: Callable[[str], None], durable: bool = True) -> None:
        self.folder, self.clock, self.notice, self.durable = folder, clock, notice, durable
        self._held: dict[str, object] | None = None
        self._waiting: list[str] = []
        self._failed = False
        self._lock = threading.RLock()  # the speaker's thread writes beside the session's
        self.seq, self.last_t = last_row(folder / EVENTS)
        self._file = (folder / EVENTS).open("ab", buffering=0)

    def write(self, kind: str, **values: object) -> None:
        """Append one row, after the row that was held."""
        with self._lock:
            self.flush()
            self._append(self._row(kind, values))

    def hold(self, kind: str, **values: object) -> None:
        """Keep one row back until the next row, or :meth:`flush`."""
        with self._lock:
            self.flush()
            self._held = self._row(kind, values)

    def flush(self) -> None:
        """Write the row that was held."""
        with self._lock:
            if self._held is not None:
                held, self._held = self._held, None
                self._append(held)

    def close(self) -> None:
        """Write what is left; what the disk still refuses goes to a folder that takes it, and ``notice`` says where."""
        self.flush()
        self._push()
        self._file.close()
        if self._waiting:
            self.notice(f"{len(self._waiting)} rows of the log could not be written to {self.folder}; {self._rescue()}")

    def _rescue(self) -> str:
        """Put the rows that wait into the temporary folder, else the home folder, whole or not at all; say how it went."""
        content = "".join(self._waiting).encode()
        for place in (Path(tempfile.gettempdir()), Path.home()):
            path = place / f"{self.folder.name}-{secrets.token_hex(4)}.jsonl"
            try:
                path.touch(mode=0o600, exist_ok=False)
                path.write_bytes(content)
            except OSError:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            else:
                return f"they are in {path}."
        return "no other folder has room for them either, so they are lost. Make room before the next session."

    def _row(self, kind: str, values: Mapping[str, object]) -> dict[str, object]:
        return {
            "t": round(self.clock.now(), 3),
            "utc": self.clock.utc().isoformat(timespec="milliseconds"),
            "kind": kind,
            **values,
        }

    def _append(self, row: Mapping[str, object]) -> None:
        self._waiting.append(json.dumps({"seq": self.seq, **row}, ensure_ascii=False) + "\n")
        self.seq += 1
        self._push()

    def _push(self) -> None:
        try:
            while self._waiting:
                self._put(self._waiting[0].encode())
                self._waiting.pop(0)
            if self.durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            if not self._failed:
                self.notice(f"The log cannot be written ({error.strerror}); rows are kept in memory and tried again.")
            self._failed = True
        else:
            if self._failed:
                self.notice("The log can be written again; nothing was lost.")
            self._failed = False

    def _put(self, line: bytes) -> None:
        """One whole line or none of it: a full disk may take half a line, which would spoil the log."""
        start = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._file.truncate(start)
            raise


def last_row(path: Path) -> tuple[int, float]:
    """Cut off a torn last line; the next ``seq`` and the last ``t`` of what remains."""
    if not path.exists():
        return 0, 0.0
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    if not whole:
        return 0, 0.0
    last = json.loads(content[:whole].splitlines()[-1])
    return int(last["seq"]) + 1, float(last["t"])
