"""A tokenizer.json as llama.cpp wants it: pieces, kinds, merges, and the name of the way a text is split before merging.

Two families are known: byte-level BPE (ours, GPT-2, Phi-4; llama.cpp: ``gpt2``) and BPE with ``▁`` for spaces and pieces for
bytes (Phi-3, Llama; llama.cpp: ``llama``, which merges by score). The robot itself always sends token ids. What is written
here is for those who send text: Ollama, llama-server.

llama.cpp decides by the *name* of a model whether a mark such as ``<|user|>`` swallows the line break behind it: it does for
every model whose ``general.name`` contains ``phi3`` or ``phi-3``. Phi-3's own marks do; those of our models do not. So the
name is chosen by what the tokenizer says of its marks (:func:`name_for`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.template import STOPS

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # llama_token_type
# Which splittings llama.cpp knows, by what a tokenizer.json says of them (the last step, ByteLevel, apart).
_DIGITS = {"type": "Digits", "individual_digits": True}
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS = {_WORDS + r"\p{N}{1,3}" + _REST: "llama-bpe", _WORDS + r"\p{N}" + _REST: "qwen2"}


class TokenizerProblem(ValueError):
    """This tokenizer cannot go into a GGUF file. ``str()`` is one line that says why."""


@dataclass(frozen=True)
class Vocabulary:
    """What is written of a tokenizer. ``swallows``: its marks take the white space behind them away. ``text``: the file."""

    family: str
    pre: str
    pieces: tuple[str, ...]
    kinds: tuple[int, ...]
    scores: tuple[float, ...]
    merges: tuple[str, ...]
    special: dict[str, int]
    prefix: bool
    swallows: bool
    template: str
    text: str


def read(folder: Path, rows: int) -> Vocabulary:
    """The tokenizer of a model with ``rows`` embeddings. Raises :class:`TokenizerProblem`."""
    path = folder / "tokenizer.json"
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text)
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TokenizerProblem(f"{error.filename}: is missing; transformers writes it beside the weights") from None
    except ValueError as error:
        raise TokenizerProblem(f"{path}: is not sound JSON: {error}") from None
    model = told.get("model", {})
    if model.get("type") != "BPE" or model.get("dropout"):
        kind = model.get("type", "unknown") + (" with dropout" if model.get("dropout") else "")
        raise TokenizerProblem(f"{path}: is a {kind} tokenizer; BPE can go into a GGUF file")
    family, pre = _family(path, told)
    pieces, kinds = _pieces(path, told, rows)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model.get("merges", [])]
    added = {each["content"]: each for each in told.get("added_tokens", [])}
    marks = [each for name, each in added.items() if re.fullmatch(r"<\|\w+\|>", name) and name != "<|endoftext|>"]
    template = config.get("chat_template")
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        template = jinja.read_text(encoding="utf-8")
    return Vocabulary(
        family=family,
        pre=pre,
        pieces=tuple(pieces),
        kinds=tuple(kinds),
        scores=_scores(pieces, merges) if family == "llama" else (),
        merges=tuple(merges) if family == "gpt2" else (),
        special=_special(config, pieces),
        prefix=_prefix(told),
        swallows=bool(marks) and all(each.get("rstrip") for each in marks),
        template=template if isinstance(template, str) else "",
        text=text,
    )


def name_for(name: str, vocabulary: Vocabulary) -> str:
    """``general.name``: with ``phi3`` in it exactly if the marks swallow white space, as llama.cpp takes it to mean."""
    if vocabulary.swallows:
        return name if re.search(r"phi-?3", name, re.IGNORECASE) else f"phi3 {name}"
    return re.sub(r"(?i)phi-?(?=3)", "phi ", name)


def _family(path: Path, told: dict[str, Any]) -> tuple[str, str]:
    steps = _steps(told.get("pre_tokenizer"), "pretokenizers")
    if steps and steps[-1].get("type") == "ByteLevel":
        if told.get("normalizer"):
            raise TokenizerProblem(f"{path}: changes the text before it splits it, which llama.cpp would not do")
        return "gpt2", _split(path, steps)
    if told["model"].get("byte_fallback") and not [step for step in steps if step.get("type") != "Metaspace"]:
        return "llama", "default"
    raise TokenizerProblem(f"{path}: splits texts in a way that llama.cpp does not know")


def _split(path: Path, steps: list[dict[str, Any]]) -> str:
    """llama.cpp's name for what happens before the merges."""
    last, before = steps[-1], steps[:-1]
    if last.get("add_prefix_space"):
        raise TokenizerProblem(f"{path}: puts a space before every text, which llama.cpp would not do")
    if last.get("use_regex", True):
        if not before:
            return "gpt-2"
        if before == [_DIGITS]:
            return "smollm"
    elif len(before) == 1 and before[0].get("behavior") == "Isolated":
        regex = str(before[0].get("pattern", {}).get("Regex"))
        if regex in _SPLITS:
            return _SPLITS[regex]
    raise TokenizerProblem(f"{path}: splits texts in a way that llama.cpp does not know")


def _steps(step: dict[str, Any] | None, inner: str) -> list[dict[str, Any]]:
    if step is None:
        return []
    return list(step[inner]) if step.get("type") == "Sequence" else [step]


def _pieces(path: Path, told: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    vocabulary: dict[str, int] = told["model"]["vocab"]
    added: dict[int, dict[str, Any]] = {each["id"]: each for each in told.get("added_tokens", [])}
    most = max([*vocabulary.values(), *added], default=-1)
    if most >= rows:
        raise TokenizerProblem(f"{path}: has the id {most:,}, but the model has {rows:,} rows of embeddings")
    pieces, kinds = [f"[PAD{number}]" for number in range(rows)], [UNUSED] * rows
    fallback, unknown = told["model"].get("byte_fallback"), told["model"].get("unk_token")
    for piece, number in vocabulary.items():
        pieces[number] = piece
        byte = fallback and re.fullmatch(r"<0x[0-9A-F]{2}>", piece)
        kinds[number] = BYTE if byte else UNKNOWN if piece == unknown else NORMAL
    for number, each in added.items():
        pieces[number] = each["content"]
        if kinds[number] != UNKNOWN:
            kinds[number] = CONTROL if each.get("special") else USER_DEFINED
    if len(set(pieces)) < rows:
        raise TokenizerProblem(f"{path}: gives the same piece two ids")
    missing = [stop for stop in STOPS if stop not in pieces]
    if missing:
        raise TokenizerProblem(f"{path}: has no stop token {missing[0]}; answers would never end")
    return pieces, kinds


def _scores(pieces: list[str], merges: list[str]) -> tuple[float, ...]:
    """llama.cpp merges the pair with the best score first: the earlier a merge stands in the list, the better."""
    first: dict[str, int] = {}
    for place, merge in enumerate(merges):
        first.setdefault(merge.replace(" ", "", 1), place)
    return tuple(-float(first[piece]) if piece in first else -1e6 for piece in pieces)


def _prefix(told: dict[str, Any]) -> bool:
    """Whether a text that does not begin with a space is given one."""
    steps = _steps(told.get("normalizer"), "normalizers")
    metaspace = _steps(told.get("pre_tokenizer"), "pretokenizers")
    return any(step.get("type") == "Prepend" for step in steps) or any(
        step.get("type") == "Metaspace" and step.get("prepend_scheme", "always") != "never" for step in metaspace
    )


def _special(config: dict[str, Any], pieces: list[str]) -> dict[str, int]:
    """The ids of the tokens with a part to play, by llama.cpp's names for the parts."""
    place = {piece: number for number, piece in enumerate(pieces)}
    found: dict[str, int] = {}
    for part, key in (("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")):
        told = config.get(key)
        name = told.get("content") if isinstance(told, dict) else told
        if name in place:
            found[part] = place[name]
    found["eot"] = place[STOPS[0]]
    return found
