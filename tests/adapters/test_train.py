"""Training on a tiny random Phi-3: every method, what comes out, a kill in the middle, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
pytest.importorskip("trl", reason="the extra train is not installed (make install EXTRAS=train)")

from adapters import template, verify  # noqa: E402
from adapters.checks import Refusal  # noqa: E402
from adapters.formats import DataProblem, read  # noqa: E402
from adapters.recipe import ROOT, Recipe, load  # noqa: E402
from adapters.train import Job, OutOfMemory, advice, divide, main, sweep, train  # noqa: E402
from tests.adapters.tiny_base import make, pairs  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
ROWS = [(f"the fox {number % 9}", "yes" if number % 2 else "no") for number in range(64)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pairs(tmp_path_factory.mktemp("data") / "d.jsonl", ROWS)


def recipe(**changes: Any) -> Recipe:
    whole: dict[str, Any] = {"name": "x", "base": "tiny", "data": ["d"], "adapter": {"method": "lora", "rank": 4}}
    whole["training"] = {"steps": 6, "learning_rate": 5e-3, "eval_every": 2, "valid_share": 0.2, "patience": 0}
    for key, value in changes.items():
        whole[key] = {**whole.get(key, {}), **value} if isinstance(value, dict) else value
    return Recipe.model_validate(whole)


def trained(base: Path, data: Path, out: Path, **changes: Any) -> dict[str, Any]:
    return train(Job(recipe(**changes), base, [data], out), say=lambda _: None)


def logits(base: Path, adapter: Path | None = None) -> Any:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(40).view(2, 20)).logits


@pytest.fixture(scope="module")
def plain(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapters") / "plain"
    trained(base, data, out)
    return out


@pytest.mark.parametrize("method", ["qlora", "lora", "dora", "rslora", "pissa"])
def test_every_method_learns_and_leaves_a_sound_adapter(base: Path, data: Path, tmp_path: Path, method: str) -> None:
    card = trained(base, data, tmp_path / "out", adapter={"method": method})
    losses = [loss for _, loss in card["training"]["losses"]["eval_loss"]]
    assert losses[-1] < losses[0] - 0.3
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["use_dora"] == (method == "dora")
    assert config["use_rslora"] == (method == "rslora")
    assert config["r"] == (8 if method == "pissa" else 4), "a converted PiSSA carries its start along"
    assert config["init_lora_weights"] is True, "a loader must not move the base"
    assert str(tmp_path) not in json.dumps(config) + json.dumps(card["files"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "card.json",
    ]
    verify.check_adapter(tmp_path / "out", base)
    assert (logits(base, tmp_path / "out") - logits(base)).abs().max() > 0.1
    assert card["training"]["parameters"] == 4 * 2 * (256 + 128 + 320 + 192)


def test_an_adapter_on_four_bits_is_trained_in_full_precision(base: Path, data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """TRL makes it bf16, which a processor without it computes 15 to 50 times slower."""
    import trl

    seen: list[Any] = []
    before = trl.SFTTrainer.train

    def watched(self: Any, **options: Any) -> Any:
        seen.extend(weight.dtype for weight in self.model.parameters() if weight.requires_grad)
        seen.append(type(self.model.base_model.model.model.layers[0].self_attn.qkv_proj.base_layer).__name__)
        quantised = self.model.base_model.model.config.quantization_config
        assert (quantised.bnb_4bit_quant_type, quantised.bnb_4bit_use_double_quant) == ("nf4", True)
        assert quantised.bnb_4bit_compute_dtype == torch.float32
        assert (self.args.bf16, self.args.fp16) == (False, False)
        return before(self, **options)

    monkeypatch.setattr(trl.SFTTrainer, "train", watched)
    trained(base, data, tmp_path / "out", adapter={"method": "qlora"}, training={"steps": 1})
    assert set(seen) == {torch.float32, "Linear4bit"}


def test_four_bits_learn_as_well_as_thirty_two(base: Path, data: Path, plain: Path, tmp_path: Path) -> None:
    full = json.loads((plain / "card.json").read_text())["training"]["best"]
    four = trained(base, data, tmp_path / "out", adapter={"method": "qlora"})["training"]["best"]
    assert four == pytest.approx(full, rel=0.05)  # random weights of 64 × 64 are the hardest there are


def test_pissa_is_the_same_model_on_the_untouched_base(base: Path, data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    import trl

    before, seen = trl.SFTTrainer.train, []

    def watched(self: Any, **options: Any) -> Any:
        result = before(self, **options)
        with torch.no_grad():
            seen.append(self.model.eval()(input_ids=torch.arange(40).view(2, 20)).logits)
        return result

    monkeypatch.setattr(trl.SFTTrainer, "train", watched)
    trained(base, data, tmp_path / "out", adapter={"method": "pissa"})
    assert torch.allclose(logits(base, tmp_path / "out"), seen[0], atol=1e-4)


def test_full_fine_tuning_leaves_a_model(base: Path, data: Path, tmp_path: Path) -> None:
    card = trained(base, data, tmp_path / "out", adapter={"method": "full"}, training={"learning_rate": 5e-4})
    assert card["kind"] == "base"
    assert card["base_digest"] == verify.weights_digest(tmp_path / "out") != verify.weights_digest(base)
    verify.check_base(tmp_path / "out")
    assert (logits(tmp_path / "out") - logits(base)).abs().max() > 0.1


def test_memory_savers_change_nothing_but_memory(base: Path, data: Path, tmp_path: Path) -> None:
    """Packing, gradient checkpointing and accumulation see the same examples in a step, so the losses are the same."""
    ways: list[dict[str, Any]] = [{}, {"packing": True}, {"checkpointing": True}, {"batch": 16, "accumulate": 4}]
    found = [
        trained(base, data, tmp_path / str(number), training={"batch": 64, "steps": 2} | way)["training"]["losses"]
        for number, way in enumerate(ways)
    ]
    for other in found[1:]:
        assert other["eval_loss"] == [[step, pytest.approx(loss, abs=1e-3)] for step, loss in found[0]["eval_loss"]]


def test_an_adapter_beneath_stays_and_adds(base: Path, data: Path, plain: Path, tmp_path: Path) -> None:
    """Phi-Ed's LoRA under ours: both are active, one is trained, and their sum is what was trained."""
    held = (plain / "adapter_model.safetensors").read_bytes()
    card = trained(base, data, tmp_path / "out", under=str(plain))
    below = json.loads((plain / "card.json").read_text())["training"]
    assert card["training"]["losses"]["loss"][0][1] < below["losses"]["loss"][0][1], "it starts where the other ended"
    assert (plain / "adapter_model.safetensors").read_bytes() == held
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(plain), adapter_name="one"
    )
    model.load_adapter(str(tmp_path / "out"), "two")
    model.base_model.set_adapter(["one", "two"])
    coded = "".join(f"<|user|>\nthe fox {n}<|end|>\n<|assistant|>\n" for n in range(3))
    assert template.chat([("user", "the fox 0")]) in coded
    with torch.no_grad():
        both = model.eval()(input_ids=torch.arange(40).view(2, 20)).logits
    assert (both - logits(base, plain)).abs().max() > 0.1
    assert (both - logits(base, tmp_path / "out")).abs().max() > 0.1


def test_the_card_says_what_it_was_made_from(base: Path, data: Path, plain: Path) -> None:
    card = json.loads((plain / "card.json").read_text())
    assert card["base_digest"] == verify.weights_digest(base)
    assert card["tokenizer_digest"] == verify.tokenizer_digest(base)
    assert card["template_digest"] == template.digest()
    assert card["files"]["adapter_model.safetensors"] == verify.file_digest(plain / "adapter_model.safetensors")
    assert card["size"] == sum((plain / name).stat().st_size for name in card["files"])
    assert (card["name"], card["kind"], card["architecture"], card["base"]) == ("x", "adapter", "phi3", "tiny")
    assert Recipe.model_validate(card["settings"]) == recipe()


def test_the_catalogue_takes_what_was_trained(base: Path, plain: Path, tmp_path: Path) -> None:
    from adapters import catalog as listing

    empty = tmp_path / "catalog.toml"
    empty.write_text("", encoding="utf-8")
    (tmp_path / "weights").mkdir()
    listed, _ = listing.add(listing.load_catalog(empty), base, {"name": "tiny"}, say=lambda _: None)
    _, entry = listing.add(listed, plain, {}, say=lambda _: None)
    assert (entry.name, entry.base, entry.recipe) == ("x", "tiny", "x")


# ------------------------------------------------------------------------------------------------------- kill and resume


def test_a_run_that_was_killed_goes_on_to_the_same_adapter(base: Path, data: Path, tmp_path: Path) -> None:
    out, path = tmp_path / "killed", tmp_path / "r.toml"
    plan = "steps = 20\nlearning_rate = 5e-3\neval_every = 5\nvalid_share = 0.2\npatience = 0\n"
    path.write_text(
        f'name = "x"\nbase = "tiny"\ndata = ["d"]\n[adapter]\nmethod = "lora"\nrank = 4\ndropout = 0.1\n[training]\n{plan}'
    )
    command = [sys.executable, "-m", "adapters.train", str(path), "--base", str(base), "--data", str(data), "--out", str(out)]
    quiet = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **quiet}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while not (out / "checkpoints" / "checkpoint-10" / "trainer_state.json").exists():
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "no checkpoint was written"
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if (out / "card.json").exists():
        pytest.skip("it was faster than the signal")
    # What a kill in the middle of writing leaves behind: the newest folder without its last file.
    half = out / "checkpoints" / "checkpoint-19"
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")
    said: list[str] = []
    train(Job(load(path), base, [data], out), say=said.append)
    assert any(line.startswith("going on after step") for line in said)
    train(Job(load(path), base, [data], tmp_path / "whole"), say=lambda _: None)
    ours, theirs = (verify.file_digest(folder / "adapter_model.safetensors") for folder in (out, tmp_path / "whole"))
    assert ours == theirs, "to the last bit"


def test_a_folder_with_something_else_in_it_is_left_alone(base: Path, data: Path, plain: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds an adapter already"):
        trained(base, data, plain)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(Refusal, match="is not empty"):
        trained(base, data, tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_run_is_not_continued_with_other_settings(base: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun = out / "checkpoints" / "checkpoint-2"
    begun.mkdir(parents=True)
    (begun / "trainer_state.json").write_text("{}")
    (out / "run.json").write_text(json.dumps({"recipe": {}, "base": verify.weights_digest(base), "data": ""}))
    with pytest.raises(Refusal, match="another recipe, data was begun here"):
        trained(base, data, out)
    train(Job(recipe(training={"steps": 1}), base, [data], out), fresh=True, say=lambda _: None)
    assert (out / "card.json").exists()


def test_training_stops_early_and_keeps_the_best(base: Path, data: Path, tmp_path: Path) -> None:
    wild = {"steps": 60, "eval_every": 2, "learning_rate": 0.1, "patience": 2, "schedule": "constant_with_warmup"}
    card = trained(base, data, tmp_path / "out", training=wild)
    losses = [loss for _, loss in card["training"]["losses"]["eval_loss"]]
    assert card["training"]["steps"] < 60
    assert card["training"]["best"] == min(losses) < losses[-1]


def test_the_last_step_is_looked_at_too(base: Path, data: Path, tmp_path: Path) -> None:
    card = trained(base, data, tmp_path / "out", training={"steps": 5, "eval_every": 2})
    assert [step for step, _ in card["training"]["losses"]["eval_loss"]] == [2, 4, 5]


# ------------------------------------------------------------------------------------------------------------------ sweep


def test_a_sweep_trains_every_pair_and_names_the_best(base: Path, data: Path, tmp_path: Path) -> None:
    plan = recipe(sweep={"learning_rate": [1e-5, 5e-3], "rank": [2], "steps": 3})
    said: list[str] = []
    table = sweep(Job(plan, base, [data], tmp_path), say=said.append)
    assert len(table) == 2
    assert table[0]["learning_rate"] == 5e-3
    assert [row["loss"] for row in table] == sorted(row["loss"] for row in table)
    assert said[-1].startswith("best: --set training.learning_rate=0.005 --set adapter.rank=")
    assert json.loads((tmp_path / "rate-0.005-rank-2" / "adapter_config.json").read_text())["lora_alpha"] == 4, (
        "alpha goes with rank"
    )
    before = (tmp_path / "rate-0.005-rank-2" / "card.json").stat().st_mtime_ns
    assert sweep(Job(plan, base, [data], tmp_path), say=lambda _: None) == table, "what is finished is not trained again"
    assert (tmp_path / "rate-0.005-rank-2" / "card.json").stat().st_mtime_ns == before


# ----------------------------------------------------------------------------------------------------------------- memory


def test_advice_names_the_next_thing_until_nothing_is_left() -> None:
    said = []
    plan = recipe(training={"batch": 6, "accumulate": 2})
    changes: list[dict[str, Any]] = [
        {"training": {"batch": 3, "accumulate": 4}},
        {"training": {"batch": 1, "accumulate": 12}},
        {"training": {"checkpointing": True}},
        {"adapter": {"method": "qlora"}},
        {"training": {"optimizer": "paged_adamw_8bit"}},
        {"training": {"max_tokens": 128}},
        {"adapter": {"rank": 1}},
        {},
    ]
    for change in changes:
        said.append(advice(plan))
        values = plan.model_dump()
        for key, value in change.items():
            values[key] |= value
        plan = Recipe.model_validate(values)
    assert said[0] == "training.batch = 3 and training.accumulate = 4 (the result stays the same)"
    assert [line.split(" = ")[0].split(" (")[0] for line in said] == [
        "training.batch",
        "training.batch",
        "training.checkpointing",
        "adapter.method",
        "training.optimizer",
        "training.max_tokens",
        "adapter.rank",
        "a smaller base",
    ]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
    ids=["python", "processor", "gpu"],
)
def test_running_out_of_memory_ends_with_what_to_change(
    base: Path, data: Path, tmp_path: Path, monkeypatch: Any, error: Exception
) -> None:
    import trl

    def full(self: Any, *_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(trl.SFTTrainer, "training_step", full)
    with pytest.raises(OutOfMemory, match=r"next thing to change: training\.batch = 4 and training\.accumulate = 2"):
        trained(base, data, tmp_path / "out")


def test_another_error_stays_itself(base: Path, data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    import trl

    def broken(self: Any, *_: Any, **__: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(trl.SFTTrainer, "training_step", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        trained(base, data, tmp_path / "out")


# ------------------------------------------------------------------------------------------------------- data and command


def test_splits_of_the_data_are_kept_and_tests_never_touched(tmp_path: Path) -> None:
    files = [
        pairs(tmp_path / f"{name}.jsonl", [(f"{name} {n}", "yes") for n in range(3)], split=name)
        for name in ("train", "dev", "state")
    ]
    learned, held_back = divide(read(files), 0.5)
    assert {example.marks["split"] for example in learned} == {"train"}
    assert {example.marks["split"] for example in held_back} == {"dev"}
    with pytest.raises(DataProblem, match="of the split “train”"):
        divide(read(files[1:]), 0.5)


def test_what_is_held_back_is_asked_nowhere_else(tmp_path: Path) -> None:
    rows = [(f"question {number % 40}", f"answer {number}") for number in range(200)]
    learned, held_back = divide(read([pairs(tmp_path / "d.jsonl", rows)]), 0.25)
    assert 0.1 < len(held_back) / 200 < 0.4
    assert not {repr(example.turns) for example in learned} & {repr(example.turns) for example in held_back}
    again, _ = divide(read([pairs(tmp_path / "e.jsonl", rows[::-1])]), 0.25)
    assert {example.answer for example in again} == {example.answer for example in learned}, "whatever the order of the file"


def test_the_command_line_says_in_one_line_what_is_wrong(base: Path, data: Path, tmp_path: Path, capsys: Any) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main(["strategy", "--base", str(tmp_path / "nano"), "--data", str(data), *out]) == 2
    assert "there is no base model here; make or fetch it first: python -m adapters.pretrain" in capsys.readouterr().err
    assert main(["strategy", "--base", str(base), "--data", str(data), "--set", 'adapter.targets=["q_proj"]', *out]) == 2
    assert "q_proj: nothing" in capsys.readouterr().err
    long = pairs(tmp_path / "long.jsonl", [("the fox", "yes " * 600)])
    assert main(["strategy", "--base", str(base), "--data", str(long), "--set", "training.valid_share=0", *out]) == 2
    assert "long.jsonl:1: has 6" in capsys.readouterr().err
    assert main(["no-such-recipe"]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_a_whole_command_trains_and_says_what_comes_next(base: Path, data: Path, tmp_path: Path, capsys: Any) -> None:
    few = ["--set", "training.steps=2", "--set", "adapter.rank=2", "--set", "training.valid_share=0.2"]
    assert main(["strategy", "--base", str(base), "--data", str(data), "--out", str(tmp_path / "out"), *few]) == 0
    said = capsys.readouterr().out
    assert "all with masked prompts and a learned <|end|>" in said
    assert "qkv_proj: 2 modules (64→192) in 2 of 2 layers" in said
    assert f"python -m adapters.evaluate {tmp_path / 'out'}" in said


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_guides_other_bases_train_too(data: Path, tmp_path: Path, kind: str) -> None:
    other = make(tmp_path / kind, kind)
    card = trained(other, data, tmp_path / "out", adapter={"method": "qlora"}, training={"steps": 4})
    losses = [loss for _, loss in card["training"]["losses"]["eval_loss"]]
    assert losses[-1] < losses[0]
    assert card["architecture"] == kind
