# ruff: noqa: E402  (what needs a library that may be missing is imported after looking for it)
"""What is exported is the model: the same names, numbers, tokens and answers, or a line that says why not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

gguf = pytest.importorskip("gguf", reason="the extra train is not installed (make install EXTRAS=train)")
pytest.importorskip("tokenizers", reason="the extra train is not installed (make install EXTRAS=train)")
numpy_files = pytest.importorskip("safetensors.numpy", reason="the extra train is not installed (make install EXTRAS=train)")

from adapters import gguf_model, gguf_shape, gguf_tokenizer, template, tokenizer, verify
from adapters.export import export, main
from agent.story import load as load_story
from agent.turn import LANGUAGES

SLOTS = ("<hint>", "<child_word>")
LAYERS, WIDTH, HEADS, KV_HEADS, INNER = 2, 64, 4, 2, 96
MODULES = {
    "self_attn.qkv_proj": ((HEADS + 2 * KV_HEADS) * WIDTH // HEADS, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_up_proj": (2 * INNER, WIDTH),
    "mlp.down_proj": (WIDTH, INNER),
}


def texts(slugs=("seed", "rainbow")):
    """Sentences of the shipped stories, in three languages."""
    stories = [load_story(slug, language) for slug in slugs for language in LANGUAGES]
    return [line for story in stories for beat in story.beats for lines in beat.words.tell.values() for line in lines]


def tiny_model(folder: Path, seed: int = 0, **config) -> Path:
    """A Phi-3 of two layers with random weights, as transformers would write it."""
    made = tokenizer.train(texts(), 560, SLOTS)
    tokenizer.save(made, folder, 512)
    rows = made.get_vocab_size(with_added_tokens=True) + 3  # more rows than pieces, as models have
    told = {
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "vocab_size": rows, "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "max_position_embeddings": 512,
        "original_max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
        "hidden_act": "silu", "sliding_window": None, "bos_token_id": None, "eos_token_id": made.token_to_id("<|end|>"),
        "pad_token_id": made.token_to_id("<|pad|>"), "torch_dtype": "float32", **config,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")
    dice = np.random.default_rng(seed)
    names = gguf_shape.tensor_names(gguf_shape.read_shape(folder))
    weights = {
        name: (dice.normal(0, 0.3 if len(sides) > 1 else 0.1, sides) + (len(sides) == 1)).astype(np.float32)
        for name, (_, sides) in names.items()
    }
    numpy_files.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def tiny_adapter(folder: Path, seed: int, rank: int = 4, alpha: float = 8.0, only=tuple(MODULES), **config) -> Path:
    """A LoRA with random matrices on every module of the tiny model, as PEFT would write it."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = np.random.default_rng(seed)
    held = {}
    patterns = config.get("rank_pattern", {})
    for layer in range(LAYERS):
        for module in only:
            high, wide = MODULES[module]
            own = next((value for key, value in patterns.items() if module.endswith(key)), rank)
            name = f"base_model.model.model.layers.{layer}.{module}"
            held[f"{name}.lora_A.weight"] = dice.normal(0, 0.2, (own, wide)).astype(np.float32)
            held[f"{name}.lora_B.weight"] = dice.normal(0, 0.2, (high, own)).astype(np.float32)
    numpy_files.save_file(held, folder / "adapter_model.safetensors", {"format": "pt"})
    told = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": alpha, "bias": "none", "lora_dropout": 0.0,
        "target_modules": [module.split(".")[-1] for module in only], "base_model_name_or_path": "tiny", "inference_mode": True, **config,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def adapter(tmp_path_factory):
    return tiny_adapter(tmp_path_factory.mktemp("adapters") / "strategy", 1)


def weights(folder: Path) -> dict[str, np.ndarray]:
    return dict(numpy_files.load_file(folder / "model.safetensors"))


def read(path: Path) -> dict[str, np.ndarray]:
    """What stands in a GGUF file, in full precision."""
    return {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape([int(side) for side in tensor.shape[::-1]])
        for tensor in gguf.GGUFReader(path).tensors
    }


def said(path: Path) -> dict[str, Any]:
    return verify.read_gguf(path).values


def changed(folder: Path, to: Path, **config) -> Path:
    """A copy of a model folder with another configuration."""
    to.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_file() and path.suffix != ".gguf":
            (to / path.name).write_bytes(path.read_bytes())
    told = json.loads((to / "config.json").read_text(encoding="utf-8"))
    (to / "config.json").write_text(json.dumps({**told, **config}), encoding="utf-8")
    return to


# --- models ---------------------------------------------------------------------------------------------------------------


def test_f32_keeps_every_number(model, tmp_path):
    (file,) = export(model, kind="f32", out=tmp_path)
    names = gguf_shape.tensor_names(gguf_shape.read_shape(model))
    found, held = read(file), weights(model)
    assert found.keys() == {ours for ours, _ in names.values()}
    assert all(np.array_equal(found[names[name][0]], value) for name, value in held.items())


@pytest.mark.parametrize(("kind", "steps"), [("q8_0", 127.0), ("q4_0", 8.0), ("f16", 1024.0)])
def test_quantised_weights_stay_within_a_step(model, tmp_path, kind, steps):
    (file,) = export(model, kind=kind, out=tmp_path)
    names = gguf_shape.tensor_names(gguf_shape.read_shape(model))
    found = read(file)
    for name, value in weights(model).items():
        if value.ndim == 1:
            assert np.array_equal(found[names[name][0]], value)
            continue
        step = np.abs(value.reshape(-1, 32)).max(axis=1, keepdims=True) / steps
        off = np.abs(found[names[name][0]] - value).reshape(-1, 32)
        assert (off <= 1.01 * step).all(), name
        assert off.max() > 0, name


def test_q4_0_keeps_words_apart_with_q8_0(model, tmp_path):
    (file,) = export(model, kind="q4_0", out=tmp_path)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(file).tensors}
    assert kinds["token_embd.weight"] == kinds["output.weight"] == "Q8_0"
    assert kinds["blk.0.attn_qkv.weight"] == "Q4_0"
    assert kinds["output_norm.weight"] == "F32"


def test_rows_that_do_not_divide_stay_in_f16():
    assert gguf_model.kept_as("blk.0.ffn_down.weight", (4, 48), "q8_0").name == "F16"
    assert gguf_model.encoded("blk.0.ffn_down.weight", np.ones((4, 48), np.float32), "q8_0").dtype == np.float16


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", gguf_model.KINDS)
def test_numbers_that_are_none_are_refused(value, kind):
    held = np.ones((2, 32), np.float32)
    held[1, 3] = value
    with pytest.raises(gguf_shape.ExportProblem, match=r"^output.weight holds NaN or infinite numbers"):
        gguf_model.encoded("output.weight", held, kind)


@pytest.mark.parametrize(("kind", "large"), [("f16", 7e4), ("q8_0", 9e6), ("q4_0", 6e5)])
def test_numbers_too_large_for_a_kind_are_refused_and_f32_is_named(kind, large):
    with pytest.raises(gguf_shape.ExportProblem, match="use --to f32"):
        gguf_model.encoded("blk.0.ffn_up.weight", np.full((1, 32), large, np.float32), kind)
    assert gguf_model.encoded("blk.0.ffn_up.weight", np.full((1, 32), large, np.float32), "f32").max() == np.float32(large)


def test_a_file_says_whose_it_is(model, tmp_path):
    (file,) = export(model, out=tmp_path)
    told = said(file)
    assert told["general.architecture"] == "phi3"
    assert told["fabula.base.digest"] == verify.weights_digest(model)
    assert told["fabula.template.digest"] == template.digest()
    assert told["tokenizer.chat_template"] == template.JINJA
    assert told["tokenizer.huggingface.json"] == (model / "tokenizer.json").read_text(encoding="utf-8")
    assert told["phi3.attention.head_count_kv"] == KV_HEADS
    assert told["phi3.rope.dimension_count"] == WIDTH // HEADS
    verify.check_gguf(file, "phi3")


def test_bf16_and_f16_weights_are_read_exactly(model, tmp_path):
    folder = changed(model, tmp_path / "half")
    halves = {name: value.astype(np.float16) for name, value in weights(model).items()}
    numpy_files.save_file(halves, folder / "model.safetensors")
    (file,) = export(folder, kind="f32", out=tmp_path)
    assert np.array_equal(read(file)["output.weight"], halves["lm_head.weight"].astype(np.float32))
    raw = np.array([[1.5, -2.0]], np.float32)
    (tmp_path / "b.bin").write_bytes((raw.view(np.uint32) >> 16).astype("<u2").tobytes())
    assert np.array_equal(gguf_model._numbers(tmp_path / "b.bin", "b", verify.Tensor("BF16", (1, 2), 0, 4)), raw)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"model_type": "llama"}, "is a 'llama' model; Phi-3 can be exported"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"attention_bias": True}, "attention has a bias"),
        ({"quantization_config": {"load_in_4bit": True}}, "quantised already"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "positions are scaled as 'yarn'"),
        ({"head_dim": 7}, "heads of 7"),
        (
            {"rope_scaling": {"rope_type": "longrope", "long_factor": [1.0], "short_factor": [1.0]}},
            "needs 8 long and short factors",
        ),
        ({"num_hidden_layers": 3}, "has no model.layers.2."),
        ({"num_hidden_layers": 1}, "has a tensor that no Phi-3 model has: model.layers.1."),
        ({"intermediate_size": 128}, "config.json makes it"),
        ({"hidden_size": "wide"}, "in an unknown way"),
        ({"vocab_size": 100}, "rows of embeddings"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(model, tmp_path, config, line):
    folder = changed(model, tmp_path / "other", **config)
    with pytest.raises(ValueError, match=line) as problem:
        export(folder, out=tmp_path / "out")
    assert "\n" not in str(problem.value)
    assert not list((tmp_path / "out").glob("*.gguf"))


def test_tied_embeddings_are_written_once(model, tmp_path):
    folder = changed(model, tmp_path / "tied", tie_word_embeddings=True)
    (file,) = export(folder, kind="f32", out=tmp_path)
    assert "output.weight" not in read(file)


# --- tokenizers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "swallows", "called"),
    [
        ("nano", False, "nano"),
        ("nano", True, "phi3 nano"),
        ("Phi-3-mini", True, "Phi-3-mini"),
        ("my-phi3-x", False, "my-phi 3-x"),
    ],
)
def test_the_name_says_phi3_exactly_if_marks_swallow_white_space(model, name, swallows, called):
    vocabulary = replace(gguf_tokenizer.read(model, 999), swallows=swallows)
    assert gguf_tokenizer.name_for(name, vocabulary) == called
    assert any(mark in called.lower() for mark in ("phi3", "phi-3")) == swallows


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda told: told["model"].update(type="WordPiece"), "is a WordPiece tokenizer"),
        (lambda told: told["model"].update(dropout=0.1), "BPE with dropout"),
        (lambda told: told.update(normalizer={"type": "Lowercase"}), "changes the text before it splits it"),
        (lambda told: told.update(pre_tokenizer={"type": "Whitespace"}), "in a way that llama.cpp does not know"),
        (lambda told: told["pre_tokenizer"]["pretokenizers"][0].update(individual_digits=False), "llama.cpp does not know"),
        (lambda told: told["pre_tokenizer"]["pretokenizers"][1].update(add_prefix_space=True), "puts a space before"),
        (lambda told: told["added_tokens"][5].update(content="<|fin|>"), "no stop token <|end|>"),
        (lambda told: told["added_tokens"][0].update(content="<|end|>"), "the same piece two ids"),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(model, tmp_path, change, line):
    folder = changed(model, tmp_path / "other")
    told = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    change(told)
    (folder / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(gguf_tokenizer.TokenizerProblem, match=line):
        export(folder, out=tmp_path / "out")


def test_marks_are_control_slots_are_text_and_spare_rows_are_unused(model):
    vocabulary = gguf_tokenizer.read(model, gguf_shape.read_shape(model).rows)
    kind = dict(zip(vocabulary.pieces, vocabulary.kinds, strict=True))
    assert kind["<|end|>"] == kind["<|user|>"] == gguf_tokenizer.CONTROL
    assert kind["<hint>"] == gguf_tokenizer.USER_DEFINED
    assert kind["a"] == gguf_tokenizer.NORMAL
    assert vocabulary.kinds[-3:] == (gguf_tokenizer.UNUSED,) * 3
    assert vocabulary.pre == "smollm"


# --- adapters -------------------------------------------------------------------------------------------------------------


def effective(file: Path, module: str) -> np.ndarray:
    """ΔW as llama.cpp computes it: one alpha for the file, divided by each matrix's own rank."""
    found, alpha = read(file), float(said(file)["adapter.lora.alpha"])
    a, b = found[f"{module}.lora_a"], found[f"{module}.lora_b"]
    return np.asarray(alpha / a.shape[0] * (b.astype(np.float64) @ a.astype(np.float64)))


def test_a_plain_adapter_keeps_every_number(model, adapter, tmp_path):
    file = export(model, [adapter], out=tmp_path)[1]
    held = numpy_files.load_file(adapter / "adapter_model.safetensors")
    found = read(file)
    assert len(found) == len(held) == 2 * 4 * LAYERS
    part = "base_model.model.model.layers.1.mlp.gate_up_proj"
    assert np.array_equal(found["blk.1.ffn_up.weight.lora_a"], held[f"{part}.lora_A.weight"])
    assert np.array_equal(found["blk.1.ffn_up.weight.lora_b"], held[f"{part}.lora_B.weight"])
    assert said(file)["adapter.lora.alpha"] == 8.0
    assert file.name == "tiny-strategy.gguf"
    verify.check_gguf(file, "phi3", True, tmp_path / "tiny-q8_0.gguf")


@pytest.mark.parametrize(
    ("config", "scales"),
    [
        ({}, {"self_attn.o_proj": 8 / 4, "mlp.down_proj": 8 / 4}),
        ({"use_rslora": True}, {"self_attn.o_proj": 8 / 2, "mlp.down_proj": 8 / 2}),
        ({"rank_pattern": {"o_proj": 8}}, {"self_attn.o_proj": 8 / 8, "mlp.down_proj": 8 / 4}),
        ({"alpha_pattern": {"down_proj": 3.0}}, {"self_attn.o_proj": 8 / 4, "mlp.down_proj": 3 / 4}),
        ({"use_rslora": True, "rank_pattern": {"o_proj": 9}, "alpha_pattern": {"o_proj": 6.0}}, {"self_attn.o_proj": 6 / 3, "mlp.down_proj": 8 / 2}),
    ],
    ids=["plain", "rank-stabilised", "ranks", "alphas", "all"],
)  # fmt: skip
def test_scales_beyond_alpha_by_rank_are_kept(model, tmp_path, config, scales):
    folder = tiny_adapter(tmp_path / "a", 3, **config)
    file = export(model, [folder], out=tmp_path)[1]
    held = numpy_files.load_file(folder / "adapter_model.safetensors")
    ours = {"self_attn.o_proj": "attn_output", "mlp.down_proj": "ffn_down"}
    for module, scale in scales.items():
        name = f"base_model.model.model.layers.0.{module}"
        wanted = scale * held[f"{name}.lora_B.weight"].astype(np.float64) @ held[f"{name}.lora_A.weight"].astype(np.float64)
        assert np.allclose(effective(file, f"blk.0.{ours[module]}.weight"), wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"use_dora": True}, "DoRA scales every row"),
        ({"modules_to_save": ["lm_head"]}, "whole modules of its own"),
        ({"bias": "all"}, "trains biases"),
        ({"lora_bias": True}, "B has a bias"),
        ({"layer_replication": [[0, 2]]}, "repeats layers"),
        ({"trainable_token_indices": [1]}, "single embeddings"),
        ({"alora_invocation_tokens": [5, 6]}, "activated LoRA works from its invocation on"),
        ({"fan_in_fan_out": True}, "turned round"),
        ({"peft_type": "IA3"}, "only LORA is served"),
        ({"r": 9999}, "impossible or giant"),
        ({"init_lora_weights": "pissa"}, "changes the base as well"),
    ],
)
def test_what_is_more_than_lora_is_refused_with_the_reason(model, tmp_path, config, line):
    folder = tiny_adapter(tmp_path / "a", 3)
    told = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps({**told, **config}), encoding="utf-8")
    with pytest.raises(ValueError, match=line) as problem:
        export(model, [folder], out=tmp_path / "out")
    assert "\n" not in str(problem.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("name", "shape", "line"),
    [
        ("model.layers.0.self_attn.o_proj.lora_magnitude_vector", (64,), "is no LoRA matrix"),
        ("model.embed_tokens.lora_embedding_A", (4, 563), "leave it out"),
        ("model.layers.7.self_attn.o_proj.lora_A.weight", (4, 64), "Phi-3 with 2 layers has no model.layers.7"),
        ("model.layers.0.self_attn.q_proj.lora_A.weight", (4, 64), "has no model.layers.0.self_attn.q_proj"),
        ("model.layers.0.mlp.down_proj.lora_A.weight", (4, 64), "is for another base|was made for another base"),
    ],
)
def test_tensors_that_cannot_go_are_named(model, tmp_path, name, shape, line):
    folder = tiny_adapter(tmp_path / "a", 3)
    held = numpy_files.load_file(folder / "adapter_model.safetensors")
    numpy_files.save_file(
        {**held, f"base_model.model.{name}": np.ones(shape, np.float32)}, folder / "adapter_model.safetensors"
    )
    with pytest.raises(ValueError, match=line):
        export(model, [folder], out=tmp_path / "out")


def test_a_card_that_names_another_base_is_believed(model, adapter, tmp_path):
    folder = tiny_adapter(tmp_path / "a", 3)
    (folder / "card.json").write_text(json.dumps({"base_digest": verify.weights_digest(model)}), encoding="utf-8")
    export(model, [folder], out=tmp_path / "out")
    (folder / "card.json").write_text(json.dumps({"base_digest": "0" * 64}), encoding="utf-8")
    with pytest.raises(gguf_shape.ExportProblem, match="was made for another base: its card names 000000000000…"):
        export(model, [folder], out=tmp_path / "out")


# --- merging --------------------------------------------------------------------------------------------------------------


def test_merging_adds_exactly_what_the_adapters_say(model, adapter, tmp_path):
    other = tiny_adapter(tmp_path / "response", 5, use_rslora=True, only=("self_attn.o_proj",))
    file, folder = export(model, [adapter, other], kind="f32", merge=True, out=tmp_path / "out")
    assert (file.name, folder.name) == ("tiny-strategy-response-f32.gguf", "tiny-strategy-response")
    base, merged, found = weights(model), weights(folder), read(file)
    one, two = (numpy_files.load_file(each / "adapter_model.safetensors") for each in (adapter, other))
    name = "model.layers.0.self_attn.o_proj"
    a, b = f"base_model.model.{name}.lora_A.weight", f"base_model.model.{name}.lora_B.weight"
    wanted = base[f"{name}.weight"] + 8 / 4 * (one[b] @ one[a]) + 8 / 2 * (two[b] @ two[a])
    assert np.allclose(merged[f"{name}.weight"], wanted, atol=1e-5)
    assert np.array_equal(found["blk.0.attn_output.weight"], merged[f"{name}.weight"])
    assert np.array_equal(merged["model.embed_tokens.weight"], base["model.embed_tokens.weight"])
    assert said(file)["fabula.base.digest"] != verify.weights_digest(model)
    verify.check_base(folder, "phi3")


# --- neighbours -----------------------------------------------------------------------------------------------------------


def rendered(text: str, **given: str) -> str:
    """What Go's text/template makes of the few constructs used here."""
    for name in ("System", "Prompt"):
        text = re.sub(rf"{{{{ if \.{name} }}}}(.*?){{{{ end }}}}", r"\1" if given.get(name) else "", text, flags=re.DOTALL)
    return re.sub(r"{{ \.(\w+) }}", lambda name: given.get(name[1], ""), text)


def test_a_modelfile_renders_the_project_s_own_format(model, adapter, tmp_path):
    files = export(model, [adapter], ollama=True, out=tmp_path)
    text = (tmp_path / "Modelfile.strategy").read_text(encoding="utf-8")
    assert tmp_path / "Modelfile.strategy" in files
    assert text.startswith("FROM ./tiny-q8_0.gguf\nADAPTER ./tiny-strategy.gguf\n")
    inner = text.split('"""')[1]
    assert rendered(inner, System="Be kind.", Prompt="Hello", Response="Hi!") == template.chat(
        [("system", "Be kind."), ("user", "Hello")], "Hi!"
    )
    assert rendered(inner, Prompt="Hello").removesuffix("<|end|>") == template.chat([("user", "Hello")])
    for stop in template.STOPS:
        assert f'PARAMETER stop "{stop}"' in text
    assert "PARAMETER num_ctx 512" in text


def test_a_merged_model_has_one_modelfile_without_adapter(model, adapter, tmp_path):
    export(model, [adapter], merge=True, ollama=True, out=tmp_path)
    assert "ADAPTER" not in (tmp_path / "Modelfile").read_text(encoding="utf-8")


def test_training_data_goes_to_unsloth_and_axolotl(model, tmp_path, capsys):
    yaml = pytest.importorskip("yaml")
    rows = tmp_path / "rows.jsonl"
    row = {
        "prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "U <|end|>"}],
        "completion": [{"role": "assistant", "content": "Très bien\u202f!"}],
        "task": "response",
    }
    rows.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert main([str(model), "--data", str(rows), "--out", str(tmp_path / "out")]) == 0
    wanted = [*row["prompt"], *row["completion"]]
    assert json.loads((tmp_path / "out" / "unsloth.jsonl").read_text(encoding="utf-8")) == {"conversations": wanted}
    assert json.loads((tmp_path / "out" / "axolotl.jsonl").read_text(encoding="utf-8")) == {"messages": wanted}
    config = yaml.safe_load((tmp_path / "out" / "axolotl.yml").read_text(encoding="utf-8"))
    assert config["base_model"] == str(model)
    assert config["lora_target_modules"] == ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
    assert config["datasets"][0]["roles_to_train"] == ["assistant"]
    assert config["datasets"][0]["train_on_eos"] == "turn"


# --- the command ----------------------------------------------------------------------------------------------------------


def test_the_command_writes_and_tells(model, adapter, tmp_path, capsys):
    assert main([str(model), "--adapter", str(adapter), "--to", "f16", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert str(tmp_path / "tiny-f16.gguf") in told
    assert str(tmp_path / "tiny-strategy.gguf") in told
    assert "MB" in told
    assert {tensor.tensor_type.name for tensor in gguf.GGUFReader(tmp_path / "tiny-strategy.gguf").tensors} == {"F16"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny-f16.gguf", "tiny-strategy.gguf"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere: there is no such folder"),
        (["MODEL", "--merge"], "--merge needs at least one --adapter"),
        (["MODEL", "--adapter", "ADAPTER", "--adapter", "ADAPTER"], "two adapters are called 'strategy'"),
        (["MODEL", "--adapter", "nowhere"], "adapter_config.json: is missing"),
        (["MODEL", "--data", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line(model, adapter, tmp_path, capsys, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    named = [{"MODEL": str(model), "ADAPTER": str(adapter)}.get(each, each) for each in arguments]
    assert main([*named, "--out", str(tmp_path / "out")]) == 3
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1


def test_a_broken_export_leaves_the_old_file(model, tmp_path, monkeypatch):
    (file,) = export(model, out=tmp_path)
    before = file.read_bytes()

    def full(folder, shape):
        yield from list(gguf_model_tensors(folder, shape))[:3]
        raise OSError(28, "no space left on device")

    gguf_model_tensors = gguf_model.tensors
    monkeypatch.setattr(gguf_model, "tensors", full)
    assert main([str(model), "--to", "q8_0", "--out", str(tmp_path)]) == 3
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
