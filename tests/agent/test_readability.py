import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.readability import LIMITS, measure, sentences, syllables, too_hard, words
from agent.turn import BANDS, LANGUAGES

COUNTED = {
    "en": {
        "rainbow": 2,
        "little": 2,
        "jumped": 1,
        "wanted": 2,
        "boxes": 2,
        "beautiful": 3,
        "something": 2,
        "idea": 3,
        "fire": 1,
    },
    "fr": {
        "petite": 2,
        "pluie": 1,
        "mangent": 1,
        "regardent": 2,
        "lion": 2,
        "nuage": 2,
        "doucement": 3,
        "théâtre": 2,
        "content": 2,
    },
    "de": {"Regenbogen": 4, "Freundin": 2, "Feuer": 2, "neue": 2, "Seifenblase": 4, "Familie": 4, "Haus": 1},
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_syllables_are_the_spoken_ones(language):
    assert {word: syllables(word, language) for word in COUNTED[language]} == COUNTED[language]


def test_sentences_end_at_their_marks_and_keep_them():
    assert sentences("Plip, plop! It rains. And then…") == ["Plip, plop!", "It rains.", "And then…"]
    assert sentences("Où vas-tu\u202f? Je rentre.") == ["Où vas-tu\u202f?", "Je rentre."]


def test_an_elision_is_one_written_word():
    assert words("L'eau monte, aujourd'hui.") == ["L'eau", "monte", "aujourd'hui"]


def test_the_formulas_give_what_a_hand_calculation_gives():
    # Six words, one sentence, seven syllables: 0.39*6 + 11.8*7/6 - 15.59
    assert measure("The cat sat on the yellow.", "en").grade == pytest.approx(0.39 * 6 + 11.8 * 7 / 6 - 15.59)
    # quatre mots, cinq syllabes: 207 - 1.015*4 - 73.6*5/4
    assert measure("Le chat boit doucement.", "fr").ease == pytest.approx(207 - 1.015 * 4 - 73.6 * 6 / 4)
    assert measure("Der Hund schläft heute.", "de").ease == pytest.approx(180 - 4 - 58.5 * 5 / 4)


def test_a_hard_text_is_too_hard_for_the_young_and_says_why():
    hard = "The extraordinary refraction of electromagnetic radiation necessitates considerable theoretical sophistication."
    assert any("Flesch-Kincaid" in reason for reason in too_hard(hard, "en", "4-5"))
    assert too_hard("The sun is up. The dog runs.", "en", "4-5") == []


@given(st.text(max_size=200), st.sampled_from(LANGUAGES))
def test_any_text_can_be_measured(text, language):
    found = measure(text, language)
    assert found.longest_sentence <= found.words
    assert all(syllables(word, language) >= 1 for word in words(text))


def test_limits_grow_with_age():
    for name in ("words_per_turn", "mean_sentence", "longest_sentence", "flesch_kincaid", "wiener"):
        values = [getattr(LIMITS[band], name) for band in BANDS]
        assert values == sorted(values)
        assert len(set(values)) == 3
