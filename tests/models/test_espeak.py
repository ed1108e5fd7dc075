import time

import numpy as np
import pytest

from agent.models.espeak import Espeak
from agent.ports import VoiceStyle
from agent.turn import LANGUAGES

TEXT = {
    "en": "Mila found a small snail.",
    "fr": "Mila trouve un petit escargot\u202f!",
    "de": "Mila findet eine kleine Schnecke.",
}


@pytest.fixture(scope="module")
def voice():
    return Espeak()


def spoken(voice, text, language, **style):
    sounds = list(voice.say(text, language, VoiceStyle(**style)))
    return np.concatenate([sound.samples for sound in sounds]), [word for sound in sounds for word in sound.words]


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_marked_where_they_stand_and_in_order(voice, language):
    samples, words = spoken(voice, TEXT[language], language)
    assert [TEXT[language][word.begin : word.end] for word in words] == TEXT[language].rstrip(".!\u202f").split()
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    assert starts[-1] < len(samples) / voice.rate


def test_a_quicker_style_is_shorter_and_a_louder_one_louder(voice):
    plain, _ = spoken(voice, TEXT["en"], "en")
    quick, _ = spoken(voice, TEXT["en"], "en", rate=1.15)
    loud, _ = spoken(voice, TEXT["en"], "en", loudness=2)
    soft, _ = spoken(voice, TEXT["en"], "en", loudness=-3)
    assert len(quick) < len(plain) * 0.95
    level = [np.sqrt(np.mean(sound.astype(float) ** 2)) for sound in (soft, plain, loud)]
    assert 20 * np.log10(level[1] / level[0]) == pytest.approx(3, abs=1)
    assert 20 * np.log10(level[2] / level[1]) == pytest.approx(2, abs=1)


def test_pitch_follows_the_style(voice):
    def pitch(samples):
        frame = samples[len(samples) // 3 :][:4096].astype(float)
        correlation = np.correlate(frame, frame, "full")[4096:]
        low, high = int(voice.rate / 500), int(voice.rate / 70)
        return voice.rate / (low + int(np.argmax(correlation[low:high])))

    low, _ = spoken(voice, "aaaaaah", "en", pitch=-2, range=0.1)
    high, _ = spoken(voice, "aaaaaah", "en", pitch=4, range=0.1)
    assert pitch(high) > pitch(low) * 1.15


def test_closing_early_stops_the_synthesis(voice):
    pieces = voice.say("A long sentence goes on and on. " * 200, "en", VoiceStyle())
    next(pieces)
    started = time.perf_counter()
    pieces.close()
    heard, _ = spoken(voice, TEXT["en"], "en")  # and the voice is free again
    assert len(heard) > voice.rate / 2
    assert time.perf_counter() - started < 5  # synthesising all of it takes longer than that on any machine


def test_two_sentences_at_once_do_not_mix(voice):
    alone = [spoken(voice, TEXT[language], language)[0] for language in ("en", "de")]
    first, second = (voice.say(TEXT[language], language, VoiceStyle()) for language in ("en", "de"))
    together = [np.concatenate([sound.samples for sound in pieces]) for pieces in (first, second)]
    assert [len(sound) for sound in together] == pytest.approx([len(sound) for sound in alone], rel=0.02)
