"""From checked files to one model in memory: the base in 4 bit, and every adapter on one PeftModel.

NF4 with double quantisation, on a GPU and on a CPU alike. One PeftModel per process: a second one on the same base would
make every adapter answer as the last one loaded.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.models.phi_files import AdapterFiles, PhiProblem, Shapes, base_shapes, missing_extra


@dataclass
class Loaded:
    """A base model on its device, with its tokenizer. ``model`` becomes a PeftModel with the first adapter."""

    model: Any
    tokenizer: Any
    shapes: Shapes
    device: str
    longest: int
    """Tokens a prompt and its answer may have together."""


def load_base(folder: Path, *, four_bit: bool, device: str, threads: int = 0) -> Loaded:
    """Load ``folder``. ``device`` is ``auto``, ``cpu`` or ``cuda``. Raises :class:`PhiProblem`."""
    shapes = base_shapes(folder)
    torch = libraries(four_bit)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if threads:
        torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise PhiProblem("--model phi was told to use a GPU, and torch sees none: check nvidia-smi, or let it choose")
    where = device if device != "auto" else "cuda" if cuda else "cpu"
    # bfloat16 is many times slower than float32 on processors without it.
    number = torch.float32 if where == "cpu" else torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    options: dict[str, Any] = {"dtype": number, "device_map": {"": where}}
    if four_bit:
        options["quantization_config"] = quantisation(number)
    alone = {"local_files_only": True, "trust_remote_code": False}
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, **alone)
            model = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, attn_implementation="sdpa", **alone, **options
            )
    except torch.OutOfMemoryError:
        raise PhiProblem(f"{folder} does not fit into the GPU's memory: close other programs or use --model gguf") from None
    except Exception as error:  # a broken file surfaces as any exception of three libraries
        raise PhiProblem(f"{folder} could not be loaded: {_first_line(error)}") from error
    model.eval()
    spare_odd_layers(model)
    _check(folder, model, tokenizer)
    return Loaded(model, tokenizer, shapes, where, _longest(model.config))


def quantisation(number: Any) -> Any:
    """NF4 with double quantisation, computing in ``number``."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=number
    )


def spare_odd_layers(model: Any) -> None:
    """Let bitsandbytes use its fast bfloat16 kernel only where a layer fits it; there it is 60 times as fast as without.

    On processors with AVX512-BF16 it repacks every 4-bit layer when it first runs, and breaks on those whose sides are no
    multiples of its blocks: a small model would load and then fail.
    """
    for layer in model.modules():
        if getattr(layer, "support_avx512bf16_for_cpu", False):
            state = layer.weight.quant_state
            height, width = state.shape
            layer.support_avx512bf16_for_cpu = height % 32 == 0 and width % state.blocksize == 0


def add_adapter(loaded: Loaded, files: AdapterFiles, name: str) -> None:
    """Put a checked adapter beside the others, or leave everything as it was. Raises :class:`PhiProblem`."""
    import torch
    from peft import PeftConfig, PeftModel, get_peft_model

    model, first = loaded.model, not isinstance(loaded.model, PeftModel)
    own_numbers = loaded.device == "cpu"  # on a GPU the adapter computes in the base's numbers
    try:
        if first:
            settings = PeftConfig.from_pretrained(files.folder, local_files_only=True)
            settings.inference_mode = True
            model = get_peft_model(model, settings, adapter_name=name, autocast_adapter_dtype=own_numbers)
        result = model.load_adapter(
            files.folder,
            name,
            torch_device=loaded.device,
            autocast_adapter_dtype=own_numbers,
            low_cpu_mem_usage=True,  # no random numbers are drawn first
            local_files_only=True,
        )
        lost = list(result.unexpected_keys) + [key for key in result.missing_keys if f".{name}" in key]
        if lost:
            raise PhiProblem(f"the adapter {files.folder} was taken in part only: no place for {lost[0]}")
        if not all(bool(torch.isfinite(part).all()) for key, part in model.named_parameters() if f".{name}." in key):
            raise PhiProblem(f"the adapter {files.folder} holds NaN or infinite numbers: train or fetch it again")
    except Exception as error:  # whatever PEFT says of a folder that passed our own look
        _take_out(loaded.model, name)
        if isinstance(error, PhiProblem):
            raise
        raise PhiProblem(f"the adapter {files.folder} could not be loaded: {_first_line(error)}") from error
    loaded.model = model.eval()


def _take_out(model: Any, name: str) -> None:
    """Undo a half-loaded adapter: PEFT rebuilds the base's own layers before it knows whether the weights fit."""
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    if isinstance(model, PeftModel):
        if name in model.peft_config:
            model.delete_adapter(name)
        return
    for parent in list(model.modules()):
        for own, child in list(parent.named_children()):
            if isinstance(child, LoraLayer):
                setattr(parent, own, child.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config


def libraries(four_bit: bool = True) -> Any:
    """torch, once everything beside it is imported too. Raises :class:`PhiProblem` where the extra is not installed."""
    try:
        with _no_kernels_from_the_hub():
            import peft  # noqa: F401
            import torch
            import transformers  # noqa: F401

            if four_bit:
                import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise missing_extra(str(error.name or error)) from None
    return torch


@contextlib.contextmanager
def _no_kernels_from_the_hub() -> Iterator[None]:
    """bitsandbytes downloads a kernel when it is imported, if a package called ``kernels`` is there. Nothing of ours may."""
    chatter = logging.getLogger("bitsandbytes.backends.cpu.ops")
    level, known = chatter.level, "kernels" in sys.modules
    chatter.setLevel(logging.ERROR)
    if not known:
        sys.modules["kernels"] = None  # type: ignore[assignment]  # an import of it fails from here on
    try:
        yield
    finally:
        chatter.setLevel(level)
        if not known:
            del sys.modules["kernels"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars in the middle of a child's session."""
    from transformers.utils import logging as chatter

    shown = chatter.is_progress_bar_enabled()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            chatter.enable_progress_bar()


def _check(folder: Path, model: Any, tokenizer: Any) -> None:
    import torch

    from adapters.template import END, chat

    room = model.config.vocab_size
    end = tokenizer.convert_tokens_to_ids(END)
    if end is None or end == tokenizer.unk_token_id or tokenizer(END, add_special_tokens=False)["input_ids"] != [end]:
        raise PhiProblem(f"the tokenizer in {folder} has no {END} of its own: an answer would never end")
    if len(tokenizer) > room:
        raise PhiProblem(f"the tokenizer in {folder} has {len(tokenizer)} tokens, the model {room}: they are not one pair")
    if tokenizer.chat_template:
        probe = [("system", "a"), ("user", "b")]
        rendered = tokenizer.apply_chat_template(
            [{"role": role, "content": text} for role, text in probe], tokenize=False, add_generation_prompt=True
        )
        if rendered != chat(probe):
            raise PhiProblem(f"the chat template in {folder} is not Phi-3's, which every adapter here was trained with")
    with torch.inference_mode():
        logits = model(torch.tensor([[end]], device=model.device), use_cache=False).logits
    if not bool(torch.isfinite(logits).all()):
        raise PhiProblem(f"the weights in {folder} hold NaN or infinite numbers: fetch them again")


def _longest(config: Any) -> int:
    """Tokens up to which the model's attention and its positions are the same from first to last.

    Phi-3-128k changes its rotary factors beyond ``original_max_position_embeddings`` (4,096), which would make every cached
    key wrong; no prompt of ours comes near.
    """
    limits = [config.max_position_embeddings, getattr(config, "original_max_position_embeddings", None)]
    return int(min(limit for limit in (*limits, getattr(config, "sliding_window", None), 4096) if limit))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
