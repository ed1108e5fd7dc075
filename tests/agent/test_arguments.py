"""The command line: flags and file together, and the nearest choice to a wrong name."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.arguments import check_names, nearest, parser, settings_from
from agent.children.child import persona_names
from agent.config import Settings
from agent.personality import names
from agent.story import slugs


def given(*arguments: str) -> Settings:
    return settings_from(parser().parse_args(list(arguments)))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_no_flag_means_the_default() -> None:
    assert given() == Settings()


def test_every_flag_of_the_contract_arrives() -> None:
    found = given(
        *("--sim", "--child", "simulated:shy", "--language", "fr", "--personality", "3", "--story", "seed", "--age", "4-5"),
        *("--model", "authored", "--participant", "P07", "--seed", "9", "--turns", "12", "--speed", "fast", "--voice", "none"),
        *(
            "--save-audio",
            "--data",
            "elsewhere",
            "--minutes",
            "2.5",
            "--robot",
            "simulator",
            "--adult",
            "Miss Green",
            "--second-language",
        ),
    )
    assert found == Settings(
        child="simulated:shy",
        language="fr",
        personality="3",
        story="seed",
        age="4-5",
        participant="P07",
        seed=9,
        turns=12,
        speed="fast",
        voice="none",
        save_audio=True,
        data=Path("elsewhere"),
        minutes=2.5,
        adult="Miss Green",
        second_language=True,
    )
    assert not given("--no-log").log


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "fabula.toml").write_text('story = "seed"\nseed = 5\nsave_audio = true\n', encoding="utf-8")
    found = given("--story", "rainbow")
    assert (found.story, found.seed, found.save_audio) == ("rainbow", 5, True)


@pytest.mark.parametrize(
    ("flag", "value", "named"),
    [
        ("--language", "es", "'en', 'fr', 'de'"),
        ("--age", "5", "'4-5', '6-7'"),
        ("--speed", "slow", "'real' or 'fast'"),
        ("--voice", "piper", "'espeak'"),
        ("--model", "gpt", "'authored'"),
        ("--participant", "Tobias Miller", "letters"),
        ("--seed", "-1", "greater than or equal to 0"),
        ("--turns", "-3", "greater than or equal to 0"),
        ("--minutes", "-1", "greater than or equal to 0"),
    ],
)
def test_a_wrong_value_names_the_flag_and_the_choices(flag: str, value: str, named: str) -> None:
    with pytest.raises(ValueError, match="--") as caught:
        given(f"{flag}={value}")
    assert str(caught.value).startswith(f"{flag} ")
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"story": "rainbw"}, "did you mean “rainbow”"),
        ({"story": "zzzzz"}, "there are:"),
        ({"personality": "extrovert"}, "did you mean “extravert”"),
        ({"personality": "11"}, "level 1-9"),
        ({"robot": "mujco"}, "did you mean “mujoco”"),
        ({"child": "simulate"}, "did you mean “simulated”"),
        ({"child": "simulated:quik"}, "did you mean “quick”"),
        ({"child": "typed", "speed": "fast"}, "--child simulated"),
    ],
)
def test_an_unknown_name_names_the_nearest(changes: dict[str, str], hint: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        check_names(Settings.model_validate({"child": "simulated", **changes}))
    assert hint in str(caught.value)


def test_every_known_name_is_accepted() -> None:
    for story in slugs():
        check_names(Settings(child="simulated", story=story))
    for persona in persona_names():
        check_names(Settings(child=f"simulated:{persona}"))
    for personality in [*names(), *"123456789"]:
        check_names(Settings(child="simulated", personality=personality))


def test_the_nearest_of_nothing_alike_lists_all() -> None:
    assert str(nearest("story", "qqq", ["seed", "rainbow"])) == "there is no story “qqq”; there are: (seed, rainbow)"
