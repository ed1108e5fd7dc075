"""The tagger of personal data: what it finds without an announcement, what it leaves, and what it is taught."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.classifiers import train_tagger
from agent.classifiers.tagger import PLACES, SURE, WORD, Tagger, hashed, tagger, word_features
from agent.safety.privacy import is_first_name
from agent.turn import LANGUAGES, Language

FOUND: list[tuple[Language, str, list[str]]] = [
    ("en", "my best friend odalys comes over on fridays", ["odalys"]),
    ("en", "we moved to Thornwick last summer with our nan", ["Thornwick"]),
    ("en", "it is spelled b r i n d l e", ["b r i n d l e"]),
    ("en", "nobody can spell my name its s i o b h a n", ["s i o b h a n"]),
    ("en", "my house is on 14 Larkspur Lane", ["14 Larkspur Lane"]),
    ("en", "Grandpa Ignatius lives with us", ["Ignatius"]),
    ("fr", "ma copine odalys vient le mercredi", ["odalys"]),
    ("fr", "on a déménagé à Brissonval avec mamie", ["Brissonval"]),
    ("fr", "ça s'écrit b r i n d i l l e", ["b r i n d i l l e"]),
    ("fr", "ma maison c'est 14 allée des Mésanges", ["14 allée des Mésanges"]),
    ("fr", "ma maîtresse c'est madame Pontavec", ["Pontavec"]),
    ("de", "meine Freundin odalys kommt immer freitags", ["odalys"]),
    ("de", "wir sind nach Brunnsheide gezogen mit Oma", ["Brunnsheide"]),
    ("de", "das schreibt man b r i n d l", ["b r i n d l"]),
    ("de", "unser Haus ist im Amselgrund 14", ["Amselgrund 14"]),
    ("de", "mein Lehrer ist der Herr Wiesenkötter", ["Wiesenkötter"]),
]
LEFT: list[tuple[Language, str]] = [
    ("en", "the fox hid behind the big tree"),
    ("en", "because the snail was too slow"),
    ("en", "I think he was sad and went home"),
    ("en", "the rainbow has seven colours"),
    ("fr", "le renard s'est caché derrière l'arbre"),
    ("fr", "parce que l'escargot était trop lent"),
    ("fr", "il voulait manger le fromage"),
    ("fr", "l'arc-en-ciel a sept couleurs"),
    ("de", "der Fuchs hat sich hinter dem Baum versteckt"),
    ("de", "weil die Schnecke zu langsam war"),
    ("de", "er wollte den Käse essen"),
    ("de", "der Regenbogen hat sieben Farben"),
]


def personal(text: str, language: Language) -> list[str]:
    return [text[a:b] for a, b in tagger(language).personal(text, lambda word: is_first_name(word, language))]


@pytest.mark.parametrize(("language", "said", "wanted"), FOUND)
def test_what_nothing_announces_is_found(language: Language, said: str, wanted: list[str]) -> None:
    assert personal(said, language) == wanted


@pytest.mark.parametrize(("language", "said"), LEFT)
def test_answers_to_a_story_are_left(language: Language, said: str) -> None:
    assert personal(said, language) == []


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(alphabet=st.one_of(st.characters(), st.sampled_from("abcXYZ 0123-.@_[]\n")), max_size=60))
@settings(max_examples=60, deadline=None)
def test_stretches_are_in_order_inside_the_text_and_of_whole_words(language: Language, text: str) -> None:
    stretches = tagger(language).personal(text, lambda word: is_first_name(word, language))
    assert all(0 <= begin < end <= len(text) for begin, end in stretches)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(stretches))
    begins, ends = {match.start() for match in WORD.finditer(text)}, {match.end() for match in WORD.finditer(text)}
    assert all(begin in begins and end in ends for begin, end in stretches)


def test_neighbours_are_one_stretch_and_a_word_between_makes_two() -> None:
    everything = Tagger("en", np.zeros(PLACES, np.int8), 1.0, 9.0, "")
    nothing = Tagger("en", np.zeros(PLACES, np.int8), 1.0, -9.0, "")
    assert everything.personal("  one, two! ", lambda word: False) == [(2, 10)]
    assert nothing.personal("one two", lambda word: False) == []
    weights = np.zeros(PLACES, np.int8)
    weights[hashed(iter(["w=and"]))] = -100
    between = Tagger("en", weights, 1.0, 9.0, "")
    assert between.personal("anna and ben or so", lambda word: False) == [(0, 4), (9, 18)]


@pytest.mark.parametrize(("nearly", "hidden"), [(1e-6, True), (-1e-6, False)])
def test_a_word_counts_from_the_probability_that_is_sure(nearly: float, hidden: bool) -> None:
    odds = math.log(SURE / (1 - SURE)) + nearly
    assert bool(Tagger("en", np.zeros(PLACES, np.int8), 1.0, odds, "").personal("hm", lambda word: False)) == hidden


def test_odds_are_weights_times_scale_plus_bias() -> None:
    weights = np.zeros(PLACES, np.int8)
    weights[hashed(iter(["w=hm", "len=2"]))] = 100  # int8 sums must not run over
    assert Tagger("en", weights, 0.01, -1.5, "").personal("hm", lambda word: False) == [(0, 2)]
    assert Tagger("en", weights, 0.001, -1.5, "").personal("hm", lambda word: False) == []


def test_what_was_said_of_the_words_before_is_looked_at() -> None:
    weights = np.zeros(PLACES, np.int8)
    weights[hashed(iter(["prev=10", "prev=12"]))] = 100
    weights[hashed(iter(["w=anna"]))] = 60
    following = Tagger("en", weights, 0.1, -5.0, "")
    # Whatever follows a personal word is one too, if that came after a word that was none or at the beginning.
    assert following.personal("anna bell ran home", lambda word: False) == [(0, 9)]
    assert following.personal("so anna bell ran", lambda word: False) == [(3, 12)]


def seen(words: list[str], place: int, language: Language = "en", name: str = "") -> set[str]:
    return set(word_features(words, place, language, (0, 1), lambda word: word == name))


def test_a_word_its_shape_and_its_neighbours_are_seen() -> None:
    words = ["My", "friend", "Zia-7", "ran"]
    assert {"w=zia-7", "s2=-7", "p3=zia", "sh=Xx1False", "len=5", "-1=friend", "1=ran", "-3=<>", "-2=my"} <= seen(words, 2)
    assert "sh=XxTrue" in seen(words, 0)
    assert "-1=<>" in seen(words, 0)
    assert "1=<>" in seen(words, 3)
    assert "prev=01" in seen(words, 1)
    assert {feature for feature in seen([*words, "off"], 4) if feature.startswith("far")} == {"far=my"}


@pytest.mark.parametrize(
    ("word", "shape"), [("12", "d"), ("fox", "x"), ("Fox", "Xx"), ("FOX", "X"), ("I", "Xx"), ("a1", "x1"), ("a@b", "x@")]
)
def test_shapes(word: str, shape: str) -> None:
    assert f"sh={shape}True" in seen([word], 0)


def test_names_and_known_words_are_seen() -> None:
    assert {"nm=True", "nm1=False", "kn=False"} <= seen(["qwzx", "fox"], 0, name="qwzx")
    assert {"nm=False", "nm1=True", "kn=True"} <= seen(["fox", "qwzx"], 0, name="qwzx")
    assert "kn=False" in seen(["Schnecke"], 0, "en")
    assert "kn=True" in seen(["Schnecke"], 0, "de")


@given(st.lists(st.text(max_size=8), max_size=8))
def test_places_are_places_and_always_the_same(names: list[str]) -> None:
    places = hashed(iter(names))
    assert all(0 <= place < PLACES for place in places)
    assert places == [hashed(iter([name]))[0] for name in names]


# ---------------------------------------------------------------------- what it is taught


@pytest.mark.parametrize(
    ("text", "spans", "wanted"),
    [
        ("my teacher is Mrs Thornby", ["Mrs Thornby"], [0, 0, 0, 0, 1]),
        ("c'est Madame Pontavec", ["Madame Pontavec"], [0, 0, 0, 1]),
        ("mein Onkel Thore und tante Jula", ["Onkel Thore", "tante Jula"], [0, 0, 1, 0, 0, 1]),
        ("I am Kaveh and Kaveh is me", ["Kaveh"], [0, 0, 1, 0, 1, 0, 0]),
        ("b r i n d l e", ["b r i n"], [1, 1, 1, 1, 0, 0, 0]),
        ("a.b (the dot)", ["a.b"], [1, 0, 0]),
        ("the drummer Dr", ["drummer Dr"], [0, 1, 0]),
        ("the fox ran", [], [0, 0, 0]),
        ("", [], []),
    ],
)
def test_words_in_a_span_are_personal_and_titles_are_not(text: str, spans: list[str], wanted: list[int]) -> None:
    assert train_tagger.tags(text, spans) == wanted


@given(st.lists(st.sampled_from(["Ann", "Ben", "fox", "Mrs", "12", "the"]), max_size=8), st.data())
def test_there_is_a_tag_for_each_word(words: list[str], data: Any) -> None:
    spans = data.draw(st.lists(st.sampled_from(words), max_size=3)) if words else []
    found = train_tagger.tags(" ".join(words), spans)
    assert found == [int(word in spans and word != "Mrs") for word in words]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_spans_of_the_data_are_in_their_texts(language: Language) -> None:
    rows = train_tagger.rows(language)
    assert len(rows) > 2000
    assert {row["language"] for row in rows} == {language}
    assert [row["text"] for row in rows if any(span not in row["text"] for span in row["spans"])] == []
