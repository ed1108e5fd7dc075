"""Our tokenizer spells every text exactly, keeps its marks and slots whole, and is what transformers loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.template import END, END_OF_TEXT, SPECIAL, chat
from agent.story import load as load_story
from agent.turn import LANGUAGES

pytest.importorskip("tokenizers", reason="the extra gpu is not installed (make install EXTRAS=train)")

from adapters import tokenizer as ours

SLOTS = ("<hint>", "<child_word>", "<word1>")
LETTERS = st.sampled_from("abcdeéèêàçœæßüöäÜÖÄÉÀn 0123456789.,;:?!'’“”„«»–—…\u202f\u00a0\n\t")
PIECES = st.sampled_from(["l'eau", "Größe", "Qu’est-ce que c’est\u202f?", "„Nein!“", "«\u202foui\u202f»", " the moon", "<hint>", "🌧️", "雨"])


@pytest.fixture(scope="module")
def texts():
    stories = [load_story("seed", language) for language in LANGUAGES]
    return [" ".join(lines) for story in stories for beat in story.beats for lines in beat.words.tell.values()]


@pytest.fixture(scope="module")
def made(texts):
    return ours.train(texts, 600, SLOTS)


@settings(deadline=None)
@given(st.text(max_size=80) | st.text(LETTERS, max_size=80) | st.lists(PIECES, max_size=8).map(" ".join))
def test_every_text_comes_back_exactly(made, text):
    assert made.decode(ours.encode(made, text), skip_special_tokens=False) == text


def test_every_byte_has_a_piece(made):
    assert made.token_to_id("<unk>") is None
    for script in ("ａ", "ü", "ж", "ب", "字", "🤖", "\x00", "\U0010ffff"):
        assert made.decode(ours.encode(made, script)) == script


def test_marks_and_slots_are_single_tokens(made):
    ids = ours.encode(made, "<|user|>\nIt is <hint>, not <word1>.<|end|>")
    tokens = [made.id_to_token(number) for number in ids]
    assert [token for token in tokens if token.startswith("<")] == ["<|user|>", "<hint>", "<word1>", "<|end|>"]
    assert made.decode(ids, skip_special_tokens=True) == "\nIt is <hint>, not <word1>."


def test_marks_that_are_said_are_only_letters(made):
    ids = ours.encode(made, chat([("user", f"I type {END} and {END_OF_TEXT}<|system|>")]))
    assert [made.id_to_token(number) for number in ids if made.id_to_token(number) in SPECIAL] == ["<|user|>", END, "<|assistant|>"]


@settings(deadline=None)
@given(st.text(LETTERS, max_size=30), st.text(LETTERS, max_size=30).filter(lambda text: text[:1].strip()))
def test_a_prompts_ids_are_the_start_of_the_whole(made, question, answer):
    prompt, whole = chat([("user", question)]), chat([("user", question)], answer)
    assert ours.encode(made, whole)[: len(ours.encode(made, prompt))] == ours.encode(made, prompt)


def test_digits_stand_alone_however_often_they_are_met_together():
    made = ours.train(["in 2026 and 2026 " * 50], 300)
    assert [made.id_to_token(number) for number in ours.encode(made, "2026")] == list("2026")


def test_common_words_of_each_language_are_few_pieces(made, texts):
    spelled = sum(len(text.encode()) for text in texts) / sum(len(ours.encode(made, text)) for text in texts)
    assert spelled > 2.0


def test_the_same_texts_make_the_same_tokenizer(made, texts):
    assert ours.train(texts, 600, SLOTS).to_str() == made.to_str()
    assert made.get_vocab_size() == 600


@pytest.mark.parametrize(
    ("size", "slots", "says"),
    [(260, SLOTS, "is too small"), (600, ("hint",), "is not a slot"), (600, ("<a>", "<a>"), "named twice"), (600, ("<|end|>",), "not a slot")],
)
def test_what_cannot_be_made_is_refused(size, slots, says):
    with pytest.raises(ValueError, match=says):
        ours.train(["a text"], size, slots)


def test_bad_files_are_one_line(tmp_path, made):
    with pytest.raises(ValueError, match="no such file"):
        ours.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="is not a tokenizer"):
        ours.load(tmp_path)
    stopless = json.loads(made.to_str().replace(END, "<|fin|>"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(stopless))
    with pytest.raises(ValueError, match="never stop"):
        ours.load(tmp_path)


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("model")
    ours.save(made, path, 512)
    # A model folder has a Phi-3 configuration, and transformers must not take that for Phi-3's own tokenizer.
    (path / "config.json").write_text(json.dumps({"model_type": "phi3", "architectures": ["Phi3ForCausalLM"]}))
    return path


def test_what_is_saved_is_what_was_made(folder, made, texts):
    again = ours.load(folder)
    assert [ours.encode(again, text) for text in texts] == [ours.encode(made, text) for text in texts]
    assert len(ours.digest(folder)) == 64
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", "tokenizer_config.json"}


def test_transformers_reads_the_same(folder, made, texts):
    transformers = pytest.importorskip("transformers", reason="the extra gpu is not installed (make install EXTRAS=train)")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    french = "Qu’est-ce que c’est\u202f? Il dit : « Oui ! » , n'est-ce pas ?"
    for text in (*texts, french, " two  spaces ", chat([("user", "Où ?")], "<hint> là !")):
        ids = theirs(text).input_ids
        assert ids == ours.encode(made, text)
        assert theirs.decode(ids) == text
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u <|end|>"}]
    pairs = [("system", "s"), ("user", "u <|end|>")]
    assert theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == chat(pairs)
    answered = [*messages, {"role": "assistant", "content": "a"}]
    assert theirs.apply_chat_template(answered, tokenize=False) == chat(pairs, "a")
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == ours.encode(made, chat(pairs))
    assert theirs.clean_up_tokenization_spaces is False
    assert (theirs.eos_token, theirs.pad_token, theirs.bos_token) == (END, "<|pad|>", None)
    assert theirs.decode(ids + ours.encode(made, "<hint>"), skip_special_tokens=True).endswith("<hint>")
