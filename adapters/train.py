"""``python -m adapters.train RECIPE [--base DIR] [--data FILE …] [--out DIR] [--set KEY=VALUE …] [--sweep] [--fresh]``

Trains one adapter as its recipe says, on TRL's SFTTrainer and PEFT. A run that was killed goes on where its last whole
checkpoint stands; the same command finishes it. Several GPUs: ``accelerate launch -m adapters.train RECIPE``.
Exit codes: 0 trained, 1 out of memory (with what to change), 2 refused (with the reason), 3 a library is missing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters import checks, formats, targets, template, verify
from adapters.checks import Refusal
from adapters.formats import DataProblem, Example
from adapters.recipe import ROOT, Recipe, load
from agent.prompts import VERSION
from agent.toml_file import FileProblem

DEV = ("dev", "valid", "validation")  # splits that early stopping looks at; what is neither this nor "train" is never touched
KEPT = (".safetensors", ".json", ".jinja")


class OutOfMemory(Exception):
    """Training did not fit. ``str()`` names the next thing to change."""


@dataclass(frozen=True)
class Job:
    """One run: what is trained, from what, and where it goes."""

    recipe: Recipe
    base: Path
    data: Sequence[Path]
    out: Path


def train(job: Job, fresh: bool = False, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Trains, saves the adapter and its card into ``job.out``, and returns the card.

    Raises :class:`Refusal`, :class:`DataProblem` or :class:`OutOfMemory`, each with one clear line.
    """
    recipe, out = job.recipe, job.out
    if not (job.base / "config.json").is_file():
        how = f"hf download OWNER/NAME --local-dir {job.base}"
        how = "python -m adapters.pretrain adapters/recipes/nano.toml" if job.base.name == "nano" else how
        raise Refusal(f"{job.base}: there is no base model here; make or fetch it first: {how}")
    learned, held_back = divide(formats.read(job.data, recipe.where), recipe.training.valid_share)
    verify.check_base(job.base)
    identity = {
        "recipe": recipe.model_dump(mode="json", exclude={"base", "data", "test", "general", "gate", "sweep"}),
        "base": verify.weights_digest(job.base),
        "data": formats.digest([*learned, *held_back]),
    }
    import torch
    from accelerate import PartialState
    from transformers import AutoTokenizer

    place = PartialState(cpu=not torch.cuda.is_available())
    with place.main_process_first():  # on several GPUs the first looks after the folder, and the others find it as it left it
        checkpoint = _resume(out, identity, fresh, place.is_main_process)
    say = say if place.is_main_process else lambda _: None
    tokenizer = AutoTokenizer.from_pretrained(job.base, local_files_only=True)
    coder = checks.Coder(tokenizer, recipe.template)
    rows, dev = ([coder.row(example) for example in part] for part in (learned, held_back))
    checks.rows([*rows, *dev], [*learned, *held_back], coder, recipe.training.max_tokens)
    say(f"{len(rows)} examples, {len(dev)} held back, all with masked prompts and a learned {coder.stop}")
    started = time.monotonic()
    try:
        model, about = _model(recipe, job.base, out, say)
        trainer = _trainer(recipe, model, tokenizer, rows, dev, out, say)
        if checkpoint:
            say(f"going on after step {checkpoint.name.rpartition('-')[2]}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(part in str(error).lower() for part in ("out of memory", "allocate")):
            raise
        raise OutOfMemory(f"not enough memory; next thing to change: {advice(recipe)}") from error
    about |= {"examples": len(rows), "held_back": len(dev), "seconds": round(time.monotonic() - started, 1)}
    return _save(job, trainer, identity, about) if trainer.is_world_process_zero() else {}


def divide(examples: Sequence[Example], share: float) -> tuple[list[Example], list[Example]]:
    """What is learned and what early stopping looks at. Splits that the data name are kept; else ``share`` is held back,
    chosen by what an example asks, so that nothing asked stands on both sides."""
    if any("split" in example.marks for example in examples):
        learned = [example for example in examples if example.marks.get("split") == "train"]
        dev = [example for example in examples if example.marks.get("split") in DEV]
    else:
        last = [int.from_bytes(sha256(repr(example.turns).encode()).digest()[:4]) / 2**32 < share for example in examples]
        learned = [example for example, out in zip(examples, last, strict=True) if not out]
        dev = [example for example, out in zip(examples, last, strict=True) if out]
    if not learned:
        raise DataProblem(f"{examples[0].place}: none of {len(examples)} examples is of the split “train”")
    return learned, dev


def advice(recipe: Recipe) -> str:
    """The next thing to change when memory runs out, what costs least first."""
    training, shape = recipe.training, recipe.adapter
    if training.batch > 1:
        half = training.batch // 2
        more = training.accumulate * training.batch // half
        return f"training.batch = {half} and training.accumulate = {more} (the result stays the same)"
    if not training.checkpointing:
        return "training.checkpointing = true (about a third slower)"
    if shape.method != "qlora":
        return 'adapter.method = "qlora" (the base in 4 bits: about a quarter of its memory)'
    if training.optimizer == "adamw_torch":
        return 'training.optimizer = "paged_adamw_8bit" (GPU only)'
    if training.max_tokens > 128:
        return f"training.max_tokens = {training.max_tokens // 2}, with shorter examples"
    return f"adapter.rank = {shape.rank // 2}" if shape.rank > 1 else "a smaller base"


def _model(recipe: Recipe, base: Path, out: Path, say: Callable[[str], None]) -> tuple[Any, dict[str, Any]]:
    """The base with a fresh adapter on it, and what the card tells of that."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, set_seed

    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)
    method, shape = recipe.adapter.method, recipe.adapter
    gpu = torch.cuda.is_available()
    # Sixteen bits on a processor without them are 15 to 50 times slower; a model that is trained itself needs all 32.
    dtype = _half() if gpu and method != "full" else torch.float32
    options: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "use_safetensors": True}
    if gpu or method == "qlora":
        options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0")) if gpu else "cpu"}
    if method == "qlora":
        options["quantization_config"] = _four_bits(dtype)
    set_seed(recipe.training.seed)
    model: Any = AutoModelForCausalLM.from_pretrained(base, **options)
    about: dict[str, Any] = {"method": method, "device": torch.cuda.get_device_name() if gpu else "cpu"}
    if method == "full":
        return model, about | {"parameters": sum(p.numel() for p in model.parameters()), "matched": ["everything"]}
    found = targets.resolve(model, shape.targets)
    sizes, lines = targets.sizes_of(model), targets.describe(model, found)
    config = LoraConfig(
        r=shape.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=shape.dropout,
        target_modules=[module for full in found.values() for module in full],
        use_dora=method == "dora",
        use_rslora=method == "rslora",
        init_lora_weights="pissa" if method == "pissa" else True,
        fan_in_fan_out=model.config.model_type == "gpt2" and method != "qlora",
        task_type="CAUSAL_LM",
    )
    if recipe.under:  # two active adapters are the sum of both; the one beneath stays as it is
        model = PeftModel.from_pretrained(model, str(ROOT / recipe.under), adapter_name="under", use_safetensors=True)
        model.add_adapter("default", config)
        model.base_model.set_adapter(["default", "under"])
        for name, weight in model.named_parameters():
            weight.requires_grad_(".default" in name)
    else:
        model = get_peft_model(model, config)
    count = targets.verify(model, found, sizes, shape.rank)
    say("\n".join([f"{method}, rank {shape.rank}: {count:,} parameters on", *(f"  {line}" for line in lines)]))
    if method == "pissa":
        model.peft_config["default"].init_lora_weights = True  # what is saved from here on changes no base
        first = os.environ.get("RANK", "0") == "0"
        model.save_pretrained(out / "start", selected_adapters=["default"], save_embedding_layers=False, is_main_process=first)
    return model, about | {"parameters": count, "matched": lines, "rank": shape.rank, "alpha": recipe.alpha}


def _half() -> Any:
    import torch

    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _four_bits(dtype: Any) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _trainer(recipe: Recipe, model: Any, tokenizer: Any, rows: Any, dev: Any, out: Path, say: Callable[[str], None]) -> Any:
    import torch
    from datasets import Dataset
    from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Tells the losses, and looks at the held-back examples once more at the end: the last step can be the best one."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_evaluate |= bool(dev) and state.global_step >= state.max_steps

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            names = {"loss": "loss", "eval_loss": "held back"}
            told = [f"{name} {float(logs[key]):.4f}" for key, name in names.items() if key in logs]
            if told and state.is_world_process_zero:
                say(f"step {state.global_step} of {state.max_steps}: {', '.join(told)}")

    plan, gpu = recipe.training, torch.cuda.is_available()
    world = int(os.environ.get("WORLD_SIZE", "1"))
    every = min(plan.eval_every, plan.steps or max(1, int(plan.epochs * len(rows) / (plan.batch * plan.accumulate * world))))
    arguments = SFTConfig(
        output_dir=str(out / "checkpoints"),
        max_steps=plan.steps or -1,
        num_train_epochs=plan.epochs,
        per_device_train_batch_size=plan.batch,
        per_device_eval_batch_size=plan.batch,
        gradient_accumulation_steps=plan.accumulate,
        learning_rate=plan.learning_rate,
        lr_scheduler_type=plan.schedule,
        warmup_steps=plan.warmup,
        weight_decay=plan.weight_decay,
        optim=plan.optimizer,
        activation_checkpointing=plan.checkpointing,
        max_length=plan.max_tokens if plan.packing else None,  # None: TRL cuts nothing off, and drops nothing
        packing=plan.packing,
        eval_packing=False,
        use_cpu=not gpu,
        bf16=gpu and _half() == torch.bfloat16,
        fp16=gpu and _half() == torch.float16,
        eval_strategy="steps" if dev else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=bool(dev),
        metric_for_best_model="eval_loss" if dev else None,
        logging_steps=max(1, min(10, every)),
        report_to="none",
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        seed=plan.seed,
        dataloader_pin_memory=gpu,
    )
    stops = [EarlyStoppingCallback(plan.patience)] if dev and plan.patience else []
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(dev) if dev else None,
        processing_class=tokenizer,
        callbacks=[Watch(), *stops],
    )
    trainer.remove_callback(PrinterCallback)
    for weight in model.parameters():  # TRL makes adapters on a 4-bit base bf16, which a processor computes a crawl
        if weight.requires_grad:
            weight.data = weight.data.float()
    return trainer


def _resume(out: Path, identity: dict[str, Any], fresh: bool, first: bool = True) -> Path | None:
    """The last whole checkpoint of the same run. Raises :class:`Refusal` when ``out`` holds something else."""
    note = out / "run.json"
    if first and fresh and (note.exists() or (out / "card.json").exists()):
        shutil.rmtree(out)
    if (out / "card.json").exists():
        raise Refusal(f"{out}: holds an adapter already; name another --out, or --fresh to train it anew")
    if not note.exists() and out.exists() and any(out.iterdir()):
        raise Refusal(f"{out}: is not empty and no run of ours; name another --out")
    whole = []
    for folder in (out / "checkpoints").glob("checkpoint-*"):
        try:  # written last: a checkpoint without it was cut off in the middle
            json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
            whole.append(folder)
        except (OSError, ValueError):
            shutil.rmtree(folder)
    if whole and (before := json.loads(note.read_text(encoding="utf-8"))) != identity:
        other = ", ".join(key for key in identity if before.get(key) != identity[key])
        raise Refusal(f"{out}: a run with another {other} was begun here; name another --out, or --fresh to give that one up")
    out.mkdir(parents=True, exist_ok=True)
    if first:
        write(note, identity)
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def _save(job: Job, trainer: Any, identity: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """The adapter as PEFT writes it, safetensors only, with its card; the checkpoints, which are pickled, go."""
    recipe, out, model = job.recipe, job.out, trainer.accelerator.unwrap_model(trainer.model)
    full = recipe.adapter.method == "full"
    digest = identity["base"]
    if full:
        model.save_pretrained(out)
        trainer.processing_class.save_pretrained(out)
        about["base"], digest = {"name": job.base.name, "digest": digest}, verify.weights_digest(out)
    else:
        # PiSSA moved part of the base into the adapter: take its start away again, and the base is the base.
        start = {"path_initial_model_for_weight_conversion": str(out / "start")} if recipe.adapter.method == "pissa" else {}
        model.save_pretrained(out, selected_adapters=["default"], save_embedding_layers=False, **start)
        config = verify.read_json(out / "adapter_config.json")
        write(out / "adapter_config.json", config | {"base_model_name_or_path": job.base.name})  # no path of this machine
        verify.check_adapter(out, job.base)
    (out / "README.md").unlink(missing_ok=True)  # an empty form
    history = trainer.state.log_history
    about["losses"] = {
        key: [[entry["step"], round(float(entry[key]), 4)] for entry in history if key in entry]
        for key in ("loss", "eval_loss")
    }
    about["steps"] = trainer.state.global_step
    about["best"] = None if trainer.state.best_metric is None else round(float(trainer.state.best_metric), 4)
    about["libraries"] = {name: sys.modules[name].__version__ for name in ("torch", "transformers", "peft", "trl")}
    kept = sorted(path for path in out.iterdir() if path.suffix in KEPT and path.name not in ("run.json", "card.json"))
    ours = recipe.template == "phi3"
    card = {
        "name": recipe.name,
        "kind": "base" if full else "adapter",
        "format": "safetensors",
        "task": recipe.task,
        "language": list(recipe.language),
        "audience": recipe.audience,
        "skill": recipe.skill,
        "architecture": verify.read_json(job.base / "config.json")["model_type"],
        "base": recipe.name if full else job.base.name,
        "base_digest": digest,
        "tokenizer_digest": verify.tokenizer_digest(job.base),
        "template_digest": template.digest() if ours else verify.template_digest(job.base),
        "prompt_version": 0 if recipe.task == "text" else VERSION,
        "data_digest": identity["data"],
        "recipe": recipe.name,
        "settings": recipe.model_dump(mode="json"),
        "scores": {},
        "size": sum(path.stat().st_size for path in kept),
        "files": {path.name: verify.file_digest(path) for path in kept},
        "training": about,
    }
    write(out / "card.json", card)
    for left in (out / "checkpoints", out / "start"):
        shutil.rmtree(left, ignore_errors=True)
    (out / "run.json").unlink()
    return card


def sweep(job: Job, say: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """Trains every pair of the recipe's [sweep]; the best first. What is finished is not trained again after a kill."""
    plan, shape = job.recipe.sweep, job.recipe.adapter
    rates, ranks = plan.learning_rate or (job.recipe.training.learning_rate,), plan.rank or (shape.rank,)
    table = []
    for rate, rank in itertools.product(rates, ranks):
        changed = job.recipe.model_copy(
            update={
                "adapter": shape.model_copy(update={"rank": rank, "alpha": job.recipe.alpha * rank / shape.rank}),
                "training": job.recipe.training.model_copy(update={"learning_rate": rate, "steps": plan.steps, "patience": 0}),
            }
        )
        out = job.out / f"rate-{rate:g}-rank-{rank}"
        done = out / "card.json"
        one = Job(changed, job.base, job.data, out)
        card = json.loads(done.read_text(encoding="utf-8")) if done.exists() else train(one, say=lambda _: None)
        best = card["training"]["best"]
        if best is None:
            raise Refusal("a sweep compares losses on held-back examples, and none is held back: set training.valid_share")
        table.append({"learning_rate": rate, "rank": rank, "loss": best, "seconds": card["training"]["seconds"]})
        say(f"learning rate {rate:g}, rank {rank}: {best:.4f}")
    table.sort(key=lambda row: float(row["loss"]))
    write(job.out / "sweep.json", {"recipe": job.recipe.name, "steps": plan.steps, "table": table})
    say(f"best: --set training.learning_rate={table[0]['learning_rate']:g} --set adapter.rank={table[0]['rank']}")
    return table


def write(path: Path, value: object) -> None:
    """Whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m adapters.train", description="Train an adapter as a recipe says.")
    parser.add_argument("recipe", type=Path, help="a file of adapters/recipes/, or its name")
    parser.add_argument("--base", type=Path, help="folder of the base model, instead of the recipe's")
    parser.add_argument("--data", type=Path, nargs="+", help="data files, instead of the recipe's")
    parser.add_argument("--out", type=Path, help="where the adapter goes (default: build/adapters/BASE/NAME)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key: training.batch=4")
    parser.add_argument("--sweep", action="store_true", help="try the learning rates and ranks of [sweep] instead")
    parser.add_argument("--fresh", action="store_true", help="give up what --out holds")
    options = parser.parse_args(arguments)
    warnings.filterwarnings(
        "ignore", category=FutureWarning, module="transformers|trl|peft"
    )  # the libraries' talk of their own
    known = ROOT / "adapters" / "recipes" / f"{options.recipe}.toml"
    try:
        recipe = load(known if known.is_file() else options.recipe, options.set)
        base = options.base or ROOT / recipe.base
        kind = "sweeps" if options.sweep else "adapters"
        out = options.out or ROOT / "build" / kind / base.name / recipe.name
        job = Job(recipe, base, options.data or recipe.files(recipe.data), out)
        if options.sweep:
            sweep(job)
        else:
            card = train(job, options.fresh)
            if card:
                print(f"{job.out}: {card['size'] / 1e6:.2f} MB; what is it worth? python -m adapters.evaluate {job.out}")
    except (FileProblem, ValueError, Refusal) as error:
        print(error, file=sys.stderr)
        return 2
    except OutOfMemory as error:
        print(error, file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"training needs more libraries ({error.name}): make install EXTRAS=train", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
