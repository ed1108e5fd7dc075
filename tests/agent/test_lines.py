import random

import pytest

from agent.lines import REQUIRED, Lines, bank, check, count, expansions, fingerprint
from agent.readability import sentences
from agent.turn import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_lines_have_nothing_to_mend(language):
    assert check(language) == []


def test_a_frame_stands_for_every_choice_of_alternatives():
    assert list(expansions("(Well|So), what now(| then)?")) == [
        "Well, what now?",
        "Well, what now then?",
        "So, what now?",
        "So, what now then?",
    ]
    assert count("(a|b) and (c|d|e)") == 6


@pytest.mark.parametrize("language", LANGUAGES)
def test_sixty_picks_repeat_nothing(language):
    lines = Lines(random.Random(1))
    used: set[int] = set()
    for _ in range(60):
        text = lines.pick("try", language, "introvert", used)
        fresh = {fingerprint(sentence) for sentence in sentences(text)}
        assert not fresh & used, text
        used |= fresh


def test_slots_are_filled():
    text = Lines(random.Random(1)).pick("word", "en", "neutral", word="snail")
    assert "snail" in text
    assert "{" not in text


def test_every_manner_is_there_for_every_key():
    for language in LANGUAGES:
        for key in REQUIRED:
            for manner in ("introvert", "neutral", "extravert"):
                assert bank(language)[key].frames(manner)


def test_a_fingerprint_forgets_style_and_keeps_words():
    assert fingerprint("Well, what now?") == fingerprint("well – what now!")
    assert fingerprint("what now") != fingerprint("now what")
