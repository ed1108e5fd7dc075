"""Personal data by cues and tagger together: what is spared, what is not, and in whose language it is looked for."""

from __future__ import annotations

import itertools
import re
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.classifiers.tagger import WORD
from agent.language import hear
from agent.safety import privacy
from agent.safety.personal import find, redact
from agent.story import slugs
from agent.turn import LANGUAGES, Language
from tests.conftest import story_of

FRIEND: dict[Language, str] = {
    "en": "my best friend {} comes over on fridays",
    "fr": "ma copine {} vient le mercredi avec sa maman",
    "de": "meine Freundin {} kommt immer freitags",
}
KINDS = ("NAME", "PLACE", "PHONE", "MAIL", "SCHOOL", "BIRTHDAY", "ADDRESS", "URL", "PERSONAL")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("prior", LANGUAGES)
def test_a_name_is_found_in_each_of_the_three_languages_whatever_the_session_speaks(
    prior: Language, language: Language
) -> None:
    said = FRIEND[language].format("odalys")
    assert hear(said, prior).language == language
    assert privacy.redact(said, prior) == said, "no cue announces it: it is the tagger's"
    assert redact(said, prior) == FRIEND[language].format("[PERSONAL]")


@pytest.mark.parametrize(
    "said",
    [
        "mi amiga odalys viene los viernes a mi casa",
        "moja koleżanka odalys przychodzi w piątek",
        "benim arkadaşım odalys cuma günleri geliyor",
    ],
)
@pytest.mark.parametrize("prior", LANGUAGES)
def test_a_fourth_language_is_left_alone(prior: Language, said: str) -> None:
    assert hear(said, prior).foreign
    assert redact(said, prior) == said


@pytest.mark.parametrize("prior", LANGUAGES)
def test_but_not_what_the_cues_find_in_it(prior: Language) -> None:
    assert redact("mi amiga odalys viene a mi casa 0171 5550 2233", prior) == "mi amiga odalys viene a mi casa [PHONE]"


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_the_story_and_words_of_its_answers_are_spared(language: Language) -> None:
    said = FRIEND[language].format("odalys")
    assert redact(said, language, names=("Odalys",)) == said
    assert redact(said, language, answers=("with Ódalys!",)) == said
    assert redact(said, language, names=("Otto",), answers=("a snail", "odal")) != said


def test_a_stretch_is_spared_only_as_a_whole() -> None:
    said = "nan comes from Thornwick Bramblehay by train"
    assert redact(said, "en", answers=("Thornwick",)) == "nan comes from [PERSONAL] by train"
    assert redact(said, "en", answers=("Thornwick", "Bramblehay")) == said
    own = "nan comes from Thornwick by train"
    assert redact(own, "en") == "nan comes from [PERSONAL] by train"
    assert redact(own, "en", answers=("Thornwick",)) == own


@pytest.mark.parametrize(
    ("language", "said"), [("en", "it is Monday"), ("fr", "je suis Belgique"), ("de", "am Montag reden wir Deutsch")]
)
def test_weekdays_countries_and_languages_are_nobodys(language: Language, said: str) -> None:
    assert redact(said, language) == said


@cache
def answers(language: Language) -> list[tuple[str, str]]:
    """A few of the accepted answers of each question, with the story they belong to."""
    found = []
    for slug in slugs():
        for beat in story_of(slug, language).wording.beats.values():
            found += [(slug, text) for prompt in beat.prompts.values() for text in prompt.accepted[::9]]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answers_of_a_story_stay_as_they_are(language: Language) -> None:
    asked = answers(language)
    assert len(asked) > 200
    stories = {slug: story_of(slug, language) for slug in slugs()}
    changed = [
        text for slug, text in asked if redact(text, language, stories[slug].wording.names, stories[slug].answer_words) != text
    ]
    assert changed == []


NUMBERS: dict[Language, list[str]] = {
    "en": ["seven", "there were 12", "12 or 13", "one two three", "the train has 3 wagons"],
    "fr": ["sept", "il y en a 12", "12 ou 13", "un deux trois", "il y a trois wagons"],
    "de": ["sieben", "es waren 12", "12 oder 13", "eins zwei drei", "der Zug hat 3 Wagen"],
}
CALLED: dict[Language, list[str]] = {
    "en": [
        "the code is 48213",
        "our number is four four seven one nine two",
        "ring us on 4471920",
        "the code for our door is 4 7 1 9 2 8",
    ],
    "fr": ["notre numéro c'est quatre quatre sept un neuf deux", "appelle le 4471920", "le code de la porte c'est 4 7 1 9 2 8"],
    "de": ["unsere Nummer ist vier vier sieben eins neun zwei", "ruf an 4471920", "der Code von der Tür ist 4 7 1 9 2 8"],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_number_or_two_may_be_an_answer(language: Language) -> None:
    for said in NUMBERS[language]:
        assert redact(said, language) == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_telephone_number_is_none(language: Language) -> None:
    for said in CALLED[language]:
        hidden = redact(said, language)
        assert re.search(r"\[(PHONE|PERSONAL)\]", hidden), said
        digits = [word for word in WORD.findall(hidden) if word.isdigit()]
        assert digits == [], hidden


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("first", ["Ottilia", "keziah", "Bramwell", "Ysolde", "mirembe"])
def test_a_friends_name_is_hidden_whether_it_is_listed_or_not(language: Language, first: str) -> None:
    assert first not in redact(FRIEND[language].format(first), language)


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(alphabet=st.one_of(st.characters(), st.sampled_from("abcÉé MyLucas0123@.,!?'-[]\n")), max_size=60))
@settings(max_examples=60, deadline=None)
def test_spans_are_in_order_and_never_overlap(language: Language, text: str) -> None:
    spans = find(text, language)
    assert all(0 <= span.begin < span.end <= len(text) for span in spans)
    assert all(one.end <= other.begin for one, other in itertools.pairwise(spans))
    assert all(span.kind in KINDS for span in spans)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_placeholder_stays_a_placeholder(kind: str, language: Language) -> None:
    for said in (f"[{kind}]", FRIEND[language].format(f"[{kind}]")):
        assert redact(said, language) == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_was_hidden_once_is_not_hidden_again(language: Language) -> None:
    once = redact(FRIEND[language].format("odalys"), language)
    assert "[PERSONAL]" in once
    assert redact(once, language) == once


# ---------------------------------------------------------------------- not so yet

SPELLED: list[tuple[Language, str, str]] = [
    ("en", "my name is e m m a", "my name is [NAME]"),
    ("en", "my name is s i o b h a n", "my name is [NAME]"),
    ("fr", "je m'appelle e m m a", "je m'appelle [NAME]"),
    ("fr", "mon prénom c'est z o é", "mon prénom c'est [NAME]"),
    ("de", "ich heiße z o e", "ich heiße [NAME]"),
]


@pytest.mark.parametrize(("language", "said", "kept"), SPELLED)
def test_an_announced_name_is_hidden_to_its_last_letter(language: Language, said: str, kept: str) -> None:
    assert redact(said, language) == kept


PIECES = ("my school is called", "I live with", "my friend", "Odalys", "Emma", "and", "the owl", "at Brindlewood", "4471920")


@given(words=st.lists(st.sampled_from(PIECES), max_size=8))
@example(("its leo the owl at gmail dot com all in one word",))
@example(("alexandra Emma harcourt in full",))
@settings(max_examples=40, deadline=None)
def test_redacting_twice_is_redacting_once(words: list[str]) -> None:
    once = redact(" ".join(words), "en")
    assert redact(once, "en") == once
