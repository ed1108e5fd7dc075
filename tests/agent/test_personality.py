"""Profiles: the files, the levels between them, the graded prompt, and what is said when a file or a name is wrong."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.personality import PERSONALITIES, Profile, load, names, prompt
from agent.ports import MotionStyle, VoiceStyle
from agent.toml_file import FileProblem
from agent.turn import LANGUAGES

# The introvert and the extravert column of the personality table (pauses before an answer: the middle of the range).
TABLE = {
    "rate": (0.92, 1.08), "pitch": (-1, 1.5), "range": (0.75, 1.5), "loudness": (-3, 2), "pause_before": (1.4, 0.75),
    "pause_between": (0.7, 0.35), "amplitude": (0.6, 1.25), "velocity": (0.75, 1.25), "beats": (6, 16),
    "aversion": (1, 0.3), "breathing": (0.15, 0.25),
}  # fmt: skip


def figures(profile: Profile) -> dict[str, float]:
    values = asdict(profile.voice) | asdict(profile.motion)
    return {name: value for name, value in values.items() if name != "antennas"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "personalities"
    shutil.copytree(PERSONALITIES, home)
    return home


def test_three_profiles_ship() -> None:
    assert names() == ["extravert", "introvert", "neutral"]


def test_the_ends_are_those_of_the_table_and_the_middle_is_the_default() -> None:
    low, high = figures(load("introvert")), figures(load("extravert"))
    assert {name: (low[name], high[name]) for name in TABLE} == TABLE
    assert load("neutral").voice == VoiceStyle()
    assert load("neutral").motion == MotionStyle()


@pytest.mark.parametrize(("digit", "name"), [("1", "introvert"), ("5", "neutral"), ("9", "extravert")])
def test_the_outer_and_middle_levels_are_the_files(digit: str, name: str) -> None:
    assert load(digit) == load(name)


def test_every_figure_moves_in_equal_steps_on_either_side_of_the_middle() -> None:
    levels = [figures(load(str(level))) for level in range(1, 10)]
    for name in TABLE:
        values = [level[name] for level in levels]
        steps = [after - before for before, after in pairwise(values)]
        assert steps[:4] == pytest.approx([steps[0]] * 4, abs=1e-5)
        assert steps[4:] == pytest.approx([steps[4]] * 4, abs=1e-5)
        assert all(step * steps[0] > 0 for step in steps), name


def test_banks_and_antennas_follow_the_level() -> None:
    profiles = [load(str(level)) for level in range(1, 10)]
    assert [profile.bank for profile in profiles] == ["introvert"] * 3 + ["neutral"] * 3 + ["extravert"] * 3
    assert [profile.motion.antennas for profile in profiles] == ["sway"] * 3 + ["normal"] * 3 + ["perk"] * 3
    assert all(profile.reprompt_every <= 6 for profile in profiles)
    assert len({profile.title.de for profile in profiles}) == 9


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_level_has_a_prompt_of_its_own_and_all_are_equally_warm(language: str) -> None:
    said = [prompt(load(str(level)), language) for level in range(1, 10)]  # type: ignore[arg-type]
    assert len(set(said)) == 9
    last = {text.split(". ")[-1] for text in said}
    assert len(last) == 1
    warm = {"en": "warm, patient and accurate", "fr": "chaleureux, patient et exact", "de": "warmherzig, geduldig und genau"}
    assert warm[language] in last.pop()


def test_the_grading_goes_from_extremely_to_a_bit_and_neither_nor() -> None:
    first = [prompt(load(str(level)), "en").split(". ")[0] for level in range(1, 10)]
    assert first[0].startswith("You are extremely quiet, extremely calm")
    assert first[1].startswith("You are very quiet")
    assert first[2].startswith("You are quiet")
    assert first[3].startswith("You are a bit quiet")
    assert first[4].startswith("You are neither quiet nor talkative")
    assert first[5].startswith("You are a bit talkative")
    assert first[8].endswith("and extremely adventurous")
    assert prompt(load("5"), "fr").startswith("Tu n'es ni silencieux ni bavard")
    assert prompt(load("9"), "de").startswith("Du bist äußerst gesprächig")


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("extrovert", "extravert"), ("introvertt", "introvert"), ("Neutral!", "neutral")]
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean “{nearest}”"):
        load(wrong)


@given(st.text(max_size=12))
def test_a_name_is_a_file_a_digit_or_an_error(name: str) -> None:
    if name in names() or (len(name) == 1 and name in "123456789"):
        assert load(name).level in range(1, 10)
    else:
        with pytest.raises(ValueError, match="did you mean"):
            load(name)


def test_a_fourth_profile_is_a_file_more(folder: Path) -> None:
    text = (folder / "introvert.toml").read_text(encoding="utf-8")
    (folder / "dreamer.toml").write_text(text.replace("level = 1", "level = 3"), encoding="utf-8")
    assert "dreamer" in names(folder)
    dreamer = load("dreamer", folder)
    assert (dreamer.name, dreamer.level, dreamer.bank) == ("dreamer", 3, "introvert")
    assert prompt(dreamer, "en").startswith("You are quiet, calm")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate = 1.08", "rate = 1.4", "rate"),
        ("rate = 1.08", "rate = 1.08\nloudnes = 2.0", "did you mean “loudness”"),
        ('antennas = "perk"', 'antennas = "wild"', "antennas"),
        ("level = 9", "level = 8", "the level of extravert is 9"),
        ("reprompt_every = 6 ", "reprompt_every = 7 ", "reprompt_every"),
        ("pitch = 1.5", "pitch = ", "not valid TOML"),
        ("beats = 16.0", "", "beats” is missing"),
    ],
)
def test_a_broken_file_is_named_with_its_line(folder: Path, old: str, new: str, said: str) -> None:
    path = folder / "extravert.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    for name in ("extravert", "7"):
        with pytest.raises(FileProblem) as problem:
            load(name, folder)
        assert said in str(problem.value)
        assert str(path) in str(problem.value)


def test_a_profile_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load("neutral").level = 6
