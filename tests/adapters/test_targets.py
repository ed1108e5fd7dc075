"""An adapter sits where the recipe claims, on every architecture, or training is refused with a table of what matched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
pytest.importorskip("peft", reason="the extra gpu is not installed (make install EXTRAS=train)")

from adapters import targets  # noqa: E402
from adapters.checks import Refusal  # noqa: E402
from tests.adapters.tiny_base import make  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoModelForCausalLM

    made: dict[str, Any] = {}

    def of(kind: str) -> Any:
        if kind not in made:
            made[kind] = make(tmp_path_factory.mktemp(kind), kind)
        return AutoModelForCausalLM.from_pretrained(made[kind], dtype=torch.float32)

    return of


def wrapped(model: Any, names: list[str], rank: int = 4) -> Any:
    from peft import LoraConfig, get_peft_model

    fan = model.config.model_type == "gpt2"
    return get_peft_model(model, LoraConfig(r=rank, target_modules=names, fan_in_fan_out=fan, task_type="CAUSAL_LM"))


@pytest.mark.parametrize("kind", ["phi3", "llama", "mistral", "qwen2", "gpt2"])
def test_all_means_every_linear_module_of_every_layer(base: Any, kind: str) -> None:
    model = base(kind)
    found = targets.resolve(model, "all")
    linear = targets.sizes_of(model)
    assert tuple(found) == targets.TARGETS[kind]
    assert {module for full in found.values() for module in full} == {name for name in linear if name != "lm_head"}
    names = [module for full in found.values() for module in full]
    expected = sum(4 * sum(linear[name]) for name in names)
    assert targets.verify(wrapped(model, names), found, linear, 4) == expected


def test_an_unknown_architecture_is_looked_through(base: Any) -> None:
    model = base("phi3")
    model.config.model_type = "brand-new"
    assert set(targets.resolve(model, "all")) == set(targets.TARGETS["phi3"])


def test_the_guides_names_leave_three_of_four_projections_of_a_phi3_untouched_and_are_refused(base: Any) -> None:
    model = base("phi3")
    with pytest.raises(Refusal) as caught:
        targets.resolve(model, LLAMA)
    said = str(caught.value)
    assert "match less than they claim on this phi3" in said
    assert "q_proj: nothing; k_proj: nothing; v_proj: nothing; o_proj: 2 modules (64→64) in 2 of 2 layers" in said
    assert "qkv_proj" in said
    # What PEFT would have done without a word: a seventh of what was claimed.
    silent = wrapped(model, list(LLAMA))
    assert sum(p.numel() for p in silent.parameters() if p.requires_grad) == 2 * 4 * (64 + 64)
    assert targets.resolve(base("llama"), LLAMA), "and on a Llama they are right"


def test_a_name_that_is_not_in_every_layer_is_refused(base: Any) -> None:
    model = base("phi3")
    layer = model.model.layers[1].self_attn
    layer.other_proj, layer.o_proj = layer.o_proj, torch.nn.Identity()
    with pytest.raises(Refusal, match="o_proj: 1 modules .* in 1 of 2 layers"):
        targets.resolve(model, ["qkv_proj", "o_proj"])
    assert targets.resolve(model, ["layers.0.self_attn.o_proj"]), "a full name claims no more than itself"


def test_a_misspelt_name_is_told_the_nearest(base: Any) -> None:
    with pytest.raises(Refusal, match="did you mean gate_up_proj"):
        targets.resolve(base("phi3"), ["gateup_proj"])


def test_the_head_is_refused_because_its_adapter_would_never_be_trained(base: Any) -> None:
    with pytest.raises(Refusal, match="lm_head is no layer"):
        targets.resolve(base("phi3"), ["o_proj", "lm_head"])


def test_what_peft_really_adapted_is_held_against_the_claim(base: Any) -> None:
    model = base("phi3")
    found, sizes = targets.resolve(model, "all"), targets.sizes_of(model)
    less = wrapped(base("phi3"), ["qkv_proj"])
    with pytest.raises(Refusal, match="PEFT adapted other modules"):
        targets.verify(less, found, sizes, 4)
    with pytest.raises(Refusal, match="would be trained, but rank 8"):
        targets.verify(wrapped(model, [module for full in found.values() for module in full]), found, sizes, 8)


def test_phi3_mini_at_rank_16_is_25_million_parameters_not_2() -> None:
    """Arithmetic on the true shape: 32 layers of width 3072, 8192 inside."""
    sizes = {"qkv_proj": (3072, 9216), "o_proj": (3072, 3072), "gate_up_proj": (3072, 16384), "down_proj": (8192, 3072)}
    assert 32 * sum(16 * sum(sizes[name]) for name in targets.TARGETS["phi3"]) == 25_165_824


def test_a_quantised_base_has_the_same_sizes(base: Any, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM

    from adapters.train import _four_bits

    for kind in ("phi3", "gpt2"):
        folder = make(tmp_path / kind, kind)
        four = AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=_four_bits(torch.float32), device_map={"": "cpu"}
        )
        assert targets.sizes_of(four) == targets.sizes_of(base(kind))
        assert "Linear4bit" in {type(module).__name__ for module in four.modules()}
