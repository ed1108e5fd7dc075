from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.clock import RealClock, VirtualClock
from hardware.audio import BothSinks, SilentSink, Sink, SpeakerSink, WavSink, resampled, speaker

RATE = 16000


def _tone(seconds: float, value: int = 1000) -> NDArray[np.int16]:
    return np.full(round(seconds * RATE), value, dtype=np.int16)


def _read(path: Path) -> tuple[int, NDArray[np.int16]]:
    with wave.open(str(path)) as file:
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


class _Device:
    """A sound device of which the test is the clock."""

    class PortAudioError(Exception):
        pass

    def __init__(self, latency: float = 0.1) -> None:
        self.time, self.latency = 50.0, latency
        self.heard = b""
        self.open = True

    def RawOutputStream(self, *, samplerate: int, channels: int, dtype: str, callback: Any) -> _Device:  # noqa: N802
        assert (channels, dtype) == (1, "int16")
        self.rate, self.callback = samplerate, callback
        return self

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None:
        self.open = False

    def pull(self, frames: int) -> NDArray[np.int16]:
        out = bytearray(2 * frames)
        self.callback(out, frames, SimpleNamespace(outputBufferDacTime=self.time + self.latency), None)
        self.time += frames / self.rate
        return np.frombuffer(bytes(out), dtype=np.int16)


def test_silence_takes_its_time() -> None:
    clock = VirtualClock()
    sink = SilentSink(clock)
    assert sink.position() == 0
    sink.play(_tone(1.0), RATE)
    sink.play(_tone(0.5), RATE)
    clock.sleep(1.2)
    assert sink.position() == pytest.approx(1.2)
    clock.sleep(1.0)
    assert sink.position() == pytest.approx(1.5)
    sink.play(_tone(2.0), RATE)
    assert sink.position() == 0
    clock.sleep(0.7)
    sink.cancel()
    clock.sleep(5.0)
    assert sink.position() == pytest.approx(0.7)
    sink.play(_tone(1.0), RATE)
    clock.sleep(0.25)
    assert sink.position() == pytest.approx(0.25)


def test_sentences_without_a_pause_each_start_at_zero() -> None:
    clock = VirtualClock()
    sink = SilentSink(clock)
    for _ in range(20):
        sink.play(_tone(0.1), RATE)
        assert sink.position() == 0
        clock.sleep(0.1)
        assert sink.position() == pytest.approx(0.1)


def test_the_file_has_the_sentences_at_their_times(tmp_path: Path) -> None:
    clock = VirtualClock(start=100.0)
    sink = WavSink(tmp_path / "robot.wav", clock)
    clock.sleep(0.5)
    sink.play(_tone(0.5, 1), RATE)
    sink.play(_tone(0.5, 2), RATE)
    clock.sleep(2.0)
    sink.play(_tone(0.25, 3), RATE)
    clock.sleep(0.25)
    sink.close()
    rate, samples = _read(tmp_path / "robot.wav")
    assert rate == RATE
    expected = np.concatenate([_tone(0.5, 0), _tone(0.5, 1), _tone(0.5, 2), _tone(1.0, 0), _tone(0.25, 3)])
    assert (samples == expected).all()


def test_what_was_broken_off_is_not_in_the_file(tmp_path: Path) -> None:
    clock = VirtualClock()
    sink = WavSink(tmp_path / "robot.wav", clock)
    sink.play(_tone(1.0, 1), RATE)
    sink.play(_tone(1.0, 2), RATE)
    clock.sleep(1.25)
    sink.cancel()
    assert sink.position() == pytest.approx(1.25)
    clock.sleep(0.25)
    sink.play(_tone(0.5, 3), RATE)
    clock.sleep(0.5)
    sink.close()
    sink.play(_tone(0.5, 4), RATE)
    samples = _read(tmp_path / "robot.wav")[1]
    assert (samples == np.concatenate([_tone(1.0, 1), _tone(0.25, 2), _tone(0.25, 0), _tone(0.5, 3)])).all()


def test_another_rate_is_resampled(tmp_path: Path) -> None:
    clock = VirtualClock()
    sink = WavSink(tmp_path / "robot.wav", clock)
    sink.play(_tone(0.5), RATE)
    clock.sleep(0.5)
    sink.play(np.full(11025, 500, dtype=np.int16), 22050)
    clock.sleep(0.5)
    sink.close()
    rate, samples = _read(tmp_path / "robot.wav")
    assert (rate, len(samples)) == (RATE, RATE)
    assert (samples[8000:] == 500).all()
    assert resampled(_tone(0.1), RATE, 22050).shape == (2205,)
    assert resampled(_tone(0.0), RATE, 22050).shape == (0,)


def test_the_file_survives_a_kill(tmp_path: Path) -> None:
    program = f"""
import sys, time
sys.path[:0] = {[str(Path(__file__).parents[2])]!r}
from pathlib import Path
import numpy as np
from agent.clock import RealClock
from hardware.audio import WavSink
sink = WavSink(Path({str(tmp_path / "robot.wav")!r}), RealClock())
for _ in range(3):
    sink.play(np.full(1600, 7, dtype=np.int16), 16000)
print("written", flush=True)
time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        os.kill(process.pid, signal.SIGKILL)
    samples = _read(tmp_path / "robot.wav")[1]
    assert int((samples == 7).sum()) == 4800


def test_an_empty_file_can_be_read(tmp_path: Path) -> None:
    WavSink(tmp_path / "robot.wav", VirtualClock()).close()
    assert len(_read(tmp_path / "robot.wav")[1]) == 0


def test_the_loudspeaker_counts_what_is_heard() -> None:
    device = _Device(latency=0.1)
    sink = SpeakerSink(device, RATE)
    assert (device.pull(800) == 0).all()
    sink.play(_tone(0.1, 5), RATE)
    sink.play(_tone(0.1, 6), RATE)
    assert sink.position() == 0
    assert (device.pull(1600) == 5).all()
    assert sink.position() == pytest.approx(0.0, abs=1e-6)  # handed over, not heard yet
    assert (device.pull(1600) == 6).all()
    assert sink.position() == pytest.approx(0.1)
    for _ in range(4):
        device.pull(800)
    assert sink.position() == pytest.approx(0.2)
    sink.play(_tone(0.3, 7), RATE)
    assert sink.position() == 0
    block = device.pull(1600)
    assert (block == 7).all()


def test_the_loudspeaker_falls_silent_without_a_click() -> None:
    device = _Device()
    sink = SpeakerSink(device, RATE)
    sink.play(_tone(2.0, 8000), RATE)
    device.pull(800)
    sink.cancel()
    rest = device.pull(800).astype(int)
    assert rest[0] == 8000
    assert np.abs(np.diff(rest)).max() <= 8000 / 80 + 1
    assert (rest[80:] == 0).all()
    for _ in range(10):
        assert (device.pull(800) == 0).all()
    sink.play(_tone(0.1, 9), RATE)
    assert (device.pull(800) == 9).all()
    sink.close()
    assert not device.open


def test_two_places_at_once(tmp_path: Path) -> None:
    clock = VirtualClock()
    both: Sink = BothSinks(SilentSink(clock), WavSink(tmp_path / "robot.wav", clock))
    both.play(_tone(1.0, 3), RATE)
    clock.sleep(0.5)
    assert both.position() == pytest.approx(0.5)
    both.cancel()
    both.close()
    assert len(_read(tmp_path / "robot.wav")[1]) == 8000


def test_without_a_sound_device_there_is_silence_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    sink, why = speaker(RealClock())
    assert isinstance(sink, SilentSink)
    assert "EXTRAS=voice" in why

    class NoDevice(_Device):
        def RawOutputStream(self, **_: Any) -> Any:  # noqa: N802
            raise self.PortAudioError("Error querying device -1")

    monkeypatch.setitem(sys.modules, "sounddevice", NoDevice())
    sink, why = speaker(RealClock())
    assert isinstance(sink, SilentSink)
    assert "no sound device (Error querying device -1)" in why
    assert "\n" not in why

    monkeypatch.setitem(sys.modules, "sounddevice", _Device())
    sink, why = speaker(RealClock())
    assert isinstance(sink, SpeakerSink)
    assert why == ""
    assert isinstance(speaker(VirtualClock())[0], SilentSink)


def test_a_real_second_is_a_second() -> None:
    sink = SilentSink(RealClock())
    sink.play(_tone(1.0), RATE)
    begin = time.monotonic()
    time.sleep(0.1)
    assert sink.position() == pytest.approx(time.monotonic() - begin, abs=0.03)
