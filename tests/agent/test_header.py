"""session.json: enough to understand, resume and repeat a session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent import header as module
from agent.clock import VirtualClock
from agent.config import Settings
from agent.header import header, settings_of
from agent.record import HEADER, write_json
from agent.toml_file import FileProblem
from tests.conftest import ROOT, quick


def test_the_settings_come_back_as_they_went(tmp_path: Path) -> None:
    settings = quick(
        story="seed", personality="3", age="8-10", seed=11, second_language=True, minutes=4.5, data=tmp_path, participant="P07"
    )
    write_json(tmp_path / HEADER, header(settings, "fr", "x", VirtualClock()))
    assert settings_of(tmp_path) == settings


def test_it_names_what_a_study_needs() -> None:
    made = header(quick(participant="P07", child="simulated:shy", seed=4), "de", "20260101-P07", VirtualClock())
    assert made["participant"] == "P07"
    assert made["condition"] == {"personality": "extravert", "language": "de", "model": "authored", "robot": "simulator"}
    assert (made["seed"], made["story"], made["simulated_child"]) == (4, "rainbow", "shy")
    assert json.loads(json.dumps(made)) == made
    versions = made["versions"]
    assert isinstance(versions, dict)
    assert {"fabula", "python", "langgraph"} <= set(versions)


def test_hashes_tell_two_versions_of_a_story_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(child="simulated", story="seed")
    before = header(settings, "en", "x", VirtualClock())["hashes"]
    folder = tmp_path / "stories"
    folder.mkdir()
    for file in (ROOT / "stories" / "seed").glob("*.toml"):
        (folder / "seed").mkdir(exist_ok=True)
        (folder / "seed" / file.name).write_bytes(file.read_bytes() + (b"\n" if file.name == "en.toml" else b""))
    monkeypatch.setattr(module, "STORIES", folder)
    after = header(settings, "en", "x", VirtualClock())["hashes"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert {key for key in before if before[key] != after[key]} == {"stories/seed/en.toml"}
    assert {len(digest) for digest in before.values()} == {64}
    assert "code" in before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"settings": 3}', '{"settings": {"colour": 1}}', '{"a": 1}', '"x"'])
def test_a_header_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / HEADER).write_text(text, encoding="utf-8")
    with pytest.raises(FileProblem, match="is not the header of a session"):
        settings_of(tmp_path)
