"""The chat format of every model in this project: Phi-3's. This file is the one place that renders it.

Training and serving call :func:`chat`; :data:`JINJA` is the same rendering for a tokenizer's ``chat_template``, so that
foreign tools (TRL, vLLM, llama-server) give the same text. What people say cannot leave its place: ``<|`` inside a message
becomes ``< |``, so a child who types ``<|end|>`` ends nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

ROLES = ("system", "user", "assistant")
END = "<|end|>"
END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
STOPS = (END, END_OF_TEXT)
SPECIAL = (END_OF_TEXT, PAD, *(f"<|{role}|>" for role in ROLES), END)

JINJA = (
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('unknown role: ' + message['role']) }}"
    "{% endif %}"
    "{{ ('' if loop.first else '\n') + '<|' + message['role'] + '|>\n'"
    " + (message['content'] | replace('<|', '< |')) + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n<|assistant|>\n' }}{% endif %}"
)
"""Rendered with ``add_generation_prompt`` this is ``chat(messages)``; without it, and with an assistant's message last,
``chat(messages, answer)``."""


def chat(messages: Sequence[tuple[str, str]], answer: str | None = None) -> str:
    """``messages`` as (role, text) pairs, ready for the model to go on after ``<|assistant|>``; with ``answer`` a whole
    training text that ends with the stop token. Raises :class:`ValueError` for an unknown role or no messages."""
    if not messages:
        raise ValueError("a chat needs at least one message")
    text = "\n".join(turn(role, content) for role, content in messages) + "\n<|assistant|>\n"
    return text if answer is None else text + plain(answer) + END


def turn(role: str, content: str) -> str:
    """One message, closed by the stop token."""
    if role not in ROLES:
        raise ValueError(f"unknown role “{role}”; a message is one of: {', '.join(ROLES)}")
    return f"<|{role}|>\n{plain(content)}{END}"


def plain(text: str) -> str:
    """``text`` with nothing in it that could be read as one of the format's own marks."""
    return text.replace("<|", "< |")


def digest() -> str:
    """sha256 of the format, in hex: what a catalogue compares before it loads an adapter."""
    return hashlib.sha256("\n".join((JINJA, *SPECIAL)).encode()).hexdigest()
