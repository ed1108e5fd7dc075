"""Every number in the guides on LoRA and QLoRA, reproduced or refuted: ``python -m benchmarks.claims [--write FILE]``.

Arithmetic where arithmetic is enough (sizes of the published architectures), small measurements where it is not. Those that
need torch and PEFT say so where these are not installed. Under two minutes on one core.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from adapters import verify
from adapters.compose import linear_error, write_safetensors

Verdict = Literal["holds", "in part", "refuted", "not checkable here"]
GB, MB = 1e9, 1e6
NF4 = 4 + 8 / 64 + 32 / (64 * 256)  # bits a weight: a byte of scale for 64 weights, a float for 256 scales (QLoRA, section 3)
Q4_0 = 18 * 8 / 32  # bits a weight: 32 weights and a half-precision scale in 18 bytes
ADAM = 4 + 4 + 8  # bytes a trained weight in 32 bit: weight, gradient, two moments
PREFILL, WRITING = 16.0, (6.6, 8.0)  # tokens a second of Phi-3-mini, Q4_0, two AVX2 cores (random weights)


@dataclass(frozen=True)
class Model:
    """A published architecture: layers, width, inner width, width of keys and values, vocabulary."""

    layers: int
    width: int
    inner: int
    keys: int
    pieces: int

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """The adapted matrices of one layer, (in, out), as the projections were separate."""
        attention = {"q": (self.width, self.width), "k": (self.width, self.keys), "v": (self.width, self.keys)}
        mlp = {"gate": (self.width, self.inner), "up": (self.width, self.inner), "down": (self.inner, self.width)}
        return attention | {"o": (self.width, self.width)} | mlp

    @property
    def linear(self) -> int:
        return self.layers * sum(height * width for height, width in self.matrices.values())

    @property
    def parameters(self) -> int:
        return self.linear + 2 * self.pieces * self.width + (2 * self.layers + 1) * self.width

    def lora(self, rank: int, matrices: dict[str, tuple[int, int]] | None = None) -> int:
        return self.layers * sum(rank * (height + width) for height, width in (matrices or self.matrices).values())

    def four_bit(self, bits: float) -> float:
        """Bytes with the linear layers in 4 bit and the two embeddings in 16."""
        return self.linear * bits / 8 + 2 * self.pieces * self.width * 2

    def cache(self, tokens: int) -> float:
        """Bytes of keys and values in 16 bit."""
        return 2 * self.layers * self.keys * 2 * tokens


PHI = Model(layers=32, width=3072, inner=8192, keys=3072, pieces=32064)
MISTRAL = Model(layers=32, width=4096, inner=14336, keys=1024, pieces=32000)
LLAMA = Model(layers=32, width=4096, inner=11008, keys=4096, pieces=32000)
# Phi-3 has q, k, v in one matrix, and gate and up in another.
FUSED = {"qkv": (3072, 9216), "o": (3072, 3072), "gate_up": (3072, 16384), "down": (8192, 3072)}


Row = tuple[str, Verdict, str, str]
SUM = "arithmetic"


def near(said: float, found: float, share: float = 0.05) -> Verdict:
    """Whether a guide's number is the one found, to within ``share`` of it."""
    return "holds" if abs(said - found) <= share * found else "refuted"


def phi_guide() -> Iterator[Row]:
    full, only_o = PHI.lora(16, FUSED), PHI.lora(16, {"o": FUSED["o"]})
    yield "Phi-3-Mini has 3.8 B (3,821 M) parameters", near(3.821e9, PHI.parameters, 0.001), f"{PHI.parameters:,}", SUM
    found = (
        f"Phi-3 has no q, k, v: only o_proj is met, {only_o / 1e6:.1f} M ({only_o / PHI.parameters:.2%}). On all four matrices "
    )
    found += f"{full / 1e6:.1f} M ({full / PHI.parameters:.2%}), {full * 2 / MB:.1f} MB in 16 bit"
    yield "r = 16 on q, k, v, o trains 2.3 M parameters, 0.06 %", near(2.3e6, only_o), found, SUM
    found = f"{full / 16e6:.1f} M a rank: {full / 16e6 * 3:.1f} M at r = 3, {full / 1e6:.0f} M at its own r = 16"
    yield "adapters are “only a few million parameters”", "in part", found, SUM
    found = f"16 bytes a weight (weight, gradient, two Adam moments in 32 bit): {7e9 * ADAM / GB:.0f} GB, before activations"
    yield "full fine-tuning of 7 B needs 112 GB", near(112, 7e9 * ADAM / GB), found, SUM
    whole, held = 2 * PHI.parameters, PHI.four_bit(NF4)
    found = f"{1 - NF4 / 16:.1%} of the linear layers; {1 - held / whole:.1%} of Phi-3-mini, whose embeddings stay in 16 bit "
    found += f"({held / GB:.2f} GB of {whole / GB:.2f})"
    yield "4 bit saves about 75 % of the memory", "in part", found, SUM
    room = (LLAMA.four_bit(NF4) + LLAMA.lora(16) * ADAM) / GB
    found = f"{room:.1f} GB of weights, adapter and optimiser at r = 16; the rest is for activations"
    yield "7 B can be fine-tuned on one 24 GB GPU", "holds" if room < 24 else "refuted", found, SUM
    short = (PHI.four_bit(NF4) + PHI.cache(4096)) / GB
    found = (
        f"{short:.1f} GB with 4,096 tokens of context; but {PHI.cache(131072) / GB:.0f} GB of keys and values for 128 k of them"
    )
    yield "inference of Phi-3-mini needs at least 8 GB of GPU memory", near(8, short, 0.5), found, SUM
    work = 4 * PHI.parameters * 2500 * 500 * 3
    found = f"2,500 samples of 500 tokens, 3 epochs: {work:.1e} operations, {work / (0.3 * 71e12) / 60:.0f} min at 30 % of "
    found += "71 TFLOPS"
    yield "training takes hours, not days", "holds", found, SUM
    found = "it is published as a LoRA on Phi-3-mini: load the base, then the adapter"
    yield "the published Phi-Ed is a model to load as the base", "refuted", found, "its model page, not fetched here"
    found = f"so says its model page; {2500 * 3 // 16} optimiser steps at 16 samples a step and 3 epochs"
    yield "Phi-Ed was trained on 2,500 Cosmopedia samples", "not checkable here", found, "its model page, not fetched here"


def code() -> Iterator[Row]:
    yield "target_modules = q, k, v, o adapt Phi-3's attention", *_measured(_targets)
    yield "TrainingArguments(evaluation_strategy=…), Trainer(tokenizer=…)", *_measured(_trainer)
    yield "the tokenised examples can be trained on as they are", *_measured(_labels)
    yield "a dictionary of PeftModels on one base gives one expert per entry", *_measured(_dictionary)


def dialogue_guide() -> Iterator[Row]:
    gpt2 = 24 * (12 * 1024**2 + 13 * 1024) + (50257 + 1024) * 1024 + 2 * 1024
    yield "DialoGPT-medium has 355 M parameters", near(355e6, gpt2, 0.01), f"{gpt2:,}", SUM
    named = {"attn.c_attn": 1024 + 3072, "attn.c_proj": 1024 + 1024, "mlp.c_proj": 4096 + 1024}
    found = f"the MLP's second matrix is called c_proj too: {named['mlp.c_proj'] / sum(named.values()):.0%} of the "
    found += f"{24 * 16 * sum(named.values()) / 1e6:.1f} M trained weights at r = 16 are there"
    yield "c_attn and c_proj are “attention layers”", "in part", found, SUM
    weights, adapter = MISTRAL.parameters, MISTRAL.lora(16) * ADAM
    found = f"{weights * 4 / GB:.0f} GB for the 32-bit weights alone, {weights * ADAM / GB:.0f} GB to train them all; "
    found += f"LoRA on 16-bit weights: {(weights * 2 + adapter) / GB:.1f} GB before activations"
    yield "training Mistral 7B in full precision needs 16+ GB", near(16, weights * 4 / GB), found, SUM
    found = f"weights {weights / GB:.2f} GB, adapter and optimiser {adapter / GB:.2f} GB: in 8 GB hardly anything is left "
    found += "for activations"
    yield "in 8 bit 8+ GB are enough to train", "in part", found, SUM
    size = weights * Q4_0 / 8 + MISTRAL.cache(2048)
    found = f"{size / GB:.1f} GB with the cache of 2,048 tokens"
    yield "in 4 bit it runs on a Mac with 16 GB", "holds" if size < 12 * GB else "refuted", found, SUM
    yield "alpha = 2r is the rule of thumb (elsewhere: optimal)", *_alpha(), "measured (numpy)"


def tutorial() -> Iterator[Row]:
    two = {name: LLAMA.matrices[name] for name in "qv"}
    small, base = LLAMA.lora(8, two), LLAMA.parameters
    found = f"{4096**2:,}; {2 * 4096 * 8:,}; {4096**2 / (2 * 4096 * 8):.0f} times"
    yield "4096 × 4096 = 16.7 M values; at r = 8 65,536, 256 times fewer", near(65536, 2 * 4096 * 8, 0), found, SUM
    found = f"its own example (r = 8, q and v) has {small / 1e6:.1f} M, {small / base:.3%}"
    yield "a 7 B adapter has about 1 M parameters, 0.01 %", near(1e6, small, 0.3), found, SUM
    found = f"{small * 2 / MB:.1f} MB in 16 bit, {small * 4 / MB:.1f} in 32; 4 MB is r = 4 of these two matrices in 16 bit"
    yield "an adapter takes 4 MB", near(4, small * 2 / MB, 0.2), found, SUM
    found = f"28 GB are the 32-bit weights; to train them takes {7e9 * ADAM / GB:.0f} GB"
    yield "full fine-tuning of 7 B needs 28 GB of GPU memory", near(28, 7e9 * ADAM / GB), found, SUM
    yield (
        "28 GB of storage a fine-tuned model, 84 GB for three",
        "in part",
        "in 32 bit; stored in 16 they take 14 and 42 GB",
        SUM,
    )
    found = (
        f"the 16-bit base alone has {base * 2 / GB:.1f} GB; in NF4 {(LLAMA.four_bit(NF4) + small * ADAM) / GB:.1f} GB before "
    )
    found += "activations, so only with quantisation, which its example leaves out"
    yield "with LoRA (r = 8) 7 B trains in 4–8 GB", near(8, base * 2 / GB), found, SUM
    gain = 6 / (4 + 4 * PHI.lora(16, FUSED) / PHI.parameters)
    found = "a token costs 2 operations a weight forward, 2 backward and 2 for the weight's own gradient; LoRA saves the "
    found += "last third: "
    yield "training is 10–100 times faster", near(10, gain, 0.5), f"{found}{gain:.2f} times faster at most", SUM
    yield "… measured", *_measured(_speed)
    yield "LoRA reaches 95–99 % of full quality", *_measured(_quality)
    found = f"alpha / r = {32 / 8:g} and {16 / 8:g}; its own example (alpha 32) is not the alpha = 2r that it recommends"
    yield "r = 8: alpha 32 scales by 4, alpha 16 by 2", "holds", found, SUM
    found = "all modules are better than the MLP, and this than attention alone; on Phi-3 three of the four do not exist"
    yield "q, k, v, o are the “balanced (recommended)” targets", "refuted", found, "Biderman et al. 2024"
    found = "that is a pickle, which runs code when loaded; PEFT writes safetensors, and the catalogue takes nothing else"
    yield "adapters are stored as adapter_model.bin", "refuted", found, "tests/adapters/test_verify.py"


def offline_talk() -> Iterator[Row]:
    sizes = {rank: MISTRAL.lora(rank) * 2 / MB for rank in (4, 8, 16, 64, 256)}
    found = f"all matrices of a 7 B model, 16 bit: r = 4 {sizes[4]:.0f} MB, 8 {sizes[8]:.0f}, 16 {sizes[16]:.0f}; the ranks "
    found += "it recommends "
    found += f"(64–256) have {sizes[64]:.0f}–{sizes[256]:,.0f} MB. Phi-3-mini at r = 16: {PHI.lora(16, FUSED) * 2 / MB:.0f} MB"
    yield "adapters are tiny: 20–50 MB", "in part", found, SUM
    base = MISTRAL.parameters * Q4_0 / 8
    total, small = ((each.parameters * Q4_0 / 8 + each.cache(2048) + 50 * MB + 0.15 * GB) / GB for each in (MISTRAL, PHI))
    found = f"weights {base / GB:.2f} GB, cache of 2,048 tokens {MISTRAL.cache(2048) / GB:.2f}, adapter .05, buffers .15: "
    found += f"{total:.1f} GB. "
    yield "7 B and a LoRA fit into about 3.9 GB", near(3.9, total), f"{found}Phi-3-mini would, with {small:.1f} GB", SUM
    found = f"4 bits a weight would; Q4_0 has {Q4_0} with its scales: {base / GB:.2f} GB"
    yield "a quantised 7 B model has 3.5 GB", near(3.5, base / GB), found, SUM
    parts = 2 * 3.5 + 1 + 0.2
    yield "two full models, system and speech take 8.2 GB", near(8.2, parts, 0.001), f"{parts:.1f} GB by its own parts", SUM
    yield "five adapters take 250 MB", near(250, 5 * 50, 0), f"{5 * 50} MB by its own size of one", SUM
    yield "adapters are swapped in under a second", *_swap(), "measured (numpy, disk)"
    found = f"{base / 100e6:.0f} s from a disk of 100 MB/s, {base / 400e6:.0f} s at 400 MB/s"
    yield "swapping whole models takes minutes", near(120, base / 100e6, 0.5), found, SUM
    yield "answers come within 4–10 s", "in part", _latency(), "arithmetic on speeds measured earlier"
    found = "r = 256 with all modules comes close in instruction tuning; standard ranks learn less and forget less "
    found += "(forgetting score .63 "
    found += "against .45). Later work finds them equal where the data are few (Schulman et al. 2025)"
    yield "r = 64–256 matches full fine-tuning", "in part", found, "Biderman et al. 2024"
    found = (
        "the range that paper sweeps; LoRA's best rate is about ten times that of full fine-tuning, so look at the upper end"
    )
    yield "learning rates from 1e-5 to 5e-4 are to be swept", "holds", found, "Biderman et al. 2024"
    hours = 4 * MISTRAL.parameters * 2500 * 500 * 3 / (0.4 * 312e12) / 3600
    found = f"2,500 samples of 500 tokens, 3 epochs: {hours:.2f} h of an A100 at 40 %, ${hours * 2:.2f} at $2 an hour; "
    found += "twenty runs of a "
    yield "training an adapter costs about $50", "in part", f"{found}sweep ${hours * 40:.0f}. Computing is not what costs", SUM
    found = f"depends on prices. Computing falls by a third at most, memory before activations from {7e9 * ADAM / GB:.0f} to "
    found += f"{(LLAMA.four_bit(NF4) + LLAMA.lora(16) * ADAM) / GB:.0f} GB: one small GPU instead of two large ones"
    yield "fine-tuning is more than 90 % cheaper", "not checkable here", found, SUM
    found = "an adapter is a difference to one set of weights. PEFT loads it onto any base of the same shapes; the "
    found += "catalogue refuses"
    yield "one can upgrade the base and keep the adapters", "refuted", found, "tests/adapters/test_catalog.py"
    yield "adapters can be combined (skill and style)", "in part", _linear(), "measured (numpy)"


def notes() -> Iterator[Row]:
    yield "a 4 × 4 matrix becomes 4 × 1 and 1 × 4", "holds", "8 values instead of 16", SUM
    share = PHI.lora(16, FUSED) / PHI.parameters
    found = f"none once merged; beside the base {share:.1%} more arithmetic, and two more small products a matrix. Merging "
    found += "into a 4-bit "
    yield "no inference latency", "in part", f"{found}base is not exact: merge into 16 bit", SUM
    yield "Unsloth: twice as fast, 70 % less memory, no loss", "not checkable here", "needs its kernels and a GPU", "–"


GUIDES: dict[str, Callable[[], Iterator[Row]]] = {
    "QLoRA guide": phi_guide,
    "Code in the guides": code,
    "Guide for a dialogue model": dialogue_guide,
    "LoRA tutorial": tutorial,
    "Talk on offline tutors": offline_talk,
    "Research notes": notes,
}


# --- measurements ---------------------------------------------------------------------------------------------------------


def _measured(measure: Callable[[], tuple[Verdict, str]]) -> tuple[Verdict, str, str]:
    """A measurement with torch and PEFT, or what is missing for it; with how it was found."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "transformers", "peft")):
        return "not checkable here", "needs torch and PEFT (make install EXTRAS=train)", "–"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return *measure(), "measured (torch, tiny random Phi-3)"


def _alpha() -> tuple[Verdict, str]:
    """Fits a low-rank change by Adam over a grid of alpha and learning rate: each alpha's best loss, mean of five tasks."""
    rank, width = 8, 32
    rates = [float(rate) for rate in 10 ** np.arange(-3.25, -0.9, 0.25)]
    left: dict[float, list[float]] = {}
    at: dict[float, list[float]] = {}
    for ratio in (0.5, 1.0, 2.0, 4.0, 8.0):
        for seed in range(5):
            numbers = np.random.default_rng(seed)
            goal = numbers.normal(size=(width, 4)) @ numbers.normal(size=(4, width)) / width
            start = numbers.normal(size=(rank, width)) / width**0.5
            losses = [_fitted(ratio, rate, goal, start) for rate in rates]
            left.setdefault(ratio, []).append(min(losses))
            at.setdefault(ratio, []).append(rates[losses.index(min(losses))])
    means = {ratio: float(np.mean(values)) for ratio, values in left.items()}
    told = ", ".join(f"{ratio:g}r {means[ratio]:.1%} (rate {np.median(at[ratio]):.0e})" for ratio in means)
    as_good = [ratio for ratio in means if means[ratio] <= 1.1 * min(means.values())]
    verdict: Verdict = "refuted" if 2.0 not in as_good else "holds" if as_good == [2.0] else "in part"
    return (
        verdict,
        f"a default, coupled with the learning rate. Error left after 40 Adam steps, each alpha at its best rate: {told}",
    )


def _fitted(ratio: float, rate: float, goal: NDArray[np.float64], start: NDArray[np.float64]) -> float:
    pair = (start.copy(), np.zeros((len(goal), len(start))))
    moments = [(np.zeros_like(each), np.zeros_like(each)) for each in pair]
    for step in range(1, 41):
        a, b = pair
        off = ratio * b @ a - goal
        slopes = (ratio * b.T @ off, ratio * off @ a.T)
        for value, slope, (first, second) in zip(pair, slopes, moments, strict=True):
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            value -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    loss = float(np.linalg.norm(ratio * pair[1] @ pair[0] - goal) / np.linalg.norm(goal))
    return loss if np.isfinite(loss) else 9.0


def _swap() -> tuple[Verdict, str]:
    """Reads and checks an adapter as large as Phi-3-mini's at r = 16."""
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "adapter_model.safetensors"
        numbers = np.random.default_rng(0)
        write_safetensors(path, {str(at): numbers.normal(size=(16, 12288)).astype(np.float32) for at in range(64)})
        size, times = path.stat().st_size, []
        for _ in range(5):
            begin = time.perf_counter()
            verify.file_digest(path)
            verify.load(path, verify.check_safetensors(path))
            times.append(time.perf_counter() - begin)
    middle = sorted(times)[2]
    found = f"{size / MB:.0f} MB read, hashed, searched for NaN and loaded in {1000 * middle:.0f} ms; a switch between "
    found += "loaded ones: benchmarks.phi"
    return "holds" if middle < 1 else "refuted", found


def _latency() -> str:
    slower = PHI.parameters / MISTRAL.parameters
    persona, answer = 600, 30
    phi = [persona / PREFILL, answer / WRITING[0]]
    large = [each / slower for each in phi]
    return (
        f"Phi-3-mini on two cores without a GPU reads {PREFILL:.0f} and writes {WRITING[0]:g}–{WRITING[1]:g} tokens a second: "
        f"{answer} tokens take {phi[1]:.1f} s, a {persona}-token prompt {phi[0]:.0f} s unless its state is saved. "
        f"A 7 B model, by its size: {large[1]:.1f} s and {large[0]:.0f} s"
    )


def _linear() -> str:
    """PEFT's linear combination beside the exact sum, of two random adapters."""
    with tempfile.TemporaryDirectory() as room:
        folders = []
        for seed in range(2):
            folder = Path(room) / str(seed)
            folder.mkdir()
            told = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["o_proj"]}
            (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
            numbers = np.random.default_rng(seed)
            shapes = {"A": (8, 64), "B": (64, 8)}
            made = {part: numbers.normal(size=shape).astype(np.float32) for part, shape in shapes.items()}
            named = {f"x.o_proj.lora_{part}.weight": value for part, value in made.items()}
            write_safetensors(folder / "adapter_model.safetensors", named)
            folders.append((folder, 1.0))
        off = linear_error(folders)
    return (
        f"yes, as their exact sum (side by side, “cat”); PEFT's “linear” is off by {off:.0%} of the sum for two random adapters"
    )


def _tiny(width: int = 64, layers: int = 2, pieces: int = 64) -> Any:
    import torch
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
    }
    ends: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return transformers.Phi3ForCausalLM(transformers.Phi3Config(**sizes, **ends, num_key_value_heads=4, vocab_size=pieces))


def _with_lora(model: Any, rank: int = 16, targets: Any = "all-linear", **how: Any) -> Any:
    import peft

    return peft.get_peft_model(
        model, peft.LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules=targets, **how)
    )


def _trained(model: Any) -> int:
    return sum(part.numel() for part in model.parameters() if part.requires_grad)


def _targets() -> tuple[Verdict, str]:
    guides = _trained(_with_lora(_tiny(), targets=["q_proj", "k_proj", "v_proj", "o_proj"]))
    only, right = _trained(_with_lora(_tiny(), targets=["o_proj"])), _trained(_with_lora(_tiny()))
    found = f"{guides:,} trained parameters of a tiny model, as with o_proj alone ({only:,}), without a warning; all linear "
    found += f"layers have {right:,}"
    return "refuted" if guides == only else "holds", found


def _labels() -> tuple[Verdict, str]:
    import torch

    answer = _tiny()(input_ids=torch.tensor([[3, 4, 5]]))
    found = "without labels a model gives no loss at all; with a collator for language models it learns the question too, "
    found += "and no stop token"
    return "refuted" if answer.loss is None else "holds", found


def _dictionary() -> tuple[Verdict, str]:
    """The guide's way: one PeftModel an entry, all on one base."""
    import peft
    import torch

    with tempfile.TemporaryDirectory() as room:
        for seed in range(3):
            model = _tiny()
            torch.manual_seed(100 + seed)
            _with_lora(model, init_lora_weights=False).save_pretrained(f"{room}/{seed}")
        words = torch.tensor([[3, 4, 5, 6]])
        base = _tiny().eval()
        entries = [peft.PeftModel.from_pretrained(base, f"{room}/{seed}").eval() for seed in range(3)]
        alone = [peft.PeftModel.from_pretrained(_tiny().eval(), f"{room}/{seed}").eval() for seed in range(3)]
        with torch.no_grad():
            answers, right = [model(words).logits for model in entries], [model(words).logits for model in alone]
    assert not torch.allclose(right[0], right[1], atol=1e-3), "the adapters must differ for this to say anything"
    as_last = sum(bool(torch.allclose(answers[2], each, atol=1e-5)) for each in answers)
    good = sum(bool(torch.allclose(mine, own, atol=1e-5)) for mine, own in zip(answers, right, strict=True))
    found = f"{as_last} of 3 entries answer as the last one, {good} as their own adapter: one PeftModel, load_adapter and "
    found += "set_adapter"
    return "holds" if good == 3 else "refuted", found


def _step(model: Any, batch: Any, optimiser: Any) -> float:
    optimiser.zero_grad()
    loss = model(input_ids=batch, labels=batch).loss
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def _adam(model: Any, rate: float) -> Any:
    import torch

    return torch.optim.AdamW([part for part in model.parameters() if part.requires_grad], lr=rate, weight_decay=0.0)


def _speed() -> tuple[Verdict, str]:
    import torch

    times = {}
    for name, model in (("full", _tiny(256, 4)), ("LoRA", _with_lora(_tiny(256, 4), 4))):
        optimiser, batch, spent = _adam(model, 1e-4), torch.randint(3, 64, (4, 128)), []
        for _ in range(7):
            begin = time.process_time()
            _step(model, batch, optimiser)
            spent.append(time.process_time() - begin)
        times[name] = sorted(spent)[3]
    gain = times["full"] / times["LoRA"]
    found = f"a step takes {1000 * times['full']:.0f} CPU-ms in full, {1000 * times['LoRA']:.0f} with LoRA (r = 4): "
    found += f"{gain:.1f} times"
    return near(10, gain, 0.5), found


def _quality() -> tuple[Verdict, str]:
    """A base that has learnt some sequences by heart learns others: the linear layers in full, or LoRA of several ranks."""
    import torch

    torch.manual_seed(1)
    before, after = torch.randint(3, 64, (2, 32, 16))
    base = _tiny()
    optimiser = _adam(base, 3e-3)
    for _ in range(120):
        _step(base, before, optimiser)
    known, losses = base.state_dict(), {}
    for rank in (0, 2, 8, 64):
        best = 9.0
        for rate in (1e-2, 3e-2) if rank else (1e-3, 3e-3):
            model = _tiny()
            model.load_state_dict(known)
            for name, part in model.named_parameters():
                part.requires_grad = name.endswith("_proj.weight")  # what LoRA may change too
            optimiser_of = _adam(model := _with_lora(model, rank) if rank else model, rate)
            for _ in range(100):
                loss = _step(model, after, optimiser_of)
            best = min(best, loss)
        losses[rank] = best
    told = ", ".join(f"r = {rank} {loss:.2f}" if rank else f"in full {loss:.2f}" for rank, loss in losses.items())
    good = [rank for rank, loss in losses.items() if rank and loss <= losses[0] + 0.05]
    verdict: Verdict = "holds" if 2 in good else "in part" if good else "refuted"
    found = "depends on rank, task and time. 32 sequences by heart in 100 steps, a hard task and a tiny model (width 64), "
    found += f"loss left: {told}"
    return verdict, found


def _trainer() -> tuple[Verdict, str]:
    import transformers

    known = inspect.signature(transformers.TrainingArguments).parameters
    trainer = inspect.signature(transformers.Trainer).parameters
    gone = [name for name, where in (("evaluation_strategy", known), ("tokenizer", trainer)) if name not in where]
    if not gone:
        return "holds", f"transformers {transformers.__version__} knows both"
    return (
        "refuted",
        f"transformers {transformers.__version__} does not know {' and '.join(gone)}: now eval_strategy, processing_class",
    )


# --- the page -------------------------------------------------------------------------------------------------------------

HEAD = """\
# What the guides say, and what is true

This project was planned with several guides on LoRA and QLoRA at hand: a QLoRA guide for Phi-3, a guide for a dialogue
model, a LoRA tutorial, a talk on offline tutors and research notes. Their numbers are reproduced or refuted here. This page
is written by `python -m benchmarks.claims --write docs/claims.md`. Arithmetic uses the published sizes of the models; what was
measured was measured where the page was written, once, on one core, with random weights where a model was needed. MB and GB
are powers of ten.

"""


def page() -> str:
    """The whole page, in Markdown."""
    found = {guide: list(rows()) for guide, rows in GUIDES.items()}
    every = [row[1] for rows in found.values() for row in rows]
    counts = ", ".join(f"{every.count(verdict)} {verdict}" for verdict in get_args(Verdict))
    lines = [f"{len(every)} claims: {counts}.\n"]
    for guide, rows in found.items():
        lines.append(f"\n## {guide}\n\n| said | verdict | found | how |\n|---|---|---|---|\n")
        lines += [f"| {said} | **{verdict}** | {what} | {how} |\n" for said, verdict, what, how in rows]
    return HEAD + "".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    parser.add_argument("--write", type=Path, help="write the page to this file instead of the terminal")
    options = parser.parse_args(arguments)
    text = page()
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
