from __future__ import annotations

import math

import numpy as np
import pytest

from agent.ports import MotionStyle
from hardware.layers import LEFT, PITCH, RIGHT, ROLL, YAW, Gaze, Idle, Speech, Z, beats_in

_TIMES = np.arange(0, 20, 0.01)


def _speech(loudness: float, amplitude: float = 1.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    speech = Speech(np.full(400, loudness), 0.05, [], MotionStyle(amplitude=amplitude), 0.0)
    return speech.at(_TIMES)


@pytest.mark.parametrize(("axis", "size", "hertz"), [(PITCH, 4.5, 2.2), (YAW, 7.5, 0.6), (ROLL, 2.25, 1.3)])
def test_speech_sways_as_written(axis: int, size: float, hertz: float) -> None:
    wave = _speech(1.0)[:, axis]
    assert wave.max() == pytest.approx(size, rel=0.02)
    spectrum = np.abs(np.fft.rfft(wave))
    assert int(spectrum[1:].argmax()) + 1 == round(hertz * 20)
    assert np.abs(_speech(0.5, 0.6)[:, axis]).max() == pytest.approx(0.3 * size, rel=0.02)


def test_silence_does_not_sway() -> None:
    assert np.abs(_speech(0.0)).max() == 0


def test_the_sway_ends_with_the_sentence() -> None:
    speech = Speech(np.ones(20), 0.05, [0.5], MotionStyle(), 3.0)
    assert speech.end < 4.4
    assert np.abs(speech.at(np.array([3.0, speech.end, speech.end + 1]))).max() < 1e-9
    assert np.abs(speech.at(np.array([3.5, 3.6]))).max() > 1


def test_beats_fall_on_the_loudest_moments() -> None:
    loudness = np.full(60, 0.2)
    loudness[[12, 45]] = 1.0
    assert beats_in(loudness, 0.05, 2) == pytest.approx([12.5 * 0.05, 45.5 * 0.05])
    assert beats_in(loudness, 0.05, 0) == []
    with_beat = Speech(np.zeros(60), 0.05, [1.0], MotionStyle(antennas="perk"), 0.0).at(_TIMES)
    assert with_beat[:, PITCH].max() == pytest.approx(4.0, rel=0.01)
    assert 1.0 < _TIMES[with_beat[:, PITCH].argmax()] < 1.3
    assert with_beat[:, LEFT].min() == pytest.approx(-10.0, rel=0.01)


@pytest.mark.parametrize("hertz", [0.15, 0.25])
def test_breathing_has_the_rate_of_the_style(hertz: float) -> None:
    wave = Idle(MotionStyle(breathing=hertz), 0.0).at(np.arange(0, 40, 0.01))[:, Z]
    assert int(np.abs(np.fft.rfft(wave))[1:].argmax()) + 1 == round(hertz * 40)
    assert wave.max() == pytest.approx(2.5, rel=0.01)


def test_antennas_sway_slowly_or_perk_quickly() -> None:
    times = np.arange(0, 60, 0.01)
    sway, normal, perk = (Idle(MotionStyle(antennas=name), 0.0).at(times) for name in ("sway", "normal", "perk"))
    assert np.corrcoef(sway[:, LEFT], sway[:, RIGHT])[0, 1] < -0.99
    fastest = [float(np.abs(np.diff(rows[:, LEFT])).max() * 100) for rows in (sway, normal, perk)]
    assert fastest[2] > 10 * max(fastest[:2])
    assert np.abs(perk[:, YAW]).max() == pytest.approx(6.0, rel=0.01)
    assert perk[:, YAW].min() < -5 < 5 < perk[:, YAW].max()
    assert not sway[:, YAW].any()
    down = perk[:, LEFT] < 4.0
    assert int((down[1:] & ~down[:-1]).sum()) == 12  # one perk a breath


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_the_gaze_wanders_and_comes_back(seconds: float) -> None:
    left, right = Gaze(seconds, 1.0, 5.0), Gaze(seconds, -1.0, 5.0)
    times = np.arange(4.9, 5 + seconds + 0.1, 0.01)
    rows = left.at(times)
    assert left.end == 5 + seconds
    assert rows[:, YAW].max() > 5
    assert rows[:, PITCH].min() < -2
    assert np.abs(rows[times < 5]).max() == 0
    assert np.abs(rows[times > left.end + 1e-6]).max() < 1e-9
    assert np.allclose(right.at(times)[:, YAW], -rows[:, YAW])
    assert math.isfinite(left.end)
