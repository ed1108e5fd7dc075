from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.clock import VirtualClock
from agent.ports import MotionStyle
from agent.toml_file import FileProblem
from hardware.gestures import GESTURES, gestures, track
from hardware.layers import Performance
from hardware.motion import Motion
from hardware.simulator import Simulator
from hardware.workspace import SPEED

NAMES = """
nod double_nod shake think wonder listen surprise joy calm_joy comfort proud hush count big small look_left look_right look_up
look_down bend stretch twist squash rain sun grow sleep goodbye wave wind swim fly jump cold warm dance whisper search dizzy
yawn offer
"""


def _level(level: int) -> MotionStyle:
    """The way of moving of a personality level, from 1 (introvert) to 9 (extravert)."""
    share = (level - 1) / 8
    antennas = "sway" if level < 4 else "normal" if level < 7 else "perk"
    return MotionStyle(
        amplitude=0.6 + 0.65 * share,
        velocity=0.75 + 0.5 * share,
        beats=6 + 10 * share,
        antennas=antennas,
        aversion=1.0 - 0.7 * share,
        breathing=0.15 + 0.1 * share,
    )


def test_the_names_that_stories_use_are_there() -> None:
    assert set(gestures()) >= set(NAMES.split())


@pytest.mark.parametrize("level", range(1, 10))
def test_every_gesture_at_every_level_can_be_done_on_top_of_speech(level: int) -> None:
    style, clock, simulator = _level(level), VirtualClock(), Simulator()
    motion = Motion(simulator, clock)
    clock.sleep(1.5)
    for name in gestures():
        motion.perform(name, style)
        motion.speak([0.9] * 80, 0.05, style)
        while motion.gesture:
            clock.sleep(0.1)
        clock.sleep(0.4)
    motion.close()
    assert motion.reports() == []
    assert simulator.ignored == 0


@pytest.mark.parametrize("velocity", [0.5, 1.0, 2.0, 9.0])
def test_no_style_drives_a_gesture_faster_than_the_robot_may_move(velocity: float) -> None:
    for name in gestures():
        performance = Performance(name, track(name), MotionStyle(amplitude=1.25, velocity=velocity, antennas="perk"), 0.0)
        rows = performance.at(np.arange(0, performance.end + 0.02, 0.02))
        assert (np.abs(np.diff(rows, axis=0)) / 0.02 <= SPEED).all(), name
        assert np.abs(rows[0]).max() == 0
        assert np.abs(rows[-1]).max() < 1e-9


def test_size_and_speed_follow_the_style() -> None:
    def peak(style: MotionStyle) -> tuple[float, float]:
        performance = Performance("nod", track("nod"), style, 0.0)
        rows = performance.at(np.linspace(0, performance.end, 400))
        return float(rows[:, 1].max()), performance.end

    size, length = peak(MotionStyle())
    small, long = peak(MotionStyle(amplitude=0.6, velocity=0.75))
    assert small == pytest.approx(0.6 * size)
    assert long == pytest.approx(length / 0.75)


def test_opposites_go_opposite_ways() -> None:
    def most(name: str, axis: int) -> float:
        rows = track(name).at(np.linspace(0, track(name).duration, 300))[:, axis]
        return float(rows[np.abs(rows).argmax()])

    assert most("look_left", 2) > 20
    assert most("look_right", 2) < -20
    assert most("look_up", 1) < -15
    assert most("look_down", 1) > 15
    assert most("big", 6) > 50
    assert most("small", 5) < -15


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[a]\nmeaning = "yes"\nkeyframes = [{t=0.0}, {t=1.0, pich=3}, {t=2.0}]\n', 3, "keyframes.1.pich"),
        ('[a]\nmeaning = "yes"\nkeyframes = [{t=0.0}, {t=1.0, pitch=3}, {t=2.0, roll=1}]\n', 1, "last keyframe must be"),
        ('[a]\nmeaning = "yes"\nkeyframes = [{t=0.0}, {t=1.0, pitch=3}, {t=1.0}]\n', 1, "must rise"),
        ('[a]\nmeaning = "yes"\nkeyframes = [{t=0.2}, {t=1.0, pitch=3}, {t=2.0}]\n', 1, "t=0"),
        ('[a]\nmeaning = "yes"\nkeyframes = [{t=0.0}, {t=1.0, pitch=nan}, {t=2.0}]\n', 3, "finite"),
        ('[b]\nmeaning = "yes"\nkeyframes = [{t=0.0}, {t=1.0}, {t=2.0}]\n[a]\nkeyframes = []\n', 4, "meaning"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "gestures.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileProblem) as caught:
        gestures(path)
    assert caught.value.line == line
    assert words in str(caught.value)


def test_every_gesture_has_its_own_meaning_and_stays_short() -> None:
    all_of_them = gestures(GESTURES)
    assert len({gesture.meaning for gesture in all_of_them.values()}) == len(all_of_them)
    assert max(track(name).duration for name in all_of_them) <= 5.0
