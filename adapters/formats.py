"""Reading training data as people have it: five shapes of JSON, one kind of example.

========================  ===================================================================================
``prompt``/``completion``  this project's own and TRL's: messages or plain text; the completion is learned
``messages``               a chat; every answer of the assistant becomes an example of its own
``conversations``          ShareGPT's names for the same (``from``: human, gpt; ``value``)
``instruction``/``output``  Alpaca, with or without ``input``
the guide's JSON           Alpaca with ``personality`` and ``language``: the personality is put into words as the
                           server says them (agent/personality.py)
========================  ===================================================================================

A ``.json`` file is a list; any other file has one object a line. What else an object holds stays beside it (``marks``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import personality
from agent.ports import Message
from agent.prompts import language_of

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "bot": "assistant", "system": "system"}
_CONTENT = ("prompt", "completion", "messages", "conversations", "instruction", "input", "output", "text")


class DataProblem(ValueError):
    """An example cannot be trained on. ``str()`` is ``place: what to do``."""


@dataclass(frozen=True)
class Example:
    """What the model is told, what it should answer, and where that stands (``file:line``)."""

    messages: tuple[Message, ...]
    answer: str
    marks: Mapping[str, Any]
    place: str

    @property
    def turns(self) -> list[tuple[str, str]]:
        return [(message.role, message.content) for message in self.messages]


def read(files: Sequence[Path], where: Mapping[str, Sequence[str]] | None = None) -> list[Example]:
    """The examples of all files in order, those alone whose marks are among ``where``'s. Raises :class:`DataProblem`."""
    found = [example for file in files for place, entry in _entries(file) for example in _examples(entry, place)]
    kept = [one for one in found if all(str(one.marks.get(key)) in values for key, values in (where or {}).items())]
    if not kept:
        raise DataProblem(f"{', '.join(map(str, files))}: no example" + (f" has {dict(where)}" if where and found else ""))
    return kept


def digest(examples: Sequence[Example]) -> str:
    """sha256 over what is learned, whatever shape or file it came in."""
    total = hashlib.sha256()
    for example in examples:
        total.update(json.dumps([example.turns, example.answer], ensure_ascii=False).encode() + b"\n")
    return total.hexdigest()


def _entries(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataProblem(f"{file}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from None
    rows: list[tuple[str, Any]] = []
    place = str(file)
    try:
        if file.suffix == ".json":
            whole = json.loads(text)
            if not isinstance(whole, list):
                raise DataProblem(f"{file}: is not a list; objects one a line belong into a .jsonl file")
            rows = [(f"{file}, entry {number}", entry) for number, entry in enumerate(whole, start=1)]
        else:
            for number, line in enumerate(text.split("\n"), start=1):
                place = f"{file}:{number}"
                if line.strip():
                    rows.append((place, json.loads(line)))
    except json.JSONDecodeError as error:
        raise DataProblem(f"{place}: is not JSON: {error.msg}") from None
    for place, entry in rows:
        if not isinstance(entry, dict):
            raise DataProblem(f"{place}: is not an object")
        yield place, entry


def _examples(entry: Mapping[str, Any], place: str) -> Iterator[Example]:
    marks = {key: value for key, value in entry.items() if key not in _CONTENT}
    if "completion" in entry:
        answer = entry["completion"]
        if not isinstance(answer, str):
            last = _messages(answer, place)
            if [message.role for message in last] != ["assistant"]:
                raise DataProblem(f"{place}: “completion” must be one message of the assistant")
            answer = last[0].content
        prompt = entry.get("prompt", "")
        told = (Message("user", prompt),) if isinstance(prompt, str) else _messages(prompt, place)
        yield _example(told, answer, marks, place)
    elif chat := entry.get("messages") or entry.get("conversations"):
        messages = _messages(chat, place)
        answers = [number for number, message in enumerate(messages) if message.role == "assistant" and number]
        if not answers:
            raise DataProblem(f"{place}: nobody answers: there is no message of the assistant after the first")
        for number in answers:
            yield _example(messages[:number], messages[number].content, marks, place)
    elif "instruction" in entry and "output" in entry:
        told = _instruction(entry, place)
        yield _example(told, entry["output"], marks, place)
    elif "text" in entry:
        raise DataProblem(
            f"{place}: only “text”: nothing says where the prompt ends, so it could not be masked and would be learned too; "
            "write prompt and completion"
        )
    else:
        raise DataProblem(
            f"{place}: has {', '.join(map(str, entry)) or 'nothing'}; an example has prompt and completion, messages, "
            "conversations, or instruction and output"
        )


def _instruction(entry: Mapping[str, Any], place: str) -> tuple[Message, ...]:
    """Instruction as system and input as user, as the server sends them; without an input the instruction is the user's."""
    instruction, given = str(entry["instruction"]), str(entry.get("input") or "")
    character = str(entry.get("personality") or "")
    if character:
        try:
            spoken = language_of({"language": str(entry.get("language", "en"))})
            manner = personality.prompt(personality.load(character), spoken)
        except ValueError as error:
            raise DataProblem(f"{place}: {error}") from None
        if given and manner not in instruction:
            instruction = f"{instruction}\n{manner}"
        elif not given:
            return Message("system", manner), Message("user", instruction)
    return (Message("system", instruction), Message("user", given)) if given else (Message("user", instruction),)


def _messages(chat: Any, place: str) -> tuple[Message, ...]:
    found = []
    for turn in chat if isinstance(chat, list) else [None]:
        if not isinstance(turn, dict):
            raise DataProblem(f"{place}: messages are a list of objects with role and content")
        role, said = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if not isinstance(role, str) or role not in _ROLES or not isinstance(said, str):
            raise DataProblem(f"{place}: a message has the role “{role}”; known: {', '.join(_ROLES)}, each with a text")
        found.append(Message(_ROLES[role], said))
    return tuple(found)


def _example(messages: tuple[Message, ...], answer: Any, marks: Mapping[str, Any], place: str) -> Example:
    if not any(message.content.strip() for message in messages):
        raise DataProblem(f"{place}: the prompt is empty: everything would be learned and nothing asked")
    if not isinstance(answer, str) or not answer.strip():
        raise DataProblem(f"{place}: the answer is empty")
    return Example(messages, answer, marks, place)
