import pytest
from pydantic import BaseModel, ConfigDict

from agent.toml_file import FileProblem, line_of, read_toml


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    amplitude: float = 1.0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    inner: Inner = Inner()
    rows: list[Inner] = []


def problem(tmp_path, text):
    path = tmp_path / "file.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileProblem) as raised:
        read_toml(path, Outer)
    return raised.value


def test_a_good_file_is_read(tmp_path):
    path = tmp_path / "file.toml"
    path.write_text('title = "x"\n[inner]\namplitude = 2\n', encoding="utf-8")
    assert read_toml(path, Outer).inner.amplitude == 2


def test_an_unknown_key_names_the_nearest_and_its_line(tmp_path):
    found = problem(tmp_path, 'title = "x"\n\n[inner]\namplitud = 2\n')
    assert (found.line, "did you mean “amplitude”" in str(found)) == (4, True)


def test_an_unknown_key_in_the_second_row_of_a_list_is_found_there(tmp_path):
    found = problem(tmp_path, 'title = "x"\n[[rows]]\namplitude = 1\n[[rows]]\namplitude = 1\nspeed = 2\n')
    assert found.line == 6


def test_a_missing_key_is_named(tmp_path):
    assert "“title” is missing" in str(problem(tmp_path, "[inner]\n"))


def test_a_wrong_type_names_line_and_key(tmp_path):
    found = problem(tmp_path, 'title = "x"\n[inner]\namplitude = "big"\n')
    assert found.line == 3
    assert "inner.amplitude" in str(found)


def test_broken_toml_names_the_line(tmp_path):
    assert problem(tmp_path, 'title = "x"\ninner = = 3\n').line == 2


def test_a_file_that_is_not_utf8_names_the_line(tmp_path):
    path = tmp_path / "file.toml"
    path.write_bytes(b'title = "x"\n# ' + b"\xff\n")
    with pytest.raises(FileProblem) as raised:
        read_toml(path, Outer)
    assert (raised.value.line, "UTF-8" in str(raised.value)) == (2, True)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileProblem, match="no such file"):
        read_toml(tmp_path / "none.toml", Outer)


def test_dotted_and_quoted_keys_have_lines():
    assert line_of('[a."4-5"]\nx = 1\n[b]\n"4-5" = 2\n', ["b", "4-5"]) == 4
