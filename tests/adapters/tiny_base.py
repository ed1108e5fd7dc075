"""Tiny random bases for tests: the real architectures and tokenizers, too small to be any good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters import template

WORDS = "the fox said yes and the bear said no . why is the moon round ? le renard dit oui et l'ours dit non der Fuchs sagt ja strategy DR_OPEN DR_WH GO_ON "


def make(
    folder: Path, kind: str = "phi3", chat: str | None = template.JINJA, special: Sequence[str] = template.SPECIAL
) -> Path:
    """A base as transformers writes it: two layers of 64, about 330 pieces."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    torch.set_num_threads(1)
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = trainers.BpeTrainer(vocab_size=330, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False)
    pieces.train_from_iterator([WORDS] * 4, learner)
    stop = template.END if template.END in special else special[0]
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=pieces, eos_token=stop, pad_token=special[0])
    if chat:
        tokenizer.chat_template = chat
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    ends: dict[str, Any] = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    sizes: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"num_key_value_heads": 2, "max_position_embeddings": 512, "vocab_size": len(tokenizer), "initializer_range": 0.1}
    model: Any
    if kind == "gpt2":
        shape = {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512, "vocab_size": len(tokenizer)}
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape, **ends))
    else:
        names = {"phi3": "Phi3", "llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2"}
        config = getattr(transformers, f"{names[kind]}Config")(**sizes, **ends, tie_word_embeddings=True)
        model = getattr(transformers, f"{names[kind]}ForCausalLM")(config)
    model.save_pretrained(folder)
    return folder


def pairs(path: Path, rows: Sequence[tuple[str, str]], **marks: Any) -> Path:
    """A data file with these questions and answers."""
    entries = [
        {"prompt": [{"role": "user", "content": ask}], "completion": [{"role": "assistant", "content": answer}], **marks}
        for ask, answer in rows
    ]
    path.write_text("\n".join(json.dumps(entry) for entry in entries) + "\n", encoding="utf-8")
    return path
