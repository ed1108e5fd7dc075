"""The build as a whole: files, splits, digests, determinism; and the report that measures it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from adapters.data import making, prose
from adapters.data.__main__ import main
from adapters.data.build import build
from adapters.data.report import measured, near_duplicates, printed
from adapters.data.rows import FOLDERS, Files, Row, guide
from adapters.data.split import HELD_OUT_STORIES
from agent.story import split_mark
from agent.turn import BANDS, LANGUAGES
from tests.conftest import story_of


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data")
    build(out, seed=1, limit=6)
    return out


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_is_trained_on_knows_nothing_of_the_held_out_stories(built: Path) -> None:
    for folder in ("train", "dev"):
        for path in (built / folder).glob("*.jsonl"):
            for row in rows_of(path):
                assert row["split"] == folder
                assert row["story"] not in HELD_OUT_STORIES
                text = json.dumps(row, ensure_ascii=False)
                assert not any(story_of(slug, "en").wording.title in text for slug in HELD_OUT_STORIES)


def test_held_out_rows_are_all_there(built: Path) -> None:
    for path in (built / "held-out-stories").glob("*.jsonl"):
        assert {row["story"] for row in rows_of(path)} <= HELD_OUT_STORIES
    assert {row["story"] for row in rows_of(built / "held-out-stories" / "prose.jsonl")} == HELD_OUT_STORIES


def test_rows_are_what_a_trainer_reads(built: Path) -> None:
    for path in (built / "train").glob("*.jsonl"):
        for row in rows_of(path):
            assert row["task"] == path.stem
            if "text" in row:
                assert row["text"].strip()
                continue
            assert [message["role"] for message in row["prompt"]] == ["system", "user"]
            assert [message["role"] for message in row["completion"]] == ["assistant"]
            assert row["completion"][0]["content"].strip()
            assert {"language", "story", "split", "strategy", "level"} <= set(row)


def test_the_guides_json(built: Path) -> None:
    found = json.loads((built / "guide" / "response.json").read_text(encoding="utf-8"))
    assert len(found) == len(rows_of(built / "train" / "response.jsonl"))
    assert all(set(row) == {"instruction", "input", "output", "personality", "language"} for row in found)
    assert {row["personality"] for row in found} == {"introvert", "neutral", "extravert"}
    assert not (built / "guide" / "response-slotted.json").exists()


def test_the_three_renderings_of_a_reply_belong_together(built: Path) -> None:
    plain, slotted, compact = (rows_of(built / "train" / f"response{name}.jsonl") for name in ("", "-slotted", "-compact"))
    assert len(plain) == len(slotted) == len(compact) > 0
    for one, two, three in zip(plain, slotted, compact, strict=True):
        assert one["prompt"] == two["prompt"]
        assert two["completion"] == three["completion"]
        assert len(three["prompt"][1]["content"]) < len(two["prompt"][1]["content"])


def test_the_same_seed_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    first = json.loads((built / "manifest.json").read_text(encoding="utf-8"))
    again = build(tmp_path, seed=1, limit=6)
    assert again["digests"] == first["digests"]
    for name, _ in [*first["digests"].items()][:3]:
        assert (tmp_path / name).read_bytes() == (built / name).read_bytes()


def test_another_seed_draws_other_turns(built: Path, tmp_path: Path) -> None:
    other = build(tmp_path, seed=2, limit=3)
    first = json.loads((built / "manifest.json").read_text(encoding="utf-8"))
    assert other["digests"]["all"] != first["digests"]["all"]
    assert other["digests"]["train/prose.jsonl"] == first["digests"]["train/prose.jsonl"]


def test_a_build_leaves_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name in ("story.jsonl", "prose.jsonl", "addition.jsonl"):
        (tmp_path / "train" / name).write_text("{}\n", encoding="utf-8")
    files = Files(tmp_path)
    files.write(Row("prose", {"text": "A.", "language": "en", "story": "", "split": "train"}))
    assert set(files.close()) == {"train/prose.jsonl", "all"}
    assert not (tmp_path / "train" / "story.jsonl").exists()
    assert len(rows_of(tmp_path / "train" / "prose.jsonl")) == 1
    assert (tmp_path / "train" / "addition.jsonl").exists(), "what another program made is not ours to delete"


def test_an_unknown_split_or_task_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tset"):
        Files(tmp_path).write(Row("prose", {"text": "A.", "split": "tset"}))
    with pytest.raises(ValueError, match="prosa"):
        Files(tmp_path).write(Row("prosa", {"text": "A.", "split": "train"}))


def test_a_level_is_a_personality() -> None:
    row = {"prompt": [{"content": "s"}, {"content": "u"}], "completion": [{"content": "a"}], "language": "de"}
    assert [guide({**row, "level": level})["personality"] for level in (1, 3, 4, 6, 7, 9)] == [
        *["introvert"] * 2,
        *["neutral"] * 2,
        *["extravert"] * 2,
    ]


def test_every_scene_of_every_story_is_prose_in_every_band() -> None:
    texts: defaultdict[tuple[str, str], str] = defaultdict(str)
    for row in prose.rows():
        texts[row.values["story"], row.values["language"]] += row.values["text"] + "\n"
    for language in LANGUAGES:
        for slug in ("seed", "rainbow"):
            told = story_of(slug, language)
            for beat in told.beats:
                for band in BANDS:
                    assert split_mark(beat.words.tell[band][0])[1] in texts[slug, language]
            for meaning in told.wording.glossary.values():
                assert meaning in texts[slug, language]
    assert not any("[" in text for text in texts.values()), "gesture marks are for the body"


def test_translations_stand_in_two_languages() -> None:
    found = [row.values for row in making.rows(0) if row.task == "translate" and row.values["story"] == "seed"]
    assert {row["language"] for row in found} == set(LANGUAGES)
    first = next(row for row in found if row["turn"].endswith("/pocket") and row["language"] == "fr")
    assert "Pip" in first["prompt"][1]["content"] or "Fiete" in first["prompt"][1]["content"]
    assert first["completion"][0]["content"] == prose.bare(story_of("seed", "fr").beat("pocket").words.tell["4-5"])


def test_three_questions_have_three_answers() -> None:
    found = [row.values["completion"][0]["content"] for row in making.rows(0) if row.task == "questions"]
    assert found
    assert all(len(text.splitlines()) == 6 for text in found)


def test_a_topic_becomes_a_whole_story() -> None:
    row = next(row.values for row in making.rows(0) if row.task == "story" and row.values["story"] == "seed")
    told = story_of("seed", "en")
    assert row["prompt"][1]["content"].endswith(f"topic: {told.wording.title}")
    assert row["completion"][0]["content"].startswith(told.wording.title)
    assert row["completion"][0]["content"].count("\n") == len(told.beats) + 1


def test_the_report_measures_what_was_built(built: Path) -> None:
    found = measured(built)
    assert found["distinct turns"] == len({row["prompt"][1]["content"] for row in rows_of(built / "train" / "response.jsonl")})
    for language in LANGUAGES:
        variety = found["variety"][language]
        assert 0 < variety["distinct 1-grams"] < variety["distinct 2-grams"]
    assert "variety" in printed(found)


def test_near_duplicates_are_found() -> None:
    assert near_duplicates(
        ["It is round and red.", "It is round and red!", "Who can tell me why the sea is salty?"]
    ) == pytest.approx(2 / 3)
    assert near_duplicates(["one", "two"]) == 0
    assert near_duplicates(["alone"]) == 0


def test_dialogues_are_conversations(built: Path) -> None:
    found = [row for folder in FOLDERS.values() for row in _if_there(built / folder / "dialogue.jsonl")]
    assert found
    for row in found:
        lines = row["text"].splitlines()
        assert len(lines) > 4
        assert lines[0].startswith("Robo")


def _if_there(path: Path) -> list[dict[str, Any]]:
    return rows_of(path) if path.exists() else []


def test_the_command_line(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--data", str(built), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]
    assert main(["report", "--data", str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["build", "--limit", "0"])
