"""What authors are told: every kind of mistake in a story is found, with its file and line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.story import STORIES, slugs
from agent.turn import LANGUAGES
from stories.check import check, main

Change = tuple[str, str, str]


def mistaken(folder: Path, slug: str, file: str, old: str, new: str) -> list[str]:
    """The findings once the first ``old`` in a file has become ``new``."""
    shutil.copytree(STORIES / slug, folder / slug)
    path = folder / slug / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return check(slug, folder)


def test_a_story_without_mistakes_has_no_findings(tmp_path: Path) -> None:
    shutil.copytree(STORIES / "seed", tmp_path / "seed")
    assert check("seed", tmp_path) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("en.toml", "[beats.drink.tell]", "[beats.drank.tell]", "drink"),
        ("story.toml", 'answer = "closed"', 'answer = "shut"', "answer"),
        ("story.toml", 'slug = "seed"', 'slug = "seed"\nauthor = "me"', "unknown key “author”"),
        ("story.toml", 'id = "root"', 'id = "root"\nnext = "moon"', "“moon” is not a beat"),
        (
            "en.toml",
            '"[sleep] It is not dead, it is asleep."',
            '"[fly_to_the_moon] It is not dead, it is asleep."',
            "unknown gesture “fly_to_the_moon”",
        ),
        ("en.toml", '"It is high up in the sky."', '"It is the sun, high up in the sky."', "gives the answer away"),
        ("en.toml", '"It is high up in the sky."', '"It is high up in the sky"', "does not end like a sentence"),
        ("en.toml", '"It is high up in the sky."', '"His eyes are shut, and he has a dream."', "stands in 2 places"),
        (
            "en.toml",
            '"It is high up in the sky."',
            '"It is up there where all of the small birds go when they fly to the south."',
            "a sentence of 17 words",
        ),
        ("en.toml", '"What does Pip want to see?"', '"Pip wants to see something."', "does not end in a question"),
        ("en.toml", '"What does Pip want to see?"', '"What is it? What does Pip want?"', "asks more than one question"),
        ("en.toml", 'words = ["rests", "spring"]', 'words = ["rests"]', "exactly two new words"),
        ("en.toml", 'words = ["rests", "spring"]', 'words = ["rests", "hibernates"]', "“hibernates” is not in the expansion"),
        (
            "en.toml",
            '"Mina lays Pip in the soft soil.",',
            '"Vegetation necessitates considerable moisture availability.",',
            "too hard for ages 4-5",
        ),
        ("fr.toml", 'language = "fr"', 'language = "fr"\ncouleur = "vert"', "unknown key “couleur”"),
        ("de.toml", 'language = "de"', 'language = "de', "is not valid TOML"),
    ],
)
def test_a_mistake_is_found_where_it_stands(file: str, old: str, new: str, said: str, tmp_path: Path) -> None:
    found = mistaken(tmp_path, "seed", file, old, new)
    named = [line for line in found if said in line]
    assert named, found
    place = re.match(rf"{re.escape(str(tmp_path / 'seed'))}/([a-z]+\.toml):(\d+): ", named[0])
    assert place, named[0]
    assert place[1] in (file, "en.toml", "fr.toml", "de.toml")
    assert int(place[2]) >= 1


def test_the_line_is_that_of_the_mistake(tmp_path: Path) -> None:
    found = mistaken(tmp_path, "seed", "en.toml", '"It is high up in the sky."', '"It is the sun, high up in the sky."')
    number = int(next(line for line in found if "gives the answer away" in line).split(":")[1])
    lines = (tmp_path / "seed" / "en.toml").read_text(encoding="utf-8").splitlines()
    assert "It is the sun" in lines[number - 1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mistake_in_one_language_is_not_laid_to_another(language: str, tmp_path: Path) -> None:
    shutil.copytree(STORIES / "seed", tmp_path / "seed")
    path = tmp_path / "seed" / f"{language}.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("title = ", "titel = ", 1), encoding="utf-8")
    found = check("seed", tmp_path)
    assert found
    assert {line.split(":")[0] for line in found} == {str(path)}


def test_too_few_beats_and_too_few_types_are_found(tmp_path: Path) -> None:
    shutil.copytree(STORIES / "seed", tmp_path / "seed")
    path = tmp_path / "seed" / "story.toml"
    text = re.sub(r'crowd = "(distancing|open)"', 'crowd = "wh"', path.read_text(encoding="utf-8"))
    path.write_text(text.replace("difficulty = 1", "difficulty = 2", 1), encoding="utf-8")
    found = "\n".join(check("seed", tmp_path))
    assert "fewer than two prompts of type open, distancing" in found
    assert "needs prompts of difficulty 1, 2 and 3" in found


def _drop_line(text: str, place: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:place] + lines[place + 1 :])


def _spoil_letter(text: str, place: int) -> str:
    lines = text.splitlines(keepends=True)
    lines[place] = "§" + lines[place]
    return "".join(lines)


@given(st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("spoil", [_drop_line, _spoil_letter])
def test_whatever_happens_to_a_file_authors_are_told_and_nothing_breaks(
    spoil: Callable[[str, int], str], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A line that is lost or spoilt somewhere: either the story is still a good one, or a line with a place says what is wrong."""
    folder = tmp_path_factory.mktemp("stories")
    file = data.draw(st.sampled_from(["story.toml", "en.toml", "de.toml"]))
    shutil.copytree(STORIES / "seed", folder / "seed")
    path = folder / "seed" / file
    text = path.read_text(encoding="utf-8")
    path.write_text(spoil(text, data.draw(st.integers(0, text.count("\n") - 1))), encoding="utf-8")
    found = check("seed", folder)
    assert all(re.match(rf"{re.escape(str(folder))}/seed/\w+\.toml:\d+: .+", line) for line in found), found
    if spoil is _spoil_letter:
        lines = path.read_text(encoding="utf-8").splitlines()
        spoilt = next(line for line in lines if line.startswith("§"))
        assert found or spoilt == "§", "a letter outside a string is no TOML"


def test_the_command_names_an_unknown_story(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sead"]) == 2
    assert "seed" in capsys.readouterr().err


def test_the_command_reports_and_exits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["seed"]) == 0
    assert capsys.readouterr().out == "seed: nothing to mend\n"
    monkeypatch.setattr("stories.check.check", lambda slug: ["a.toml:1: mend me"])
    assert main([]) == 1
    assert capsys.readouterr().out.count("mend me") == len(slugs())
