"""Personal data is found in what children say, in three languages, and nothing else is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.safety.privacy import find, is_first_name, redact
from agent.turn import LANGUAGES, Language

FOUND: list[tuple[Language, str, str]] = [
    ("en", "my name is Harper Collins", "my name is [NAME]"),
    ("en", "i'm called zadie", "i'm called [NAME]"),
    ("en", "my little brother Tobias cries a lot", "my little brother [NAME] cries a lot"),
    ("en", "my sister's name is Beatrix", "my sister's name is [NAME]"),
    ("en", "mr patel teaches us maths", "mr [NAME] teaches us maths"),
    ("en", "I live in New York with my mum", "I live in [PLACE] with my mum"),
    ("en", "i live in leeds", "i live in [PLACE]"),
    ("en", "my number is 07700 900123", "my number is [PHONE]"),
    ("en", "it's oh one two one four nine six oh double three", "it's [PHONE]"),
    ("en", "my email is max underscore cool at hotmail dot com", "my email is [MAIL]"),
    ("en", "write to lena.b@school.co.uk!", "write to [MAIL]!"),
    ("en", "I go to Hillview Academy", "I go to [SCHOOL]"),
    ("en", "my birthday is the second of august", "my birthday is [BIRTHDAY]"),
    ("en", "I live at 7 Acacia Avenue", "I live at [ADDRESS]"),
    ("en", "look at www.funkids.com", "look at [URL]"),
    ("fr", "je m'appelle Zélie Vandamme", "je m'appelle [NAME]"),
    ("fr", "jmapelle gustave", "jmapelle [NAME]"),
    ("fr", "ma meilleure amie c'est Léonie", "ma meilleure amie c'est [NAME]"),
    ("fr", "monsieur benali nous apprend à lire", "monsieur [NAME] nous apprend à lire"),
    ("fr", "j’habite à La Rochelle", "j’habite à [PLACE]"),
    ("fr", "je viens du Maroc", "je viens du [PLACE]"),
    ("fr", "mon numéro c'est zéro six douze trente-quatre cinquante-six", "mon numéro c'est [PHONE]"),
    ("fr", "c'est tom point durand arobase orange point fr", "c'est [MAIL]"),
    ("fr", "je vais à l'école Sainte-Marie", "je vais à l'[SCHOOL]"),
    ("fr", "je suis née le 4 mai 2018", "je suis née le [BIRTHDAY]"),
    ("fr", "j'habite 7 avenue des Acacias", "j'habite [ADDRESS]"),
    ("de", "ich heiße Ronja Petersen", "ich heiße [NAME]"),
    ("de", "ich heisse thore", "ich heisse [NAME]"),
    ("de", "meine Lehrerin heißt Frau Lindner", "meine Lehrerin heißt Frau [NAME]"),
    ("de", "meine Schwester Clara ist groß", "meine Schwester [NAME] ist groß"),
    ("de", "wir wohnen in der Schweiz", "wir wohnen in der [PLACE]"),
    ("de", "meine Oma wohnt in Bad Tölz", "meine Oma wohnt in [PLACE]"),
    ("de", "null vier null drei drei acht neun sechs", "[PHONE]"),
    ("de", "meine Mail ist tom minus blau at web punkt de", "meine Mail ist [MAIL]"),
    ("de", "ich gehe auf die Pestalozzi-Schule", "ich gehe auf die [SCHOOL]"),
    ("de", "ich habe im März Geburtstag", "ich habe im [BIRTHDAY] Geburtstag"),
    ("de", "ich wohne im Akazienweg 7", "ich wohne im [ADDRESS]"),
]

LEFT: list[tuple[Language, str]] = [
    ("en", "the fox is called Rusty"),
    ("en", "Jack climbed the beanstalk"),
    ("en", "my name is not important"),
    ("en", "I live in a flat with my mum"),
    ("en", "it is time for school"),
    ("en", "one two three four five six seven eight nine ten"),
    ("en", "ten nine eight seven six five four three two one"),
    ("en", "there are 1 000 000 stars"),
    ("en", "two plus two is four and four plus four is eight"),
    ("en", "Mr Fox ran home"),
    ("en", "come here"),
    ("fr", "je viens de manger une pomme"),
    ("fr", "je viens de l'école"),
    ("fr", "un deux trois quatre cinq six sept huit"),
    ("fr", "Monsieur Renard est parti"),
    ("fr", "une fontaine dans la rue de la sorcière"),
    ("fr", "le chat de ma mamie est noir"),
    ("de", "ich komme aus der Küche"),
    ("de", "mein Opa Apfelkuchen backt"),
    ("de", "eine Frau geht in den Wald"),
    ("de", "Frau Holle schüttelt die Betten"),
    ("de", "ein rosa Wurm"),
    ("de", "ich gehe in die Grundschule"),
    ("de", "eins zwei drei vier fünf sechs sieben acht"),
]


@pytest.mark.parametrize(("language", "said", "kept"), FOUND)
def test_personal_data_is_taken_out(language: Language, said: str, kept: str) -> None:
    assert redact(said, language) == kept


@pytest.mark.parametrize(("language", "said"), LEFT)
def test_ordinary_talk_stays_as_it_is(language: Language, said: str) -> None:
    assert redact(said, language) == said


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_the_story_stay_but_others_go(language: Language) -> None:
    said = "Mila, Otto, Lucas"
    assert redact(said, language, keep=("Mila", "Otto")) == "Mila, Otto, [NAME]"
    assert redact("Mila", language) == "[NAME]"


def test_a_name_after_a_cue_is_the_childs_own_and_a_friends_is_not() -> None:
    assert [span.own for span in find("my name is Lucas", "en")] == [True]
    assert [span.own for span in find("my friend Lucas laughed", "en")] == [False]


def test_names_that_are_words_are_names_only_after_a_cue() -> None:
    assert redact("je m'appelle Rose", "fr") == "je m'appelle [NAME]"
    assert redact("la rose est rouge", "fr") == "la rose est rouge"
    assert is_first_name("Lucas", "en")
    assert not is_first_name("rose", "fr")


def test_several_kinds_in_one_breath_each_once() -> None:
    said = "my name is Emma Brown and I live at 12 Oak Road and my mail is emma@brown.org"
    assert [span.kind for span in find(said, "en")] == ["NAME", "ADDRESS", "MAIL"]


@pytest.mark.parametrize("language", LANGUAGES)
@given(digits=st.lists(st.integers(0, 9), min_size=9, max_size=11))
@settings(max_examples=40, deadline=None)
def test_any_number_with_a_leading_zero_is_a_telephone(language: Language, digits: list[int]) -> None:
    number = "0" + "".join(map(str, digits))
    spaced = " ".join(number)
    assert redact(number, language) == "[PHONE]"
    assert redact(spaced, language) == "[PHONE]"


@pytest.mark.parametrize("language", LANGUAGES)
@given(start=st.integers(1, 40), step=st.integers(1, 9), length=st.integers(4, 12))
@settings(max_examples=40, deadline=None)
def test_counting_in_steps_is_no_telephone(language: Language, start: int, step: int, length: int) -> None:
    counted = " ".join(str(start + step * place) for place in range(length))
    assert redact(counted, language) == counted


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(alphabet="abcÉéüß MyLucas0123@.,!?'’-[]\n", max_size=60))
@settings(max_examples=60, deadline=None)
def test_redacting_twice_is_redacting_once_and_spans_are_in_order(language: Language, text: str) -> None:
    spans = find(text, language)
    assert all(one.end <= other.begin for one, other in itertools.pairwise(spans))
    once = redact(text, language)
    assert redact(once, language) == once
