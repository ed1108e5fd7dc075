"""What was computed for a personality, kept on the disk: the first reply of a session need not read it again.

Reading a 600-token personality takes a large model on two cores half a minute; loading what was computed takes a blink. Only
the system message is kept, never a child's words. A file's name is made of everything its content depends on (the
model's bytes, the adapter's, the build of llama.cpp, the tokens), and its first line is the digest of the rest: what does
not match is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

MOST = 8  # files; at the size of Phi-3-mini one of 600 tokens has 240 MB


class States:
    """A folder of states; ``made_by`` names what they were computed with."""

    def __init__(self, folder: Path, made_by: Sequence[str]) -> None:
        self.folder, self.made_by = folder, tuple(made_by)

    def load(self, adapter: str, tokens: Sequence[int]) -> bytes | None:
        """The state of these tokens under the adapter with this digest; None where there is none that can be trusted."""
        try:
            held = self._path(adapter, tokens).read_bytes()
        except OSError:
            return None
        digest, _, state = held.partition(b"\n")
        return state if digest == hashlib.sha256(state).hexdigest().encode() else None

    def save(self, adapter: str, tokens: Sequence[int], state: bytes) -> None:
        """Keep a state; the oldest go. A full or read-only disk is no reason to stop: then nothing is kept."""
        path = self._path(adapter, tokens)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(hashlib.sha256(state).hexdigest().encode() + b"\n" + state)
            os.replace(part, path)
            for old in sorted(self.folder.glob("*.state"), key=lambda file: file.stat().st_mtime)[:-MOST]:
                old.unlink(missing_ok=True)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()

    def _path(self, adapter: str, tokens: Sequence[int]) -> Path:
        told = "\n".join((*self.made_by, adapter, " ".join(map(str, tokens))))
        return self.folder / f"{hashlib.sha256(told.encode()).hexdigest()[:40]}.state"
