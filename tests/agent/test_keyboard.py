"""Typing as the child: lines from a pipe, keys on a terminal, and the operator's commands."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import RealClock
from agent.ports import Listening, Word
from agent.terminal.keyboard import COMMANDS, Keyboard
from agent.terminal.line_editor import LONGEST, LineEditor
from agent.turn import Sentence

ROOT = Path(__file__).resolve().parents[2]
QUESTION = Listening("Why did the fox go home?", "en", patience=0.01)


@dataclass
class FakeStage:
    """A screen that remembers."""

    echoes: bool = True
    lines: list[str] = field(default_factory=list)
    typed: list[tuple[str, bool]] = field(default_factory=list)
    explains: bool = False

    def show(self, event: Mapping[str, object]) -> None:
        self.lines.append(str(event["line"]))

    def word(self, sentence: Sentence, word: Word) -> None: ...

    def close(self) -> None: ...

    def typing(self, text: str, awaited: bool) -> None:
        self.typed.append((text, awaited))

    def toggle_explain(self) -> bool:
        self.explains = not self.explains
        return self.explains


def command(name: str, argument: str) -> str | None:
    return f"now {argument}" if name == "personality" else None


def until(condition: Callable[[], object]) -> None:
    """Wait for the reading thread, two seconds at most."""
    end = time.monotonic() + 2
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


@contextmanager
def piped(text: str, *, least: float = 2.0, open_end: bool = False) -> Iterator[tuple[Keyboard, FakeStage, int]]:
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    if not open_end:
        os.close(writing)
    stage = FakeStage()
    with Keyboard(RealClock(), stage, command, source=reading, least=least) as keyboard:
        yield keyboard, stage, writing
    os.close(reading)
    if open_end:
        os.close(writing)


@contextmanager
def terminal(*, echoes: bool = True, least: float = 2.0) -> Iterator[tuple[Keyboard, FakeStage, int, int]]:
    """A keyboard on a terminal of its own; yields also the far end (where keys are pressed) and the near end."""
    far, near = pty.openpty()
    stage = FakeStage(echoes=echoes)
    with Keyboard(RealClock(), stage, command, source=near, least=least) as keyboard:
        yield keyboard, stage, far, near
    for end in (far, near):
        with suppress(OSError):
            os.close(end)


# ---------------------------------------------------------------------- lines from a pipe


def test_lines_of_a_pipe_answer_one_question_each() -> None:
    with piped("yes\nbecause he was tired\n") as (keyboard, _, _):
        assert keyboard.overheard() is None
        assert keyboard.listen(QUESTION).text == "yes"
        assert keyboard.overheard() is None
        assert keyboard.listen(QUESTION).text == "because he was tired"


def test_the_end_of_the_input_is_stop_once_and_silence_after_it() -> None:
    with piped("yes") as (keyboard, _, _):
        began = time.monotonic()
        assert [keyboard.listen(QUESTION).text for _ in range(4)] == ["yes", "stop", "", ""]
        assert time.monotonic() - began < 1.0


def test_an_empty_line_is_silence_at_once() -> None:
    with piped("\n   \nfox\n") as (keyboard, _, _):
        assert [keyboard.listen(QUESTION).text for _ in range(3)] == ["", "", "fox"]


def test_nothing_typed_is_silence_after_a_while() -> None:
    with piped("", least=0.2, open_end=True) as (keyboard, _, _):
        said = keyboard.listen(QUESTION)
        assert said.text == ""
        assert said.ended - said.started == pytest.approx(0.2, abs=0.15)


def test_patience_grows_with_the_robots() -> None:
    with piped("", least=0.05, open_end=True) as (keyboard, _, _):
        said = keyboard.listen(Listening("?", "en", patience=0.06))
        assert said.ended - said.started >= 0.36


def test_times_are_those_of_the_typing() -> None:
    with piped("", open_end=True) as (keyboard, _, writing):
        timer = threading.Timer(0.2, os.write, (writing, b"fox\n"))
        timer.start()
        said = keyboard.listen(QUESTION)
        assert 0.15 < said.started <= said.ended
        assert said.confidence == 1.0


def test_ctrl_c_is_heard_at_once() -> None:
    with piped("", least=20, open_end=True) as (keyboard, _, _):
        threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,)).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            keyboard.listen(QUESTION)
        assert time.monotonic() - began < 1.0


# ---------------------------------------------------------------------- the operator's commands


def test_a_command_is_carried_out_and_never_an_answer() -> None:
    with piped("/personality introvert\nfox\n") as (keyboard, stage, _):
        assert keyboard.listen(QUESTION).text == "fox"
        assert stage.lines == ["now introvert"]


def test_stop_command_is_the_childs_stop() -> None:
    with piped("/stop\n") as (keyboard, _, _):
        assert keyboard.listen(QUESTION).text == "stop"


def test_an_unknown_command_names_the_known_ones() -> None:
    with piped("/sing\nfox\n") as (keyboard, stage, _):
        assert keyboard.listen(QUESTION).text == "fox"
        assert "/sing" in stage.lines[0]
        assert COMMANDS in stage.lines[0]


def test_help_explain_and_again() -> None:
    with piped("/help\n/explain\n/explain\n/again\nfox\n") as (keyboard, stage, _):
        assert keyboard.listen(QUESTION).text == "fox"
        assert stage.lines == [COMMANDS, "explanations on", "explanations off", QUESTION.question]


# ---------------------------------------------------------------------- keys on a terminal


def test_a_terminal_does_not_echo_meanwhile_and_is_given_back() -> None:
    far, near = pty.openpty()
    before = termios.tcgetattr(near)
    keyboard = Keyboard(RealClock(), FakeStage(), command, source=near)
    during = termios.tcgetattr(near)[3]
    assert not during & (termios.ECHO | termios.ICANON)
    assert during & termios.ISIG  # Ctrl-C stays Ctrl-C
    keyboard.close()
    keyboard.close()
    assert termios.tcgetattr(near) == before
    os.close(far)
    os.close(near)


def test_a_terminal_is_given_back_after_an_exception() -> None:
    far, near = pty.openpty()
    before = termios.tcgetattr(near)
    with pytest.raises(ZeroDivisionError), Keyboard(RealClock(), FakeStage(), command, source=near):
        raise ZeroDivisionError
    assert termios.tcgetattr(near) == before
    os.close(far)
    os.close(near)


ENDED = """
import sys, time
from agent.clock import RealClock
from agent.terminal.keyboard import Keyboard
from agent.terminal.plain_screen import PlainScreen
from agent.terminal.screen import Steady
screen = PlainScreen(Steady(sys.stderr), explain=False, title="x", interactive=False)
screen.echoes = True
keyboard = Keyboard(RealClock(), screen, lambda name, argument: None)
print("ready", flush=True)
time.sleep(20)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_terminal_is_given_back_by_a_process_that_is_ended(number: signal.Signals) -> None:
    far, near = pty.openpty()
    before = termios.tcgetattr(near)
    command_line = [sys.executable, "-c", ENDED]
    with subprocess.Popen(command_line, stdin=near, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert not termios.tcgetattr(near)[3] & termios.ECHO
        process.send_signal(number)
        process.wait(5)
    assert termios.tcgetattr(near) == before
    assert process.returncode == -number
    os.close(far)
    os.close(near)


def test_a_screen_that_cannot_echo_leaves_the_terminal_alone() -> None:
    with terminal(echoes=False) as (keyboard, stage, far, near):
        assert termios.tcgetattr(near)[3] & termios.ECHO
        os.write(far, b"foy\x7fx\n")  # the terminal itself takes the y back
        assert keyboard.listen(QUESTION).text == "fox"
        assert {text for text, _ in stage.typed} == {""}


def test_what_is_typed_shows_on_the_screen() -> None:
    with terminal() as (_, stage, far, _):
        for key in "fou\x7fx":
            os.write(far, key.encode())
            time.sleep(0.02)
        until(lambda: ("fox", False) in stage.typed)
        assert ("fo", False) in stage.typed
        os.write(far, b"\r")
        until(lambda: stage.typed[-1] == ("", False))


def test_a_line_typed_while_the_robot_speaks_is_overheard() -> None:
    with terminal() as (keyboard, _, far, _):
        assert keyboard.overheard() is None
        os.write(far, b"\nwait!\nwhy?\n")
        until(lambda: keyboard._lines.qsize() == 3)
        heard = [keyboard.overheard() for _ in range(3)]
        assert [said.text if said else None for said in heard] == ["wait!", "why?", None]


def test_commands_typed_while_the_robot_speaks() -> None:
    with terminal() as (keyboard, stage, far, _):
        os.write(far, b"/help\n")
        until(lambda: stage.lines == [COMMANDS])  # the keyboard's own are answered at once
        os.write(far, b"/personality 7\n")
        until(lambda: keyboard._lines.qsize() == 1)
        assert stage.lines == [COMMANDS]  # the session's wait until it looks
        assert keyboard.overheard() is None
        assert stage.lines == [COMMANDS, "now 7"]
        os.write(far, b"/stop\n")
        until(lambda: keyboard._lines.qsize() == 1)
        said = keyboard.overheard()
        assert said is not None
        assert said.text == "stop"


def test_typing_slowly_is_not_silence() -> None:
    with terminal(least=0.3) as (keyboard, _, far, _):

        def slowly() -> None:
            for key in b"fox\n":
                time.sleep(0.2)
                os.write(far, bytes([key]))

        threading.Thread(target=slowly).start()
        assert keyboard.listen(QUESTION).text == "fox"


def test_ctrl_d_is_stop() -> None:
    with terminal() as (keyboard, _, far, _):
        os.write(far, b"\x04")
        assert keyboard.listen(QUESTION).text == "stop"
        assert keyboard.listen(QUESTION).text == ""


def test_a_terminal_that_goes_away_is_stop() -> None:
    with terminal() as (keyboard, _, far, _):
        os.close(far)
        assert keyboard.listen(QUESTION).text == "stop"


# ---------------------------------------------------------------------- the line itself


def typed(keys: str) -> list[str]:
    return LineEditor().feed(keys.encode())


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("straße\r", "straße"),
        ("fue\x7f\x7füchse\n", "füchse"),
        ("e\u0301te\u0301\x7f\n", "ét"),  # an accent typed as a mark of its own goes with its letter
        ("wrong\x15right\n", "right"),
        ("a red fix\x17fox\n", "a red fox"),
        ("f\x1b[D\x1b[1;5Co\x1bOHx\x1b[3~\n", "fox"),
        ("f\x1b1ox\n", "fox"),
        ("\x1b[200~two\nlines\x1b[201~ and more\n", "two lines and more"),
        ("a\tb\x00\x07c\n", "a bc"),
        ("  spaces  \n", "spaces"),
        ("\x7f\x7ffox\n", "fox"),
    ],
)
def test_keys_make_a_line(keys: str, line: str) -> None:
    assert typed(keys) == [line]


def test_ctrl_d_ends_only_an_empty_line() -> None:
    editor = LineEditor()
    editor.feed(b"fo\x04")
    assert not editor.ended
    editor.feed(b"\x7f\x7f\x04")
    assert editor.ended


def test_a_cat_on_the_keyboard_makes_a_bounded_line() -> None:
    assert typed("m" * (LONGEST + 500) + "\n") == ["m" * LONGEST]


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_it_does_not_matter_how_keys_arrive(keys: bytes, cuts: list[int]) -> None:
    """Split anywhere, also inside a character or an escape sequence, the keys make the same lines."""
    whole, pieces = LineEditor(), LineEditor()
    lines = whole.feed(keys)
    places = [0, *sorted(min(cut, len(keys)) for cut in cuts), len(keys)]
    cut_lines = [line for begin, end in pairwise(places) for line in pieces.feed(keys[begin:end])]
    assert (cut_lines, pieces.text, pieces.ended) == (lines, whole.text, whole.ended)


@given(st.binary(max_size=80))
def test_a_line_never_steers_the_terminal(keys: bytes) -> None:
    editor = LineEditor()
    for line in [*editor.feed(keys), editor.text]:
        assert all(character.isprintable() or ord(character) > 0x9F for character in line)
