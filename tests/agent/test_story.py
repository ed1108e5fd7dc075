"""Loading stories: what a session may rely on, and what an author is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.story import STORIES, Story, load, slugs, split_mark
from agent.toml_file import FileProblem
from agent.turn import BANDS, LANGUAGES, Language
from tests.conftest import story_of

EIGHT = {"bendy", "lighthouse", "many-words", "night-train", "number-adventure", "rainbow", "seed", "water-cycle"}


def test_all_eight_are_there() -> None:
    assert set(slugs()) >= EIGHT


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_a_story_loads_with_all_its_words(slug: str, language: Language) -> None:
    story = story_of(slug, language)
    assert (story.slug, story.language) == (slug, language)
    for beat in story.beats:
        assert {prompt.shape.id for prompt in beat.prompts} == set(beat.words.prompts)
        assert all(beat.words.tell[band] for band in BANDS)
        assert story.beat(beat.id) is beat
        for prompt in beat.prompts:
            assert story.prompt(beat.id, prompt.shape.id) is prompt
            assert all(len(prompt.words.hints[band]) == 3 for band in BANDS)


@pytest.mark.parametrize("slug", slugs())
def test_all_languages_share_one_structure(slug: str) -> None:
    structures = {story_of(slug, language).structure.model_dump_json() for language in LANGUAGES}
    assert len(structures) == 1
    counts = {
        tuple(len(prompt.words.misconceptions) > 0 for beat in story_of(slug, language).beats for prompt in beat.prompts)
        for language in LANGUAGES
    }
    assert len(counts) == 1


@pytest.mark.parametrize("slug", slugs())
def test_every_way_through_a_story_comes_to_its_end(slug: str) -> None:
    story = story_of(slug, "en")
    ways = [(story.beats[0].id, 0)]
    ends, seen = 0, set()
    while ways:
        here, steps = ways.pop()
        seen.add(here)
        assert steps <= len(story.beats), "a circle"
        shape = story.beat(here).shape
        following = [story.after(here, option.id) for option in shape.choices] or [story.after(here)]
        ends += following.count("")
        ways += [(beat, steps + 1) for beat in following if beat]
    assert ends
    assert seen == {beat.id for beat in story.beats}, "a beat that nobody reaches"


def test_the_beats_still_to_come_are_counted_along_the_default_way() -> None:
    for slug in slugs():
        story = story_of(slug, "en")
        assert story.beats_from(story.beats[-1].id) == 0
        here, count = story.beats[0].id, story.beats_from(story.beats[0].id)
        while following := story.after(here):
            assert story.beats_from(following) == count - 1
            here, count = following, count - 1


@pytest.mark.parametrize(
    ("text", "mark", "rest"), [("[nod] Yes.", "nod", "Yes."), ("No mark.", "", "No mark."), ("[Nod] x", "", "[Nod] x")]
)
def test_gesture_marks(text: str, mark: str, rest: str) -> None:
    assert split_mark(text) == (mark, rest)


# ---------------------------------------------------------------------- broken files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(STORIES / "seed", tmp_path / "seed")
    return tmp_path


def broken(folder: Path, file: str, old: str, new: str) -> str:
    """What an author is told once ``old`` has become ``new`` in a file of the story; its first occurrence only."""
    path = folder / "seed" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FileProblem) as caught:
        load("seed", "en", folder)
    assert caught.value.path.parent == folder / "seed"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert 1 <= caught.value.line <= len(lines) + 1
    return (
        f"{caught.value.path.name}:{caught.value.line}: {caught.value.message}|{lines[min(caught.value.line, len(lines)) - 1]}"
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "named", "line"),
    [
        ("en.toml", "[beats.pocket.tell]", "[beats.pockets.tell]", "pocket", ""),
        ("en.toml", "[beats.drink.tell]", "[beats.drunk.tell]", "drink", ""),
        ("en.toml", "hints = [", "hint = [", "did you mean “hints”", "hint = ["),
        ("en.toml", 'farewell = "', 'farwell = "', "farwell", "farwell"),
        ("en.toml", "[beats.pocket.prompts.wish]", "[beats.pocket.prompts.wishes]", "wish", ""),
        ("en.toml", '"8-10" = [', '"8-12" = [', "8-12", "[recap]"),
        ("en.toml", 'title = "', "title = ", "is not valid TOML", "title"),
        ("en.toml", 'language = "en"', 'language = "es"', "language", "language"),
        ("story.toml", 'crowd = "wh"', 'crowd = "why"', "crowd", "why"),
        ("story.toml", 'concept = "root-and-shoot"', 'concept = "root"', "not in concepts", '"root"'),
        ("story.toml", "difficulty = 2", "difficulty = 4", "difficulty", "difficulty"),
        ("story.toml", 'id = "drink"', 'id = "pocket"', "two beats are called “pocket”", "pocket"),
        ("story.toml", 'id = "drink"', 'id = "drink"\nnext = "nowhere"', "is not a beat of this story", "nowhere"),
        ("story.toml", 'slug = "seed"', 'slug = "seed"\ncolour = "green"', "unknown key “colour”", "colour"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(file: str, old: str, new: str, named: str, line: str, folder: Path) -> None:
    told = broken(folder, file, old, new)
    assert named in told
    assert line in told.partition("|")[2], told


def test_a_missing_file_and_a_missing_story_are_named(folder: Path) -> None:
    (folder / "seed" / "en.toml").unlink()
    with pytest.raises(FileProblem, match=r"en\.toml:1: there is no such file"):
        load("seed", "en", folder)
    with pytest.raises(FileProblem, match="there is no such file"):
        load("nothing", "en", folder)


def test_a_file_in_another_encoding_is_named(folder: Path) -> None:
    path = folder / "seed" / "fr.toml"
    path.write_bytes(path.read_text(encoding="utf-8").replace("\u202f", " ").encode("latin-1", errors="replace"))
    with pytest.raises(FileProblem, match="UTF-8"):
        load("seed", "fr", folder)


def test_a_file_that_says_another_language_than_its_name_is_refused(folder: Path) -> None:
    shutil.copy(folder / "seed" / "fr.toml", folder / "seed" / "en.toml")
    with pytest.raises(FileProblem, match="language"):
        load("seed", "en", folder)


def test_the_loaded_story_cannot_be_changed() -> None:
    story: Story = story_of("seed", "en")
    with pytest.raises(Exception, match="frozen"):
        story.wording = story.wording
