"""Which language a child speaks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import language
from agent.language import hear
from agent.turn import LANGUAGES, Language

WHOLE: dict[Language, list[str]] = {
    "en": [
        "I think the snail is hiding because it is raining",
        "the dog went home",
        "he was very hungry and ate the apple",
        "she wants to find her friend",
        "they build a bridge over the river",
        "maybe he is sad",
        "we can help him look for it",
        "it goes up into the clouds",
    ],
    "fr": [
        "je crois que l'escargot se cache parce qu'il pleut",
        "le chien est rentré à la maison",
        "il avait très faim et il a mangé la pomme",
        "elle veut retrouver son amie",
        "ils construisent un pont sur la rivière",
        "peut-être qu'il est triste",
        "on peut l'aider à chercher",
        "ça monte dans les nuages",
    ],
    "de": [
        "ich glaube die Schnecke versteckt sich weil es regnet",
        "der Hund ist nach Hause gegangen",
        "er hatte großen Hunger und hat den Apfel gegessen",
        "sie will ihren Freund finden",
        "die bauen eine Brücke über den Fluss",
        "vielleicht ist er traurig",
        "wir können ihm suchen helfen",
        "das geht hoch in die Wolken",
    ],
}


@pytest.mark.parametrize("prior", LANGUAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_sentence_is_followed(language: Language, prior: Language) -> None:
    heard = [hear(sentence, prior) for sentence in WHOLE[language]]
    assert [found.language for found in heard] == [language] * len(heard)
    assert not any(found.foreign for found in heard)


@pytest.mark.parametrize(
    ("prior", "text"),
    [
        ("en", "I saw a schnecke"),
        ("en", "it was an escargot in the grass"),
        ("en", "the regenbogen was big"),
        ("en", "ein dog"),
        ("en", "la maison"),
        ("fr", "j'ai vu un snail"),
        ("fr", "le fox il a faim"),
        ("fr", "das haus"),
        ("de", "ich hab einen snail gesehen"),
        ("de", "ein papillon auf der blume"),
    ],
)
def test_a_borrowed_word_switches_nothing(prior: Language, text: str) -> None:
    found = hear(text, prior)
    assert (found.language, found.foreign, found.borrowed) == (prior, False, True)


@pytest.mark.parametrize("prior", LANGUAGES)
@pytest.mark.parametrize(
    "text",
    [
        "el perro se fue a su casa porque tenía hambre",
        "no sé qué es eso",
        "il cane è andato a casa",
        "non lo so",
        "o cachorro foi para casa",
        "de hond is naar huis gegaan",
        "ik weet het niet",
        "pies poszedł do domu",
        "nie wiem co to jest",
        "köpek eve gitti",
        "bilmiyorum",
        "câinele a mers acasă",
        "собака пошла домой",
        "الكلب ذهب إلى البيت",
        "我不知道",
        "koira meni kotiin",
    ],
)
def test_a_fourth_language_is_never_taken_for_ours(text: str, prior: Language) -> None:
    found = hear(text, prior)
    assert (found.foreign, found.language) == (True, prior)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "bekos the foks wos in the howse"),
        ("en", "i fink its a snayl"),
        ("en", "wotter and lite"),
        ("en", "um ten eleven twelve"),
        ("fr", "paske le renar il a feim"),
        ("fr", "jsais pa"),
        ("fr", "un ibou"),
        ("de", "wail der fuks nach hause get"),
        ("de", "isch weis nisch"),
        ("de", "ne oile"),
    ],
)
def test_mangled_words_stay_at_home(language: Language, text: str) -> None:
    found = hear(text, language)
    assert (found.language, found.foreign) == (language, False)


@pytest.mark.parametrize("prior", LANGUAGES)
@pytest.mark.parametrize("text", ["", "12", "ok", "Sami", "...", "um"])
def test_little_keeps_the_prior(text: str, prior: Language) -> None:
    found = hear(text, prior)
    assert (found.language, found.foreign) == (prior, False)


@given(st.text(max_size=40), st.sampled_from(LANGUAGES))
@settings(max_examples=150, deadline=None)
def test_any_text_has_an_answer(text: str, prior: Language) -> None:
    found = hear(text, prior)
    assert found.language in LANGUAGES
    assert 0.0 <= found.confidence <= 1.0
    assert not found.foreign or found.language == prior


def test_without_its_model_the_words_alone_decide(monkeypatch):
    """The model unpacks itself into the temporary folder; a full one must not end a session."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("py3langid.langid.LanguageIdentifier.from_model_file", full)
    language._load.cache_clear()
    language.hear.cache_clear()
    try:
        assert language.hear("der Samen braucht Wasser und Sonne", "en").language == "de"
        assert language.hear("because he is too big now", "de").language == "en"
    finally:
        language._load.cache_clear()
        language.hear.cache_clear()
