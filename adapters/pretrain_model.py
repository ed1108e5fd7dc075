"""The model and what moves its weights: Phi-3 from nothing, AdamW, and Muon on the matrices.

Muon (Keller Jordan, 2024) takes a matrix' momentum and makes it orthogonal by five Newton-Schulz steps. torch has one too, but
it computes in bfloat16: on a processor without bf16 instructions that is fifteen times slower than this fp32 one. Phi-3 keeps
query, key and value in one matrix, and gate and up in another: each part is made orthogonal by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from adapters.pretrain_packing import Batch
from adapters.pretrain_recipe import ModelShape, Training
from adapters.template import END, END_OF_TEXT, PAD
from adapters.tokenizer import id_of

PARTS = {"qkv_proj": 3, "gate_up_proj": 2}
MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.775, 2.0315)


def make(shape: ModelShape, tokenizer: Tokenizer, seed: int) -> Any:
    """A Phi-3 model with random weights; the same seed, the same weights. Its stop tokens are in its generation config."""
    transformers: Any = import_module("transformers")  # without types of its own
    stops, pad = [id_of(tokenizer, END), id_of(tokenizer, END_OF_TEXT)], id_of(tokenizer, PAD)
    torch.manual_seed(seed)
    model = transformers.Phi3ForCausalLM(
        transformers.Phi3Config(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            max_position_embeddings=shape.context,
            original_max_position_embeddings=shape.context,
            tie_word_embeddings=shape.tied,
            attn_implementation="sdpa",
            bos_token_id=None,
            eos_token_id=stops,
            pad_token_id=pad,
        )
    )
    model.generation_config = transformers.GenerationConfig(eos_token_id=stops, pad_token_id=pad, do_sample=False)
    return model


def losses(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy (nats) of every token of a batch and what each counts, both flat. Documents do not see one another."""
    device = next(model.parameters()).device
    ids, targets, positions, weights = (
        torch.from_numpy(part).to(device) for part in (batch.ids, batch.targets, batch.positions, batch.weights)
    )
    hidden = model.model(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state
    counted = weights.flatten() > 0  # what counts nothing needs no logits either
    logits = model.lm_head(hidden.flatten(0, 1)[counted])
    lost = torch.nn.functional.cross_entropy(logits, targets.flatten()[counted], reduction="none")
    return lost, weights.flatten()[counted]


class Muon:
    """Momentum, made orthogonal, on matrices. ``parameters`` by name; the name says how many matrices are in one."""

    def __init__(self, parameters: Mapping[str, torch.Tensor], rate: float, weight_decay: float) -> None:
        self.rate, self._decay = rate, weight_decay
        self._parameters = dict(parameters)
        self._momentum = {name: torch.zeros_like(value) for name, value in parameters.items()}

    def step(self, factor: float) -> None:
        """One step at ``factor`` × the learning rate."""
        stacks: dict[tuple[int, int], list[tuple[torch.Tensor, torch.Tensor]]] = {}
        with torch.no_grad():
            for name, weights in self._parameters.items():
                if weights.grad is None:
                    continue
                momentum = self._momentum[name].lerp_(weights.grad, 1 - MOMENTUM)
                ahead = weights.grad.lerp(momentum, MOMENTUM)
                parts = next((count for part, count in PARTS.items() if part in name), 1)
                for piece, update in zip(weights.chunk(parts), ahead.chunk(parts), strict=True):
                    stacks.setdefault((piece.shape[0], piece.shape[1]), []).append((piece, update))
            for (rows, columns), pairs in stacks.items():
                straight = orthogonal(torch.stack([update for _, update in pairs]))
                rate = self.rate * factor * math.sqrt(max(1.0, rows / columns))
                for (piece, _), update in zip(pairs, straight, strict=True):
                    piece.mul_(1 - self.rate * factor * self._decay).sub_(update, alpha=rate)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return self._momentum

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        for name, value in state.items():
            self._momentum[name].copy_(value)


def orthogonal(stack: torch.Tensor) -> torch.Tensor:
    """Each matrix of a stack (n, rows, columns) with its singular values pushed towards 1 (they end between .7 and 1.2)."""
    a, b, c = NEWTON_SCHULZ
    tall = stack.shape[1] > stack.shape[2]
    x = stack.mT if tall else stack
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(5):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Optimizer:
    """AdamW, and Muon on the layers' matrices if the recipe says so; one factor scales both learning rates."""

    def __init__(self, model: Any, how: Training) -> None:
        named = {name: value for name, value in model.named_parameters() if value.requires_grad}
        matrices = {name: value for name, value in named.items() if value.ndim == 2 and ".layers." in name}
        self.muon = Muon(matrices, how.matrix_rate, how.weight_decay) if how.optimizer == "muon" else None
        rest = [value for name, value in named.items() if self.muon is None or name not in matrices]
        self.parameters: Sequence[torch.Tensor] = list(named.values())
        self._rate, self._clip = how.rate, how.clip
        self.adam = torch.optim.AdamW(
            [
                {"params": [value for value in rest if value.ndim >= 2], "weight_decay": how.weight_decay},
                {"params": [value for value in rest if value.ndim < 2], "weight_decay": 0.0},
            ],
            lr=how.rate,
            betas=(0.9, 0.95),
        )

    def step(self, factor: float) -> float:
        """Clip, step, forget the gradients. Returns the gradient's norm before clipping."""
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self._clip))
        if not math.isfinite(norm):
            return norm
        for group in self.adam.param_groups:
            group["lr"] = self._rate * factor
        self.adam.step()
        if self.muon is not None:
            self.muon.step(factor)
        self.adam.zero_grad(set_to_none=True)
        for value in self.parameters:
            value.grad = None
        return norm

    def state_dict(self) -> dict[str, Any]:
        return {"adam": self.adam.state_dict(), "muon": self.muon.state_dict() if self.muon else {}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.adam.load_state_dict(state["adam"])
        if self.muon is not None:
            self.muon.load_state_dict(state["muon"])


def save(model: Any, folder: Path) -> None:
    """Write the model as transformers does: config, generation config, ``model.safetensors``."""
    import_module("transformers.utils.logging").disable_progress_bar()
    model.save_pretrained(folder)
