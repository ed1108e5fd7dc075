"""Several adapters in one are exactly their weighted sum."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import verify
from adapters.compose import Part, compose, distance, linear_error, main
from adapters.verify import CatalogProblem
from tests.adapters.test_verify import MODULES, change_json, header_of, small_adapter, small_base


def refused(what: str, check: Any) -> None:
    with pytest.raises(CatalogProblem, match=what) as error:
        check()
    assert "\n" not in str(error.value)


def delta(folder: Path, module: str) -> np.ndarray[Any, Any]:
    """ΔW by the book, from the files themselves: alpha / r or alpha / √r, times B times A."""
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = verify.load(folder / "adapter_model.safetensors")
    names = [name for name in tensors if f".{module}.lora_" in name]
    if not names:
        return np.zeros(MODULES[module])
    a, b = (next(tensors[name].astype(np.float64) for name in names if f"lora_{part}" in name) for part in "AB")
    rank, alpha = config["r"], config["lora_alpha"]
    for key, value in config.get("rank_pattern", {}).items():
        rank = value if module.endswith(key.strip("^$").replace("\\", "")) else rank
    for key, value in config.get("alpha_pattern", {}).items():
        alpha = value if module.endswith(key.strip("^$").replace("\\", "")) else alpha
    return np.asarray(alpha / (rank**0.5 if config.get("use_rslora") else rank) * (b @ a))


kinds = st.fixed_dictionaries(
    {"rank": st.integers(1, 4), "alpha": st.integers(1, 40), "use_rslora": st.booleans()},
    optional={"rank_pattern": st.just({"down_proj": 3}), "alpha_pattern": st.just({"self_attn.o_proj": 5})},
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.tuples(kinds, st.sampled_from([0.0, 1e-6]) | st.floats(0.01, 2) | st.floats(-2, -0.01)), min_size=1, max_size=4
    )
)
def test_the_composition_is_the_sum(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[dict[str, Any], float]]
) -> None:
    room = tmp_path_factory.mktemp("compose")
    folders = [small_adapter(room / str(at), seed=at, **kind) for at, (kind, _) in enumerate(parts)]
    weights = [weight for _, weight in parts]
    off = compose(list(zip(folders, weights, strict=True)), room / "out")
    assert off < 1e-6
    base = small_base(room / "base")
    tensors = verify.check_adapter(room / "out", base)
    assert all(min(tensor.shape) <= 8 for tensor in tensors.values()), "no rank is larger than its matrix"
    for module in MODULES:
        wanted = sum(
            (weight * delta(folder, module) for folder, weight in zip(folders, weights, strict=True)), np.zeros(MODULES[module])
        )
        size = sum(
            abs(weight) * float(np.linalg.norm(delta(folder, module))) for folder, weight in zip(folders, weights, strict=True)
        )
        assert float(np.linalg.norm(delta(room / "out", module) - wanted)) <= 1e-6 * size


def without(folder: Path, *modules: str) -> Path:
    """The adapter without some of its modules."""
    from adapters.compose import write_safetensors

    tensors = verify.load(folder / "adapter_model.safetensors")
    kept = {name: value for name, value in tensors.items() if not any(f".{module}." in name for module in modules)}
    write_safetensors(folder / "adapter_model.safetensors", kept)
    change_json(
        folder / "adapter_config.json",
        target_modules=sorted(name.rpartition(".")[2] for name in MODULES if name not in modules),
    )
    return folder


def test_adapters_of_different_modules_and_ranks(tmp_path: Path) -> None:
    attention = without(small_adapter(tmp_path / "a", seed=1, rank=2), *[name for name in MODULES if "mlp" in name])
    mlp = without(small_adapter(tmp_path / "b", seed=2, rank=3, use_rslora=True), "model.layers.0.self_attn.qkv_proj")
    compose([(attention, 0.5), (mlp, -1.0)], tmp_path / "out")
    for module in MODULES:
        assert delta(tmp_path / "out", module) == pytest.approx(
            0.5 * delta(attention, module) - delta(mlp, module), rel=1e-5, abs=1e-5
        )
    told = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (told["r"], told["lora_alpha"]) == (5, 5)
    assert sorted(told["rank_pattern"].values()) == [2, 3, 3]
    assert told["rank_pattern"] == told["alpha_pattern"]
    assert told["target_modules"] == sorted(MODULES)


def test_linear_is_far_from_the_sum_and_grows_with_the_other(tmp_path: Path) -> None:
    one, two = small_adapter(tmp_path / "1", seed=1), small_adapter(tmp_path / "2", seed=2)
    assert linear_error([(one, 1.0)]) < 1e-6
    assert linear_error([(one, 1.0), (two, 1.0)]) > 0.5
    assert linear_error([(one, 1.0), (two, 0.0001)]) < 0.1
    assert linear_error([(one, 1.0), (one, 1.0)]) == pytest.approx(1.0), "twice the same: four times B A instead of two"


def test_numbers_of_half_size_are_read_exactly(tmp_path: Path) -> None:
    folder = small_adapter(tmp_path / "a")
    tensors = verify.load(folder / "adapter_model.safetensors")
    told, data = {}, b""
    for name, value in tensors.items():
        rounded = (value.view(np.uint32) >> 16).astype("<u2")
        told[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": [len(data), len(data) + 2 * value.size]}
        data += rounded.tobytes()
    (folder / "adapter_model.safetensors").write_bytes(header_of(told, data))
    read = verify.load(folder / "adapter_model.safetensors")
    for name, value in tensors.items():
        assert (read[name].view(np.uint32) == (value.view(np.uint32) & 0xFFFF0000)).all()
    assert compose([(folder, 0.3)], tmp_path / "out") < 1e-6


def test_what_is_no_sum_is_refused(tmp_path: Path) -> None:
    good = small_adapter(tmp_path / "good")

    def bad(name: str, **config: Any) -> Path:
        return small_adapter(tmp_path / name, seed=3, **config)

    for name, config, what in (
        ("dora", {"use_dora": True}, "has DoRA"),
        ("bias", {"bias": "all"}, "has trained biases"),
        ("saved", {"modules_to_save": ["lm_head"]}, "has whole modules"),
        ("base", {"base_model_name_or_path": "other"}, "their base_model_name_or_path differ"),
        ("alora", {"alora_invocation_tokens": [1, 2]}, "their alora_invocation_tokens differ"),
    ):
        folder = bad(name, **config)
        refused(what, lambda folder=folder: compose([(good, 1.0), (folder, 1.0)], tmp_path / "out"))
    refused("at least one adapter", lambda: compose([], tmp_path / "out"))
    refused("weights of 0 or from", lambda: compose([(good, float("nan"))], tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    compose([(good, 1.0)], tmp_path / "out")
    refused("is there already", lambda: compose([(good, 1.0)], tmp_path / "out"))


def test_bases_of_different_sizes_and_ranks_that_add_up_too_high(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.compose import write_safetensors

    good, wide = small_adapter(tmp_path / "good"), small_adapter(tmp_path / "wide")
    tensors = verify.load(wide / "adapter_model.safetensors")
    name = next(name for name in tensors if "down_proj.lora_A" in name)
    write_safetensors(wide / "adapter_model.safetensors", tensors | {name: np.ones((2, 99), np.float32)})
    refused("different bases", lambda: compose([(good, 1.0), (wide, 1.0)], tmp_path / "out"))
    monkeypatch.setattr(verify, "MOST_RANK", 3)
    assert compose([(good, 1.0)], tmp_path / "one") < 1e-6
    refused("add up to 4", lambda: compose([(good, 1.0), (good, 1.0)], tmp_path / "out"))


def test_a_result_that_is_not_the_sum_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = small_adapter(tmp_path / "good")
    monkeypatch.setattr("adapters.compose._config", lambda *_: Part.read(good).lora.config | {"lora_alpha": 4.001})
    refused("would differ from the sum", lambda: compose([(good, 1.0)], tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["good"]


def test_the_distance_of_two_adapters(tmp_path: Path) -> None:
    one = small_adapter(tmp_path / "1", seed=1)
    assert distance(one, one)[0] == 0.0
    compose([(one, 1.5)], tmp_path / "more")
    assert distance(one, tmp_path / "more")[0] == pytest.approx(0.5, rel=1e-5)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = small_adapter(tmp_path / "1", seed=1), small_adapter(tmp_path / "2", seed=2)
    assert main([str(tmp_path / "out"), f"{one}=0.7", str(two)]) == 0
    module = "model.layers.0.self_attn.o_proj"
    assert delta(tmp_path / "out", module) == pytest.approx(0.7 * delta(one, module) + delta(two, module), rel=1e-5, abs=1e-5)
    assert main([str(tmp_path / "other"), f"{one}=much"]) == 2
    assert "the weight 'much' is no number" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT asks transformers by a name that is to go
def test_peft_answers_with_the_sum(tmp_path: Path) -> None:
    """The folder, loaded by PEFT itself, moves a model's output by what the parts move it by together."""
    torch = pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    peft = pytest.importorskip("peft", reason="the extra gpu is not installed (make install EXTRAS=train)")
    transformers = pytest.importorskip("transformers", reason="the extra gpu is not installed (make install EXTRAS=train)")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 60}
    config = transformers.Phi3Config(**sizes, num_key_value_heads=2, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    base = transformers.Phi3ForCausalLM(config).double().eval()
    parts = (
        ({"r": 3, "lora_alpha": 7, "use_rslora": True, "target_modules": ["qkv_proj", "o_proj"]}, 0.7),
        (
            {
                "r": 2,
                "lora_alpha": 8,
                "target_modules": ["qkv_proj", "down_proj"],
                "rank_pattern": {"layers.1.mlp.down_proj": 5},
            },
            1.0,
        ),
        (
            {"r": 4, "lora_alpha": 4, "target_modules": ["gate_up_proj"], "alpha_pattern": {"layers.0.mlp.gate_up_proj": 9}},
            -0.5,
        ),
    )
    for at, (settings_of, _) in enumerate(parts):
        made = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **settings_of))
        made.save_pretrained(tmp_path / str(at))
        base = made.unload()
    compose([(tmp_path / str(at), weight) for at, (_, weight) in enumerate(parts)], tmp_path / "out")
    # The sum by hand: every part merged into its own copy of the weights, their differences added up.
    plain = {name: value.clone() for name, value in base.state_dict().items()}
    total = {name: value.clone() for name, value in plain.items()}
    for at, (_, weight) in enumerate(parts):
        base.load_state_dict(plain)
        merged = peft.PeftModel.from_pretrained(base, tmp_path / str(at)).merge_and_unload()
        for name, value in merged.state_dict().items():
            total[name] += weight * (value - plain[name])
        base = merged
    words = torch.tensor([[5, 9, 33, 12, 40]])
    base.load_state_dict(total)
    with torch.no_grad():
        wanted = base(words).logits
        base.load_state_dict(plain)
        without = base(words).logits
        got = peft.PeftModel.from_pretrained(base, tmp_path / "out").eval()(words).logits
    assert float((wanted - without).abs().max()) > 0.01
    assert float((got - wanted).abs().max()) < 1e-5
