"""What the Phi-3 tenant costs: ``python -m benchmarks.phi`` (needs the extra gpu).

Without ``--base`` it measures a random miniature, which says how the machinery behaves and nothing of a model's quality.
``--true-size`` builds Phi-3-mini's own shape with random 4-bit weights: speed, memory and switching are those of the real
one. ``--requests`` sends requests to base and two adapters in random order, streams half read in between, and counts answers
that are not the ones each gives alone. Medians of one run on one machine.
"""

from __future__ import annotations

import argparse
import copy
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from adapters.template import SPECIAL
from agent.models.phi import Phi
from agent.models.phi_files import PhiProblem
from agent.models.phi_loading import Loaded, libraries, quantisation, spare_odd_layers
from agent.ports import Prompt
from agent.prompts import RESPONSE, STRATEGY, render

OPTIONS = ("SCAFFOLD_HINT", "SOCRATIC_PROBE", "RECAST_EXPAND", "DR_OPEN", "DR_WH", "GO_ON", "WAIT", "BRING_BACK")
PHI_3_MINI = {
    "vocab_size": 32064,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
}
MINIATURE = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
}


def shape_of(sizes: Mapping[str, int]) -> Any:
    """A Phi-3 configuration of these sizes."""
    from transformers import Phi3Config

    return Phi3Config(**sizes, pad_token_id=0, bos_token_id=None, eos_token_id=256, tie_word_embeddings=False)


def byte_tokenizer() -> Any:
    """One token a byte and the chat format's marks: enough where only lengths count."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>", pad_token="<|pad|>")
    fast.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    return fast


def random_model(sizes: Mapping[str, int], device: str) -> Loaded:
    """A model of this shape in NF4 with double quantisation. It is never in memory in full precision."""
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit
    from transformers import Phi3ForCausalLM
    from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

    number = torch.float32 if device == "cpu" else torch.bfloat16
    settings = shape_of(sizes)
    settings._attn_implementation = "sdpa"
    with torch.device("meta"):
        model = Phi3ForCausalLM(settings)
    shapes = {name: tuple(part.shape) for name, part in model.state_dict().items()}
    blanks: dict[tuple[int, int], Any] = {}
    for parent in list(model.model.layers.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, torch.nn.Linear):
                continue
            side = (child.out_features, child.in_features)
            if side not in blanks:
                weight = torch.randn(side) * 0.02
                blanks[side] = Params4bit(weight, requires_grad=False, compress_statistics=True, quant_type="nf4").to(device)
            layer = Linear4bit(child.in_features, child.out_features, bias=False, compute_dtype=number, device="meta")
            layer.weight = copy.deepcopy(blanks[side])
            layer.quant_state = layer.weight.quant_state
            setattr(parent, name, layer)
    for module in model.modules():
        for name, part in list(module.named_parameters(recurse=False)):
            if part.is_meta:
                fill = torch.ones if part.dim() == 1 else lambda *side, **kind: torch.randn(*side, **kind) * 0.02
                setattr(module, name, torch.nn.Parameter(fill(*part.shape, dtype=number, device=device), requires_grad=False))
    model.model.rotary_emb = Phi3RotaryEmbedding(settings).to(device)
    model.is_loaded_in_4bit = True
    model.config.quantization_config = quantisation(number)
    model.eval()
    spare_odd_layers(model)
    return Loaded(model, byte_tokenizer(), shapes, device, 4096)


def random_adapter(
    folder: Path, shapes: Mapping[str, tuple[int, ...]], seed: int, rank: int = 16, call: Sequence[int] = ()
) -> Path:
    """A LoRA on every projection, as PEFT writes it; activated by the token ids ``call`` if there are any."""
    import torch
    from peft import LoraConfig
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    parts: dict[str, Any] = {}
    for name, sides in shapes.items():
        if name.endswith("_proj.weight"):
            stem = "base_model.model." + name.removesuffix(".weight")
            parts[f"{stem}.lora_A.weight"] = torch.randn(rank, sides[1]) / rank
            parts[f"{stem}.lora_B.weight"] = torch.randn(sides[0], rank) / rank
    targets = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
    folder.mkdir(parents=True)
    LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=targets, task_type="CAUSAL_LM", alora_invocation_tokens=list(call) or None
    ).save_pretrained(folder)
    save_file(parts, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


def asked(said: str, persona: int = 0) -> Prompt:
    """A turn's prompt whose persona is about ``persona`` bytes long."""
    text = ("You are calm and kind, and you like to ask. " * (1 + persona // 44))[:persona]
    return render(STRATEGY, {"language": "en", "verdict": "partial", "attempts": "1"}, text, said)


clock = time.perf_counter


def timed(act: Callable[[], object], times: int) -> float:
    """Median milliseconds on ``clock``."""
    taken = []
    for _ in range(times):
        started = clock()
        act()
        taken.append(1000 * (clock() - started))
    return median(taken)


def switching(model: Phi, spare: Sequence[Path]) -> None:
    """Warm: the next step runs with the other adapter. Cold: the adapter is read from disk first."""
    engine, names = model.engine, [name for name in model.adapters if name][:2]
    turn = iter(range(10**6))

    def swap() -> None:
        engine._activate(model._stacks[names[next(turn) % 2]])

    swap()
    print(f"switch warm   {timed(swap, 200):8.2f} ms   (goal: ≤ 1)")
    cold = [timed(partial(model.add, f"spare{place}", [folder]), 1) for place, folder in enumerate(spare)]
    if cold:
        print(f"switch cold   {median(cold):8.2f} ms   from disk, median of {len(cold)} (goal: ≤ 100)")
    for place in range(len(spare)):
        model.remove(f"spare{place}")


def talking(model: Phi, times: int, persona: int) -> None:
    """First piece without and with the persona in the cache, pieces a second, and a ranking of eight."""

    far = time.monotonic() + 3600

    def first(said: str) -> None:
        ids, head = model._prompt(asked(said, persona))
        int(model.engine.read(model._stacks[RESPONSE], ids, head, far).logits.argmax())

    def unread() -> None:
        model.engine.prefixes.clear()
        first("the sun")

    tokens, head = model._prompt(asked("the sun", persona))
    said = iter(f"answer {number}" for number in range(10**6))
    print(f"prompt        {len(tokens):8d} tokens, of which {head} stay the same over a session's turns")
    print(f"first token   {timed(unread, max(1, times // 4)):8.0f} ms   persona unread")
    print(f"first token   {timed(lambda: first(next(said)), times):8.0f} ms   persona in the cache (goal: ≤ 1,000)")
    prompt = asked(next(said), persona)
    stack, (ids, head) = model._stacks[RESPONSE], model._prompt(prompt)
    reading = model.engine.read(stack, ids, head, far)
    step = timed(lambda: model.engine.step(reading, int(reading.logits.argmax()), far), 4 * times)
    print(f"tokens        {1000 / step:8.1f} a second")
    ranking = timed(lambda: model.rank(asked(next(said), persona), OPTIONS, adapter=STRATEGY), times)
    print(f"ranking       {ranking:8.0f} ms   of eight strategies")


def sharing(model: Phi, times: int, persona: int) -> None:
    """The first token of the second adapter on a persona that only the first has read: ordinary LoRA against activated."""
    far = time.monotonic() + 3600
    for title, one, other in (("ordinary", STRATEGY, RESPONSE), ("activated", "called-strategy", "called-response")):

        def first(name: str) -> None:
            ids, head = model._prompt(asked("the sun", persona))
            int(model.engine.read(model._stacks[name], ids, head, far).logits.argmax())

        taken = []
        for _ in range(max(2, times // 2)):
            model.engine.prefixes.clear()
            first(one)
            taken.append(timed(partial(first, other), 1))
        print(f"second reader {median(taken):8.0f} ms   {title} LoRA")


def mixed(model: Phi, shapes: Mapping[str, tuple[int, ...]], folder: Path, count: int) -> None:
    """One batch of ``count`` rows: one adapter for all against one each."""
    import torch

    for place in range(count):
        model.add(f"row{place}", [random_adapter(folder / f"row{place}", shapes, 100 + place, rank=8)])
    rows = torch.randint(0, 256, (count, 64), device=model.engine.loaded.device)
    own = [model._stacks[f"row{place}"].names[0] for place in range(count)]
    net = model.engine.loaded.model
    with torch.inference_mode():
        one, each = (timed(partial(net, input_ids=rows, adapter_names=names), 5) for names in ([own[0]] * count, own))
    print(f"batch of {count:3d}  {each / one:8.2f} times as long with {count} adapters as with one (goal: ≤ 1.5)")
    for place in range(count):
        model.remove(f"row{place}")


def interleaved(model: Phi, count: int) -> int:
    """Send ``count`` requests to base and adapters in random order; the number answered otherwise than alone."""
    names = ["", STRATEGY, RESPONSE]
    prompts = [asked(said, 40 * level) for said in ("the sun", "la lune", "ein Stern") for level in (1, 3)]
    jobs = [(place, name) for place in range(len(prompts)) for name in names]
    model.most_tokens = 6

    def write(place: int, name: str) -> Iterator[str]:
        return model.stream(prompts[place], adapter=name)

    spoken = {job: "".join(write(*job)) for job in jobs}
    ranked = {(place, name): model.rank(prompts[place], OPTIONS, adapter=name) for place, name in jobs}
    assert len({tuple(scores) for scores in ranked.values()}) == len(jobs), "the adapters do not differ"
    waiting: list[Any] = []
    dice, wrong, done = random.Random(0), 0, 0
    started = clock()
    while done < count:
        job = dice.choice(jobs)
        if dice.random() < 0.5:
            scores = model.rank(prompts[job[0]], OPTIONS, adapter=job[1])
            wrong += max(abs(ours - alone) for ours, alone in zip(scores, ranked[job], strict=True)) > 1e-3
            done += 1
            continue
        if len(waiting) < 8:
            waiting.append((job, write(*job), [""]))
        place = dice.randrange(len(waiting))
        job, stream, said = waiting[place]
        if (piece := next(stream, None)) is not None:
            said.append(piece)
            continue
        wrong += "".join(said) != spoken[job]
        done += 1
        del waiting[place]
    cache = model.engine.prefixes
    print(
        f"requests      {done:8d} interleaved, {wrong} answered by the wrong adapter (goal: 0); "
        f"{model.engine.switches} switches, "
        f"{1000 * (clock() - started) / done:.1f} ms each; prefixes {cache.hits} found, {cache.misses} read"
    )
    return wrong


def memory(device: str) -> str:
    """The most that was held, in MB."""
    held = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB resident at most"
    if device.startswith("cuda"):
        import torch

        held += f", {torch.cuda.max_memory_allocated() / 1e6:.0f} MB on the GPU at most"
    return held


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phi", description=__doc__)
    parser.add_argument("--true-size", action="store_true", help="Phi-3-mini's own shape with random weights")
    parser.add_argument("--base", type=Path, help="a model folder, with strategy/ and response/ in it")
    parser.add_argument(
        "--requests", type=int, default=10_000, metavar="N", help="interleaved requests (default: 10,000; 0: none)"
    )
    parser.add_argument("--times", type=int, default=8, metavar="N", help="repetitions of what is timed (default: 8)")
    parser.add_argument("--persona", type=int, default=600, metavar="N", help="bytes of the personality prompt (default: 600)")
    parser.add_argument(
        "--batch", type=int, default=0, metavar="N", help="rows of a batch with an adapter each (default: none)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own number")
    parser.add_argument(
        "--busy", action="store_true", help="count processor time, not the clock's: for a machine that others use"
    )
    given = parser.parse_args()
    if given.busy:
        global clock
        clock = time.process_time
    try:
        torch = libraries()
    except PhiProblem as problem:
        print(problem, file=sys.stderr)
        return 3
    if given.threads:
        torch.set_num_threads(given.threads)
    device = given.device if given.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    wrong = 0
    with tempfile.TemporaryDirectory() as room:
        folder, started = Path(room), time.perf_counter()
        if given.base:
            model = Phi(given.base, {name: [given.base / name] for name in (STRATEGY, RESPONSE)}, device=device, seconds=600)
            shapes, spare = model.engine.loaded.shapes, [given.base / STRATEGY, given.base / RESPONSE]
        else:
            torch.manual_seed(0)
            model = Phi.around(random_model(PHI_3_MINI if given.true_size else MINIATURE, device), seconds=3600)
            shapes = model.engine.loaded.shapes
            call = model._ids("<|assistant|>\n")
            for seed, name in enumerate((STRATEGY, RESPONSE)):
                model.add(name, [random_adapter(folder / name, shapes, seed)])
                model.add(f"called-{name}", [random_adapter(folder / f"called-{name}", shapes, 10 + seed, call=call)])
            spare = [random_adapter(folder / f"spare{seed}", shapes, 20 + seed) for seed in range(3)]
        size = sum(sides[0] * (sides[1] if len(sides) > 1 else 1) for sides in shapes.values())
        ready = time.perf_counter() - started
        print(f"model         {size / 1e6:8.1f} M parameters in NF4 on {device}, ready after {ready:.1f} s")
        switching(model, spare)
        talking(model, given.times, given.persona)
        if not given.base:
            sharing(model, given.times, given.persona)
        if given.batch:
            mixed(model, shapes, folder, given.batch)
        if given.requests:
            wrong = interleaved(model, given.requests)
        print(f"memory        {memory(device)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
