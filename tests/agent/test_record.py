import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import VirtualClock
from agent.record import EVENTS, FolderProblem, Record, find_folder, last_row, new_folder, read_events, write_json


def opened(folder, notices=None):
    return Record(folder, VirtualClock(), (notices if notices is not None else []).append, durable=False)


def rows(folder):
    return [json.loads(line) for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines()]


def test_rows_are_gapless_and_timed(tmp_path):
    clock = VirtualClock()
    record = Record(tmp_path, clock, print, durable=False)
    record.write("one", text="été")
    clock.sleep(1.25)
    record.write("two")
    record.close()
    assert [(row["seq"], row["kind"], row["t"]) for row in rows(tmp_path)] == [(0, "one", 0.0), (1, "two", 1.25)]
    assert rows(tmp_path)[0]["text"] == "été"


def test_a_held_row_is_written_before_the_next_and_only_then(tmp_path):
    record = opened(tmp_path)
    record.hold("heard")
    assert rows(tmp_path) == []
    record.hold("judged")
    assert [row["kind"] for row in rows(tmp_path)] == ["heard"]
    record.close()
    assert [row["kind"] for row in rows(tmp_path)] == ["heard", "judged"]


@given(st.integers(0, 300))
def test_a_log_cut_anywhere_goes_on_gapless(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("log")
    record = opened(folder)
    for number in range(5):
        record.write("row", number=number)
    record.close()
    whole = (folder / EVENTS).read_bytes()
    (folder / EVENTS).write_bytes(whole[: max(0, len(whole) - cut)])
    record = opened(folder)
    record.write("after")
    record.close()
    assert [row["seq"] for row in rows(folder)] == list(range(len(rows(folder))))
    assert rows(folder)[-1]["kind"] == "after"


def test_a_torn_last_line_is_not_read(tmp_path):
    (tmp_path / EVENTS).write_text('{"seq": 0, "t": 3.5, "kind": "a"}\n{"seq": 1, "t": 4', encoding="utf-8")
    assert [row["seq"] for row in read_events(tmp_path)] == [0]
    assert last_row(tmp_path / EVENTS) == (1, 3.5)


class FullDisk:
    """A file on a disk that is full until ``room`` is set."""

    def __init__(self, path):
        self.file, self.room = path.open("ab", buffering=0), False

    def write(self, data):
        if not self.room:
            self.file.write(data[:7])  # a full disk takes half a line
            raise OSError(28, "No space left on device")
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_full_disk_loses_nothing_once_there_is_room_again(tmp_path):
    notices: list[str] = []
    record = opened(tmp_path, notices)
    record.write("before")
    record._file.close()
    record._file = disk = FullDisk(tmp_path / EVENTS)
    record.write("one")
    record.write("two")
    disk.room = True
    record.write("three")
    record.close()
    assert [row["kind"] for row in rows(tmp_path)] == ["before", "one", "two", "three"]
    assert [row["seq"] for row in rows(tmp_path)] == [0, 1, 2, 3]
    assert len(notices) == 2
    assert "No space left" in notices[0]


def test_rows_that_never_fit_are_rescued_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    notices: list[str] = []
    record = opened(tmp_path, notices)
    record._file.close()
    record._file = FullDisk(tmp_path / EVENTS)
    record.write("one")
    record.close()
    rescued = notices[-1].rsplit(" ", 1)[-1].rstrip(".")
    assert json.loads(Path(rescued).read_text(encoding="utf-8"))["kind"] == "one"


def test_a_data_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(FolderProblem, match="--data"):
        new_folder(tmp_path / "data", VirtualClock(), "P01")


def test_two_sessions_never_share_a_folder(tmp_path):
    folders = {new_folder(tmp_path, VirtualClock(), "P01") for _ in range(20)}
    assert len(folders) == 20


def test_a_session_is_found_by_name_path_and_ending(tmp_path):
    folder = new_folder(tmp_path, VirtualClock(), "P07")
    write_json(folder / "session.json", {"a": 1})
    assert find_folder(tmp_path, folder.name) == folder
    assert find_folder(tmp_path, str(folder)) == folder
    assert find_folder(tmp_path, folder.name[-8:]) == folder
    with pytest.raises(FolderProblem, match=folder.name):
        find_folder(tmp_path, "nothing")


def test_rows_that_fit_nowhere_are_told_and_nothing_half_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    monkeypatch.setenv("HOME", str(tmp_path / "gone too"))
    notices: list[str] = []
    record = opened(tmp_path, notices)
    record._file.close()
    record._file = FullDisk(tmp_path / EVENTS)
    record.write("one")
    record.close()
    assert "1 rows" in notices[-1]
    assert "no other folder has room" in notices[-1]
