"""Phi-3 with LoRA adapters, through transformers, PEFT and bitsandbytes: ``--model phi``.

The base is held once, in 4 bit; every adapter beside it. An adapter name stands for one folder or for several whose effects
add up: Phi-Ed, itself a LoRA and not a model, under the strategy or response adapter. A name that is not listed is refused;
the name "" is the base alone unless it was given folders.

Decoding is greedy, so that the same prompt gives the same answer. Needs the extra ``gpu``; runs on a CPU too, slowly.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.template import ROLES, SPECIAL, chat, turn
from agent.models.phi_engine import Engine, Reading, Stack, common
from agent.models.phi_files import PhiProblem, check_adapter, find, stack_digest
from agent.models.phi_loading import add_adapter, load_base
from agent.ports import Prompt
from agent.prompts import RESPONSE, STRATEGY

BASE = "microsoft/Phi-3-mini-128k-instruct"
PHI_ED = "Mortadha/Phi-Ed-25072024"

Folders = Sequence[str | Path]


def phi_ed(strategy: str | Path, response: str | Path, **options: Any) -> Phi:
    """Phi-3-mini in 4 bit, Phi-Ed on it, and our two adapters beside it: ``options`` are those of :class:`Phi`."""
    return Phi(BASE, {"": [PHI_ED], STRATEGY: [PHI_ED, strategy], RESPONSE: [PHI_ED, response]}, **options)


class Phi:
    """One Phi-3 model and its adapters. Raises :class:`PhiProblem`, one clear line, for whatever it cannot do.

    ``base`` and the folders of ``adapters`` are paths, or hub names fetched before; with ``fetch`` they are fetched now.
    ``seconds`` bound one answer or ranking, ``most_tokens`` one answer. ``cache_bytes`` bound the keys and values kept of
    prompts. ``device`` is auto, cpu or cuda; ``threads`` 0 leaves torch its own number.
    """

    def __init__(
        self,
        base: str | Path,
        adapters: Mapping[str, Folders] | None = None,
        *,
        four_bit: bool = True,
        device: str = "auto",
        fetch: bool = False,
        most_tokens: int = 160,
        seconds: float = 20.0,
        cache_bytes: int = 1 << 30,
        threads: int = 0,
    ) -> None:
        folder = find(base, what="base model", fetch=fetch)
        loaded = load_base(folder, four_bit=four_bit, device=device, threads=threads)
        self._open(loaded, folder.name, fetch, most_tokens, seconds, cache_bytes)
        for name, folders in (adapters or {}).items():
            self.add(name, folders)

    @classmethod
    def around(cls, loaded: Any, *, most_tokens: int = 160, seconds: float = 20.0, cache_bytes: int = 1 << 30) -> Phi:
        """A tenant around a model that is in memory already (``phi_loading.Loaded``), for measurements."""
        made = cls.__new__(cls)
        made._open(loaded, "given", False, most_tokens, seconds, cache_bytes)
        return made

    def _open(self, loaded: Any, title: str, fetch: bool, most_tokens: int, seconds: float, cache_bytes: int) -> None:
        self.most_tokens, self.seconds, self._fetch = most_tokens, seconds, fetch
        self._title, self._tokenizer = title, loaded.tokenizer
        self.engine = Engine(loaded, cache_bytes)
        self._parts: dict[str, tuple[str, Any]] = {}  # digest → PEFT's name and the files
        self._stacks: dict[str, Stack] = {"": Stack((), "base", "base")}
        marks = self._tokenizer.convert_tokens_to_ids([*SPECIAL, *(f"<|{role}|>" for role in ROLES)])
        also = (self._tokenizer.eos_token_id, self._tokenizer.bos_token_id)
        self._stops = {token for token in (*marks, *also) if token is not None and token != self._tokenizer.unk_token_id}
        self._adding = threading.Lock()

    @property
    def name(self) -> str:
        return f"phi:{self._title}"

    @property
    def adapters(self) -> tuple[str, ...]:
        """The names that may be asked for."""
        return tuple(self._stacks)

    def add(self, name: str, folders: Folders) -> None:
        """Let ``name`` stand for these folders together. Folders that other names use are not loaded twice."""
        with self._adding:
            held = [self._part(folder) for folder in folders]
            parts = [files for _, files in held]
            calls = {files.invocation for files in parts if files.invocation}
            if len(calls) > 1:
                raise PhiProblem(f"the adapters of “{name}” wait for different invocations: they cannot work together")
            always = [files for files in parts if not files.invocation]
            self._stacks[name] = Stack(
                tuple(dict.fromkeys(own for own, _ in held)),
                stack_digest(parts) if parts else "base",
                stack_digest(always) if always else "base",
                calls.pop() if calls else (),
            )

    def remove(self, name: str) -> None:
        """Forget ``name``, and free what no other name uses."""
        with self._adding:
            self._stacks.pop(name, None)
            used = {own for stack in self._stacks.values() for own in stack.names}
            for digest, (own, _) in list(self._parts.items()):
                if own not in used:
                    with self.engine.lock:
                        self.engine.loaded.model.delete_adapter(own)
                        self.engine.adapters_changed()
                    del self._parts[digest]

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        """The answer, piece by piece. Closing the iterator ends the writing before the next token."""
        stack = self._stack(adapter)
        ids, head = self._prompt(prompt)
        return self._write(stack, ids, head)

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        """The log-likelihood of each option as the whole answer, normalised over the options."""
        stack, deadline = self._stack(adapter), time.monotonic() + self.seconds
        if len(options) < 2:
            return [0.0] * len(options)
        _, head = self._prompt(prompt)
        whole = [self._ids(self._text(prompt, option)) for option in options]
        if (most := max(map(len, whole))) > self.engine.loaded.longest:
            raise PhiProblem(
                f"an option makes the prompt {most} tokens long, and {self.name} takes {self.engine.loaded.longest}"
            )
        shared = min(common(whole), *(len(tokens) - 1 for tokens in whole))  # the stop token at least is each one's own
        reading = self.engine.read(stack, whole[0][:shared], min(head, shared), deadline)
        scores = self.engine.branches(reading, [tokens[shared:] for tokens in whole], deadline)
        top = max(scores)
        total = top + math.log(sum(math.exp(score - top) for score in scores))
        return [score - total for score in scores]

    def close(self) -> None:
        """Free the memory. What is asked afterwards is refused."""
        self.engine.close()

    def _write(self, stack: Stack, ids: list[int], head: int) -> Iterator[str]:
        deadline = time.monotonic() + self.seconds
        reading = self.engine.read(stack, ids, head, deadline)
        written: list[int] = []
        said = ""
        while (token := self._next(reading)) is not None:
            written.append(token)
            text = self._tokenizer.decode(written, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            if len(text) > len(said) and not text.endswith("\ufffd"):  # half a letter waits for its other bytes
                yield text[len(said) :]
                said = text
            if len(written) >= self.most_tokens:
                return
            self.engine.step(reading, token, deadline)

    def _next(self, reading: Reading) -> int | None:
        token = int(reading.logits.argmax())
        return None if token in self._stops else token

    def _stack(self, adapter: str) -> Stack:
        if adapter not in self._stacks:
            known = ", ".join(name for name in self._stacks if name) or "none"
            raise PhiProblem(f"there is no adapter “{adapter}” on {self.name}; there are: {known}")
        return self._stacks[adapter]

    def _part(self, source: str | Path) -> tuple[str, Any]:
        """PEFT's name and the files of a folder; loads it if no other name has."""
        loaded = self.engine.loaded
        files = check_adapter(find(source, what="adapter", fetch=self._fetch), loaded.shapes)
        if files.digest not in self._parts:
            own = f"lora{len(self._parts)}x{files.digest[:12]}"
            with self.engine.lock:
                try:
                    add_adapter(loaded, files, own)
                finally:
                    self.engine.adapters_changed()
            self._parts[files.digest] = (own, files)
        return self._parts[files.digest]

    @staticmethod
    def _text(prompt: Prompt, answer: str | None = None) -> str:
        return chat([(message.role, message.content) for message in prompt.messages], answer)

    def _ids(self, text: str) -> list[int]:
        return [int(token) for token in self._tokenizer(text, add_special_tokens=False)["input_ids"]]

    def _prompt(self, prompt: Prompt) -> tuple[list[int], int]:
        """The prompt's tokens, and how many of them belong to all messages but the last: what a next turn begins with too."""
        ids = self._ids(self._text(prompt))
        room = self.engine.loaded.longest - self.most_tokens
        if len(ids) > room:
            raise PhiProblem(f"the prompt is {len(ids)} tokens long, and {self.name} takes {room} beside its answer")
        earlier = prompt.messages[:-1]
        if not earlier:
            return ids, 0
        head = self._ids("\n".join(turn(message.role, message.content) for message in earlier) + "\n")
        return ids, common([ids, head])
