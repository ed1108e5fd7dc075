"""Keys → lines: what a terminal would do itself while it echoes, for a terminal that must not echo.

Pure logic: bytes in, finished lines out. Enter ends a line, Backspace takes back a character (with its accents), Ctrl-U the
line, Ctrl-W a word; Ctrl-D on an empty line ends the input. Arrows and other escape sequences are swallowed. Line breaks
inside a bracketed paste become spaces, so that pasted text is one answer.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

LONGEST = 2000  # characters of one line; more is dropped
PASTE_ON, PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
_BEGIN, _END = "\x1b[200~", "\x1b[201~"
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])", re.DOTALL)
_PARTIAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?")


class LineEditor:
    """One line that is being typed. ``text`` is what it holds now; ``ended`` that Ctrl-D was pressed."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._escape = ""
        self._pasting = False

    def feed(self, keys: bytes) -> list[str]:
        """Take in what was typed; returns the lines that Enter has finished."""
        lines: list[str] = []
        for key in self._decoder.decode(keys):
            if self._escape:
                self._sequence(key)
            elif key == "\x1b":
                self._escape = key
            elif key in "\r\n" and not self._pasting:
                lines.append(self.rest())
            else:
                self._key(key)
        return lines

    def rest(self) -> str:
        """What stands on the line without an Enter; the line is empty afterwards."""
        text, self.text = unicodedata.normalize("NFC", self.text).strip(), ""
        return text

    def _sequence(self, key: str) -> None:
        self._escape += key
        if _SEQUENCE.fullmatch(self._escape):
            if self._escape in (_BEGIN, _END):
                self._pasting = self._escape == _BEGIN
            self._escape = ""
        elif not _PARTIAL.fullmatch(self._escape):
            self._escape = ""

    def _key(self, key: str) -> None:
        if key in "\x7f\x08":
            self.text = _without_last(self.text)
        elif key == "\x15":
            self.text = ""
        elif key == "\x17":
            self.text = re.sub(r"\S+\s*$", "", self.text)
        elif key == "\x04":
            self.ended = self.ended or not self.text
        elif len(self.text) < LONGEST:
            if key.isspace():
                self.text += " "
            elif unicodedata.category(key) != "Cc":
                self.text += key


def _without_last(text: str) -> str:
    """Without the last character, together with the marks that stand on it."""
    while text and unicodedata.combining(text[-1]):
        text = text[:-1]
    return text[:-1]
