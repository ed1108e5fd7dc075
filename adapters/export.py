"""Models for programs without PyTorch: ``python -m adapters.export MODEL_DIR [--adapter DIR …]``.

Writes the model as a GGUF file for llama.cpp, each adapter as a LoRA file beside it, or both in one (``--merge``). The robot's
tenant ``gguf`` reads them; so do llama-server and Ollama (``--ollama``). ``--data FILE …`` writes training data for Unsloth
and Axolotl instead. Nothing is fetched, and the files appear only when they are whole.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.gguf_model import Change

KINDS = ("q8_0", "q4_0", "f16", "f32")
# What stands beside the weights of a model folder.
_BESIDE = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def export(
    model: Path,
    adapters: Sequence[Path] = (),
    *,
    kind: str = "q8_0",
    merge: bool = False,
    ollama: bool = False,
    out: Path | None = None,
) -> list[Path]:
    """Write what was asked for into ``out`` (by default the model's own folder) and return the files, models first.

    Raises :class:`ValueError` with one line for whatever cannot be exported.
    """
    from adapters import gguf_lora, gguf_model
    from adapters.gguf_shape import ExportProblem

    out = out or model
    if not model.is_dir():
        raise ExportProblem(f"{model}: there is no such folder; a model's has config.json and model.safetensors")
    names = [folder.name for folder in adapters]
    if len(set(names)) < len(names):
        raise ExportProblem(f"two adapters are called {next(name for name in names if names.count(name) > 1)!r}")
    if merge and not adapters:
        raise ExportProblem("--merge needs at least one --adapter to merge into the model")
    called = model.resolve().name
    if merge:
        called = "-".join([called, *names])
        change, digest = gguf_lora.merging(adapters, model)
        whole = gguf_model.write_model(model, out / f"{called}-{kind}.gguf", kind, name=called, change=change, base=digest)
        _write_folder(model, out / called, change)
        models, files = [whole], [whole, out / called]
    else:
        # Adapters first: they are small, and what is wrong with one is told before gigabytes are written.
        small = [gguf_lora.write_adapter(folder, model, out / f"{called}-{folder.name}.gguf", kind) for folder in adapters]
        whole = gguf_model.write_model(model, out / f"{called}-{kind}.gguf", kind, name=called)
        models, files = [whole], [whole, *small]
    if ollama:
        files += _write_modelfiles(models[0], [] if merge else list(zip(names, files[1:], strict=True)), model)
    return files


def _write_modelfiles(whole: Path, adapters: Sequence[tuple[str, Path]], model: Path) -> list[Path]:
    from adapters.gguf_neighbours import modelfile
    from adapters.gguf_shape import read_shape

    shape = read_shape(model)
    context = min(shape.context, shape.original, shape.window or shape.context, 4096)
    files = []
    named: list[tuple[str, Path | None]] = [*adapters] or [("", None)]
    for name, adapter in named:
        to = whole.parent / ("Modelfile" + (f".{name}" if name else ""))
        to.write_text(modelfile(whole, adapter, context), encoding="utf-8")
        files.append(to)
    return files


def _write_folder(model: Path, to: Path, change: Change) -> None:
    """The merged model as transformers reads it: safetensors in f32, written tensor by tensor."""
    from adapters import gguf_model, gguf_shape

    shape = gguf_shape.read_shape(model)
    to.mkdir(parents=True, exist_ok=True)
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, (_, sides) in gguf_shape.tensor_names(shape).items():
        size = 4
        for side in sides:
            size *= side
        table[name] = {"dtype": "F32", "shape": list(sides), "data_offsets": [place, place + size]}
        place += size
    head = json.dumps(table).encode()
    head += b" " * (-len(head) % 8)
    part = to / "model.safetensors.part"
    with part.open("wb") as opened:
        opened.write(len(head).to_bytes(8, "little") + head)
        for name, value in gguf_model.tensors(model, shape):
            entry = table[name]
            assert isinstance(entry, dict)
            opened.seek(8 + len(head) + entry["data_offsets"][0])
            opened.write(change(name, value).tobytes())
    os.replace(part, to / "model.safetensors")
    for name in _BESIDE:
        if (model / name).is_file():
            shutil.copyfile(model / name, to / name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m adapters.export", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="a Phi-3 model folder as transformers writes it")
    parser.add_argument(
        "--adapter", type=Path, action="append", default=[], metavar="DIR", help="a LoRA folder as PEFT writes it"
    )
    parser.add_argument("--to", choices=KINDS, default="q8_0", help="how weights are kept (default: q8_0)")
    parser.add_argument("--merge", action="store_true", help="add the adapters to the weights first")
    parser.add_argument("--ollama", action="store_true", help="write an Ollama Modelfile for each adapter as well")
    parser.add_argument("--data", type=Path, nargs="+", default=[], metavar="FILE", help="for Unsloth and Axolotl, instead")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to (default: MODEL_DIR)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        if asked.data:
            from adapters.gguf_neighbours import write_data

            files = write_data(asked.data, asked.out or asked.model, str(asked.model))
        else:
            files = export(asked.model, asked.adapter, kind=asked.to, merge=asked.merge, ollama=asked.ollama, out=asked.out)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: make install EXTRAS=train", file=sys.stderr)
        return 3
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 3
    for path in files:
        size = sum(part.stat().st_size for part in path.iterdir()) if path.is_dir() else path.stat().st_size
        print(f"{path}  {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
