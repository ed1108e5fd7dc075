"""espeak-ng through ctypes: the voice that is always there, in three languages, a millisecond after it is asked.

Library and data come with the ``espeakng-loader`` wheel. espeak-ng keeps its state in globals, so one lock guards every
call; a sentence is
synthesised in a short-lived thread that hands over each piece as it is made, and stops when nobody wants more.
"""

from __future__ import annotations

import ctypes
import queue
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

from agent.ports import Sound, VoiceStyle, Word
from agent.turn import Language

_VOICES: dict[Language, bytes] = {"en": b"en-gb", "fr": b"fr-fr", "de": b"de"}
_SYNCHRONOUS, _UTF8 = 2, 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_WORD, _LIST_END = 1, 0
_BASE_RATE = 150  # words a minute: a storyteller's pace (espeak-ng's own is 175)
_BASE_PITCH = 62  # of 0-100: a small robot's voice
_BASE_VOLUME = 80  # of 0-200: leaves room for +2 dB
_STEPS_PER_SEMITONE = 50 / 12  # espeak-ng's pitch scale: 0 is half, 50 is one, 100 is twice the voice's own pitch
_BUFFER_MS = 50


class VoiceMissing(Exception):
    """espeak-ng cannot be loaded; ``str()`` says what to do."""


class _Id(ctypes.Union):
    _fields_: ClassVar = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_lock = threading.Lock()
_library: Any = None
_rate = 0


def _load() -> tuple[Any, int]:
    """The initialised library and its sample rate, once a process."""
    global _library, _rate
    with _lock:
        if _library is None:
            try:
                import espeakng_loader

                library = ctypes.CDLL(espeakng_loader.get_library_path())
                rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, espeakng_loader.get_data_path().encode(), 0)
            except (ImportError, OSError, RuntimeError) as error:
                raise VoiceMissing(f"espeak-ng cannot be loaded ({error}); run: pip install espeakng-loader") from None
            if rate <= 0:
                raise VoiceMissing("espeak-ng did not start; run: pip install --force-reinstall espeakng-loader")
            library.espeak_SetSynthCallback.argtypes = [_Callback]
            _library, _rate = library, rate
        return _library, _rate


class Espeak:
    """The espeak-ng voice. Raises :class:`VoiceMissing` when the library cannot be loaded."""

    name = "espeak"

    def __init__(self) -> None:
        self._library, self._rate = _load()

    @property
    def rate(self) -> int:
        return self._rate

    def say(self, text: str, language: Language, style: VoiceStyle) -> Iterator[Sound]:
        """Pieces of about 50 ms. Words carry the time at which they start, from the beginning of the sentence."""
        pieces: queue.SimpleQueue[Sound | None] = queue.SimpleQueue()
        cancelled = threading.Event()
        worker = threading.Thread(target=self._synthesise, args=(text, language, style, pieces, cancelled), daemon=True)
        worker.start()
        try:
            while (piece := pieces.get()) is not None:
                yield piece
        finally:
            cancelled.set()
            worker.join()

    def close(self) -> None:
        """Nothing to let go of: the library lives as long as the process."""

    def _synthesise(
        self,
        text: str,
        language: Language,
        style: VoiceStyle,
        pieces: queue.SimpleQueue[Sound | None],
        cancelled: threading.Event,
    ) -> None:
        import numpy as np

        def receive(samples: Any, count: int, events: Any) -> int:
            words, index = [], 0
            while events[index].type != _LIST_END:
                if events[index].type == _WORD:
                    begin = events[index].text_position - 1
                    words.append(Word(begin, begin + events[index].length, events[index].audio_position / 1000))
                index += 1
            if (samples and count) or words:
                heard = np.ctypeslib.as_array(samples, (count,)).copy() if samples and count else np.zeros(0, np.int16)
                pieces.put(Sound(heard, tuple(words)))
            return int(cancelled.is_set())

        callback, library = _Callback(receive), self._library
        encoded = text.replace("\u202f", " ").encode()
        try:
            with _lock:
                library.espeak_SetSynthCallback(callback)
                library.espeak_SetVoiceByName(_VOICES[language])
                for parameter, value in _parameters(style).items():
                    library.espeak_SetParameter(parameter, value, 0)
                library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        finally:
            pieces.put(None)


def _parameters(style: VoiceStyle) -> dict[int, int]:
    """espeak-ng's whole-number parameters for a style, inside its limits."""
    return {
        _RATE: max(80, min(300, round(_BASE_RATE * style.rate))),
        _VOLUME: max(0, min(200, round(_BASE_VOLUME * 10 ** (style.loudness / 20)))),
        _PITCH: max(0, min(99, round(_BASE_PITCH + _STEPS_PER_SEMITONE * style.pitch))),
        _RANGE: max(0, min(99, round(50 * style.range))),
    }
