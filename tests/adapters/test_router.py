"""Which adapters answer whom, and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.catalog import Catalog, Entry
from adapters.router import MASTERED, NEW, Learner, route, stage


def entry(name: str, **told: object) -> Entry:
    base: dict[str, object] = {
        "name": name,
        "version": "1",
        "kind": "adapter",
        "format": "safetensors",
        "folder": f"nano/{name}",
        "base": "nano",
    }
    base |= {"base_digest": "0" * 64, "architecture": "phi3", "size": 1, "files": {"adapter_model.safetensors": "1" * 64}}
    return Entry.model_validate(base | told)


def catalog(*entries: Entry) -> Catalog:
    return Catalog(Path("catalog.toml"), entries)


ADDING = entry("adding", skill="addition", language=["en", "de"])
TIMES = entry("times", skill="multiplication", language=["en"], needs=["addition"])
PICTURES = entry("pictures", audience="child", progress=["new"])
CALM = entry("calm", audience="6-7")


def names(stock: Catalog, skill: str, learner: Learner, **how: object) -> list[str]:
    return [each.name for each, _ in route(stock, "nano", skill, learner, **how).parts]  # type: ignore[arg-type]


def test_the_skill_in_the_learners_language() -> None:
    stock = catalog(ADDING, TIMES)
    chosen = route(stock, "nano", "addition", Learner("de", "6-7", {"addition": 0.6}))
    assert [(each.name, weight) for each, weight in chosen.parts] == [("adding", 1.0)]
    assert chosen.reasons == ("adding@1 for nano: skill addition, speaks de, for everybody, for every stage",)
    none = route(stock, "nano", "addition", Learner("fr"))
    assert none.parts == ()
    assert none.reasons == ("no adapter for the skill addition answers in fr on nano: the base answers alone",)
    assert route(stock, "phi-3-mini", "addition", Learner("en")).parts == ()


def test_back_to_what_is_needed_first_and_on_when_it_is_mastered() -> None:
    stock = catalog(ADDING, TIMES)
    back = route(stock, "nano", "multiplication", Learner("en", knows={"addition": 0.2}))
    assert (back.skill, [each.name for each, _ in back.parts]) == ("addition", ["adding"])
    assert back.reasons[0] == "multiplication needs addition, of which only 0.20 is known: addition first"
    assert names(stock, "multiplication", Learner("en", knows={"addition": 0.7})) == ["times"]
    on = route(stock, "nano", "addition", Learner("en", knows={"addition": 0.97}))
    assert (on.skill, [each.name for each, _ in on.parts]) == ("multiplication", ["times"])
    assert on.reasons[0] == "addition is mastered (0.97): on to multiplication"
    both = Learner("en", knows={"addition": 0.97, "multiplication": 0.99})
    assert route(stock, "nano", "addition", both).skill == "addition"
    german = Learner("de", knows={"addition": 0.97})
    assert route(stock, "nano", "addition", german).skill == "addition", "nothing further speaks German"


def test_needs_in_a_circle_come_to_an_end() -> None:
    one, two = entry("one", skill="a", needs=["b"]), entry("two", skill="b", needs=["a"])
    assert names(catalog(one, two), "a", Learner("en")) == ["two"]
    assert names(catalog(entry("self", skill="a", needs=["a"])), "a", Learner("en")) == ["self"]


def test_a_need_that_nobody_teaches_does_not_stop_anybody() -> None:
    assert names(catalog(TIMES), "multiplication", Learner("en")) == ["times"]


def test_a_style_goes_with_the_skill() -> None:
    stock = catalog(ADDING, PICTURES, CALM)
    chosen = route(stock, "nano", "addition", Learner("en", "4-5"), style=0.5)
    assert [(each.name, weight) for each, weight in chosen.parts] == [("adding", 1.0), ("pictures", 0.5)]
    assert chosen.reasons[1] == "pictures@1 for nano: style, any language, for child, addition is new (0.00), weight 0.5"
    assert names(stock, "addition", Learner("en", "6-7", {"addition": 0.6})) == ["adding", "calm"]
    nearest = route(stock, "nano", "addition", Learner("en", "8-10", {"addition": 0.6}))
    assert "for 6-7 (nearest to 8-10)" in nearest.reasons[1]
    assert names(stock, "addition", Learner("en", "teacher")) == ["adding"]
    assert names(stock, "addition", Learner("en", "4-5"), style=0) == ["adding"]
    assert names(stock, "division", Learner("en", "6-7")) == [], "a style alone answers nothing"


def test_what_was_made_for_just_this_wins() -> None:
    wide = entry("wide", skill="addition")
    german = entry("german", skill="addition", language="de")
    stock = catalog(wide, ADDING, german, entry("young", skill="addition", language=["de", "en"], audience="4-5"))
    assert names(stock, "addition", Learner("de", "8-10")) == ["german"]
    assert names(stock, "addition", Learner("de", "4-5")) == ["young"]
    assert names(stock, "addition", Learner("fr", "4-5")) == ["wide"]
    starting = entry("starting", skill="addition", progress="new")
    assert names(catalog(wide, starting), "addition", Learner("en")) == ["starting"]
    assert names(catalog(wide, starting), "addition", Learner("en", knows={"addition": 0.5})) == ["wide"]


def test_only_the_newest_version_that_is_not_withdrawn() -> None:
    newer = ADDING.model_copy(update={"version": "10"})
    gone = ADDING.model_copy(update={"version": "11", "withdrawn": True})
    chosen = route(catalog(ADDING, newer, gone), "nano", "addition", Learner("en"))
    assert [each.version for each, _ in chosen.parts] == ["10"]
    gguf = ADDING.model_copy(update={"format": "gguf"})
    assert [each.format for each, _ in route(catalog(gguf, ADDING), "nano", "addition", Learner("en")).parts] == ["safetensors"]
    assert [each.format for each, _ in route(catalog(gguf, ADDING), "nano", "addition", Learner("en"), "gguf").parts] == [
        "gguf"
    ]


@pytest.mark.parametrize(
    ("known", "expected"),
    [(0.0, "new"), (NEW, "new"), (NEW + 1e-9, "practising"), (MASTERED - 1e-9, "practising"), (MASTERED, "mastered")],
)
def test_the_stages_of_learning(known: float, expected: str) -> None:
    assert stage({"x": known}, "x") == expected
    assert stage({}, "x") == "new"


skills = st.sampled_from(["a", "b", "c", ""])
entries = st.builds(
    entry,
    st.sampled_from(["p", "q", "r", "s"]),
    skill=skills,
    language=st.lists(st.sampled_from(["en", "fr", "de"]), max_size=2),
    audience=st.sampled_from(["", "4-5", "6-7", "8-10", "child", "teacher"]),
    needs=st.lists(st.sampled_from(["a", "b", "c"]), max_size=2),
    progress=st.lists(st.sampled_from(["new", "practising", "mastered"]), max_size=2),
    withdrawn=st.booleans(),
    version=st.integers(1, 3),
)
learners = st.builds(
    Learner,
    st.sampled_from(["en", "fr", "de"]),
    st.sampled_from(["", "4-5", "6-7", "8-10", "teacher"]),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(0, 1)),
)


@given(st.lists(entries, max_size=8), skills, learners)
def test_whatever_is_listed_the_choice_fits_and_says_why(stock: list[Entry], skill: str, learner: Learner) -> None:
    chosen = route(catalog(*stock), "nano", skill, learner)
    assert chosen.reasons
    assert len(chosen.parts) <= 2
    for at, (each, weight) in enumerate(chosen.parts):
        assert weight == 1.0
        assert not each.withdrawn
        assert not each.language or learner.language in each.language
        assert not each.progress or stage(learner.knows, chosen.skill) in each.progress
        assert each.skill == (chosen.skill if at == 0 else "")
        assert not any(
            other.order > each.order
            for other in stock
            if other.name == each.name and not other.withdrawn and other.base == each.base
        )
    again = route(catalog(*stock), "nano", skill, learner)
    assert again == chosen
