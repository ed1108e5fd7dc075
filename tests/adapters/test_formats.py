"""Five shapes of training data become one, and what cannot be trained on is told with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import DataProblem, Example, digest, read
from agent import personality
from agent.ports import Message, Prompt
from agent.prompts import RESPONSE, render

ASKED, SAID = "Why is the moon round?", "Because it turns."


def lines(folder: Path, *entries: Any, name: str = "d.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries), encoding="utf-8")
    return path


def one(folder: Path, entry: Any) -> Example:
    (example,) = read([lines(folder, entry)])
    return example


@pytest.mark.parametrize(
    "entry",
    [
        {"prompt": [{"role": "user", "content": ASKED}], "completion": [{"role": "assistant", "content": SAID}]},
        {"prompt": ASKED, "completion": SAID},
        {"messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]},
        {"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]},
        {"instruction": ASKED, "output": SAID},
        {"instruction": ASKED, "input": "", "output": SAID, "language": "en"},
    ],
    ids=["prompt-completion", "plain", "messages", "sharegpt", "alpaca", "guide"],
)
def test_every_shape_is_the_same_example(tmp_path: Path, entry: dict[str, Any]) -> None:
    example = one(tmp_path, entry)
    assert (example.messages, example.answer) == ((Message("user", ASKED),), SAID)
    assert digest([example]) == digest(read([lines(tmp_path, {"prompt": ASKED, "completion": SAID})]))


def test_alpacas_input_is_the_users_and_its_instruction_the_systems(tmp_path: Path) -> None:
    example = one(tmp_path, {"instruction": "Answer in French.", "input": ASKED, "output": SAID})
    assert example.turns == [("system", "Answer in French."), ("user", ASKED)]


def test_a_chat_gives_an_example_for_every_answer_with_all_that_went_before(tmp_path: Path) -> None:
    chat = [("system", "S"), ("user", "A"), ("assistant", "B"), ("user", "C"), ("assistant", "D")]
    found = read([lines(tmp_path, {"messages": [{"role": role, "content": text} for role, text in chat], "language": "en"})])
    assert [(len(example.messages), example.answer) for example in found] == [(2, "B"), (4, "D")]
    assert all(example.marks == {"language": "en"} for example in found)


def test_the_guides_personality_is_said_as_the_server_says_it(tmp_path: Path) -> None:
    served = render(RESPONSE, {"language": "fr"}, personality.prompt(personality.load("extravert"), "fr"), "Oui")
    task = served.messages[0].content.partition("\n")[0]
    entry = {
        "instruction": task,
        "input": served.messages[1].content,
        "output": "Bien.",
        "personality": "extravert",
        "language": "fr",
    }
    assert one(tmp_path, entry).messages == served.messages
    # What the project's own export wrote has it already: it is not said twice.
    assert one(tmp_path, entry | {"instruction": served.messages[0].content}).messages == served.messages
    bare = one(tmp_path, {"instruction": "Tell.", "output": "Well.", "personality": "3", "language": "en"})
    assert [message.role for message in bare.messages] == ["system", "user"]


def test_marks_stay_and_choose(tmp_path: Path) -> None:
    rows = [{"prompt": ASKED, "completion": SAID, "language": language, "level": 3} for language in ("en", "fr", "en")]
    path = lines(tmp_path, *rows)
    assert [example.place for example in read([path], {"language": ["en"], "level": ["3"]})] == [f"{path}:1", f"{path}:3"]
    with pytest.raises(DataProblem, match="no example has"):
        read([path], {"language": ["de"]})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"text": "All in one."}, "could not be masked"),
        ({"prompt": " ", "completion": SAID}, "the prompt is empty"),
        ({"prompt": ASKED, "completion": "  "}, "the answer is empty"),
        ({"prompt": ASKED, "completion": [{"role": "user", "content": SAID}]}, "one message of the assistant"),
        ({"messages": [{"role": "user", "content": ASKED}]}, "nobody answers"),
        ({"messages": [{"role": "tool", "content": ASKED}]}, "the role “tool”"),
        ({"messages": [{"role": ["user"], "content": ASKED}]}, "the role"),
        ({"messages": ["hello"]}, "role and content"),
        ({"question": ASKED, "answer": SAID}, "has question, answer; an example has"),
        ({"instruction": ASKED, "output": 3}, "the answer is empty"),
        ({"instruction": ASKED, "output": SAID, "personality": "extrovert"}, "did you mean “extravert”"),
        (["a", "list"], "is not an object"),
    ],
)
def test_what_cannot_be_trained_on_is_told_with_its_line(tmp_path: Path, entry: Any, said: str) -> None:
    path = lines(tmp_path, {"prompt": ASKED, "completion": SAID}, entry)
    with pytest.raises(DataProblem, match=f"d.jsonl:2: .*{said}"):
        read([path])


def test_files_that_are_no_data_are_told(tmp_path: Path) -> None:
    broken = tmp_path / "d.jsonl"
    broken.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n', encoding="utf-8")
    with pytest.raises(DataProblem, match=r"d\.jsonl:2: is not JSON"):
        read([broken])
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(DataProblem, match="not UTF-8"):
        read([broken])
    with pytest.raises(DataProblem, match="No such file"):
        read([tmp_path / "none.jsonl"])
    whole = tmp_path / "d.json"
    whole.write_text('{"prompt": "a"}', encoding="utf-8")
    with pytest.raises(DataProblem, match="is not a list"):
        read([whole])
    whole.write_text(json.dumps([{"prompt": "a", "completion": "b"}, {"prompt": "a"}]), encoding="utf-8")
    with pytest.raises(DataProblem, match=r"d\.json, entry 2"):
        read([whole])


@given(st.text(min_size=1), st.text(min_size=1).filter(str.strip))
def test_words_arrive_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, asked: str, said: str) -> None:
    if not asked.strip():
        return
    path = lines(tmp_path_factory.mktemp("data"), {"prompt": asked, "completion": said})
    (example,) = read([path])
    assert (example.messages[0].content, example.answer) == (asked, said)


def test_the_digest_is_of_what_is_learned_and_of_nothing_else(tmp_path: Path) -> None:
    path = lines(tmp_path, {"prompt": ASKED, "completion": SAID, "level": 1})
    other = lines(tmp_path, {"prompt": ASKED, "completion": SAID, "level": 9}, name="e.jsonl")
    assert digest(read([path])) == digest(read([other]))
    assert digest(read([path])) != digest(read([path, other]))
    assert digest(read([path])) != digest(read([lines(tmp_path, {"prompt": ASKED, "completion": SAID + " "})]))


def test_a_prompt_of_the_server_survives_the_file(tmp_path: Path) -> None:
    prompt = render(RESPONSE, {"language": "de", "level": "7"}, "Du bist ruhig.", "ja\u202f!")
    rows = [{"role": message.role, "content": message.content} for message in prompt.messages]
    example = one(tmp_path, {"prompt": rows, "completion": "Gut."})
    assert Prompt(example.messages).messages == prompt.messages
