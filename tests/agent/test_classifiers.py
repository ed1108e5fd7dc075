"""Texts as numbers, the linear models that are shipped, how a damaged one is refused, and how they are trained."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.classifiers import tagger as tagging
from agent.classifiers import train, train_tagger
from agent.classifiers.features import PLACES, features, plain, sequences
from agent.classifiers.linear import WEIGHTS, LinearModel, load, model
from agent.safety.privacy import is_first_name
from agent.story import load as load_story
from agent.story import slugs
from agent.turn import LANGUAGES, VERDICTS, Language

Arrays = dict[str, Any]
LABELS = {"acts": set(VERDICTS) - {"correct", "partial", "wrong", "silence"} | {"answer"}}
LABELS |= {"child": {"ok", "handoff", "redirect"}, "robot": {"ok", "refuse"}}


def written(path: Path) -> Arrays:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def kept(path: Path, arrays: Arrays) -> Path:
    np.savez_compressed(path, **arrays)
    return path


# ---------------------------------------------------------------------- a text as numbers


def test_words_are_folded() -> None:
    assert plain("Là-bas, l’ÉLÈVE rit !") == ["la", "bas", "l", "eleve", "rit", "!"]
    assert plain("Straße, Äpfel und Œufs – ægir?") == ["strasse", "apfel", "und", "oeufs", "aegir", "?"]
    assert plain("a_b 12") == ["a", "b", "12"]


def test_a_composed_letter_and_a_letter_with_a_mark_after_it_are_the_same() -> None:
    assert features("e\u0301le\u0300ve") == features("élève") == features("eleve")


def test_letter_sequences_know_where_a_word_begins_and_ends() -> None:
    assert list(sequences("ab")) == ["#_a", "#ab", "#b_", "#_ab", "#ab_", "#_ab_", "#_ab_"]
    assert set(sequences("fox")) >= {"#_f", "#x_", "#_fox_"}


def test_nothing_said_is_no_feature() -> None:
    assert features("") == features(" … - _ ") == {}


def test_places_never_change() -> None:
    """The shipped weights lie at these places: were they to move, every model would have to be trained again."""
    assert sorted(features("hi")) == [6648, 10924, 35162, 36370, 47918, 48416, 55775]


def test_the_order_of_words_counts() -> None:
    assert features("the dog bit him") != features("him bit the dog")


def test_what_is_repeated_counts_more_but_not_many_times_more() -> None:
    calm, wild = features("no stop"), features("no no no no no no no no stop")
    ratio = [max(found.values()) / min(found.values()) for found in (calm, wild)]
    assert ratio[0] < ratio[1] < 8


@given(st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_words_and_letters_form_a_vector_of_length_one_each(text: str) -> None:
    found = features(text)
    assert all(0 <= place < PLACES and value > 0 for place, value in found.items())
    length = math.sqrt(sum(value * value for value in found.values()))
    # Two vectors of length one that hardly share a place; features that meet make it a little longer.
    assert not found or math.sqrt(2) - 1e-9 <= length <= 2
    assert features(text) == found


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_capitals_and_white_space_change_nothing(text: str) -> None:
    assert features(f"  {text.lower()}\n") == features(text)


# ---------------------------------------------------------------------- the models as they are shipped


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", train.TASKS)
def test_the_shipped_weights_belong_to_the_shipped_data(task: Any, language: Language) -> None:
    shipped = model(task, language)
    assert shipped.digest == train.digest(task, language)
    assert set(shipped.labels) == LABELS[task]
    assert shipped.weights.shape == (PLACES, len(shipped.labels))
    assert 0.5 <= shipped.alarm <= shipped.certain


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_taggers_belong_to_the_shipped_data(language: Language) -> None:
    assert tagging.tagger(language).digest == train_tagger.digest(language)


def test_another_line_of_data_is_another_fingerprint(tmp_path: Path) -> None:
    row = {"language": "en", "text": "I am Kaveh", "spans": ["Kaveh"]}
    (tmp_path / "acts-1-en.jsonl").write_text('{"text": "a fox", "label": "answer"}\n', encoding="utf-8")
    (tmp_path / "personal-1.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    before = train.digest("acts", "en", tmp_path), train_tagger.digest("en", tmp_path)
    assert before == (train.digest("acts", "en", tmp_path), train_tagger.digest("en", tmp_path))
    (tmp_path / "acts-1-en.jsonl").write_text('{"text": "a fix", "label": "answer"}\n', encoding="utf-8")
    (tmp_path / "personal-1.jsonl").write_text(json.dumps({**row, "spans": []}) + "\n", encoding="utf-8")
    after = train.digest("acts", "en", tmp_path), train_tagger.digest("en", tmp_path)
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert train.digest("acts", "de", tmp_path) != after[0]


@given(text=st.text(max_size=80), task=st.sampled_from(train.TASKS), language=st.sampled_from(LANGUAGES))
@settings(max_examples=60, deadline=None)
def test_probabilities_sum_to_one(text: str, task: Any, language: Language) -> None:
    shares = model(task, language).probabilities(text)
    assert all(0 <= share <= 1 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)


def test_log_odds_are_weights_times_scale_plus_bias() -> None:
    place = next(iter(features("x")))
    weights = np.zeros((PLACES, 2), np.int8)
    weights[place] = (0, 100)
    scale, bias = np.array([1, 0.02], np.float32), np.array([0.5, 0], np.float32)
    made = LinearModel(("no", "yes"), weights, scale, bias, 0.5, 0.9, "")
    odds = 100 * 0.02 * features("x")[place] - 0.5
    assert made.probabilities("x")["yes"] == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-5)
    assert made.probabilities("")["yes"] == pytest.approx(1 / (1 + math.exp(0.5)), abs=1e-5)


# ---------------------------------------------------------------------- what is no model


def _with(name: str, value: object) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: value}


def _without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def _cast(name: str, kind: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: arrays[name].astype(kind)}


def _less(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: arrays[name][:-1]}


def _moved(name: str, by: int) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: arrays[name].astype(np.int64) + by}


def _nan(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: np.full_like(arrays[name], np.nan)}


COMMON = {
    "values of another dtype": _cast("values", "int16"),
    "values that are no numbers": _cast("values", "U4"),
    "rows that are no places": _cast("rows", "float32"),
    "rows past the end": _moved("rows", 1 << 18),
    "rows before the beginning": _moved("rows", -(1 << 18)),
    "a row too few": _less("rows"),
    "a value too few": _less("values"),
    "pickled rows": _cast("rows", "O"),
    "pickled values": _cast("values", "O"),
    "no digest": _without("digest"),
    "no rows": _without("rows"),
    "no scale": _without("scale"),
    "a bias that is no number": _nan("bias"),
    "a scale that is no number": _nan("scale"),
}
LINEAR = {
    **COMMON,
    "a label too few": _less("labels"),
    "a label for each letter": _with("labels", np.array("ok")),
    "a scale too few": _less("scale"),
    "a bias too few": _less("bias"),
    "a wide scale": _cast("scale", "float64"),
    "flat values": lambda arrays: {**arrays, "values": arrays["values"][:, 0]},
    "one class more than labels": lambda arrays: {**arrays, "values": np.hstack([arrays["values"], arrays["values"][:, :1]])},
    "two alarms": _with("alarm", np.array([0.5, 0.6])),
    "an alarm that is no number": _nan("alarm"),
    "a certain that is no number": _nan("certain"),
    "an alarm in words": _with("alarm", np.array("often")),
}
TAGGER = {
    **COMMON,
    "values in columns": lambda arrays: {**arrays, "values": arrays["values"][:, None]},
    "two scales": _with("scale", np.array([0.5, 0.6])),
}
LINE = r"{}: .*check the file out again, or train it again with: python -m {}$"


@pytest.mark.parametrize("damage", LINEAR.values(), ids=LINEAR.keys())
def test_a_wrong_model_is_refused_in_one_line(damage: Callable[[Arrays], Arrays], tmp_path: Path) -> None:
    path = kept(tmp_path / "child-en.npz", damage(written(WEIGHTS / "child-en.npz")))
    with pytest.raises(ValueError, match=LINE.format("child-en.npz", "agent.classifiers.train")):
        load(path)


def fresh_tagger(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tagging.Tagger:
    monkeypatch.setattr(tagging, "WEIGHTS", folder)
    return tagging.tagger.__wrapped__("en")


@pytest.mark.parametrize("damage", TAGGER.values(), ids=TAGGER.keys())
def test_a_wrong_tagger_is_refused_in_one_line(
    damage: Callable[[Arrays], Arrays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path / "personal-en.npz", damage(written(WEIGHTS / "personal-en.npz")))
    with pytest.raises(ValueError, match=LINE.format("personal-en.npz", "agent.classifiers.train_tagger")):
        fresh_tagger(tmp_path, monkeypatch)


def test_the_undamaged_files_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = written(WEIGHTS / "child-en.npz")
    found = load(kept(tmp_path / "child-en.npz", arrays))
    assert found.probabilities("a fox") == model("child", "en").probabilities("a fox")
    # The first and the last place are places too.
    ends = {**arrays, "rows": np.array([0, PLACES - 1]), "values": np.array([[1, 2, 3], [4, 5, 6]], np.int8)}
    edge = load(kept(tmp_path / "edge.npz", ends))
    assert edge.weights[0].tolist() == [1, 2, 3]
    assert edge.weights[-1].tolist() == [4, 5, 6]
    kept(tmp_path / "personal-en.npz", written(WEIGHTS / "personal-en.npz"))
    assert (fresh_tagger(tmp_path, monkeypatch).weights == tagging.tagger("en").weights).all()


def test_a_missing_model_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=LINE.format("none.npz", "agent.classifiers.train")):
        load(tmp_path / "none.npz")
    with pytest.raises(OSError, match=LINE.format("personal-en.npz", "agent.classifiers.train_tagger")):
        fresh_tagger(tmp_path, monkeypatch)


@given(share=st.floats(0, 1, exclude_max=True), task=st.sampled_from(["robot", "personal"]))
@settings(max_examples=30, deadline=None)
def test_a_file_that_was_cut_off_is_refused(share: float, task: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path, whole = folder / f"{task}-en.npz", (WEIGHTS / f"{task}-en.npz").read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(ValueError, match="check the file out again"):
        load(path) if task == "robot" else fresh_tagger(folder, monkeypatch)


@given(place=st.integers(0), bit=st.integers(0, 7), near=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_bit_that_fell_over_is_refused_or_does_not_matter(
    place: int, bit: int, near: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray((WEIGHTS / "robot-en.npz").read_bytes())
    content[-1 - place % 600 if near else place % len(content)] ^= 1 << bit  # the directory of the archive is at its end
    path = tmp_path_factory.mktemp("bit") / "robot-en.npz"
    path.write_bytes(content)
    found = None
    with suppress(ValueError):  # what else would be raised fails the test
        found = load(path)
    assert found is None or found.probabilities("a fox") == model("robot", "en").probabilities("a fox")


class Harm:
    """Unpickling this leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harm, trace = np.array([Harm(tmp_path / "trace")], dtype=object), tmp_path / "trace"
    kept(tmp_path / "personal-en.npz", {**written(WEIGHTS / "personal-en.npz"), "rows": harm})
    with pytest.raises(ValueError, match="check the file out again"):
        fresh_tagger(tmp_path, monkeypatch)
    path = kept(tmp_path / "child-en.npz", {**written(WEIGHTS / "child-en.npz"), "rows": harm})
    with pytest.raises(ValueError, match="check the file out again"):
        load(path)
    assert not trace.exists()
    with np.load(path, allow_pickle=True) as file:
        file["rows"]
    assert trace.exists(), "it would have done harm"


def test_one_array_by_itself_is_no_model(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="check the file out again"):
        load(tmp_path / "one.npz")


# ---------------------------------------------------------------------- the data


def test_lines_are_read_once_and_by_who_speaks(tmp_path: Path) -> None:
    rows = [("child", "a fox", "ok"), ("robot", "shut up", "refuse"), ("child", "a fox", "redirect"), ("child", "hm", "ok")]
    lines = [json.dumps({"who": who, "text": text, "label": label}) for who, text, label in rows]
    (tmp_path / "guard-1-en.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "guard-1-de.jsonl").write_text('{"who": "child", "text": "ein Fuchs", "label": "ok"}', encoding="utf-8")
    assert train.examples("child", "en", tmp_path) == [("a fox", "ok"), ("hm", "ok")]
    assert train.examples("robot", "en", tmp_path) == [("shut up", "refuse")]
    assert train.examples("acts", "en", tmp_path) == []


@pytest.mark.parametrize("line", ["{", '{"text": "a fox"}', '{"label": "answer"}', ""])
def test_a_line_that_cannot_be_read_is_named(line: str, tmp_path: Path) -> None:
    good = '{"text": "a fox", "label": "answer"}\n'
    (tmp_path / "acts-1-en.jsonl").write_text(f"{good}{good}{line}\n{good}", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"acts-1-en\.jsonl:3: a line is an object with text and label"):
        train.examples("acts", "en", tmp_path)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", train.TASKS)
def test_every_shipped_line_has_a_known_label(task: Any, language: Language) -> None:
    found = Counter(label for _, label in train.examples(task, language))
    assert set(found) == LABELS[task]
    assert min(found.values()) >= 30


def test_texts_of_a_few_words_are_left_out_and_so_is_what_children_say() -> None:
    nested = {
        "told": ["[mila] The {animal} ran far home.", "Too short", ("Three words here",)],
        "accepted": ["this is what children say"],
        "inner": {"names": ["Mila Otto and Pim"], "number": 3},
    }
    assert list(train.strings(nested)) == ["The  ran far home.", "Three words here"]


def test_the_tutors_lines_are_the_same_each_time_and_not_too_many_of_a_frame() -> None:
    found = train.tutor("en")
    assert found == train.tutor("en")
    assert len(found) == len(set(found)) > 1000
    assert found != train.tutor("de")


def test_what_the_robot_says_in_this_house_may_be_said() -> None:
    found = train.house("robot", "fr")
    assert {label for _, label in found} == {"ok"}
    texts = {text for text, _ in found}
    wording = load_story(slugs()[0], "fr").wording
    asked = next(iter(next(beat for beat in wording.beats.values() if beat.prompts).prompts.values()))
    assert asked.explain["6-7"][0] in texts
    assert not set(asked.accepted) & texts, "what a child says is not the robot's"


def test_what_children_are_expected_to_say_is_harmless() -> None:
    found = train.house("child", "en")
    accepted = set(train.house("acts", "en"))
    assert {label for _, label in accepted} == {"answer"}
    texts = {text for text, label in found if label == "ok"}
    assert {text for text, _ in accepted} <= texts
    row = next(row for row in train_tagger.rows("en") if row["text"].startswith("my name is") and row["spans"])
    assert row["text"] in texts, "telling a name is no harm"
    assert row["text"].replace(row["spans"][0], " ") in texts, "nor with the gap that the name leaves"
    assert {text for text, label in found if label == "handoff"} == {
        text for text, label in train.examples("acts", "en") if label == "disclosure"
    }


# ---------------------------------------------------------------------- training

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=300).map(np.array)


@given(SHARES, st.floats(0, 0.5))
def test_no_more_of_ordinary_talk_than_allowed_raises_an_alarm(harmless: Any, false: float) -> None:
    alarm = train.threshold(harmless, false)
    assert alarm >= 0.5, "what is likelier harmless than not raises none"
    # A share of n lines is only known to within one of them.
    assert np.mean(1 - harmless >= alarm) <= false + 1 / len(harmless)


@given(SHARES, st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_fewer_false_alarms_the_higher_the_bar(harmless: Any, one: float, other: float) -> None:
    few, many = sorted((one, other))
    assert train.threshold(harmless, few) >= train.threshold(harmless, many)


def test_the_bar_is_no_higher_than_it_must_be() -> None:
    harmless = 1 - np.arange(1000) / 1000
    assert train.threshold(harmless, 0.01) == pytest.approx(0.99, abs=0.002)
    assert train.threshold(harmless, 0.3) == pytest.approx(0.7, abs=0.002)
    assert train.threshold(harmless, 0.9) == 0.5


@contextmanager
def alone() -> Iterator[None]:
    """Training without further processes, and without threads that get into each other's way when tests run in parallel."""
    import sklearn.linear_model  # noqa: F401 - only threads of what is loaded already can be limited
    from joblib import parallel_config  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with parallel_config(backend="threading"), threadpool_limits(1):
        yield


def sample(task: Any, language: Language, size: int) -> list[tuple[str, str]]:
    """As many lines of each label, in a mixed order that is the same each time."""
    dice, by_label = random.Random(7), dict[str, list[tuple[str, str]]]()
    for text, label in train.examples(task, language):
        by_label.setdefault(label, []).append((text, label))
    return [pair for group in zip(*(dice.sample(pairs, size) for pairs in by_label.values()), strict=True) for pair in group]


@pytest.mark.parametrize(("task", "language", "size"), [("child", "de", 150), ("robot", "en", 240)])
def test_a_model_trained_on_little_knows_more_than_the_commonest_label(
    task: Any, language: Language, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, float, float]] = []

    def remembering(harmless: Any, false: float, bar: Callable[[Any, float], float] = train.threshold) -> float:
        asked.append((harmless, false, bar(harmless, false)))
        return asked[-1][2]

    monkeypatch.setattr(train, "threshold", remembering)
    monkeypatch.setattr(train, "_FOLDS", 2)  # these two make it quicker
    monkeypatch.setattr(train, "_STRENGTH", 4.0)
    lines = sample(task, language, size)
    learned, unseen = lines[: len(lines) * 2 // 3], lines[len(lines) * 2 // 3 :]
    ordinary = [pair for pair in learned if pair[1] == "ok"]
    with alone():
        arrays = train.train([pair for pair in learned if pair[1] != "ok"], ordinary)
    made = load(kept(tmp_path / "made.npz", {**arrays, "digest": np.array("x")}))
    guesses = [max(shares, key=shares.__getitem__) for shares in (made.probabilities(text) for text, _ in unseen)]
    right = np.mean([guess == label for guess, (_, label) in zip(guesses, unseen, strict=True)])
    commonest = max(Counter(label for _, label in unseen).values()) / len(unseen)
    assert right > commonest + 0.12, f"{right:.0%}, {commonest:.0%} by the commonest label alone"
    assert set(made.labels) == LABELS[task]
    assert [len(harmless) for harmless, _, _ in asked] == [len(ordinary)] * 2, "the bar is set on ordinary talk alone"
    assert [false for _, false, _ in asked] == [0.01, 0.002]
    assert [made.alarm, made.certain] == pytest.approx([bar for _, _, bar in asked])
    assert 0.5 <= made.alarm <= made.certain
    harmless = asked[0][0]
    assert np.mean(1 - harmless >= made.alarm) <= 0.01 + 1 / len(harmless)
    own = [1 - made.probabilities(text)["ok"] >= made.alarm for text, _ in ordinary]
    assert sum(own) <= 0.01 * len(own) + 1


def test_a_tagger_trained_on_little_finds_most_in_lines_it_never_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random.Random(5).sample(train_tagger.rows("en"), 700)
    learned, unseen = rows[:500], rows[500:]
    monkeypatch.setattr(train_tagger, "_STRENGTH", 0.5)  # quicker
    with alone():
        kept(tmp_path / "personal-en.npz", {**train_tagger.train("en", learned), "digest": np.array("x")})
    made = fresh_tagger(tmp_path, monkeypatch)
    right = found = wanted = 0
    for row in unseen:
        truth = train_tagger.tags(row["text"], row["spans"])
        stretches = made.personal(row["text"], lambda word: is_first_name(word, "en"))
        words = [match.start() for match in tagging.WORD.finditer(row["text"])]
        hidden = [any(begin <= word < end for begin, end in stretches) for word in words]
        right += sum(one and bool(other) for one, other in zip(hidden, truth, strict=True))
        found, wanted = found + sum(hidden), wanted + sum(truth)
    assert right > 0.45 * wanted > 40
    assert right > 0.5 * found
