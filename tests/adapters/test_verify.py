"""Bad model files are refused with one line; good ones pass. Also the tiny models that the other tests here are made of."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import template, verify
from adapters.compose import write_safetensors
from adapters.verify import CatalogProblem

MODULES = {
    "model.layers.0.self_attn.qkv_proj": (24, 8),
    "model.layers.0.self_attn.o_proj": (8, 8),
    "model.layers.0.mlp.gate_up_proj": (32, 8),
    "model.layers.0.mlp.down_proj": (8, 16),
}
PIECES = ["a", "b", "c", "é", " ", "\u202f", *template.SPECIAL]
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def change_json(path: Path, **values: object) -> None:
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | values)


def small_base(folder: Path, seed: int = 0, modules: Mapping[str, tuple[int, int]] = MODULES) -> Path:
    """A model of the Phi-3 architecture with one layer, as transformers writes it."""
    folder.mkdir(parents=True)
    numbers = np.random.default_rng(seed)
    tensors = {f"{name}.weight": numbers.normal(size=shape).astype(np.float32) for name, shape in modules.items()}
    tensors["model.embed_tokens.weight"] = numbers.normal(size=(len(PIECES), 8)).astype(np.float32)
    write_safetensors(folder / "model.safetensors", tensors)
    write_json(folder / "config.json", {"model_type": "phi3", "vocab_size": len(PIECES), "hidden_size": 8})
    added = [{"id": PIECES.index(piece), "content": piece, "special": True} for piece in template.SPECIAL]
    vocabulary = {piece: at for at, piece in enumerate(PIECES)}
    write_json(folder / "tokenizer.json", {"model": {"type": "BPE", "vocab": vocabulary, "merges": []}, "added_tokens": added})
    write_json(folder / "tokenizer_config.json", {"chat_template": template.JINJA, "eos_token": template.END})
    return folder


def small_adapter(folder: Path, seed: int = 1, rank: int = 2, alpha: float = 4, **config: Any) -> Path:
    """A LoRA for :func:`small_base` on all four matrices, as PEFT writes it; ``config`` overrides its settings."""
    folder.mkdir(parents=True)
    told = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "nano", "r": rank, "lora_alpha": alpha}
    told |= {
        "target_modules": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
        "bias": "none",
        "use_rslora": False,
        **config,
    }
    write_json(folder / "adapter_config.json", told)
    lora, numbers = verify.Lora(told), np.random.default_rng(seed)
    tensors = {}
    for name, (height, width) in MODULES.items():
        here = lora.rank(name)
        tensors[f"base_model.model.{name}.lora_A.weight"] = numbers.normal(size=(here, width)).astype(np.float32)
        tensors[f"base_model.model.{name}.lora_B.weight"] = numbers.normal(size=(height, here)).astype(np.float32)
    write_safetensors(folder / "adapter_model.safetensors", tensors)
    return folder


def gguf(path: Path, values: Mapping[str, tuple[int, Any]], tensors: Mapping[str, tuple[int, tuple[int, ...], bytes]]) -> Path:
    """A GGUF file of version 3; values are (kind, value), tensors (kind, shape, bytes)."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def packed(kind: int, value: Any) -> bytes:
        if kind == 8:
            return text(value)
        if kind == 9:
            return struct.pack("<IQ", 8, len(value)) + b"".join(map(text, value))
        return struct.pack({4: "<I", 6: "<f"}[kind], value)

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(text(key) + struct.pack("<I", kind) + packed(kind, value) for key, (kind, value) in values.items())
    body = b""
    for name, (kind, shape, data) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(body))
        body += data + b"\0" * (-len(data) % 32)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + body)
    return path


def floats(*shape: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).normal(size=shape).astype("<f4").tobytes()


def q8_0(rows: int, seed: int = 0) -> bytes:
    """Blocks of 32 numbers: a half-precision scale and 32 bytes."""
    numbers = np.random.default_rng(seed)
    return b"".join(np.float16(0.1).tobytes() + numbers.integers(0, 255, 32, np.uint8).tobytes() for _ in range(rows))


def small_gguf(path: Path, architecture: str = "phi3", changes: Mapping[str, tuple[int, Any]] | None = None) -> Path:
    values: dict[str, tuple[int, Any]] = {
        "general.architecture": (8, architecture),
        "general.name": (8, "nano phi3"),
        "tokenizer.ggml.tokens": (9, PIECES),
    }
    values |= {"tokenizer.ggml.eos_token_id": (4, PIECES.index(template.END))} | dict(changes or {})
    tensors = {
        "token_embd.weight": (8, (32, len(PIECES)), q8_0(len(PIECES))),
        "blk.0.attn_qkv.weight": (0, (32, 96), floats(32, 96)),
        "output_norm.weight": (0, (32,), floats(32)),
    }
    return gguf(path, values, tensors)


def small_gguf_lora(path: Path, rank: int = 4, width: int = 32, name: str = "blk.0.attn_qkv.weight") -> Path:
    values = {"general.architecture": (8, "phi3"), "general.type": (8, "adapter"), "adapter.type": (8, "lora")}
    shapes = {f"{name}.lora_a": (width, rank), f"{name}.lora_b": (rank, 96)}
    tensors = {key: (0, shape, floats(*shape)) for key, shape in shapes.items()}
    return gguf(path, values | {"adapter.lora.alpha": (6, 8.0)}, tensors)


def one_line(error: pytest.ExceptionInfo[CatalogProblem]) -> str:
    said = str(error.value)
    assert "\n" not in said
    assert len(said) > 20
    return said


def fault(check: Callable[[], object]) -> str:
    """What a check says against a file in one line, "" if nothing. Anything but CatalogProblem comes out."""
    try:
        check()
    except CatalogProblem as error:
        said = str(error)
    else:
        return ""
    assert said
    assert "\n" not in said
    return said


def refused(what: str, check: Callable[[], object]) -> None:
    with pytest.raises(CatalogProblem, match=what) as error:
        check()
    one_line(error)


# --- what is sound passes -------------------------------------------------------------------------------------------------


def test_sound_files_pass(tmp_path: Path) -> None:
    base = small_base(tmp_path / "nano")
    verify.check_base(base, "phi3")
    assert len(verify.check_adapter(small_adapter(tmp_path / "strategy"), base)) == 8
    verify.check_adapter(small_adapter(tmp_path / "pattern", rank_pattern={"mlp.down_proj": 5}, use_rslora=True), base)
    told = verify.check_gguf(small_gguf(tmp_path / "nano.gguf"), "phi3")
    assert told.tensors["token_embd.weight"].shape == (32, len(PIECES))
    verify.check_gguf(small_gguf_lora(tmp_path / "lora.gguf"), "phi3", adapter=True, base=tmp_path / "nano.gguf")


def test_files_of_the_real_libraries_pass(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    values = {"x": np.arange(6, dtype=np.float16).reshape(2, 3), "y": np.ones((4,), np.float32), "z": np.zeros((2, 0), np.int8)}
    numpy.save_file(values, tmp_path / "a.safetensors", metadata={"format": "np"})
    assert {name: tensor.shape for name, tensor in verify.check_safetensors(tmp_path / "a.safetensors").items()} == {
        "x": (2, 3),
        "y": (4,),
        "z": (2, 0),
    }
    assert (
        verify.load(tmp_path / "a.safetensors", {"x": verify.header(tmp_path / "a.safetensors")["x"]})["x"] == values["x"]
    ).all()
    write_safetensors(tmp_path / "b.safetensors", {"m": np.full((3, 2), 0.5, np.float32)})
    assert (numpy.load_file(tmp_path / "b.safetensors")["m"] == 0.5).all()


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q5_1", "F16", "BF16"])
def test_gguf_of_the_real_library_passes_and_nan_in_it_does_not(tmp_path: Path, kind: str) -> None:
    library = pytest.importorskip("gguf", reason="gguf is not installed")
    for name, value in (("good", 0.25), ("bad", np.nan)):
        numbers = np.full((len(PIECES), 64), 0.25, np.float32)
        numbers[3, 40] = value
        with np.errstate(invalid="ignore"):
            packed = library.quants.quantize(numbers, library.GGMLQuantizationType[kind])
        writer = library.GGUFWriter(tmp_path / f"{name}.gguf", "phi3")
        writer.add_token_list(PIECES)
        writer.add_tensor("token_embd.weight", packed, raw_dtype=library.GGMLQuantizationType[kind])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    assert verify.check_gguf(tmp_path / "good.gguf", "phi3").tensors["token_embd.weight"].shape == (64, len(PIECES))
    refused("NaN", lambda: verify.check_gguf(tmp_path / "bad.gguf", "phi3"))


def test_the_sizes_of_gguf_blocks_are_the_librarys(tmp_path: Path) -> None:
    constants = pytest.importorskip("gguf.constants", reason="gguf is not installed")
    sizes = {int(kind): size for kind, size in constants.GGML_QUANT_SIZES.items()}
    assert {kind: block[:2] for kind, block in verify._BLOCKS.items()} == {kind: sizes[kind] for kind in verify._BLOCKS}
    assert {kind: verify._BYTES[name] for kind, name in verify._FLOATS.items()} == {
        kind: sizes[kind][1] for kind in verify._FLOATS
    }


# --- weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_under_a_good_name_is_named(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(pickle.dumps({"weight": [0.0] * 1000}, protocol=protocol))
    refused("is a pickle under another name", lambda: verify.header(path))


def test_torchs_own_file_under_a_good_name_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.safetensors", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    refused("is a pickle", lambda: verify.header(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("name", ["adapter_model.bin", "pytorch_model.BIN", "x.pt", "x.pkl", "x.ckpt"])
def test_pickled_weights_beside_the_good_ones(tmp_path: Path, name: str) -> None:
    folder = small_adapter(tmp_path / "a")
    (folder / name).write_bytes(b"")
    refused("run code", lambda: verify.check_adapter(folder))


@often
@given(cut=st.integers(0, 2000))
def test_what_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "a"
    if not folder.exists():
        small_adapter(folder)
    whole = (folder / "adapter_model.safetensors").read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    refused(r"\S", lambda: verify.check_safetensors(path))
    path.write_bytes(whole[:-1])
    refused("cut off", lambda: verify.check_safetensors(path))
    path.write_bytes(whole + b"\0" * (1 + cut))
    refused("belong to no tensor", lambda: verify.check_safetensors(path))


@often
@given(data=st.data())
def test_any_changed_bytes_are_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    """Nothing but CatalogProblem comes out, and what still passes is what the library itself accepts."""
    source = tmp_path / "a"
    if not source.exists():
        small_adapter(source)
    whole = bytearray((source / "adapter_model.safetensors").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed.safetensors"
    path.write_bytes(bytes(whole))
    if fault(lambda: verify.check_safetensors(path)):
        return
    found = verify.header(path)
    library = pytest.importorskip("safetensors", reason="safetensors is not installed")
    with library.safe_open(str(path), framework="np") as opened:
        assert set(opened.keys()) == set(found)


def header_of(tensors: dict[str, Any] | bytes, data: bytes = b"") -> bytes:
    text = tensors if isinstance(tensors, bytes) else json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + data


def lie(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (struct.pack("<Q", 1 << 60) + b"{}", "cut off"),
        (struct.pack("<Q", 1 << 63), "cut off"),
        (b"", "cut off"),
        (header_of({}), "0 tensors"),
        (header_of({"x": lie()}, b"\0" * 4), "cut off"),
        (header_of({"x": lie(shape=(3,))}, b"\0" * 8), "should take 12"),
        (header_of({"x": lie(shape=(1 << 40, 1 << 40))}, b"\0" * 8), "lies"),
        (header_of({"x": lie(shape=(-1,))}, b"\0" * 8), "impossible"),
        (header_of({"x": lie(shape=(2.0,))}, b"\0" * 8), "impossible"),
        (header_of({"x": lie(shape=(True, 2))}, b"\0" * 8), "impossible"),
        (header_of({"x": lie(shape="22")}, b"\0" * 8), "impossible"),
        (header_of({"x": lie(offsets=(8, 0))}, b"\0" * 8), "lies"),
        (header_of({"x": lie(offsets=(8, 16))}, b"\0" * 16), "does not begin"),
        (header_of({"x": lie(), "y": lie()}, b"\0" * 8), "does not begin"),
        (header_of({"x": lie(), "y": lie(offsets=(12, 20))}, b"\0" * 20), "does not begin"),
        (header_of({"x": lie("PY_OBJECT")}, b"\0" * 8), "unknown kind"),
        (header_of({"x": None}), "unknown kind"),
        (header_of({"__metadata__": {"a": 1}, "x": lie()}, b"\0" * 8), "plain text"),
        (header_of(b'{"x": 1, "x": 2}'), "stands twice"),
        (header_of(b"{" + b'"a":{' * 5000), "not sound JSON"),
        (header_of(b"[]"), "not a safetensors file"),
        (b"GGUF" + b"\0" * 50, "GGUF file under another name"),
    ],
)
def test_headers_that_lie(tmp_path: Path, raw: bytes, what: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(raw)
    refused(what, lambda: verify.check_safetensors(tmp_path / "x.safetensors"))


@pytest.mark.parametrize(
    ("dtype", "size", "patterns"),
    [
        ("F32", 4, [b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\x00\x00\x80\xff"]),
        ("F16", 2, [b"\x00\x7e", b"\x00\x7c", b"\x00\xfc"]),
        ("BF16", 2, [b"\xc0\x7f", b"\x80\x7f", b"\x80\xff"]),
        ("F64", 8, [b"\x00" * 6 + b"\xf8\x7f", b"\x00" * 6 + b"\xf0\xff"]),
        ("F8_E4M3", 1, [b"\x7f", b"\xff"]),
        ("F8_E5M2", 1, [b"\x7e", b"\xfc"]),
    ],
)
def test_nan_and_infinity_anywhere(tmp_path: Path, dtype: str, size: int, patterns: list[bytes]) -> None:
    path = tmp_path / "x.safetensors"
    told = {"x": {"dtype": dtype, "shape": [50], "data_offsets": [0, 50 * size]}}
    for pattern in patterns:
        for at in (0, 23, 49):
            data = bytearray(50 * size)
            data[at * size : (at + 1) * size] = pattern
            path.write_bytes(header_of(told, bytes(data)))
            refused("NaN", lambda: verify.check_safetensors(path))
    path.write_bytes(header_of(told, bytes(50 * size)))
    verify.check_safetensors(path)


def test_nan_beyond_the_first_block_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "CHUNK", 64)
    numbers = np.zeros((10, 10), np.float32)
    numbers[9, 9] = np.inf
    write_safetensors(tmp_path / "x.safetensors", {"x": numbers})
    refused("NaN", lambda: verify.check_safetensors(tmp_path / "x.safetensors"))


# --- adapters -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"r": 100_000}, "giant"),
        ({"r": 0}, "impossible"),
        ({"r": True}, "impossible"),
        ({"r": "2"}, "impossible"),
        ({"r": 3}, "are not of the rank 3"),
        ({"rank_pattern": {"o_proj": 513}}, "giant"),
        ({"rank_pattern": {"o_proj": 3}}, "are not of the rank 3"),
        ({"rank_pattern": {"(a+)+b": 2}}, "more than a module's name"),
        ({"rank_pattern": {"o_proj\\": 2}}, "more than a module's name"),
        ({"rank_pattern": [1]}, "no tables"),
        ({"lora_alpha": float("nan")}, "no scale"),
        ({"lora_alpha": -1}, "no scale"),
        ({"peft_type": "IA3"}, "only LORA"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"init_lora_weights": "olora"}, "changes the base"),
        ({"auto_mapping": {"parent_library": "evil"}}, "import a library"),
        ({"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"]}, "claims to adapt 'q_proj' and does not"),
    ],
)
def test_adapter_settings_that_would_not_do_what_they_say(tmp_path: Path, changes: dict[str, object], what: str) -> None:
    folder = small_adapter(tmp_path / "a")
    change_json(folder / "adapter_config.json", **changes)
    refused(what, lambda: verify.check_adapter(folder))


def test_a_rank_larger_than_the_matrix(tmp_path: Path) -> None:
    refused("larger than the matrix", lambda: verify.check_adapter(small_adapter(tmp_path / "a", rank=9)))


def test_an_adapter_of_another_base(tmp_path: Path) -> None:
    folder = small_adapter(tmp_path / "a")
    wider = small_base(tmp_path / "wide", modules=MODULES | {"model.layers.0.mlp.gate_up_proj": (64, 8)})
    refused("was made for another base", lambda: verify.check_adapter(folder, wider))
    fewer = small_base(tmp_path / "few", modules={name: MODULES[name] for name in list(MODULES)[:3]})
    refused("has no model.layers.0.mlp.down_proj", lambda: verify.check_adapter(folder, fewer))


def test_matrices_without_their_other_half_and_strangers(tmp_path: Path) -> None:
    folder = small_adapter(tmp_path / "a")
    tensors = verify.load(folder / "adapter_model.safetensors")
    name = "base_model.model.model.layers.0.self_attn.o_proj"
    write_safetensors(folder / "adapter_model.safetensors", {k: v for k, v in tensors.items() if k != f"{name}.lora_B.weight"})
    refused("not the other", lambda: verify.check_adapter(folder))
    write_safetensors(folder / "adapter_model.safetensors", tensors | {f"{name}.weight": np.zeros((8, 8), np.float32)})
    refused("belongs to nothing", lambda: verify.check_adapter(folder))


def test_scales_as_peft_counts_them() -> None:
    told = {"r": 8, "lora_alpha": 16, "rank_pattern": {"mlp.down_proj": 4}, "alpha_pattern": {"^model.layers.1.x": 64}}
    plain, stable = verify.Lora(told), verify.Lora(told | {"use_rslora": True})
    assert (plain.scale("model.layers.0.x"), plain.scale("model.layers.1.x")) == (2.0, 8.0)
    assert (plain.rank("model.layers.0.mlp.down_proj"), plain.scale("model.layers.0.mlp.down_proj")) == (4, 4.0)
    assert plain.rank("model.layers.0.mlpXdown_proj_2") == 8
    assert stable.scale("model.layers.0.x") == pytest.approx(16 / 8**0.5)
    assert stable.scale("model.layers.0.mlp.down_proj") == pytest.approx(8.0)


# --- tokenizers and bases -------------------------------------------------------------------------------------------------


def tokenizer(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    change(told)
    write_json(folder / "tokenizer.json", told)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda told: told["model"]["vocab"].update(a=1), "id 1 twice"),
        (lambda told: told["model"]["vocab"].update(zz=99_999), "rows of embeddings"),
        (lambda told: told["model"]["vocab"].update(zz=-1), "has the id -1"),
        (lambda told: told["model"]["vocab"].update(zz="3"), "has the id '3'"),
        (lambda told: told["model"]["vocab"].update({"a" * 2000: 3}), "has the id"),
        (lambda told: told["model"].update(vocab={}), "0 pieces"),
        (lambda told: told.update(model=None), "0 pieces"),
        (lambda told: told["added_tokens"].pop(), "no stop token"),
        (lambda told: told["added_tokens"][-1].update(special=False), "no stop token"),
        (lambda told: told["added_tokens"].append({"id": 3, "content": "<|end|>", "special": True}), "id 3 twice"),
        (lambda told: told.update(added_tokens=["x"]), "no table"),
    ],
)
def test_absurd_tokenizers(tmp_path: Path, change: Callable[[dict[str, Any]], object], what: str) -> None:
    folder = small_base(tmp_path / "nano")
    tokenizer(folder, change)
    refused(what, lambda: verify.check_base(folder, "phi3"))


def test_one_piece_with_two_ids_and_a_piece_told_twice(tmp_path: Path) -> None:
    folder = small_base(tmp_path / "nano")
    tokenizer(folder, lambda told: told["added_tokens"].append({"id": len(PIECES), "content": "a", "special": False}))
    refused("two ids", lambda: verify.check_tokenizer(folder))
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0, "a": 1}}}', encoding="utf-8")
    refused("stands twice", lambda: verify.check_tokenizer(folder))


def test_a_giant_tokenizer_is_not_even_read(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.json").open("wb") as opened:
        opened.truncate(verify.MOST_JSON + 1)  # a hole: takes no room on the disk
    refused("more than 64 MB", lambda: verify.check_tokenizer(tmp_path))


def test_a_unigram_tokenizer_is_understood(tmp_path: Path) -> None:
    write_json(tmp_path / "tokenizer.json", {"model": {"type": "Unigram", "vocab": [["a", -1.0], ["b", -2.0]]}})
    verify.check_tokenizer(tmp_path, rows=2)
    refused("rows of embeddings", lambda: verify.check_tokenizer(tmp_path, rows=1))
    write_json(tmp_path / "tokenizer.json", {"model": {"type": "Unigram", "vocab": [["a", -1.0], 7]}})
    refused("has the id", lambda: verify.check_tokenizer(tmp_path))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model_type": "llama"}, "architecture 'llama', not 'phi3'"),
        ({"vocab_size": 9}, "claims 9 pieces"),
        ({"vocab_size": None}, "is no size"),
        ({"auto_map": {"AutoModel": "evil.py"}}, "code of its own"),
    ],
)
def test_bases_that_are_not_what_they_say(tmp_path: Path, changes: dict[str, object], what: str) -> None:
    folder = small_base(tmp_path / "nano")
    change_json(folder / "config.json", **changes)
    refused(what, lambda: verify.check_base(folder, "phi3"))


@often
@given(name=st.sampled_from(["config.json", "tokenizer.json", "adapter_config.json"]), data=st.data())
def test_any_changed_json_raises_nothing_else(tmp_path: Path, name: str, data: st.DataObject) -> None:
    folder = tmp_path / "both"
    if not folder.exists():
        small_base(folder)
        small_adapter(tmp_path / "a")
        for path in (tmp_path / "a").iterdir():
            shutil.copy(path, folder)
    other = tmp_path / "changed"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    told = json.loads((folder / name).read_text(encoding="utf-8"))
    junk = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
    place: Any = told
    key: Any = data.draw(st.sampled_from(sorted(told)))
    if isinstance(told[key], dict | list) and told[key] and data.draw(st.booleans()):
        place = told[key]
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
    place[key] = data.draw(junk | st.dictionaries(st.text(max_size=3), junk, max_size=2))
    write_json(other / name, told)
    fault(lambda: verify.check_base(other, "phi3"))
    fault(lambda: verify.check_adapter(other))


# --- GGUF -----------------------------------------------------------------------------------------------------------------


def test_gguf_files_that_are_not_for_us(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    cases: list[tuple[str, Callable[[], object]]] = [
        ("architecture 'llama', not 'phi3'", lambda: small_gguf(path, "llama")),
        ("two ids", lambda: small_gguf(path, changes={"tokenizer.ggml.tokens": (9, [*PIECES[:-1], PIECES[0]])})),
        ("pieces and", lambda: small_gguf(path, changes={"tokenizer.ggml.tokens": (9, PIECES[:-1])})),
        (
            "no stop token",
            lambda: small_gguf(path, changes={"tokenizer.ggml.tokens": (9, [f"p{at}" for at in range(len(PIECES))])}),
        ),
        ("its eos token", lambda: small_gguf(path, changes={"tokenizer.ggml.eos_token_id": (4, 4_000_000)})),
        ("is a adapter|is an adapter|not a model", lambda: small_gguf_lora(path)),
        ("not a GGUF", lambda: path.write_bytes(b"GGML" + b"\0" * 40)),
        ("version 99", lambda: path.write_bytes(b"GGUF" + struct.pack("<IQQ", 99, 0, 0) + b"\0" * 40)),
        ("claims", lambda: path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 0) + b"\0" * 40)),
    ]
    for what, make in cases:
        make()
        refused(what, lambda: verify.check_gguf(path, "phi3"))
    refused("missing", lambda: verify.check_gguf(tmp_path / "none.gguf", "phi3"))


def test_gguf_adapters_of_another_base_and_of_giant_rank(tmp_path: Path) -> None:
    base, path = small_gguf(tmp_path / "base.gguf"), tmp_path / "lora.gguf"
    refused("another base", lambda: verify.check_gguf(small_gguf_lora(path, width=64), "phi3", True, base))
    refused("another base", lambda: verify.check_gguf(small_gguf_lora(path, name="blk.7.x.weight"), "phi3", True, base))
    refused("giant", lambda: verify.check_gguf(small_gguf_lora(path, rank=33), "phi3", True, base))
    refused("not an adapter", lambda: verify.check_gguf(base, "phi3", True))


def test_nan_in_gguf_numbers_and_in_the_scale_of_a_block(tmp_path: Path) -> None:
    path = small_gguf(tmp_path / "x.gguf")
    told, whole = verify.read_gguf(path), path.read_bytes()
    for name, at, wrong in (("token_embd.weight", 34 * 7, b"\x00\x7e"), ("output_norm.weight", 124, b"\x00\x00\x80\x7f")):
        begin = told.tensors[name].begin + at
        path.write_bytes(whole[:begin] + wrong + whole[begin + len(wrong) :])
        refused("NaN", lambda: verify.check_gguf(path, "phi3"))
    path.write_bytes(whole)
    verify.check_gguf(path, "phi3")


@often
@given(data=st.data())
def test_any_changed_or_cut_gguf_raises_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    source = tmp_path / "x.gguf"
    whole = bytearray((source if source.exists() else small_gguf(source)).read_bytes())
    path = tmp_path / "changed.gguf"
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole) - 33))]))
    refused(r"\S", lambda: verify.check_gguf(path, "phi3"))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(whole))
    fault(lambda: verify.check_gguf(path, "phi3"))


# --- names, links and archives --------------------------------------------------------------------------------------------

BAD_NAMES = [
    "../x",
    "a/../../x",
    "/etc/passwd",
    "..",
    "",
    "a//b",
    "a\\..\\b",
    "C:x",
    "a/./b",
    "x\0y",
    "nul",
    "a/CON.json",
    "x ",
    "x.",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    refused(r"\S", lambda: verify.inside(tmp_path, name))


@often
@given(name=st.text(alphabet=st.sampled_from([*"ab./\\:~ \0é"]), max_size=12))
def test_a_name_that_passes_stays_inside(tmp_path: Path, name: str) -> None:
    try:
        path = verify.inside(tmp_path, name)
    except CatalogProblem:
        return
    assert Path(os.path.normpath(path)).is_relative_to(tmp_path)
    assert path != tmp_path


def test_links_are_refused_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.json").write_text("{}")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "weights" / "x.json").symlink_to(tmp_path / "real" / "x.json")
    refused("is a link", lambda: verify.inside(tmp_path / "weights", "folder/x.json"))
    refused("is a link", lambda: verify.inside(tmp_path / "weights", "x.json"))


def test_archives_are_unpacked_when_they_are_plain(tmp_path: Path) -> None:
    folder = small_adapter(tmp_path / "a")
    for kind, name in (("zip", "a.zip"), ("gztar", "a.tar.gz")):
        shutil.make_archive(str(tmp_path / "a"), kind, tmp_path, "a")
        to = tmp_path / kind
        to.mkdir()
        verify.unpack(tmp_path / name, to)
        assert {path.name: path.read_bytes() for path in (to / "a").iterdir()} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }


def tar_with(path: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        archive.addfile(member)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("../evil.json", tarfile.REGTYPE, "leads elsewhere"),
        ("/evil.json", tarfile.REGTYPE, "leads elsewhere"),
        ("x.json", tarfile.SYMTYPE, "holds a link"),
        ("x.json", tarfile.LNKTYPE, "holds a link"),
        ("x.json", tarfile.CHRTYPE, "holds a device"),
        ("x.json", tarfile.FIFOTYPE, "holds a device"),
        ("model.bin", tarfile.REGTYPE, "run code"),
        ("install.py", tarfile.REGTYPE, "no file a model needs"),
    ],
)
def test_archives_with_traps(tmp_path: Path, name: str, kind: bytes, what: str) -> None:
    to = tmp_path / "to"
    to.mkdir()
    refused(what, lambda: verify.unpack(tar_with(tmp_path / "x.tar", name, kind, "/etc/passwd"), to))
    assert list(to.iterdir()) == []


def test_zips_with_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, to = tmp_path / "x.zip", tmp_path / "to"
    to.mkdir()

    def made(*names: str, mode: int = 0o100644) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                member = zipfile.ZipInfo(name)
                member.external_attr = mode << 16
                archive.writestr(member, b"0" * 1000)
        return path

    refused("leads elsewhere", lambda: verify.unpack(made("../x.json"), to))
    refused("holds a link", lambda: verify.unpack(made("x.json", mode=0o120777), to))
    refused("twice", lambda: verify.unpack(made("X.json", "x.JSON"), to))
    monkeypatch.setattr(verify, "MOST_UNPACKED", 999)
    refused("that is no adapter", lambda: verify.unpack(made("y.json"), to))
    path.write_bytes(b"no archive")
    refused("neither a folder nor", lambda: verify.unpack(path, to))


# --- digests --------------------------------------------------------------------------------------------------------------


def test_digests_follow_what_counts_and_nothing_else(tmp_path: Path) -> None:
    base = small_base(tmp_path / "nano")
    before = (verify.weights_digest(base), verify.tokenizer_digest(base), verify.template_digest(base))
    assert before[0] == verify.file_digest(base / "model.safetensors")
    assert before[2] == template.digest()
    told = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    (base / "tokenizer.json").write_text(json.dumps(dict(reversed(told.items())), indent=4), encoding="utf-8")
    assert verify.tokenizer_digest(base) == before[1]
    tokenizer(base, lambda told: told["model"]["merges"].append("a b"))
    assert verify.tokenizer_digest(base) != before[1]
    (base / "chat_template.jinja").write_text(template.JINJA + " ", encoding="utf-8")
    assert verify.template_digest(base) not in ("", before[2])
    (base / "chat_template.jinja").unlink()
    write_json(base / "tokenizer_config.json", {})
    assert verify.template_digest(base) == ""
    shutil.copy(base / "model.safetensors", base / "model-00002-of-00002.safetensors")
    assert verify.weights_digest(base) not in before
    refused("has no model.safetensors", lambda: verify.weights_digest(tmp_path))
