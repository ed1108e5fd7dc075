"""Makes a small Phi-3 model out of nothing: ``python -m adapters.pretrain adapters/recipes/nano.toml``.

Reads ``*.jsonl`` files, learns a tokenizer, trains, and leaves a model folder as transformers writes it, with a card. Broken
off, by Ctrl-C or by a power cut, it goes on with ``--resume``. Exit codes: 0 done, 1 the training failed, 2 wrong argument,
recipe or data, 3 something is missing, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters import pretrain_rows
from adapters.pretrain_recipe import Recipe
from adapters.template import PAD
from agent.toml_file import FileProblem, read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.pretrain_loop import Loop, Progress
    from adapters.pretrain_packing import Batch, Document
    from adapters.pretrain_rows import Row

    Held = dict[str, list[Batch]]

ROOT = Path(__file__).resolve().parent.parent
WORK = "training"  # the folder inside the model's that is there only while it is in training


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        recipe = read_toml(given.recipe, Recipe)
        out = given.out or ROOT / "build" / "models" / recipe.name
        data = given.data or ROOT / recipe.data.folder
        return pretrain(recipe, data, out, resume=given.resume, fresh=given.fresh)
    except ModuleNotFoundError as error:
        return _fail(3, f"{error.name} is not installed; training needs: make install EXTRAS=train")
    except FileNotFoundError as error:
        return _fail(3, str(error))
    except (FileProblem, ValueError) as error:
        return _fail(2, str(error))
    except KeyboardInterrupt:
        again = [part for part in (sys.argv[1:] if arguments is None else arguments) if part not in ("--resume", "--fresh")]
        return _fail(130, f"broken off; go on with: python -m adapters.pretrain {shlex.join(again)} --resume")


def pretrain(recipe: Recipe, data_folder: Path, out: Path, *, resume: bool = False, fresh: bool = False) -> int:
    """Train ``recipe`` on ``data_folder`` into ``out``. Returns the exit code; raises what :func:`main` explains."""
    began = time.monotonic()
    checkpoint = out / WORK / "checkpoint.pt"
    if fresh:
        shutil.rmtree(out / WORK, ignore_errors=True)
    elif (out / "card.json").exists() and not checkpoint.exists():
        if resume:
            print(f"{out} is finished; nothing to do")
            return 0
        raise ValueError(f"there is a finished model in {out}; choose another --out, or replace it with --fresh")
    elif checkpoint.exists() and not resume:
        raise ValueError(f"a training was broken off in {out}; go on with --resume, or begin again with --fresh")
    loop, facts, by_kind = _prepare(recipe, data_folder, out, checkpoint, began)
    if resume and checkpoint.exists():
        loop.go_on()
        print(f"going on from step {loop.progress.step} after {loop.progress.seconds / 60:.1f} minutes")
    from adapters.pretrain_loop import Diverged

    try:
        with _shown(recipe) as tell:
            done = loop.run(tell)
    except Diverged as error:
        return _fail(1, str(error))
    except KeyboardInterrupt:
        loop.save()
        raise
    _finish(recipe, out, loop, done, facts, by_kind)
    print(f"{out}: {done.step} steps, {done.seconds / 60:.1f} minutes; held out: {_losses(done)}")
    return 0


def _prepare(recipe: Recipe, data_folder: Path, out: Path, checkpoint: Path, began: float) -> tuple[Loop, dict[str, Any], Held]:
    """Data, tokenizer and model, ready to run; what the card says of the data; what is looked at in the end."""
    import torch

    from adapters import tokenizer as ours
    from adapters.pretrain_loop import Loop
    from adapters.pretrain_model import make
    from adapters.pretrain_packing import Packer, documents

    how = recipe.training
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if how.threads == 1 else "true")
    torch.set_num_threads(how.threads)
    data = pretrain_rows.read(recipe, data_folder)
    marks = {"recipe": recipe.digest(), "data": hashlib.sha256(json.dumps(data.digests, sort_keys=True).encode()).hexdigest()}
    if not checkpoint.exists():
        made = ours.train(pretrain_rows.balanced(data), recipe.tokenizer.size, recipe.tokenizer.slots)
        ours.save(made, out / WORK, recipe.model.context)
    tokenizer = ours.load(out / WORK)
    context, pad = recipe.model.context, ours.id_of(tokenizer, PAD)
    learned: dict[str, list[Document]] = {}
    left_out = 0
    for source, rows in data.rows.items():
        learned[source], too_long = documents([row for row in rows if not row.held], tokenizer, context)
        left_out += too_long
        if not learned[source]:
            raise ValueError(f"every row of “{source}” is longer than the context of {context} tokens; raise [model] context")
    tokens = {source: sum(len(document.ids) for document in found) for source, found in learned.items()}
    print(f"{sum(map(len, learned.values())):,} texts, {sum(tokens.values()):,} tokens, {tokenizer.get_vocab_size()} pieces")
    for line in (
        f"left out, longer than {context} tokens: {left_out}" if left_out else "",
        f"not in the recipe: {', '.join(data.unused)}" if data.unused else "",
    ):
        if line:
            print(line)
    packer = Packer(learned, context, how.seed, recipe.data.prompt_weight, pad)
    by_language, by_kind = _held(recipe, data, tokenizer, pad)
    model = make(recipe.model, tokenizer, how.seed).to(how.device)
    facts = {"files": data.digests, "tokens": tokens, "left_out": left_out, "digest": marks["data"]}
    return Loop(recipe, model, packer, by_language, checkpoint, marks, began=began), facts, by_kind


def _held(recipe: Recipe, data: pretrain_rows.Data, tokenizer: Any, pad: int) -> tuple[Held, Held]:
    """What is looked at: by language during training, all sources in turn; and at the end by split and source."""
    from adapters.pretrain_packing import Packer, documents

    rows = [(source, row) for source, found in data.rows.items() for row in found if row.held]

    def looked_at(groups: dict[str, dict[str, list[Row]]], each: int) -> Held:
        found: Held = {}
        for name, parts in sorted(groups.items()):
            share = -(-each // len(parts))
            # Spread over the whole file: neighbours are often the same turn.
            chosen = [row for part in parts.values() for row in part[:: max(1, len(part) // share)][:share]]
            texts, _ = documents(chosen, tokenizer, recipe.model.context)
            if texts:
                found[name] = Packer({"held": texts}, recipe.model.context, 0, 0.0, pad).all(recipe.training.micro_rows)
        return found

    languages: dict[str, dict[str, list[Row]]] = {}
    kinds: dict[str, dict[str, list[Row]]] = {}
    for source, row in rows:
        languages.setdefault(row.language or "other", {}).setdefault(f"{row.split} {source}", []).append(row)
        kinds.setdefault(f"{row.split} {source}", {}).setdefault(row.language, []).append(row)
    each = recipe.data.held_rows
    # Both looks cost about the same: the last one is part of the time, too.
    return looked_at(languages, each), looked_at(kinds, max(1, each * len(languages) // max(1, len(kinds))))


@contextmanager
def _shown(recipe: Recipe) -> Iterator[Callable[[Progress], None]]:
    """A bar in a terminal; elsewhere a line every half minute."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console()
    if not console.is_terminal:
        last = [0.0]

        def line(now: Any) -> None:
            if time.monotonic() - last[0] > 30:
                last[0] = time.monotonic()
                print(_line(now), flush=True)

        yield line
        return
    told = TextColumn("{task.description}")
    columns = (TextColumn(recipe.name), BarColumn(None), TaskProgressColumn(), TimeElapsedColumn(), told)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda now: bar.update(task, completed=now.share, description=_line(now))


def _line(now: Progress) -> str:
    left = now.seconds * (1 - now.share) / now.share if now.share > 0 else 0.0
    ahead = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return f"step {now.step} · loss {now.loss:.3f} · held out {_losses(now)} · {now.speed:,.0f} tokens/s · {ahead} to go"


def _losses(now: Progress) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in (now.held[-1][1] if now.held else {}).items()) or "nothing"


def _finish(recipe: Recipe, out: Path, loop: Loop, done: Progress, data: dict[str, Any], by_kind: Held) -> None:
    """The model folder: everything is written apart and moved in, the card last."""
    from adapters import pretrain_card
    from adapters.pretrain_loop import held_out
    from adapters.pretrain_model import save

    (out / "card.json").unlink(missing_ok=True)
    apart = out / WORK / "finished"
    save(loop.model, apart)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(out / WORK / name, apart / name)  # the training keeps its own, should this be broken off
    for path in sorted(apart.iterdir()):
        path.chmod(0o644)
        os.replace(path, out / path.name)
    size = sum(value.numel() for value in loop.model.parameters())
    run = {
        "parameters": size,
        "vocabulary": loop.model.config.vocab_size,
        "steps": done.step,
        "tokens": done.tokens,
        "seconds": round(done.seconds, 1),
        "tokens_per_second": round(done.speed, 1),
        "held_out": done.held[-1][1],
        "held_out_by_kind": {name: held_out(loop.model, batches) for name, batches in by_kind.items()},
        "held_out_by_step": done.held,
        "rounds": loop.packer.rounds(),
    }
    card = pretrain_card.facts(recipe, out, data, run)
    pretrain_card.write(out, card, pretrain_card.curve(done.curve, done.held, f"{recipe.name}, {size:,} parameters"))
    shutil.rmtree(out / WORK)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m adapters.pretrain", description=str(__doc__).split("\n\n")[0])
    made.add_argument("recipe", type=Path, help="a TOML file, such as adapters/recipes/nano.toml")
    made.add_argument("--data", type=Path, metavar="DIR", help="where the *.jsonl files are (default: the recipe's)")
    made.add_argument("--out", type=Path, metavar="DIR", help="the model's folder (default: build/models/<name>)")
    made.add_argument("--resume", action="store_true", help="go on with a training that was broken off")
    made.add_argument("--fresh", action="store_true", help="begin again, whatever is in the folder")
    return made


def _fail(code: int, line: str) -> int:
    print(line, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
