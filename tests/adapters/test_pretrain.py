"""A model from nothing: what is read, how it is packed, that it learns, stops in time and survives a kill."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import pretrain_card, pretrain_rows
from adapters.pretrain_packing import Document, Packer, batch_of
from adapters.pretrain_recipe import Phase, Recipe, Training
from adapters.template import chat
from agent.story import load as load_story
from agent.toml_file import FileProblem, read_toml
from agent.turn import LANGUAGES

ROOT = Path(__file__).resolve().parent.parent.parent
RECIPES = ROOT / "adapters" / "recipes"
MINIATURE = RECIPES / "nano-miniature.toml"


def changed(**tables):
    """The miniature's recipe with some keys of its tables changed."""
    whole = read_toml(MINIATURE, Recipe).model_dump()
    for table, values in tables.items():
        whole[table] = {**whole[table], **values} if isinstance(values, dict) else values
    return Recipe.model_validate(whole)


def write(folder, name, rows):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def turn(question, answer, **more):
    return {"prompt": [{"role": "user", "content": question}], "completion": [{"role": "assistant", "content": answer}], **more}


# Recipes


def test_the_recipes_are_whole_and_know_every_slot():
    from adapters.data.slots import SLOTS

    for path in (MINIATURE, RECIPES / "nano.toml"):
        assert set(read_toml(path, Recipe).tokenizer.slots) == set(SLOTS)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("layers", "layer", r":\d+: unknown key “model.layer”; did you mean “layers”"),
        ("steps = 40", "", "say when training ends: minutes, steps or both"),
        ("heads = 2", "heads = 3", "hidden must be an even multiple of heads"),
        ("[[phases]]", "[[phases]]\nuntil = 0.5", "the last must end at 1"),
    ],
)
def test_a_wrong_recipe_is_told_with_its_place(tmp_path, old, new, says):
    path = tmp_path / "wrong.toml"
    path.write_text(MINIATURE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FileProblem, match=says):
        read_toml(path, Recipe)


def test_the_digest_is_of_what_is_learned_not_of_where():
    assert changed(training={"threads": 2, "minutes": 3.0}).digest() == changed().digest()
    assert changed(training={"rate": 0.001}).digest() != changed().digest()
    assert changed(model={"layers": 3}).digest() != changed().digest()


# Rows


def test_rows_of_both_kinds_are_read_from_every_depth(tmp_path):
    write(tmp_path / "train", "prose.jsonl", [{"text": "Es war\u2028einmal.", "language": "de", "split": "train"}])
    write(tmp_path / "story", "prose.jsonl", [turn("Wer?", "Der <hint>.", language="de", split="story")])
    write(tmp_path, "other.jsonl", [{"text": "never"}])
    data = pretrain_rows.read(changed(phases=[{"weights": {"prose": 1}}]), tmp_path)
    story, prose = data.rows["prose"]
    assert (prose.prompt, prose.text, prose.language, prose.held) == ("", "Es war\u2028einmal.", "de", False)
    assert story.held
    assert story.prompt + story.text == chat([("user", "Wer?")], "Der <hint>.")
    assert sorted(data.digests) == ["story/prose.jsonl", "train/prose.jsonl"]
    assert data.unused == ("other.jsonl",)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": ""}, "says something"),
        ({"text": 3}, "says something"),
        ({"prompt": [{"role": "user", "content": "x"}]}, "“completion” is missing"),
        ({"prompt": [{"role": "tool", "content": "x"}], "completion": [{"role": "assistant", "content": "y"}]}, "unknown role"),
        ({"prompt": "x", "completion": [{"role": "assistant", "content": "y"}]}, "is not a training row"),
        (turn("x", "look: <picture>"), "has the slot <picture>"),
        (["text"], "is not a training row"),
    ],
)
def test_a_wrong_row_is_told_with_its_line(tmp_path, row, says):
    write(tmp_path, "a.jsonl", [{"text": "good"}, row])
    with pytest.raises(FileProblem, match=rf"a\.jsonl:2: .*{says}"):
        pretrain_rows.read(changed(), tmp_path)


def test_missing_data_are_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="make them with: python -m adapters.data build"):
        pretrain_rows.read(changed(), tmp_path)
    write(tmp_path, "prose.jsonl", [{"text": "a"}])
    with pytest.raises(ValueError, match="“prosa”; did you mean “prose”"):
        pretrain_rows.read(changed(phases=[{"weights": {"prosa": 1}}]), tmp_path)
    with pytest.raises(ValueError, match="two sources"):
        pretrain_rows.read(changed(phases=[{"weights": {"prose": 1, "p*": 1}}]), tmp_path)


def test_without_a_split_a_share_is_put_aside_and_always_the_same(tmp_path):
    rows = [{"text": f"text {number}"} for number in range(2000)]
    write(tmp_path, "a.jsonl", rows)
    first = pretrain_rows.read(changed(data={"held_out": 0.1}), tmp_path).rows["*"]
    write(tmp_path, "a.jsonl", rows[::-1])
    again = pretrain_rows.read(changed(data={"held_out": 0.1}), tmp_path).rows["*"]
    held = {row.text for row in first if row.held}
    assert 150 < len(held) < 250
    assert {row.text for row in again if row.held} == held


def test_the_tokenizer_learns_from_every_language_alike_and_not_from_what_is_held_out(tmp_path):
    rows = [{"text": f"English {number:04} " + "word " * 20, "language": "en"} for number in range(2000)]
    rows += [{"text": f"Deutsch {number:04} " + "Wort " * 20, "language": "de"} for number in range(300)]
    rows.append({"text": "secret " * 20, "language": "de", "split": "story"})
    write(tmp_path, "a.jsonl", rows)
    texts = list(pretrain_rows.balanced(pretrain_rows.read(changed(), tmp_path)))
    english = sum(len(text) for text in texts if text.startswith("English"))
    german = sum(len(text) for text in texts if text.startswith("Deutsch"))
    assert german / 2 < english < german * 2
    assert not any("secret" in text for text in texts)


# Packing


LENGTHS = st.lists(st.integers(2, 32), min_size=1, max_size=40)


def made_up(lengths, first=0, prompt=0):
    """Documents whose tokens tell which they are."""
    return [Document(np.full(length, first + number, dtype=np.uint16), min(prompt, length - 1)) for number, length in enumerate(lengths)]


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 5), st.integers(0, 3))
def test_every_document_is_whole_and_met_once_a_round(lengths, rows, seed):
    packer = Packer({"a": made_up(lengths)}, 32, seed, 1.0, 9999)
    seen: list[int] = []
    while len(seen) < 2 * len(lengths):
        batch = packer.batch(rows, {"a": 1.0})
        for ids, positions in zip(batch.ids, batch.positions, strict=True):
            starts = [place for place in range(32) if positions[place] == 0] + [32]
            for begin, end in pairwise(starts):
                if ids[begin] != 9999:
                    assert list(ids[begin:end]) == [ids[begin]] * lengths[ids[begin]]
                    seen.append(int(ids[begin]))
    drawn = packer.state()["at"]["a"]
    waiting = [number for _, number in packer.state()["waiting"]]
    counts = np.bincount([*seen, *waiting], minlength=len(lengths))
    assert counts.sum() == drawn
    assert counts.max() - counts.min() <= 1


@settings(deadline=None)
@given(LENGTHS, st.integers(0, 6))
def test_a_supply_goes_on_where_it_stood(lengths, after):
    sources = {"a": made_up(lengths), "b": made_up([5, 7, 9], 100)}
    one = Packer(sources, 32, 1, 0.5, 9999)
    for _ in range(after):
        one.batch(3, {"a": 1.0, "b": 2.0})
    other = Packer(sources, 32, 1, 0.5, 9999)
    other.go_on_from(json.loads(json.dumps(one.state())))
    for _ in range(3):
        mine, theirs = one.batch(3, {"a": 1.0, "b": 2.0}), other.batch(3, {"a": 1.0, "b": 2.0})
        assert (mine.ids == theirs.ids).all()
        assert (mine.weights == theirs.weights).all()


def test_every_round_has_an_order_of_its_own_and_so_has_every_seed():
    def orders(seed):
        packer = Packer({"a": made_up([32] * 20)}, 32, seed, 1.0, 9999)
        return [packer.batch(20, {"a": 1.0}).ids[:, 0].tolist() for _ in range(2)]

    first, second = orders(0)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert orders(0) == [first, second]
    assert orders(1)[0] != first


def test_tokens_come_by_weight_in_every_phase():
    sources = {"a": made_up([30] * 50), "b": made_up([6] * 50, 100), "c": made_up([11] * 50, 200)}
    packer = Packer(sources, 64, 0, 1.0, 9999)

    def tokens(weights, batches=40):
        found = np.concatenate([packer.batch(8, weights).ids.ravel() for _ in range(batches)])
        return [int(((found >= first) & (found < first + 100)).sum()) for first in (0, 100, 200)]

    a, b, c = tokens({"a": 1.0, "b": 3.0})
    assert c == 0
    assert b / a == pytest.approx(3, rel=0.05)
    a, b, c = tokens({"a": 2.0, "b": 1.0, "c": 2.0})
    assert (a / b, c / b) == (pytest.approx(2, rel=0.1), pytest.approx(2, rel=0.1))


def test_rows_are_well_filled():
    lengths = np.random.default_rng(0).integers(40, 400, 500).tolist()
    packer = Packer({"a": made_up(lengths)}, 512, 0, 1.0, 9999)
    filled = [float((packer.batch(8, {"a": 1.0}).ids != 9999).mean()) for _ in range(20)]
    assert np.mean(filled) > 0.9


def test_what_each_token_counts():
    document = Document(np.array([5, 6, 7, 8, 9], dtype=np.uint16), prompt=2)
    batch = batch_of([[document, Document(np.array([3, 4], dtype=np.uint16))]], 9, 0.25, 1)
    assert batch.ids.tolist() == [[5, 6, 7, 8, 9, 3, 4, 1, 1]]
    # The prompt's last token predicts the answer's first; nothing predicts across documents or into the filling.
    assert batch.weights.tolist() == [[0.25, 1, 1, 1, 0, 1, 0, 0, 0]]
    assert batch.targets[0, :4].tolist() == [6, 7, 8, 9]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 4, 0, 1, 0, 1]]


# Learning rate, phases, card


@pytest.fixture(scope="module")
def factor():
    pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    from adapters.pretrain_loop import factor

    return factor


@settings(deadline=None)
@given(st.sampled_from(["wsd", "cosine"]), st.floats(0, 1), st.floats(0, 1), st.integers(0, 50), st.floats(0.05, 1))
def test_the_learning_rate_rises_once_and_then_never_again(factor, schedule, one, other, warmup, decay):
    how = Training(steps=100, schedule=schedule, warmup=warmup, decay=decay)
    early, late = sorted((one, other))
    assert 0 <= factor(how, 100, late) <= factor(how, 100, early) <= 1
    assert factor(how, 100, 1.0) == pytest.approx(0)
    if warmup:
        assert factor(how, 0, 0.0) == pytest.approx(1 / warmup)


def test_a_phase_ends_where_it_says():
    pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    from adapters.pretrain_loop import phase_at

    phases = [Phase(until=0.25, weights={"a": 1}), Phase(weights={"b": 1})]
    assert [*(next(iter(phase_at(phases, share).weights)) for share in (0, 0.24, 0.25, 1.0))] == ["a", "a", "b", "b"]


def test_the_curve_is_a_picture_of_the_losses():
    loss = [(step, step * 100, 6 - step / 50) for step in range(1, 101)]
    picture = pretrain_card.curve(loss, [(0, {"en": 6.2, "fr": math.nan, "de": math.nan}), (100, {"en": 4.1, "fr": 4.3, "de": math.nan})], "mini")
    lines = [node.attrib["points"] for node in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 4  # each step, smoothed, and two languages
    heights = [float(point.split(",")[1]) for point in lines[0].split()]
    assert heights == sorted(heights)  # the loss falls, and SVG counts downwards
    assert "en 4.10" in picture
    assert "nan" not in picture
    assert ElementTree.fromstring(pretrain_card.curve([], [], "nothing yet")) is not None


# The whole thing


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Data of one story: its telling as prose, its questions as chats."""
    pytest.importorskip("transformers", reason="the extra gpu is not installed (make install EXTRAS=train)")
    folder: Path = tmp_path_factory.mktemp("data")
    prose, chats = [], []
    for language in LANGUAGES:
        for number, beat in enumerate(load_story("seed", language).beats):
            split = "story" if number == 0 else "train"
            prose += [{"text": " ".join(lines), "language": language, "split": split} for lines in beat.words.tell.values()]
            for prompt in beat.prompts:
                answer = f"{prompt.words.hints['4-5'][0]} <ask>"
                chats.append(turn(prompt.words.ask["4-5"], answer, language=language, split=split))
    write(folder, "prose.jsonl", prose)
    write(folder, "response.jsonl", chats)
    return folder


def test_documents_in_a_row_do_not_see_one_another(trial, tmp_path):
    import torch

    from adapters import tokenizer as ours
    from adapters.pretrain_model import losses, make
    from adapters.pretrain_packing import documents

    recipe = changed()
    data = pretrain_rows.read(recipe, trial)
    tokenizer = ours.train(pretrain_rows.balanced(data), 400, recipe.tokenizer.slots)
    found, _ = documents(data.rows["*"], tokenizer, 256)
    found.sort(key=lambda one: len(one.ids))
    short = [one for one in found if one.prompt][:3] + [one for one in found if not one.prompt][:3]
    assert sum(len(one.ids) for one in short[:3]) <= 256
    model = make(recipe.model, tokenizer, 0)
    with torch.no_grad():
        alone = torch.cat([losses(model, batch_of([[one]], 256, 0.5, 1))[0] for one in short])
        together = losses(model, batch_of([short[:3], short[3:]], 256, 0.5, 1))[0]
    assert torch.allclose(alone, together, atol=1e-4)


def test_matrices_become_orthogonal_each_part_by_itself():
    torch = pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    from adapters.pretrain_model import Muon, orthogonal

    torch.manual_seed(0)
    for shape in [(2, 24, 24), (1, 48, 16), (3, 16, 48)]:
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.median() > 0.6
        assert values.max() < 1.3
    fused, apart = torch.zeros(48, 16), [torch.zeros(16, 16) for _ in range(3)]
    gradient = torch.randn(48, 16) * torch.tensor([1.0, 10.0, 0.1]).repeat_interleave(16)[:, None]
    fused.grad = gradient
    for part, piece in zip(apart, gradient.chunk(3), strict=True):
        part.grad = piece
    Muon({"layers.0.qkv_proj.weight": fused}, 0.1, 0.0).step(1.0)
    Muon({f"layers.{number}.o_proj.weight": part for number, part in enumerate(apart)}, 0.1, 0.0).step(1.0)
    assert torch.allclose(fused, torch.cat(apart), atol=1e-5)


@pytest.fixture(scope="module")
def finished(trial, tmp_path_factory):
    """The miniature, trained without interruption."""
    from adapters.pretrain import pretrain

    out: Path = tmp_path_factory.mktemp("whole") / "mini"
    assert pretrain(changed(), trial, out) == 0
    return out


def weights_of(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def test_a_finished_folder_is_what_transformers_loads(finished, trial):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    names = {path.name for path in finished.iterdir()}
    assert names == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "card.json", "README.md", "curve.svg"
    }  # fmt: skip
    model: Any = AutoModelForCausalLM.from_pretrained(finished, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(finished)
    assert model.config.architectures == ["Phi3ForCausalLM"]
    assert model.config.vocab_size == len(tokenizer)
    stops = [tokenizer.convert_tokens_to_ids(token) for token in ("<|end|>", "<|endoftext|>")]
    assert model.generation_config.eos_token_id == stops
    ids = torch.tensor([tokenizer(chat([("user", "?")])).input_ids])
    assert model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3).shape[1] <= ids.shape[1] + 3
    # Full precision, and the same function that was trained.
    assert all(value.dtype == np.float32 for value in weights_of(finished).values())


def test_it_learns_and_its_card_says_how_to_make_it_again(finished, trial):
    from hashlib import sha256

    card = json.loads((finished / "card.json").read_text(encoding="utf-8"))
    for language in LANGUAGES:
        first, last = card["run"]["held_out_by_step"][0][1][language], card["run"]["held_out"][language]
        assert first == pytest.approx(math.log(card["run"]["vocabulary"]), abs=0.3)
        assert last < first - 0.5
    assert set(card["run"]["held_out_by_kind"]) == {"story *"}
    for name in ("model.safetensors", "tokenizer.json"):
        assert card["files"][name] == sha256((finished / name).read_bytes()).hexdigest()
    assert card["base_digest"] == card["files"]["model.safetensors"]
    assert Recipe.model_validate(card["recipe"]) == changed()
    assert card["data"]["files"]["prose.jsonl"] == sha256((trial / "prose.jsonl").read_bytes()).hexdigest()
    assert card["run"]["steps"] == 40
    assert (finished / "model.safetensors").stat().st_mode & 0o044
    assert card["base_digest"] in (finished / "README.md").read_text(encoding="utf-8")


def test_broken_off_and_taken_up_again_it_is_the_same_model(finished, trial, tmp_path, monkeypatch):
    from adapters import pretrain_loop
    from adapters.pretrain import pretrain

    step = pretrain_loop.Loop._step

    def until_25(self):
        if self.progress.step == 25:
            raise RuntimeError("power cut")
        step(self)

    out = tmp_path / "mini"
    with monkeypatch.context() as broken:
        broken.setattr(pretrain_loop.Loop, "_step", until_25)
        with pytest.raises(RuntimeError, match="power cut"):
            pretrain(changed(), trial, out)
    with pytest.raises(ValueError, match="go on with --resume"):
        pretrain(changed(), trial, out)
    with pytest.raises(ValueError, match="made with another recipe"):
        pretrain(changed(training={"rate": 0.001}), trial, out, resume=True)
    assert pretrain(changed(), trial, out, resume=True) == 0
    mine, theirs = weights_of(out), weights_of(finished)
    assert all(np.abs(mine[name] - theirs[name]).max() < 1e-5 for name in theirs)
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert len(card["run"]["held_out_by_step"]) == 3
    with pytest.raises(ValueError, match="finished model"):
        pretrain(changed(), trial, out)
    assert pretrain(changed(), trial, out, resume=True) == 0


def test_a_kill_leaves_a_whole_checkpoint(finished, trial, tmp_path):
    out = tmp_path / "mini"
    recipe = tmp_path / "mini.toml"
    recipe.write_text(MINIATURE.read_text(encoding="utf-8").replace("save_every = 10", "save_every = 1"), encoding="utf-8")
    command = [sys.executable, "-m", "adapters.pretrain", str(recipe), "--data", str(trial), "--out", str(out)]
    running = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    checkpoint = out / "training" / "checkpoint.pt"
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    from adapters.pretrain import main

    assert main([*command[3:], "--resume"]) == 0
    mine, theirs = weights_of(out), weights_of(finished)
    assert all(np.abs(mine[name] - theirs[name]).max() < 1e-5 for name in theirs)


def test_it_stops_in_time_with_the_rate_run_out(trial, tmp_path):
    """On a clock of its own: a step takes two seconds, a look four, a minute is all there is."""
    from adapters import tokenizer as ours
    from adapters.pretrain_loop import Loop, factor
    from adapters.pretrain_model import make
    from adapters.pretrain_packing import documents

    recipe = changed(training={"minutes": 1.0, "steps": None, "warmup": 2, "batch_rows": 1, "micro_rows": 1})
    data = pretrain_rows.read(recipe, trial)
    tokenizer = ours.train(pretrain_rows.balanced(data), 300, recipe.tokenizer.slots)
    found, _ = documents(data.rows["*"], tokenizer, 256)
    packer = Packer({"*": found}, 256, 0, 0.1, 1)
    now = [100.0]

    class Timed(Packer):
        def batch(self, rows, weights):
            now[0] += 2.0
            return super().batch(rows, weights)

    class Slow(dict):
        def __getitem__(self, name):
            now[0] += 4.0
            return super().__getitem__(name)

    timed = Timed({"*": found}, 256, 0, 0.1, 1)
    loop = Loop(recipe, make(recipe.model, tokenizer, 0), timed, Slow(en=[packer.batch(1, {"*": 1.0})]), tmp_path / "c.pt", {}, lambda: now[0])
    factors = []
    done = loop.run(lambda so_far: factors.append(factor(recipe.training, so_far.step, so_far.share)))
    assert 44 <= now[0] - 100.0 <= 60
    assert factors[0] > 0.4
    assert factors[-1] < 0.2
    assert done.step == len(factors)


def test_a_loss_that_is_no_number_is_told(trial, tmp_path, capsys, monkeypatch):
    from adapters import pretrain_loop, pretrain_model
    from adapters.pretrain import pretrain

    good = pretrain_model.losses

    def bad(model, batch):
        values, weights = good(model, batch)
        return (values * float("nan"), weights) if model.training else (values, weights)

    monkeypatch.setattr(pretrain_loop, "losses", bad)
    assert pretrain(changed(), trial, tmp_path / "mini") == 1
    assert "no number any more at step 1: lower rate" in capsys.readouterr().err


def test_what_the_command_answers(tmp_path, capsys, monkeypatch):
    from adapters.pretrain import main

    assert main([str(tmp_path / "none.toml")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    assert main([str(MINIATURE), "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 3
    assert "adapters.data build" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "torch", None)
    write(tmp_path, "a.jsonl", [{"text": "a"}])
    assert main([str(MINIATURE), "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 3
    assert "make install EXTRAS=train" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_learned_and_says_how_to_go_on(finished, trial, tmp_path, capsys, monkeypatch):
    from adapters import pretrain_loop
    from adapters.pretrain import main

    step = pretrain_loop.Loop._step

    def until_13(self):
        if self.progress.step == 13:
            raise KeyboardInterrupt
        step(self)

    out = tmp_path / "a mini"
    command = [str(MINIATURE), "--data", str(trial), "--out", str(out)]
    with monkeypatch.context() as broken:
        broken.setattr(pretrain_loop.Loop, "_step", until_13)
        assert main([*command, "--fresh"]) == 130
    assert f"--out '{out}' --resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert "going on from step 13" in capsys.readouterr().out
    mine, theirs = weights_of(out), weights_of(finished)
    assert all(np.abs(mine[name] - theirs[name]).max() < 1e-5 for name in theirs)


def test_a_checkpoint_is_replaced_whole_or_not_at_all(trial, tmp_path, monkeypatch):
    import torch

    from adapters.pretrain_loop import Loop

    class Still:
        """A model, an optimiser and a supply of data with nothing in them."""

        pad = 0

        def state_dict(self):
            return {}

        state = state_dict

        def named_parameters(self):
            return [("a", torch.nn.Parameter(torch.zeros(2, 2)))]

    path = tmp_path / "checkpoint.pt"
    loop = Loop(changed(), Still(), Still(), {}, path, {"data": "x"})  # type: ignore[arg-type]
    loop.save()
    first, before = path.read_bytes(), path.stat().st_ino
    loop.progress.step = 7

    def half(whole, file):
        file.write(first[: len(first) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(torch, "save", half)
        with pytest.raises(OSError, match="No space left"):
            loop.save()
    assert path.read_bytes() == first
    loop.save()
    assert torch.load(path, weights_only=True)["progress"]["step"] == 7
    assert path.stat().st_ino != before  # never opened for writing: another file took its place


def test_a_broken_checkpoint_is_one_line(trial, tmp_path):
    from adapters.pretrain import pretrain

    out = tmp_path / "mini"
    (out / "training").mkdir(parents=True)
    from adapters import tokenizer as ours

    ours.save(ours.train(["a b c"], 300), out / "training", 256)
    (out / "training" / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="is not a checkpoint .*begin again with --fresh"):
        pretrain(changed(), trial, out, resume=True)


def test_a_row_is_held_by_its_split():
    row = pretrain_rows.Row("", "a", "en")
    assert not row.held
    assert replace(row, split="dev").held
