"""What other people's programs want beside the files: Ollama's Modelfile, and training data for Unsloth and Axolotl."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from adapters import template
from adapters.formats import Example, read

# Ollama fills .System, .Prompt and .Response itself, and calls this once a turn. Its marks are read as tokens wherever they
# stand, also in what a child says; the robot's own tenants take them out beforehand (adapters.template.plain).
OLLAMA_TEMPLATE = (
    "{{ if .System }}<|system|>\n{{ .System }}<|end|>\n{{ end }}"
    "{{ if .Prompt }}<|user|>\n{{ .Prompt }}<|end|>\n{{ end }}"
    "<|assistant|>\n{{ .Response }}<|end|>"
)


def modelfile(model: Path, adapter: Path | None, context: int) -> str:
    """An Ollama Modelfile for a GGUF file beside it. Ollama serves one adapter a model: one Modelfile each."""
    lines = [f"FROM ./{model.name}"]
    if adapter is not None:
        lines.append(f"ADAPTER ./{adapter.name}")
    lines.append(f'TEMPLATE """{OLLAMA_TEMPLATE}"""')
    lines += [f'PARAMETER stop "{mark}"' for mark in (*template.STOPS, *(f"<|{role}|>" for role in template.ROLES))]
    lines += ["PARAMETER temperature 0", "PARAMETER repeat_penalty 1", f"PARAMETER num_ctx {context}"]
    return "\n".join(lines) + "\n"


def write_data(files: Sequence[Path], to: Path, base: str) -> list[Path]:
    """The examples of ``files`` as Unsloth and as Axolotl read them, with a configuration for Axolotl that learns answers only.

    Raises :class:`adapters.formats.DataProblem` for a row that cannot be trained on.
    """
    examples = read(files)
    to.mkdir(parents=True, exist_ok=True)
    unsloth, axolotl, config = to / "unsloth.jsonl", to / "axolotl.jsonl", to / "axolotl.yml"
    unsloth.write_text("".join(_row("conversations", one) for one in examples), encoding="utf-8")
    axolotl.write_text("".join(_row("messages", one) for one in examples), encoding="utf-8")
    config.write_text(_AXOLOTL.format(base=json.dumps(base), data=json.dumps(axolotl.name)), encoding="utf-8")
    return [unsloth, axolotl, config]


def _row(key: str, one: Example) -> str:
    said = [{"role": role, "content": content} for role, content in (*one.turns, ("assistant", one.answer))]
    return json.dumps({key: said}, ensure_ascii=False) + "\n"


_AXOLOTL = """\
# axolotl train axolotl.yml
base_model: {base}
load_in_4bit: true
adapter: qlora
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
# Phi-3 fuses its projections: q_proj, k_proj and v_proj do not exist in it.
lora_target_modules: [qkv_proj, o_proj, gate_up_proj, down_proj]
chat_template: tokenizer_default
datasets:
  - path: {data}
    type: chat_template
    field_messages: messages
    roles_to_train: [assistant]
    train_on_eos: turn  # the stop token is learned as well
sequence_len: 1024
micro_batch_size: 4
gradient_accumulation_steps: 4
num_epochs: 2
learning_rate: 0.0002
optimizer: adamw_torch
lr_scheduler: cosine
output_dir: ./out
"""
