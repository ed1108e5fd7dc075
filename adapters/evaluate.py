"""``python -m adapters.evaluate ADAPTER [--data FILE …] [--compare] [--against DIR] [--publish DIR] …``

Measures an adapter on what it never saw, writes the scores into its card, and holds them against the gate of its recipe and
against the adapter that is in its place. Only what passes is published: the folder is put there whole or not at all.
Exit codes: 0 passed, 1 the gate is shut (with the reasons), 2 something is wrong, 3 a library is missing.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters import checks, formats, measures, verify
from adapters.checks import Refusal
from adapters.formats import Example
from adapters.measures import Scores
from adapters.recipe import ROOT, Gate, Recipe
from adapters.train import write
from agent.models.authored import Authored
from agent.ports import LLM, Message, Prompt
from agent.toml_file import FileProblem

CARD = "card.json"
_LOWER_IS_BETTER = ("ece", "forgetting", "answer_loss", "lix", "p50", "p95")


class Spoken:
    """The authored answers themselves, as a tenant: the row a model is compared with. Ranks by the authored policy."""

    name = "authored"

    def __init__(self, examples: Sequence[Example]) -> None:
        self._answers: dict[tuple[Message, ...], list[str]] = {}
        for example in reversed(examples):
            self._answers.setdefault(example.messages, []).append(example.answer)
        self._policy = Authored()

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        answers = self._answers[prompt.messages]  # several to one prompt are given in turn
        answers.insert(0, answer := answers.pop())
        return iter((answer,))

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        return self._policy.rank(prompt, options, adapter=adapter)


class Unprompted:
    """A model that is not told who it is: what the system prompt and its personality are worth."""

    def __init__(self, llm: LLM) -> None:
        self._llm, self.name = llm, f"{llm.name} without its system prompt"

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        return self._llm.stream(self._bare(prompt), adapter=adapter)

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        return self._llm.rank(self._bare(prompt), options, adapter=adapter)

    @staticmethod
    def _bare(prompt: Prompt) -> Prompt:
        return Prompt(tuple(message for message in prompt.messages if message.role != "system"), prompt.facts)


def measure(llm: LLM, examples: Sequence[Example], recipe: Recipe, adapter: str, authored: Sequence[Example] = ()) -> Scores:
    """The scores of the recipe's task."""
    if recipe.task == "strategy":
        return measures.strategy(llm, examples, adapter)
    if recipe.task == "response":
        return measures.response(llm, examples, adapter, authored)
    return measures.text(llm, examples, adapter, recipe.audience)


def losses(base: Path, adapter: Path, examples: Sequence[Example], general: Sequence[str], recipe: Recipe) -> Scores:
    """The loss on expected answers with the adapter and without, and how much of the base it forgot: the relative rise of the
    loss on ``general`` text. Works for every architecture and template, at full precision."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    coder = checks.Coder(tokenizer, recipe.template)
    model: Any = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, use_safetensors=True, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, str(adapter), use_safetensors=True).eval()
    if torch.cuda.is_available():
        model.to("cuda")
    longest = int(getattr(model.config, "max_position_embeddings", 4096))
    texts = [ids[:longest] for ids in map(coder.ids, general) if len(ids) > 1]

    def mean(rows: Sequence[Mapping[str, Sequence[int]]]) -> float:
        total = count = 0.0
        for row in rows:
            ids = torch.tensor([row["input_ids"]], device=model.device)
            labels = torch.tensor([row["labels"]], device=model.device)
            with torch.inference_mode():
                learned = int((labels[:, 1:] != checks.MASKED).sum())
                total += float(model(input_ids=ids, labels=labels).loss) * learned
            count += learned
        return total / max(1.0, count)

    answers = [coder.row(example) for example in examples]
    plain = [{"input_ids": ids, "labels": ids} for ids in texts]
    found = {"answer_loss": mean(answers)} | ({"general_loss": mean(plain)} if plain else {})
    with model.disable_adapter():
        found["base_answer_loss"] = mean(answers)
        if plain:
            found["forgetting"] = found["general_loss"] / mean(plain) - 1
    return found


def gate(scores: Mapping[str, float], rules: Gate, before: Mapping[str, float]) -> list[str]:
    """Why an adapter is not published; an empty list when it is. ``before`` are the scores of the one in its place."""
    reasons = []
    for name, bound in (*rules.at_least.items(), *rules.at_most.items()):
        value, least = scores.get(name), name in rules.at_least and bound == rules.at_least[name]
        if value is None:
            reasons.append(f"{name} was not measured, and the gate asks for it")
        elif not (value >= bound if least else value <= bound):
            reasons.append(f"{name} is {value:.3f}, the gate asks for {'at least' if least else 'at most'} {bound:g}")
    for name in dict.fromkeys((*rules.at_least, *rules.at_most)):
        if name in scores and name in before:
            lost = scores[name] - before[name] if name.endswith(_LOWER_IS_BETTER) else before[name] - scores[name]
            if not lost <= rules.slack:
                reasons.append(f"{name} is {scores[name]:.3f}, worse than {before[name]:.3f} of the adapter in its place")
    return reasons


def table(rows: Mapping[str, Scores]) -> str:
    """Scores as Markdown, one row a measure."""
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    lines = ["| measure | " + " | ".join(rows) + " |", "|---|" + "---|" * len(rows)]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(f"{s[name]:.3f}" if name in s else "–" for s in rows.values()) + " |")
    return "\n".join(lines)


def sample(examples: Sequence[Example], limit: int) -> list[Example]:
    """At most ``limit`` examples; the same turn in several languages stays together."""
    turns: dict[str, list[Example]] = {}
    for example in examples:
        turns.setdefault(str(example.marks.get("turn") or example.place), []).append(example)
    order = list(turns.values())
    random.Random(0).shuffle(order)
    chosen: list[Example] = []
    for together in order:
        if not limit or len(chosen) + len(together) <= limit:
            chosen += together
    return chosen or list(examples[:limit])


def publish(adapter: Path, place: Path) -> None:
    """Puts an adapter's folder where servers look: whole, or not at all."""
    staged, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
    for left in (staged, old):
        shutil.rmtree(left, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(adapter, staged)
    if place.exists():
        place.replace(old)
    staged.replace(place)
    shutil.rmtree(old, ignore_errors=True)


def run(options: argparse.Namespace) -> int:
    folder: Path = options.adapter
    card = verify.read_json(folder / CARD)
    recipe = Recipe.model_validate(card["settings"])
    base: Path = options.base or ROOT / recipe.base
    if not base.is_dir():
        raise Refusal(f"{base}: the base of this adapter is not here; name its folder with --base")
    if verify.weights_digest(base) != card["base_digest"]:
        raise Refusal(f"{base}: is not the base this adapter was trained on ({card['base_digest'][:12]}…)")
    files = options.data or recipe.files(recipe.test)
    if not files:
        raise Refusal(f"{folder}: its recipe names no test data; name some with --data")
    examples = sample(formats.read(files, recipe.where), options.limit)
    authored = []
    if recipe.task == "response":
        authored = formats.read(options.authored or recipe.files(recipe.data), recipe.where)
    general = [text for file in options.general or recipe.files(recipe.general) for text in _texts(file)]
    rows = {card["name"]: losses(base, folder, examples, general[: options.limit or None], recipe)}
    if recipe.template == "phi3":
        from agent.models.phi import Phi

        under = [ROOT / recipe.under] if recipe.under else []
        phi = Phi(base, {"": under, card["name"]: [*under, folder]}, four_bit=card["training"]["method"] == "qlora")
        try:
            rows[card["name"]] |= measure(phi, examples, recipe, card["name"], authored)
            if options.compare:
                rows["without its prompt"] = measure(Unprompted(phi), examples, recipe, card["name"], authored)
                rows["base"] = measure(phi, examples, recipe, "", authored)
                rows["authored"] = measure(Spoken(examples), examples, recipe, "", authored)
        finally:
            phi.close()
    scores = {name: round(value, 4) for name, value in rows[card["name"]].items()}
    print(table(rows))
    against = options.against or options.publish
    before = verify.read_json(against / CARD)["scores"] if against and (against / CARD).is_file() else {}
    reasons = gate(scores, recipe.gate, before)
    write(folder / CARD, card | {"scores": scores, "measured_on": len(examples)})
    if reasons:
        print("\n".join(["the gate is shut:", *reasons]), file=sys.stderr)
        return 1
    if options.publish:
        publish(folder, options.publish)
        print(f"published: {options.publish}")
    return 0


def _texts(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield str(json.loads(line)["text"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m adapters.evaluate", description="Measure an adapter and open the gate.")
    parser.add_argument("adapter", type=Path, help="a folder that adapters.train made")
    parser.add_argument("--data", type=Path, nargs="+", help="examples it never saw (default: the recipe's test)")
    parser.add_argument("--general", type=Path, nargs="+", help='running text, {"text": …} a line, for what the base forgets')
    parser.add_argument("--authored", type=Path, nargs="+", help="replies of training, for the judge of strategies")
    parser.add_argument("--base", type=Path, help="folder of the base model (default: the recipe's)")
    parser.add_argument("--limit", type=int, default=0, help="measure on at most so many examples (default: all)")
    parser.add_argument("--compare", action="store_true", help="also: without the system prompt, the base, the authored lines")
    parser.add_argument("--against", type=Path, help="an adapter that this one must not be worse than")
    parser.add_argument("--publish", type=Path, help="where it goes if it passes; what is there counts as --against")
    try:
        return run(parser.parse_args(arguments))
    except ImportError as error:
        print(f"measuring needs more libraries ({error.name}): make install EXTRAS=train", file=sys.stderr)
        return 3
    except (FileProblem, Refusal, ValueError, OSError, KeyError) as error:
        print(f"“{error.args[0]}” is missing" if isinstance(error, KeyError) else error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
