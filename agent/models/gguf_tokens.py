"""Text to token ids and back for a GGUF model, with the tokenizer the model was trained with.

llama.cpp guesses from names how a text is split; ids leave nothing to guess. The exporter puts the whole ``tokenizer.json``
into the file; a ``tokenizer.json`` beside the file serves as well. Only a file with neither is read the way llama.cpp does.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.models.gguf_library import LlamaProblem
from agent.models.gguf_llama import Llama

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Decoder = Callable[[int], str]


class Tokens(Protocol):
    """Reads and spells. A decoder gives the text that a further token adds: "" while a character is not complete."""

    def encode(self, text: str) -> list[int]: ...

    def decoder(self) -> Decoder: ...

    def number(self, piece: str) -> int | None: ...


def find(path: Path, values: Mapping[str, Any], llama: Llama) -> Tokens:
    """The tokenizer of the model in ``path``, whose header holds ``values``.

    Raises :class:`LlamaProblem` for a tokenizer that is broken or another model's.
    """
    pieces: list[str] = values["tokenizer.ggml.tokens"]
    beside = path.with_name("tokenizer.json")
    if text := values.get("tokenizer.huggingface.json"):
        return Ours(str(path), text, pieces)
    if beside.is_file():
        return Ours(str(beside), beside.read_text(encoding="utf-8"), pieces)
    return Theirs(llama, pieces, bool(values.get("tokenizer.ggml.add_bos_token")), values.get("tokenizer.ggml.bos_token_id"))


class Ours:
    """The tokenizer of the training, through the ``tokenizers`` wheel."""

    def __init__(self, where: str, text: str, pieces: Sequence[str]) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise LlamaProblem("tokenizers is not installed, so no GGUF model can answer: pip install tokenizers") from None
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_str(text)
            held = {number: piece for piece, number in self._tokenizer.get_vocab(with_added_tokens=True).items()}
        except Exception as error:  # the wheel raises bare Exception for every malformed file
            raise LlamaProblem(f"{where}: its tokenizer cannot be read: {str(error)[:120]}") from None
        for number, piece in held.items():
            if number >= len(pieces) or pieces[number] != piece:
                there = repr(pieces[number][:40]) if number < len(pieces) else "nothing"
                raise LlamaProblem(f"{where}: is not this model's tokenizer: id {number} is {piece[:40]!r}, not {there}")

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def number(self, piece: str) -> int | None:
        found: int | None = self._tokenizer.token_to_id(piece)
        return found

    def decoder(self) -> Decoder:
        from tokenizers.decoders import DecodeStream

        stream, tokenizer = DecodeStream(skip_special_tokens=False), self._tokenizer
        return lambda token: stream.step(tokenizer, token) or ""


class Theirs:
    """llama.cpp's own reading, for files that carry no tokenizer of the training."""

    def __init__(self, llama: Llama, pieces: Sequence[str], add_begin: bool, begin: int | None) -> None:
        self._llama = llama
        self._numbers = {piece: number for number, piece in enumerate(pieces)}
        self._begin = [begin] if add_begin and begin is not None else []

    def encode(self, text: str) -> list[int]:
        return [*self._begin, *self._llama.tokenize(text)]

    def number(self, piece: str) -> int | None:
        return self._numbers.get(piece)

    def decoder(self) -> Decoder:
        bytes_to_text = codecs.getincrementaldecoder("utf-8")("replace")
        return lambda token: bytes_to_text.decode(self._llama.spelled(token))
