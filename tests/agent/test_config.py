"""The settings file, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.config import MINUTES, Settings, read
from agent.toml_file import FileProblem
from agent.turn import BANDS


def test_without_a_file_a_newcomer_gets_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(None) == Settings()
    assert Settings().log


def test_fabula_toml_in_the_present_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fabula.toml").write_text('story = "seed"\nage = "8-10"\nminutes = 7.5\n', encoding="utf-8")
    found = read(None)
    assert (found.story, found.age, found.limit) == ("seed", "8-10", 450)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="there is no such settings file"):
        read(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('story = "seed"\npersonalty = "x"\n', 2, "did you mean “personality”"),
        ('\n\nage = "11-13"\n', 3, "age"),
        ('language = "es"\n', 1, "language"),
        ("seed = -1\n", 1, "seed"),
        ('participant = "Tobias Miller"\n', 1, "participant"),
        ("slowness = 0\n", 1, "slowness"),
        ('story = "seed\n', 1, "is not valid TOML"),
        ('model = "gpt"\n', 1, "model"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_reason(text: str, line: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileProblem) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("band", BANDS)
def test_a_session_has_a_limit_by_age(band: str) -> None:
    assert Settings.model_validate({"age": band}).limit == 60 * MINUTES[band]  # type: ignore[index]
    assert Settings.model_validate({"age": band, "minutes": 3}).limit == 180


def test_settings_do_not_change_while_a_session_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().seed = 4
