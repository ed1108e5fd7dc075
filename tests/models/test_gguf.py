# ruff: noqa: E402  (what needs a library that may be missing is imported after looking for it)
"""The tenant ``gguf``: the same answers as PyTorch, never another adapter's, nothing to connect to, and a line for every bad file."""

from __future__ import annotations

import ctypes
import importlib.util
import math
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("xllamacpp", reason="the wheel xllamacpp is not installed (pip install xllamacpp)")
gguf = pytest.importorskip("gguf", reason="the extra train is not installed (make install EXTRAS=train)")
tokenizers = pytest.importorskip("tokenizers", reason="the extra train is not installed (make install EXTRAS=train)")
pytest.importorskip("safetensors", reason="the extra train is not installed (make install EXTRAS=train)")

from adapters import template
from adapters.export import export
from agent.models import gguf as tenant_module
from agent.models import gguf_library
from agent.models.gguf import Gguf
from agent.models.gguf_shelf import _shared
from agent.ports import Message, Prompt
from agent.prompts import RESPONSE, STRATEGY, render
from tests.adapters.test_export import SLOTS, changed, texts, tiny_adapter, tiny_model

OPTIONS = ("SCAFFOLD_HINT", "GO_ON", "DR_WH", "MODEL_THINKALOUD")
ADAPTERS = ("", STRATEGY, RESPONSE)
ODD = (
    "«\u202foui\u202f»",
    "„Nein!“",
    "12 345",
    "🌧️ rain",
    "l’eau",
    "  two",
    "tab\there",
    "\n\nx",
    "<|end|>",
    "<hint>",
    "",
    "don't",
    "1.5",
    "日本",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model and two adapters, one of them rank-stabilised and uneven, in f32: (model folder, adapter folders, GGUF files)."""
    room = tmp_path_factory.mktemp("gguf")
    model = tiny_model(room / "tiny")
    one = tiny_adapter(room / STRATEGY, 1, use_rslora=True)
    two = tiny_adapter(room / RESPONSE, 2, rank_pattern={"o_proj": 8}, alpha_pattern={"down_proj": 3.0})
    return model, (one, two), export(model, [one, two], kind="f32", out=room / "out")


def opened(files, **settings) -> Gguf:
    whole, one, two = files[2]
    return Gguf(whole, {STRATEGY: one, RESPONSE: two}, **{"most": 12, "context": 512, **settings})


@pytest.fixture
def tenant(files):
    tenant = opened(files)
    yield tenant
    tenant.close()


def prompts(count: int, seed: int = 0) -> list[Prompt]:
    """Prompts as the conversation makes them, in three languages."""
    dice, lines = random.Random(seed), texts()
    return [
        render(dice.choice((STRATEGY, RESPONSE)), {"language": dice.choice(("de", "en", "fr")), "material": dice.choice(lines)[:90]},
               dice.choice(("", "Be calm.", "Sei lebhaft.")), dice.choice(lines)[:40])
        for _ in range(count)
    ]  # fmt: skip


def answer(tenant: Gguf, prompt: Prompt, adapter: str) -> str:
    return "".join(tenant.stream(prompt, adapter=adapter))


# --- the same as the training -----------------------------------------------------------------------------------------------


def test_llama_cpp_and_our_tokenizer_read_thousands_of_prompts_alike(tenant):
    dice, lines = random.Random(3), texts(("seed", "rainbow", "bendy"))
    for _ in range(3000):
        said = dice.choice(ODD) + dice.choice(lines) + dice.choice(ODD)
        text = template.chat(
            [("system", dice.choice(lines)[:60]), ("user", said)], dice.choice((None, "GO_ON", dice.choice(lines)))
        )
        assert tenant._llama.tokenize(text) == tenant._tokens.encode(text), text


def test_a_phi_tokenizer_whose_marks_swallow_line_breaks_is_read_alike_too(files, tmp_path):
    """Phi-3's own kind: ▁ for spaces, bytes as pieces, merges by score. It depends on ``phi3`` in the name."""
    folder = phi_tokenizer(changed(files[0], tmp_path / "mini"))
    (file,) = export(folder, kind="f32", out=tmp_path)
    tenant = Gguf(file)
    dice, lines = random.Random(5), texts(("seed", "bendy"))
    for _ in range(500):
        text = template.chat([("system", dice.choice(lines)[:60]), ("user", dice.choice(ODD) + dice.choice(lines))], "Ja!")
        assert tenant._llama.tokenize(text) == tenant._tokens.encode(text), text
    ids = tenant._tokens.encode("<|user|>\nHallo")
    assert len(ids) == len(tenant._tokens.encode("<|user|>Hallo")), "the line break is swallowed"
    decode = tenant._tokens.decoder()
    assert "".join(map(decode, tenant._tokens.encode("Größe 🌧"))) == "Größe 🌧"
    tenant.close()


def phi_tokenizer(folder: Path) -> Path:
    """Puts a tokenizer of Phi-3's kind into a model folder, and makes the embeddings fit."""
    import json

    from safetensors.numpy import load_file, save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    bytes_ = [f"<0x{number:02X}>" for number in range(256)]
    made.train_from_iterator(
        texts(), trainers.BpeTrainer(vocab_size=540, special_tokens=["<unk>", "<s>", "</s>", *bytes_], show_progress=False)
    )
    told = json.loads(made.to_str())
    told["pre_tokenizer"] = None
    told["added_tokens"] = [each for each in told["added_tokens"] if each["id"] < 3]
    size = len(told["model"]["vocab"])
    for number, mark in enumerate(template.SPECIAL, start=size):
        kept = {"single_word": False, "lstrip": False, "rstrip": mark != "<|endoftext|>", "normalized": False, "special": True}
        told["added_tokens"].append({"id": number, "content": mark, **kept})
    steps = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
    told["decoder"] = {"type": "Sequence", "decoders": [*steps, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    (folder / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
    rows = size + len(template.SPECIAL)
    held = load_file(folder / "model.safetensors")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        held[name] = np.resize(held[name], (rows, held[name].shape[1]))
    save_file(held, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": rows}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def torch_model(files):
    torch = pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    transformers = pytest.importorskip("transformers")
    peft = pytest.importorskip("peft")
    torch.set_num_threads(1)
    base = transformers.AutoModelForCausalLM.from_pretrained(files[0], dtype=torch.float32)
    both = peft.PeftModel.from_pretrained(base, files[1][0], adapter_name=STRATEGY)
    both.load_adapter(files[1][1], adapter_name=RESPONSE)
    both.eval()

    def logits(ids: list[int], adapter: str) -> Any:
        """What PyTorch predicts after each token."""
        with torch.no_grad():
            if adapter:
                both.set_adapter(adapter)
                return both(torch.tensor([ids])).logits[0].numpy()
            with both.disable_adapter():
                return both(torch.tensor([ids])).logits[0].numpy()

    return logits


@pytest.mark.filterwarnings("ignore")  # what PEFT warns of is not ours
def test_the_same_weights_give_the_same_greedy_tokens_as_transformers(files, tenant, torch_model):
    for prompt in prompts(6):
        for adapter in ADAPTERS:
            ids = tenant._ids(prompt)
            text, last = tenant._begin(ids, adapter, "")
            for _ in range(12):
                theirs = torch_model(ids, adapter)[-1]
                assert np.abs(theirs - last).max() < 1e-3
                assert int(theirs.argmax()) == int(last.argmax())
                ids = [*ids, int(last.argmax())]
                last = tenant._shelf.read(text, [ids[-1]])
            tenant._end(text)


@pytest.mark.filterwarnings("ignore")
def test_likelihoods_are_those_of_transformers(files, tenant, torch_model):
    for prompt in prompts(4, seed=1):
        for adapter in ADAPTERS:
            begin, wanted = len(tenant._ids(prompt)), []
            for option in OPTIONS:
                ids = tenant._ids(prompt, option)
                rows = torch_model(ids, adapter).astype(np.float64)
                steps = rows[begin - 1 : -1] - np.log(np.exp(rows[begin - 1 : -1]).sum(axis=1, keepdims=True))
                wanted.append(sum(step[token] for step, token in zip(steps, ids[begin:], strict=True)))
            best = max(wanted)
            total = best + math.log(sum(math.exp(value - best) for value in wanted))
            assert tenant.rank(prompt, OPTIONS, adapter=adapter) == pytest.approx([value - total for value in wanted], abs=2e-3)


@pytest.mark.filterwarnings("ignore")
def test_long_rope_factors_are_those_of_transformers(files, tmp_path):
    torch = pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    transformers = pytest.importorskip("transformers")
    factors = {
        "long_factor": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
    }
    long = {"rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 256, **factors}
    folder = changed(files[0], tmp_path / "long", rope_scaling=long, original_max_position_embeddings=256)
    (file,) = export(folder, kind="f32", out=tmp_path)
    base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tenant = Gguf(file, context=512, most=4)
    assert tenant._llama.context == 256, "with room for more, llama.cpp would take the long factors at once"
    for prompt in prompts(3):
        ids = tenant._ids(prompt)
        text, last = tenant._begin(ids, "", "")
        tenant._end(text)
        with torch.no_grad():
            assert np.abs(base(torch.tensor([ids])).logits[0, -1].numpy() - last).max() < 2e-3
    tenant.close()


@pytest.mark.parametrize(("kind", "likeness"), [("f16", 0.9999), ("q8_0", 0.99), ("q4_0", 0.5)])
def test_quantised_files_predict_nearly_the_same(files, tmp_path, kind, likeness):
    whole = opened(files)
    small = Gguf(export(files[0], kind=kind, out=tmp_path)[0], context=512)
    for prompt in prompts(4):
        rows = []
        for tenant in (whole, small):
            text, last = tenant._begin(tenant._ids(prompt), "", "")
            tenant._end(text)
            rows.append(last)
        assert np.corrcoef(rows[0], rows[1])[0, 1] > likeness
    whole.close()
    small.close()


def test_a_merged_file_answers_as_the_adapter_does(files, tenant, tmp_path):
    file, _ = export(files[0], [files[1][1]], kind="f32", merge=True, out=tmp_path)
    merged = Gguf(file, {RESPONSE: None}, context=512, most=12)
    for prompt in prompts(4):
        wanted = tenant.rank(prompt, OPTIONS, adapter=RESPONSE)
        assert merged.rank(prompt, OPTIONS, adapter=RESPONSE) == pytest.approx(wanted, abs=2e-2)
    merged.close()


# --- adapters do not mix --------------------------------------------------------------------------------------------------


def test_hundreds_of_interleaved_requests_never_get_another_adapters_answer(files, tenant):
    asked = prompts(5, seed=2)
    alone = {}
    for adapter in ADAPTERS:
        fresh = opened(files)
        for number, prompt in enumerate(asked):
            alone[adapter, number] = (answer(fresh, prompt, adapter), fresh.rank(prompt, OPTIONS, adapter=adapter))
        fresh.close()
    assert len({told[0] for told in alone.values()}) > 10, "the adapters must differ for this to show anything"
    dice = random.Random(7)
    for _ in range(300):
        adapter, number = dice.choice(ADAPTERS), dice.randrange(len(asked))
        match dice.choice(("stream", "rank", "broken off")):
            case "stream":
                assert answer(tenant, asked[number], adapter) == alone[adapter, number][0]
            case "rank":
                assert tenant.rank(asked[number], OPTIONS, adapter=adapter) == pytest.approx(
                    alone[adapter, number][1], abs=1e-3
                )
            case _:
                pieces = tenant.stream(asked[number], adapter=adapter)
                assert alone[adapter, number][0].startswith(next(pieces, ""))
                pieces.close()


def test_two_answers_under_two_adapters_can_be_written_at_the_same_time(tenant):
    one, two = prompts(2)
    wanted = [answer(tenant, one, STRATEGY), answer(tenant, two, RESPONSE), answer(tenant, one, STRATEGY)]
    running = [tenant.stream(one, adapter=STRATEGY), tenant.stream(two, adapter=RESPONSE), tenant.stream(one, adapter=STRATEGY)]
    written = ["", "", ""]
    for _ in range(13):
        for place, pieces in enumerate(running):
            written[place] += next(pieces, "")
    assert written == wanted


def test_requests_from_several_threads_do_not_mix(files):
    tenant = opened(files, context=1024)
    asked = prompts(4, seed=4)
    wanted = {(number, adapter): answer(tenant, prompt, adapter) for number, prompt in enumerate(asked) for adapter in ADAPTERS}
    wrong: list[object] = []

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(12):
            number, adapter = dice.choice(list(wanted))
            try:
                if answer(tenant, asked[number], adapter) != wanted[number, adapter]:
                    wrong.append((number, adapter))
            except ValueError as problem:
                wrong.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tenant.close()
    assert not wrong


def test_an_unknown_adapter_is_named_with_those_there_are(tenant):
    with pytest.raises(ValueError, match="no adapter “judge”; loaded: strategy, response"):
        tenant.stream(prompts(1)[0], adapter="judge")


# --- ranking --------------------------------------------------------------------------------------------------------------


def test_ranks_are_probabilities_of_the_options_and_do_not_depend_on_order_or_what_was_read(tenant):
    prompt = prompts(1, seed=9)[0]
    first = tenant.rank(prompt, OPTIONS, adapter=STRATEGY)
    assert sum(map(math.exp, first)) == pytest.approx(1.0)
    assert tenant.rank(prompt, OPTIONS[::-1], adapter=STRATEGY)[::-1] == pytest.approx(first, abs=1e-4)
    answer(tenant, prompt, STRATEGY)
    assert tenant.rank(prompt, OPTIONS, adapter=STRATEGY) == pytest.approx(first, abs=1e-4)
    assert tenant.rank(prompt, OPTIONS[:1], adapter=STRATEGY) == [0.0]
    assert tenant.rank(prompt, (), adapter=STRATEGY) == []
    twice = tenant.rank(prompt, (OPTIONS[0], OPTIONS[0]), adapter=STRATEGY)
    assert twice == pytest.approx([math.log(0.5)] * 2, abs=1e-4)


def test_more_options_than_are_weighed_at_a_time(tenant):
    prompt = prompts(1)[0]
    options = [f"OPTION {number} {'word ' * (number % 5)}" for number in range(tenant_module.TRIALS + 7)]
    together = tenant.rank(prompt, options, adapter=STRATEGY)
    pair = tenant.rank(prompt, [options[2], options[-1]], adapter=STRATEGY)
    assert together[2] - together[-1] == pytest.approx(pair[0] - pair[1], abs=1e-3)
    assert sum(map(math.exp, together)) == pytest.approx(1.0)


def test_a_rank_is_the_sum_of_the_steps_stop_token_and_all(tenant):
    prompt, steps = prompts(1)[0], []
    for option in OPTIONS:
        begin, whole = tenant._ids(prompt), tenant._ids(prompt, option)
        assert whole[-1] == tenant._tokens.number(template.END)
        text, last = tenant._begin(begin, RESPONSE, "")
        total = 0.0
        for token in whole[len(begin) :]:
            total += float(last[token]) - float(np.log(np.exp(last.astype(np.float64)).sum()))
            last = tenant._shelf.read(text, [token])
        tenant._end(text)
        steps.append(total)
    whole_sum = np.log(np.exp(np.array(steps) - max(steps)).sum()) + max(steps)
    assert tenant.rank(prompt, OPTIONS, adapter=RESPONSE) == pytest.approx(list(np.array(steps) - whole_sum), abs=1e-3)


# --- writing --------------------------------------------------------------------------------------------------------------


class Scripted:
    """Stands before the shelf of a tenant and lets it predict the tokens of a script, whatever the model says."""

    def __init__(self, tenant: Gguf, script: list[int]) -> None:
        self.inner: Any = tenant._shelf
        self.script, self.reads, self.pieces = script, 0, tenant._llama.pieces
        self.lengths: list[int] = []
        tenant._shelf = cast(Any, self)

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def read(self, text, tokens):
        self.reads += 1
        self.lengths.append(len(tokens))
        self.inner.read(text, tokens)
        rows = np.zeros(self.pieces, np.float32)
        rows[self.script[0] if len(tokens) > 1 else self.script[min(self.reads, len(self.script) - 1)]] = 1.0
        return rows


@pytest.mark.parametrize("mark", template.SPECIAL)
def test_every_mark_of_the_chat_ends_the_answer_and_is_not_said(tenant, mark):
    prompt = Prompt((Message("user", "Hi"),))
    ids = tenant._tokens.encode(f"Ja!{mark}Nein")
    Scripted(tenant, [ids[0], *ids])
    assert answer(tenant, prompt, "") == "Ja!"


def test_characters_come_out_whole_and_slots_stay_visible(tenant):
    said = "Größe 🌧 <hint>!"
    ids = tenant._tokens.encode(said)
    Scripted(tenant, [ids[0], *ids, tenant._tokens.number(template.END)])
    tenant.most = 60
    pieces = list(tenant.stream(Prompt((Message("user", "Hi"),)), adapter=""))
    assert "".join(pieces) == said
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(pieces) > 3
    assert SLOTS[0] in said


def test_an_answer_that_never_ends_is_ended(tenant):
    word = tenant._tokens.encode("a")[0]
    script = Scripted(tenant, [word])
    assert answer(tenant, Prompt((Message("user", "Hi"),)), "") == "a" * tenant.most
    assert script.reads == tenant.most, "the last token needs no prediction after it"


def test_an_answer_that_is_broken_off_costs_no_further_token(tenant):
    word = tenant._tokens.encode("a")[0]
    script = Scripted(tenant, [word])
    pieces = tenant.stream(Prompt((Message("user", "Hi"),)), adapter="")
    next(pieces)
    reads = script.reads
    pieces.close()
    assert script.reads == reads == 1
    assert not any(text.busy for text in script.inner._texts)


def test_numbers_that_are_none_are_an_error_and_not_an_answer(tenant, monkeypatch):
    monkeypatch.setattr(tenant._shelf, "read", lambda text, tokens: np.full(tenant._llama.pieces, np.nan, np.float32))
    monkeypatch.setattr(tenant_module, "BATCH", 10_000)
    monkeypatch.setattr(
        tenant_module.Gguf, "_begin", lambda self, *rest: (self._shelf.take("", [1]), self._shelf.read(None, [1]))
    )
    with pytest.raises(ValueError, match="computes no numbers"):
        answer(tenant, prompts(1)[0], "")


# --- memory ---------------------------------------------------------------------------------------------------------------


def test_what_was_read_under_the_same_adapter_is_not_read_again(tenant):
    script = Scripted(tenant, [tenant._tokens.number(template.END)])
    one = render(RESPONSE, {"material": "A"}, "Be calm. " * 12, "hello")
    two = render(RESPONSE, {"material": "B"}, "Be calm. " * 12, "good bye")
    lengths = []
    for prompt, adapter in ((one, RESPONSE), (two, RESPONSE), (two, RESPONSE), (two, STRATEGY)):
        script.lengths.clear()
        answer(tenant, prompt, adapter)
        lengths.append(sum(script.lengths))
    whole = len(tenant._ids(two))
    assert lengths[0] == len(tenant._ids(one))
    assert lengths[1] < whole / 2
    assert lengths[2] == 1
    assert lengths[3] == whole, "what another adapter read is of no use"


def test_room_is_made_by_forgetting_what_was_used_longest_ago(files):
    small = opened(files, context=200, most=8)
    asked = [Prompt((Message("user", f"{number} {line[:60]}"),)) for number, line in enumerate(texts()[:12])]
    large = opened(files, context=512, most=8)
    for prompt in asked + asked[::-1]:
        assert answer(small, prompt, RESPONSE) == answer(large, prompt, RESPONSE)
        assert small.rank(prompt, OPTIONS, adapter=STRATEGY) == pytest.approx(
            large.rank(prompt, OPTIONS, adapter=STRATEGY), abs=1e-3
        )
    small.close()
    large.close()


def test_all_places_in_use_is_an_error_that_passes(tenant):
    running = [tenant.stream(prompt, adapter="") for prompt in prompts(tenant_module.TEXTS)]
    for pieces in running:
        next(pieces)
    with pytest.raises(ValueError, match="busy with 6 other texts"):
        answer(tenant, prompts(1, seed=8)[0], "")
    running.pop().close()
    assert answer(tenant, prompts(1, seed=8)[0], "")


def test_a_prompt_that_does_not_fit_is_told_with_numbers(tenant):
    with pytest.raises(ValueError, match=r"the prompt has \d+ tokens, and gguf tiny-f32 has room for 500"):
        tenant.stream(Prompt((Message("user", "far too much " * 300),)), adapter="")


def test_one_token_is_always_left_to_be_read():
    assert _shared([1, 2, 3], [1, 2, 3]) == 2
    assert _shared([1, 2], [1, 2, 3]) == 2
    assert _shared([1, 9, 3], [1, 2, 3]) == 1
    assert _shared([], [1]) == 0


# --- states on the disk -----------------------------------------------------------------------------------------------------


PERSONA = "You are calm and speak slowly, and you love the moon. " * 6


def reads_of(tenant: Gguf, prompt: Prompt, adapter: str = RESPONSE) -> tuple[str, int]:
    """The answer, and how many tokens of the prompt had to be read for it."""
    shelf: Any = tenant._shelf
    held, count = shelf.read, 0

    def counting(text, tokens):
        nonlocal count
        count += len(tokens) if len(tokens) > 1 else 0
        return held(text, tokens)

    shelf.read = counting
    try:
        return answer(tenant, prompt, adapter), count
    finally:
        shelf.read = held


def test_a_personality_that_was_read_once_is_never_read_again(files, tmp_path):
    prompt = render(RESPONSE, {"material": "A"}, PERSONA, "hello")
    first = opened(files, states=tmp_path)
    wanted, whole = reads_of(first, prompt)
    first.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".state"]
    again = opened(files, states=tmp_path)
    told, read = reads_of(again, render(RESPONSE, {"material": "A"}, PERSONA, "hello"))
    assert told == wanted
    assert read < whole / 2
    assert reads_of(again, prompt, STRATEGY)[1] > whole / 2, "another adapter's state is of no use"
    again.close()


def test_a_state_that_was_changed_on_the_disk_is_not_used(files, tmp_path):
    prompt = render(RESPONSE, {}, PERSONA, "hello")
    first = opened(files, states=tmp_path)
    wanted, whole = reads_of(first, prompt)
    first.close()
    (kept,) = tmp_path.iterdir()
    held = bytearray(kept.read_bytes())
    held[-100] ^= 1
    for content in (bytes(held), kept.read_bytes()[:-50], b"", b"rubbish\nrubbish"):
        kept.write_bytes(content)
        again = opened(files, states=tmp_path)
        assert reads_of(again, prompt) == (wanted, whole)
        again.close()


def test_states_of_another_model_are_not_used(files, tmp_path):
    prompt = render(RESPONSE, {}, PERSONA, "hello")
    first = opened(files, states=tmp_path)
    _, whole = reads_of(first, prompt)
    first.close()
    other = tiny_model(tmp_path / "other", seed=9)
    again = Gguf(export(other, kind="f32")[0], states=tmp_path, context=512, most=12)
    assert reads_of(again, prompt, "")[1] == whole
    again.close()


def test_a_disk_that_keeps_nothing_stops_nobody(files, tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    tenant = opened(files, states=tmp_path / "file" / "inside")
    assert answer(tenant, render(RESPONSE, {}, PERSONA, "hello"), RESPONSE)
    tenant.close()


def test_only_so_many_states_are_kept(files, tmp_path):
    from agent.models import gguf_states

    tenant = opened(files, states=tmp_path, most=2)
    for number in range(gguf_states.MOST + 3):
        answer(tenant, render(RESPONSE, {}, f"{number} {PERSONA}", "hello"), RESPONSE)
    tenant.close()
    assert len(list(tmp_path.iterdir())) == gguf_states.MOST


def test_a_personality_can_be_read_ahead_of_time(tenant):
    prompt = render(RESPONSE, {"material": "A"}, PERSONA, "hello")
    length = tenant.prepare(prompt, adapter=RESPONSE)
    assert length == tenant._ids(prompt).index(tenant._user)
    _, read = reads_of(tenant, prompt)
    assert read == len(tenant._ids(prompt)) - length - 1
    assert tenant.prepare(Prompt((Message("user", "Hi"),)), adapter=RESPONSE) == 0


# --- nothing to connect to, nothing in the way ----------------------------------------------------------------------------


LISTENING = """
import os
from pathlib import Path
from agent.models.gguf import Gguf
from agent.ports import Message, Prompt

def sockets():
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(each))
        except OSError:  # the listing's own
            pass
    return sorted(link for link in found if link.startswith("socket:"))

before = sockets()
tenant = Gguf(Path(MODEL), {"strategy": Path(ADAPTER)}, context=256, most=4)
prompt = Prompt((Message("user", "Hi"),))
next(tenant.stream(prompt, adapter="strategy"))
tenant.rank(prompt, ["A", "B"], adapter="strategy")
assert sockets() == before, sockets()
tenant.close()

import xllamacpp  # its own server does listen: the counting above would have seen it
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.verbosity = MODEL, 64, -1
server = xllamacpp.Server(params)
assert len(sockets()) > len(before) and "127.0.0.1" in server.listening_address
print("counted", flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="sockets are counted in /proc")
def test_a_stranger_on_the_loopback_finds_nothing_to_connect_to(files):
    whole, one, _ = files[2]
    code = LISTENING.replace("MODEL", repr(str(whole))).replace("ADAPTER", repr(str(one)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("counted"), done.stderr


def test_ctrl_c_still_reaches_the_session(files):
    import signal

    held = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    tenant = opened(files)
    tenant.close()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == held
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_importing_the_tenant_costs_no_heavy_library():
    code = "import sys, agent.models.gguf; print([n for n in ('torch', 'tokenizers', 'gguf', 'xllamacpp', 'transformers') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_closing_twice_is_allowed_and_what_follows_is_told(tenant):
    pieces = tenant.stream(prompts(1)[0], adapter="")
    next(pieces)
    tenant.close()
    tenant.close()
    with pytest.raises(ValueError, match="gguf tiny-f32 is closed"):
        next(pieces)
    with pytest.raises(ValueError, match="is closed"):
        tenant.rank(prompts(1)[0], OPTIONS, adapter="")


# --- bad files ------------------------------------------------------------------------------------------------------------


def refused(model: Path, adapters=None) -> str:
    with pytest.raises(ValueError, match=r"\A[^\n]{10,400}\Z") as problem:
        Gguf(model, adapters, context=256)
    return str(problem.value)


def test_a_missing_file_is_told(tmp_path):
    assert "nano.gguf: is missing" in refused(tmp_path / "nano.gguf")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_told(files, tmp_path, share):
    whole = files[2][0].read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: int(share * len(whole))])
    assert "cut.gguf: is" in refused(tmp_path / "cut.gguf")


def test_random_damage_never_ends_the_process(files, tmp_path):
    """llama.cpp aborts on some broken headers; every file here is refused or read, and this process goes on."""
    whole, dice = files[2][0].read_bytes(), random.Random(11)
    kept, lines = 0, []
    for number in range(40):
        held = bytearray(whole)
        for _ in range(dice.choice((1, 4, 64))):
            held[dice.randrange(min(len(held), 40_000))] = dice.randrange(256)
        file = tmp_path / f"{number}.gguf"
        file.write_bytes(held)
        try:
            Gguf(file, context=64, most=1).close()
            kept += 1
        except ValueError as problem:
            lines.append(str(problem))
    assert len(lines) > 10
    assert not [line for line in lines if "\n" in line]


def test_another_architecture_is_named(files, tmp_path):
    held = files[2][0].read_bytes().replace(b"phi3", b"phi9", 1)
    (tmp_path / "other.gguf").write_bytes(held)
    assert "is of the architecture 'phi9', not 'phi3'" in refused(tmp_path / "other.gguf")


def test_an_adapter_of_another_base_is_refused(files, tmp_path):
    other = tiny_model(tmp_path / "other", seed=5)
    file = export(other, [files[1][0]], kind="f32", out=tmp_path)[1]
    assert "was made for another base" in refused(files[2][0], {STRATEGY: file})


def test_an_adapter_of_a_base_of_another_shape_is_refused_without_any_digest(files, tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "wide.gguf", "phi3")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    writer.add_tensor("blk.0.attn_output.weight.lora_a", np.ones((4, 96), np.float32))
    writer.add_tensor("blk.0.attn_output.weight.lora_b", np.ones((96, 4), np.float32))
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    assert "was made for another base" in refused(files[2][0], {STRATEGY: tmp_path / "wide.gguf"})


def test_a_model_is_no_adapter_and_an_adapter_no_model(files):
    assert "is a model, not an adapter" in refused(files[2][0], {STRATEGY: files[2][0]})
    assert "is a adapter, not a model" in refused(files[2][1])


@pytest.mark.parametrize("which", [0, 1])
def test_nan_is_refused(files, tmp_path, which):
    held = bytearray(files[2][which].read_bytes())
    held[-40:-36] = np.float32(np.nan).tobytes()
    (tmp_path / "nan.gguf").write_bytes(held)
    line = refused(tmp_path / "nan.gguf") if which == 0 else refused(files[2][0], {STRATEGY: tmp_path / "nan.gguf"})
    assert "NaN" in line


def described(files, tmp_path: Path, **changes) -> Path:
    """The model file written again with other values in its header."""
    reader = gguf.GGUFReader(files[2][0])
    file = tmp_path / "changed.gguf"
    writer = gguf.GGUFWriter(file, "phi3")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value = changes.get(field.name, field.contents())
        if value is not None:
            kinds = field.types
            writer.add_key_value(field.name, value, kinds[0], kinds[-1] if len(kinds) > 1 else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return file


def test_a_tokenizer_of_another_model_is_refused(files, tmp_path):
    text = (files[0] / "tokenizer.json").read_text(encoding="utf-8").replace('"<hint>"', '"<hunt>"')
    line = refused(described(files, tmp_path, **{"tokenizer.huggingface.json": text}))
    assert "is not this model's tokenizer" in line
    assert "<hunt>" in line


def test_a_tokenizer_that_is_rubbish_is_refused(files, tmp_path):
    assert "its tokenizer cannot be read" in refused(described(files, tmp_path, **{"tokenizer.huggingface.json": "{}"}))


def test_a_file_without_our_tokenizer_takes_the_one_beside_it_or_llama_cpps_own(files, tenant, tmp_path):
    file = described(files, tmp_path, **{"tokenizer.huggingface.json": None})
    prompt = prompts(1)[0]
    wanted = answer(tenant, prompt, "")
    for beside in (True, False):
        if beside:
            (tmp_path / "tokenizer.json").write_bytes((files[0] / "tokenizer.json").read_bytes())
        else:
            (tmp_path / "tokenizer.json").unlink()
        other = Gguf(file, context=512, most=12)
        assert type(other._tokens).__name__ == ("Ours" if beside else "Theirs")
        assert answer(other, prompt, "") == wanted
        other.close()


def test_a_missing_wheel_is_one_line_that_says_what_to_do(files, monkeypatch):
    gguf_library.library.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    try:
        assert refused(files[2][0]) == f"llama.cpp is not installed, so no GGUF model can answer: {gguf_library.INSTALL}"
    finally:
        gguf_library.library.cache_clear()


def test_an_unknown_build_of_llama_cpp_is_not_called(files, monkeypatch):
    """A structure that has grown by a field in the middle would shift all that follows."""
    grown = (*gguf_library.ContextParams._fields_[:5], ("new", ctypes.c_uint32), *gguf_library.ContextParams._fields_[5:])
    other = type("ContextParams", (ctypes.Structure,), {"_fields_": grown})
    functions = tuple(
        (name, other if returns is gguf_library.ContextParams else returns, takes)
        for name, returns, takes in gguf_library._FUNCTIONS
    )
    gguf_library.library.cache_clear()
    monkeypatch.setattr(gguf_library, "_FUNCTIONS", functions)
    try:
        assert "is of a build this program does not know" in refused(files[2][0])
    finally:
        monkeypatch.undo()
        gguf_library.library.cache_clear()
        gguf_library.library()
