"""The session's memory on disk: LangGraph's SQLite checkpointer, made to survive a full disk and to forget on demand."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from agent import turn

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

_WORDS = [turn.Utterance, turn.Judgement, turn.Strategy, turn.Sentence, turn.Reply, turn.Pending, turn.Progress]


class Checkpoints(SqliteSaver):
    """One session's checkpoints in one file. Only the newest is kept: a session resumes, it does not travel in time.

    When the disk is full or gone the session goes on without: ``fault`` then says why, and resuming is from the last one
    that was written. ``durable`` waits for the disk at each step (power cuts); without, only for the operating system.
    """

    def __init__(self, path: Path, durable: bool = True) -> None:
        connection = sqlite3.connect(path, check_same_thread=False)
        serde = JsonPlusSerializer(allowed_msgpack_modules=[(word.__module__, word.__name__) for word in _WORDS])
        super().__init__(connection, serde=serde)
        self.fault = ""
        try:
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
            connection.execute("PRAGMA secure_delete=ON")  # words that were deleted must not linger in the file
        except sqlite3.Error as error:
            self._failed(error)

    def _failed(self, error: sqlite3.Error) -> None:
        self.fault = self.fault or str(error)  # the first is the cause; what follows from it says less

    def setup(self) -> None:
        try:
            super().setup()
        except sqlite3.Error as error:
            self._failed(error)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        try:
            return super().get_tuple(config)
        except sqlite3.Error as error:
            self._failed(error)
            return None

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        try:
            saved = super().put(config, checkpoint, metadata, new_versions)
            self._keep_only(config["configurable"]["thread_id"], checkpoint["id"])
            return saved
        except sqlite3.Error as error:
            self._failed(error)
            return {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}

    def put_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        try:
            super().put_writes(config, writes, task_id, task_path)
        except sqlite3.Error as error:
            self._failed(error)

    def _keep_only(self, thread: str, newest: str) -> None:
        with self.cursor() as cursor:
            cursor.execute("DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id < ?", (thread, newest))
            cursor.execute("DELETE FROM writes WHERE thread_id = ? AND checkpoint_id < ?", (thread, newest))

    def close(self) -> None:
        """Fold the write-ahead log back and let go of the file."""
        try:
            self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            self._failed(error)
        self.conn.close()
