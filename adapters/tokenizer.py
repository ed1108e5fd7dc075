"""The tokenizer of our own small models: a byte-level BPE over three languages, small on purpose.

Every text is spelled exactly, whatever its script: what has no piece of its own falls back to bytes. A small vocabulary
(2,000 to 4,000 pieces) is what lets a small model copy a child's word. Digits stand alone, so that numbers are read digit by
digit. llama.cpp knows the same splitting under the name in :data:`PRETOKENIZER`.

The format's own marks (:data:`adapters.template.SPECIAL`) are special tokens. Slot tokens (``<hint>``) are whole tokens that
stay visible when text is decoded, because a program fills them in afterwards. There is no token before a text (no BOS).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.template import END, END_OF_TEXT, JINJA, PAD, SPECIAL

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PRETOKENIZER = "smollm"
"""llama.cpp's name (``tokenizer.ggml.pre``) for: each digit alone, then GPT-2's splitting."""
BYTES = 256
LONGEST_PIECE = 16  # characters; longer pieces are whole phrases of the training text
SLOT = re.compile(r"<[a-z][a-z0-9_]*>")


def train(texts: Iterable[str], size: int, slots: Sequence[str] = ()) -> Tokenizer:
    """A tokenizer of ``size`` pieces at most, all kinds together. The same texts give the same tokenizer.

    Raises :class:`ValueError` for a slot that is not written like ``<hint>``, for one named twice, and for a size that
    leaves no room beside bytes, special tokens and slots.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    for slot in slots:
        if not SLOT.fullmatch(slot):
            raise ValueError(f"“{slot}” is not a slot; write it like <hint>: small letters, digits and _ in angle brackets")
        if slots.count(slot) > 1:
            raise ValueError(f"the slot {slot} is named twice")
    least = BYTES + len(SPECIAL) + len(slots)
    if size <= least:
        raise ValueError(f"a vocabulary of {size} is too small: bytes, special tokens and slots alone are {least}")
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(slots),
        min_frequency=2,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=LONGEST_PIECE,
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    made.add_tokens([AddedToken(slot, special=False, normalized=False) for slot in slots])
    return made


def save(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` as transformers reads them; ``context`` in tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "bos_token": None,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": None,
        "add_bos_token": False,
        "add_eos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,  # else " ?" loses its space, which French needs
        "chat_template": JINJA,
    }
    _replace(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    _replace(folder / "tokenizer_config.json", json.dumps(config, ensure_ascii=False, indent=2) + "\n")


def load(folder: Path) -> Tokenizer:
    """The tokenizer in a model folder, without transformers. Raises :class:`ValueError` with one line for a bad file."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; a model folder has its tokenizer beside its weights")
    try:
        found = Tokenizer.from_file(str(path))
    except Exception as error:  # the wheel raises bare Exception for every malformed file
        raise ValueError(f"{path}: is not a tokenizer: {error}") from None
    missing = [token for token in (END, END_OF_TEXT) if found.token_to_id(token) is None]
    if missing:
        raise ValueError(f"{path}: has no {missing[0]}, so answers would never stop")
    return found


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a rendered text, nothing added at either end."""
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def id_of(tokenizer: Tokenizer, token: str) -> int:
    """The id of one of the format's marks. Raises :class:`ValueError` for a tokenizer that lacks it."""
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"the tokenizer has no {token}; it was not made for this project's chat format")
    return found


def slots_in(text: str) -> set[str]:
    """What looks like a slot token in ``text``."""
    return set(SLOT.findall(text))


def digest(folder: Path) -> str:
    """sha256 of ``tokenizer.json``, in hex."""
    return hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
