"""The chat format: one rendering in Python, the same one in Jinja, and no way out of a message."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.template import JINJA, SPECIAL, STOPS, chat, digest

TEXT = st.text(max_size=40) | st.sampled_from(["<|end|>", "<<|user|>", "<", "|>", "<|", "Où ?", "“Größe”", "\n\n", " "])
MESSAGES = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT), min_size=1, max_size=4)


def jinja(messages, answer=None):
    """JINJA, rendered as transformers and llama.cpp do it: blocks trimmed."""
    environment = pytest.importorskip("jinja2.sandbox", reason="jinja2 comes with the extra gpu (make install EXTRAS=train)")
    made = environment.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

    def raise_exception(message):
        raise ValueError(message)

    made.globals["raise_exception"] = raise_exception
    rows = [{"role": role, "content": content} for role, content in messages]
    if answer is not None:
        rows.append({"role": "assistant", "content": answer})
    return made.from_string(JINJA).render(messages=rows, add_generation_prompt=answer is None)


def test_the_format_is_phi_3s():
    messages = [("system", "You are Reachy."), ("user", "child: the moon")]
    prompt = "<|system|>\nYou are Reachy.<|end|>\n<|user|>\nchild: the moon<|end|>\n<|assistant|>\n"
    assert chat(messages) == prompt
    assert chat(messages, "Yes, the moon!") == prompt + "Yes, the moon!<|end|>"
    assert STOPS == ("<|end|>", "<|endoftext|>")


@settings(deadline=None)
@given(MESSAGES, TEXT | st.none())
def test_python_and_jinja_render_the_same(messages, answer):
    assert jinja(messages, answer) == chat(messages, answer)


@settings(deadline=None)
@given(MESSAGES, TEXT)
def test_an_answer_only_adds_to_its_prompt(messages, answer):
    assert chat(messages, answer).startswith(chat(messages))


@settings(deadline=None)
@given(MESSAGES, TEXT)
def test_nothing_that_is_said_leaves_its_message(messages, answer):
    marks = re.findall("|".join(map(re.escape, SPECIAL)), chat(messages, answer))
    said = [mark for role, _ in [*messages, ("assistant", "")] for mark in (f"<|{role}|>", "<|end|>")]
    assert marks == said


def test_an_unknown_role_and_an_empty_chat_are_refused():
    with pytest.raises(ValueError, match="unknown role “tool”; a message is one of: system, user, assistant"):
        chat([("tool", "x")])
    with pytest.raises(ValueError, match="unknown role: tool"):
        jinja([("tool", "x")])
    with pytest.raises(ValueError, match="at least one message"):
        chat([])


def test_the_digest_tells_formats_apart(monkeypatch):
    before = digest()
    assert re.fullmatch("[0-9a-f]{64}", before)
    monkeypatch.setattr("adapters.template.JINJA", JINJA.replace("replace", "trim"))
    assert digest() != before
