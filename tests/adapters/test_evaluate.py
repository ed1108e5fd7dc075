"""What an adapter is worth: each measure on answers whose worth is known, and a gate that a worse one does not pass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import measures
from adapters.evaluate import Spoken, Unprompted, gate, publish, sample, table
from adapters.formats import Example
from adapters.recipe import Gate
from agent.ports import Message, Prompt
from agent.prompts import RESPONSE, STRATEGY, joined, render

LABELS = ("DR_OPEN", "DR_WH", "GO_ON")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


class Model:
    """A tenant whose answers the test knows."""

    name = "model"

    def __init__(
        self, write: Callable[[Prompt], str] = lambda _: "", rank: Callable[[Prompt, Sequence[str]], list[float]] | None = None
    ) -> None:
        self._write, self._rank = write, rank

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        text = self._write(prompt)
        yield text[:3]
        yield text[3:]

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        assert self._rank is not None
        return self._rank(prompt, options)


def choice(language: str, answer: str, turn: str, **facts: str) -> Example:
    prompt = render(STRATEGY, {"language": language, "age": "6-7", "allowed": joined(LABELS), **facts})
    return Example(prompt.messages, answer, {"turn": turn, "allowed": list(LABELS)}, f"{turn}/{language}")


def reply(answer: str = "Yes, the branch! The elder took it away.", strategy: str = "RECAST_EXPAND", **facts: str) -> Example:
    whole = {
        "language": "en",
        "age": "6-7",
        "strategy": strategy,
        "level": "5",
        "child_word": "stick",
        "material": "The elder took the middle branch away.",
        "accepted": "",
        "names": "Anansi",
    } | facts
    prompt = render(RESPONSE, whole, "You are calm.", said="the stick")
    return Example(prompt.messages, answer, {"strategy": strategy, "facts": whole}, "r")


# ---------------------------------------------------------------------------------------------------------- the numbers


def test_macro_f1_counts_rare_strategies_as_much_as_common_ones() -> None:
    right = ["a"] * 98 + ["b"] * 2
    assert measures.macro_f1(right, right) == 1.0
    assert measures.macro_f1(right, ["a"] * 100) == pytest.approx(2 * 98 / 198 / 2)


@settings(deadline=None)  # the first call loads scikit-learn
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_macro_f1_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    right, chosen = [a for a, _ in pairs], [b for _, b in pairs]
    expected = metrics.f1_score(right, chosen, labels=sorted(set(right)), average="macro", zero_division=0)
    assert measures.macro_f1(right, chosen) == pytest.approx(expected)


def test_calibration_error_is_how_far_sureness_is_from_truth() -> None:
    assert measures.calibration_error([0.75] * 4, [True, True, True, False]) == 0.0
    assert measures.calibration_error([1.0] * 4, [True, True, False, False]) == 0.5
    assert measures.calibration_error([0.95, 0.95, 0.55, 0.55], [True, False, True, True]) == pytest.approx(0.45)


def test_distinct_and_overlap_and_auc() -> None:
    assert measures.distinct(["the fox said yes", "the fox said no"]) == pytest.approx(4 / 6)
    assert measures.distinct(["yes"]) == 0.0
    assert measures.overlap("The fox said yes.", "the FOX said no") == 0.75
    assert measures.overlap("", "") == 0.0
    assert measures.auc([1, 2], [3, 4]) == 1.0
    assert measures.auc([1, 2], [1, 2]) == 0.5
    assert measures.auc([3, 4], [1, 2]) == 0.0


# ----------------------------------------------------------------------------------------------------------- strategies


def test_strategies_are_counted_inside_the_allowed_set_and_across_languages() -> None:
    examples = [choice(language, "DR_WH", f"state/{number}") for number in range(4) for language in ("en", "fr", "de")]

    def rank(prompt: Prompt, options: Sequence[str]) -> list[float]:
        assert options == LABELS
        wrong = prompt.facts["language"] == "de" and len(asked) in (2, 5)
        asked.append(prompt)
        return [math.log(0.8 if option == ("GO_ON" if wrong else "DR_WH") else 0.1) for option in options]

    asked: list[Prompt] = []
    scores = measures.strategy(Model(rank=rank), examples, STRATEGY)
    assert scores["accuracy"] == pytest.approx(10 / 12)
    assert scores["same_in_languages"] == 0.5
    assert scores["ece"] == pytest.approx(abs(0.8 - 10 / 12))
    assert scores["rank_p95"] >= scores["rank_p50"] > 0


def test_a_label_outside_the_allowed_set_is_a_fault_of_the_data() -> None:
    with pytest.raises(ValueError, match="“WAIT” is not among its allowed strategies"):
        measures.strategy(Model(rank=lambda _, options: [0.0] * len(options)), [choice("en", "WAIT", "s")], STRATEGY)


# -------------------------------------------------------------------------------------------------------------- replies


def score(text: str, example: Example | None = None) -> dict[str, float]:
    return measures.response(Model(lambda _: text), [example or reply()], RESPONSE)


def test_a_good_reply_scores_everywhere() -> None:
    found = score("Yes, the stick! The elder took the middle branch away.")
    assert {
        name: found[name] for name in ("right_language", "guard_first_try", "facts_kept", "relevance", "child_word_used")
    } == {
        "right_language": 1.0,
        "guard_first_try": 1.0,
        "facts_kept": 1.0,
        "relevance": 1.0,
        "child_word_used": 1.0,
    }


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("Oui, le bâton\u202f! Le vieux a enlevé la branche du milieu.", "right_language"),
        ("Yes, the stick! Then Kevin took the middle branch away.", "facts_kept"),
        ("**Yes**, the stick! The elder took the middle branch away.", "guard_first_try"),
        ("Yes! The elder took the middle branch away.", "child_word_used"),
        ("Yes, the stick!", "relevance"),
        ("", "guard_first_try"),
        ("", "facts_kept"),
    ],
)
def test_each_fault_costs_its_own_measure(text: str, fails: str) -> None:
    assert score(text)[fails] == 0.0


def test_a_hint_that_gives_the_answer_away_does_not_keep_the_facts() -> None:
    hint = reply(strategy="SCAFFOLD_HINT", material="It lies in the middle.", accepted="the middle branch", close="invite")
    assert score("It lies in the middle. What did the elder do?", hint)["facts_kept"] == 1.0
    assert score("It was the middle branch. What did the elder do?", hint)["facts_kept"] == 0.0
    assert score("It lies in the middle.", hint)["guard_first_try"] == 0.0, "it must hand the turn to the child"


def test_slots_are_filled_before_anything_is_judged() -> None:
    assert score("Yes, “<child_word>”! <idea>")["relevance"] == 1.0
    assert score("Yes, the stick! <hint>")["guard_first_try"] == 0.0, "a slot that stands for nothing is not spoken"


def test_diversity_is_measured_against_the_authored_replies() -> None:
    examples = [reply(f"So it was the {word} stick, you say.", child_word="") for word in ("old", "long", "dry", "thin")]
    same = measures.response(Model(lambda _: "Yes, yes, it is so."), examples, RESPONSE)
    own = measures.response(Spoken(examples), examples, RESPONSE)
    assert own["distinct_2_of_authored"] == 1.0
    assert same["distinct_2_of_authored"] < 0.6


def test_extravert_and_introvert_are_told_apart_by_manner_alone() -> None:
    loud, quiet = "Wow! Super! Hey, we did it, yes!", "Hm… maybe it lies, perhaps, a little further."
    examples = [reply(level=level) for level in ("2", "8")]
    model = Model(lambda prompt: loud if prompt.facts["level"] == "8" else quiet)
    assert measures.response(model, examples, RESPONSE)["style_auc"] == 1.0
    swapped = Model(lambda prompt: quiet if prompt.facts["level"] == "8" else loud)
    assert measures.response(swapped, examples, RESPONSE)["style_auc"] == 0.0


def test_an_independent_judge_says_which_strategy_a_reply_follows() -> None:
    pytest.importorskip("sklearn", reason="the extra train is not installed (make install EXTRAS=train)")
    ways = {
        "SCAFFOLD_HINT": ("Here is a little help. {m} What do you think now?", "A hint for you: {m} Would you try again?"),
        "RECAST_EXPAND": ("Yes, that is it! {m}", "Right, well seen! {m}"),
        "MODEL_THINKALOUD": ("Let me think out loud. {m}", "I think to myself: {m} Hm."),
    }
    materials = ("The elder came.", "A branch is long.", "It lies there.")
    authored = [
        reply(way.format(m=material), strategy, material=material)
        for strategy, two in ways.items()
        for way in two
        for material in materials
    ]
    new = [
        reply(two[0].format(m="The moon is round."), strategy, material="The moon is round.") for strategy, two in ways.items()
    ]
    followed = measures.response(Spoken(new), new, RESPONSE, authored)
    assert followed["strategy_followed"] == followed["strategy_told_in_authored"] == 1.0
    lazy = measures.response(Model(lambda _: "Yes, that is it! The moon is round."), new, RESPONSE, authored)
    assert lazy["strategy_followed"] == pytest.approx(1 / 3)
    assert lazy["strategy_told_in_authored"] == 1.0


# ------------------------------------------------------------------------------------------------------- other skills


def test_a_skill_is_held_to_its_answers_and_its_audience() -> None:
    asked = Example((Message("user", "3 + 4"),), "3 and 4 is 7.", {"language": "en"}, "s")
    exact = measures.text(Spoken([asked]), [asked], "", "6-7")
    assert (exact["exact"], exact["relevance"], exact["readable"]) == (1.0, 1.0, 1.0)
    hard = "Considering commutativity, additive combination of aforementioned quantities unquestionably yields approximately seven."
    worse = measures.text(Model(lambda _: hard), [asked], "", "6-7")
    assert (worse["exact"], worse["readable"]) == (0.0, 0.0)
    assert worse["lix"] > exact["lix"]
    assert "readable" not in measures.text(Spoken([asked]), [asked], "", "teacher"), "a teacher has no limits to be held to"


def test_the_rows_beside_the_adapter() -> None:
    example = reply()
    assert list(Spoken([example]).stream(Prompt(example.messages), adapter="")) == [example.answer]
    seen: list[Prompt] = []
    bare = Unprompted(Model(lambda prompt: seen.append(prompt) or "x"))  # type: ignore[func-returns-value]
    list(bare.stream(Prompt(example.messages, {"level": "5"}), adapter=""))
    assert [message.role for message in seen[0].messages] == ["user"]
    assert seen[0].facts == {"level": "5"}


# ----------------------------------------------------------------------------------------------------------------- gate

RULES = Gate(at_least={"macro_f1": 0.95}, at_most={"ece": 0.05, "forgetting": 0.05})
GOOD = {"macro_f1": 0.97, "ece": 0.02, "forgetting": 0.01}


def test_a_good_adapter_passes_the_gate() -> None:
    assert gate(GOOD, RULES, {}) == []
    assert gate(GOOD, RULES, {"macro_f1": 0.975, "ece": 0.015, "forgetting": 0.0}) == [], "within the slack"


@pytest.mark.parametrize(
    ("change", "before", "said"),
    [
        ({"macro_f1": 0.94}, {}, "macro_f1 is 0.940, the gate asks for at least 0.95"),
        ({"ece": 0.06}, {}, "ece is 0.060, the gate asks for at most 0.05"),
        ({"forgetting": 0.2}, {}, "forgetting is 0.200, the gate asks for at most 0.05"),
        ({"macro_f1": float("nan")}, {}, "macro_f1 is nan"),
        ({"ece": float("nan")}, {}, "ece is nan"),
        ({}, {"macro_f1": 0.99}, "macro_f1 is 0.970, worse than 0.990 of the adapter in its place"),
        ({"ece": 0.04}, {"ece": 0.01}, "ece is 0.040, worse than 0.010"),
    ],
)
def test_a_worse_adapter_does_not_pass(change: dict[str, float], before: dict[str, float], said: str) -> None:
    assert any(reason.startswith(said) for reason in gate(GOOD | change, RULES, before))


def test_what_was_not_measured_does_not_pass() -> None:
    assert gate({"macro_f1": 0.97, "ece": 0.02}, RULES, {}) == ["forgetting was not measured, and the gate asks for it"]


def test_what_is_published_is_there_whole(tmp_path: Path) -> None:
    new, place = tmp_path / "new", tmp_path / "weights" / "strategy"
    for folder, word in ((new, "new"), (place, "old")):
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(word)
    (place / "left-over.json").write_text("old")
    publish(new, place)
    assert [path.name for path in place.iterdir()] == ["card.json"]
    assert (place / "card.json").read_text() == "new"
    assert [path.name for path in place.parent.iterdir()] == ["strategy"], "nothing is left beside it"
    assert (new / "card.json").read_text() == "new"


def test_a_sample_keeps_a_turn_together_and_is_always_the_same() -> None:
    examples = [choice(language, "DR_WH", f"state/{number}") for number in range(20) for language in ("en", "fr", "de")]
    few = sample(examples, 10)
    assert len(few) == 9
    assert all(sum(one.marks["turn"] == other.marks["turn"] for other in few) == 3 for one in few)
    assert few == sample(examples, 10)
    assert sorted(map(id, sample(examples, 0))) == sorted(map(id, examples))


def test_the_table_has_a_column_a_row() -> None:
    assert table({"x": {"a": 1.0}, "base": {"a": 0.5, "b": 0.25}}).splitlines() == [
        "| measure | x | base |",
        "|---|---|---|",
        "| a | 1.000 | 0.500 |",
        "| b | – | 0.250 |",
    ]


# -------------------------------------------------------------------------------------------------- from data to the gate


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Path]:
    """A strategy adapter on a tiny base, its test data and some running text: all through the real commands."""
    pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    pytest.importorskip("trl", reason="the extra train is not installed (make install EXTRAS=train)")
    from adapters.recipe import Recipe
    from adapters.train import Job, train
    from tests.adapters.tiny_base import WORDS, make

    folder = tmp_path_factory.mktemp("whole")
    rows = [
        choice(language, "GO_ON" if number % 2 else "DR_WH", f"state/{number}", quiet="yes" if number % 2 else "no")
        for number in range(12)
        for language in ("en", "fr", "de")
    ]
    data = folder / "strategy.jsonl"
    with data.open("w", encoding="utf-8") as file:
        for row in rows:
            prompt = [{"role": message.role, "content": message.content} for message in row.messages]
            file.write(json.dumps({"prompt": prompt, "completion": row.answer, **row.marks}) + "\n")
    general = folder / "general.jsonl"
    general.write_text(json.dumps({"text": WORDS}) + "\n", encoding="utf-8")
    base = make(folder / "tiny")
    plan: dict[str, Any] = {"name": "strategy", "task": "strategy", "base": "tiny", "data": ["d"]}
    plan["adapter"] = {"method": "lora", "rank": 8}
    plan["training"] = {"steps": 25, "batch": 12, "learning_rate": 1e-2, "valid_share": 0}
    plan["gate"] = {"at_least": {"macro_f1": 0.95, "same_in_languages": 0.9}, "at_most": {"forgetting": 5.0}}
    train(Job(Recipe.model_validate(plan), base, [data], folder / "out"), say=lambda _: None)
    return base, folder / "out", data, general


def forgotten(chosen: tuple[Path, Path, Path, Path]) -> float:
    """The relative rise of the loss on running text, told by transformers alone."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    text = json.loads(chosen[3].read_text())["text"]
    ids = AutoTokenizer.from_pretrained(chosen[0])(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(chosen[0], dtype=torch.float32).eval()
    with torch.no_grad():
        before = float(model(input_ids=ids, labels=ids).loss)
        after = float(PeftModel.from_pretrained(model, str(chosen[1])).eval()(input_ids=ids, labels=ids).loss)
    return after / before - 1


def evaluated(chosen: tuple[Path, Path, Path, Path], *more: str) -> int:
    from adapters.evaluate import main

    base, out, data, general = map(str, chosen)
    return main([out, "--base", base, "--data", data, "--general", general, *more])


def test_from_data_to_the_published_adapter(chosen: tuple[Path, Path, Path, Path], tmp_path: Path, capsys: Any) -> None:
    place = tmp_path / "weights" / "strategy"
    assert evaluated(chosen, "--compare", "--publish", str(place)) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "| measure | strategy | without its prompt | base | authored |" in said
    scores = json.loads((place / "card.json").read_text())["scores"]
    assert scores["macro_f1"] == 1.0
    assert scores["answer_loss"] < scores["base_answer_loss"] - 1
    assert scores["forgetting"] == pytest.approx(forgotten(chosen), abs=1e-3)
    base_row = next(line for line in said.splitlines() if line.startswith("| macro_f1"))
    assert float(base_row.split("|")[4]) < 0.95, "the base alone cannot"
    # The adapter in its place is better than the same one with a worse card would be: the gate shuts.
    card = json.loads((place / "card.json").read_text())
    card["scores"]["forgetting"] = scores["forgetting"] - 1
    (place / "card.json").write_text(json.dumps(card))
    assert evaluated(chosen, "--publish", str(place)) == 1
    assert "worse than" in capsys.readouterr().err
    assert json.loads((place / "card.json").read_text())["scores"] == card["scores"], "it stays as it was"


def test_an_adapter_is_not_measured_on_another_base(chosen: tuple[Path, Path, Path, Path], tmp_path: Path, capsys: Any) -> None:
    import shutil

    other = tmp_path / "tiny"
    shutil.copytree(chosen[0], other)
    held = bytearray((other / "model.safetensors").read_bytes())
    held[-1] ^= 1
    (other / "model.safetensors").write_bytes(held)
    assert evaluated((other, *chosen[1:])) == 2
    assert "is not the base this adapter was trained on" in capsys.readouterr().err
    assert evaluated((tmp_path / "none", *chosen[1:])) == 2
    assert "is not here; name its folder with --base" in capsys.readouterr().err


def test_data_that_are_not_there_are_told(chosen: tuple[Path, Path, Path, Path], tmp_path: Path, capsys: Any) -> None:
    from adapters.evaluate import main

    assert main([str(chosen[1]), "--base", str(chosen[0])]) == 2
    assert "its recipe names no test data" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert "card.json" in capsys.readouterr().err
