"""What a person sees: plain lines, the transcript and the picture on a terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from agent.ports import Pose, Word
from agent.terminal.plain_screen import PlainScreen
from agent.terminal.rich_screen import RichScreen
from agent.terminal.screen import Stage, Steady, open_screen
from agent.terminal.stage_picture import StagePicture
from agent.terminal.transcript import WIDEST
from agent.terminal.words import printable, screen_words
from agent.turn import LANGUAGES, VERDICTS, Language, Sentence

Event = Mapping[str, object]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class StillRobot:
    """A robot to draw; ``gesture`` may be set."""

    name, gesture = "still", ""

    def pose(self) -> Pose:
        return Pose()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a screen only looks at the robot, it does not call {name}")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def saying(text: str, role: str = "tell", language: str = "en") -> Event:
    return {"kind": "saying", "text": text, "language": language, "source": "story", "role": role, "gesture": "", "refused": 0}


def said(text: str, role: str = "tell", language: str = "en", **more: object) -> Event:
    return {**saying(text, role, language), "kind": "said", "seconds": 1.0, **more}


def heard(text: str, **more: object) -> Event:
    return {"kind": "heard", "text": text, "turn": 1, "broke_in": False, **more}


def judged(verdict: str, about: str = "prompt:a/1", **more: object) -> Event:
    row = {"kind": "judged", "verdict": verdict, "about": about, "language": "en", "score": 0.83, "reason": "key idea"}
    return {**row, "matched": "sunlight", "misconception": None, "knowledge": {"light": 0.4}, **more}


PLANNED: Event = {
    "kind": "planned",
    "strategy": "SCAFFOLD_HINT",
    "rung": 2,
    "allowed": ("SCAFFOLD_HINT", "SOCRATIC_PROBE"),
    "scores": (-0.25, -1.5),
    "rule": "",
    "reason": "part of it is right",
    "praise": True,
    "target": "",
}
CLOSED: Event = {"kind": "closed", "ending": "finished", "seconds": 61.0, "folder": "sessions/x"}
PLAY = [said("Mila looks up."), said("What does she see?", "ask"), heard("a rainbow"), judged("correct"), PLANNED, CLOSED]


@pytest.fixture(autouse=True)
def _a_good_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "30")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def plain(*events: Event, explain: bool = False, interactive: bool = False) -> list[str]:
    out = io.StringIO()
    screen = PlainScreen(Steady(out), explain=explain, title="The Rainbow", interactive=interactive)
    for event in events:
        screen.show(event)
    return out.getvalue().splitlines()


def rich(*events: Event, explain: bool = False, live: bool = False, close: bool = False) -> str:
    """Everything written to a terminal, with its escape sequences."""
    out = Terminal()
    screen = RichScreen(
        Steady(out), explain=explain, robot=StillRobot(), title="The Rainbow", beats=9, interactive=False, live=live
    )
    for event in events:
        screen.show(event)
    if close or live:
        screen.close()
    return out.getvalue()


# ---------------------------------------------------------------------- plain lines


def test_plain_lines_tell_the_session() -> None:
    assert plain(*PLAY[:4]) == [
        "*** The Rainbow ***",
        "Reachy: Mila looks up.",
        "Reachy: What does she see?",
        "Child: a rainbow  [★ yes]",
    ]


def test_plain_explanations() -> None:
    lines = plain(*PLAY, judged("wrong", knowledge={"light": 0.25}, misconception=0), explain=True)
    assert "    | judged correct · score 0.83 · key idea · matched “sunlight” · en" in lines
    assert "    | knows light  ▰▰▰▰▱▱▱▱▱▱  40%" in lines
    assert "    | plan SCAFFOLD_HINT rung 2 · ranked · part of it is right · praises the effort" in lines
    assert "    | allowed: SCAFFOLD_HINT -0.25 · SOCRATIC_PROBE -1.50" in lines
    assert "    | knows light  ▰▰▱▱▱▱▱▱▱▱  25% (-15)" in lines
    assert "misconception 1" in lines[-2]


def test_explanations_can_be_switched_while_it_runs() -> None:
    out = io.StringIO()
    screen = PlainScreen(Steady(out), explain=False, title="x", interactive=False)
    screen.show(judged("wrong", knowledge={"light": 0.3}))
    assert screen.toggle_explain()
    screen.show(judged("correct", knowledge={"light": 0.5}))
    assert "30%" not in out.getvalue()
    assert "50% (+20)" in out.getvalue()
    screen.show(judged("correct", knowledge={"light": 0.5, "rain": 0.1}))
    assert out.getvalue().count("knows light") == 1  # only what has changed
    assert "knows rain  ▰▱▱▱▱▱▱▱▱▱  10%\n" in out.getvalue()
    assert not screen.toggle_explain()


def test_who_speaks_is_named_in_the_sessions_language() -> None:
    lines = plain(said("Mila lève les yeux.", language="fr"), heard(""), judged("silence", language="fr"), interactive=True)
    words = screen_words("fr")
    assert lines[1:] == ["Reachy: Mila lève les yeux.", f"Toi: {words.quiet}  [{words.signs['silence']}]"]


@pytest.mark.parametrize(("verdict", "shown"), [("correct", "unkept"), ("silence", "quiet")])
def test_words_that_are_not_kept_are_not_made_up(verdict: str, shown: str) -> None:
    lines = plain(heard("", withheld=True), judged(verdict, "assent:/"))
    assert getattr(screen_words("en"), shown) in lines[-1]


def test_a_yes_to_the_robot_is_not_graded() -> None:
    assert plain(heard("yes"), judged("correct", "assent:/"))[-1] == "Child: yes"


def test_words_that_were_never_judged_are_shown_too() -> None:
    assert plain(heard("hello"), {"kind": "fault", "error": "x"})[1] == "Child: hello"


def test_alerts_faults_and_notices_have_words() -> None:
    fault = {"kind": "fault", "error": "KeyError: 1"}
    lines = plain({"kind": "alert", "text": "A grown-up is needed."}, fault, {"kind": "notice", "line": "hm"})
    assert lines[1:] == [
        "!!! ALERT: A grown-up is needed. !!!",
        "--- something went wrong, the session goes on: KeyError: 1",
        "--- hm",
    ]


def test_text_cannot_steer_the_terminal() -> None:
    assert plain(heard("\x1b[2Jfox\x07\nReachy: no"), judged("wrong"))[1].startswith("Child:  [2Jfox  Reachy: no")
    assert "\x1b[2J" not in rich(said("fox \x1b[2J"), heard("\x1b[2J"), judged("wrong"), explain=True)


@given(st.text())
def test_printable_keeps_every_place(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(a == b or b == " " for a, b in zip(text, shown, strict=True))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)


def test_the_figures_are_the_last_thing() -> None:
    out = io.StringIO()
    screen = PlainScreen(Steady(out), explain=False, title="x", interactive=False)
    for event in PLAY:
        screen.show(event)
    screen.close()
    lines = out.getvalue().splitlines()
    assert re.search(r"^session +finished · 1 min 01 s", "\n".join(lines), re.MULTILINE)
    assert re.fullmatch(r"log +sessions/x", lines[-1])


# ---------------------------------------------------------------------- which screen


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert isinstance(opened(), PlainScreen)


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_simple_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", term)
    assert isinstance(opened(), PlainScreen)


def test_a_terminal_gets_the_rich_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    screen = opened()
    assert isinstance(screen, RichScreen)
    assert isinstance(screen, Stage)


def opened() -> object:
    return open_screen(explain=False, robot=StillRobot(), title="x", beats=1, interactive=True, live=False)


# ---------------------------------------------------------------------- the transcript on a terminal


def test_the_transcript_reads_like_a_play() -> None:
    events = [*PLAY[:4], said("Yes!", "talk"), said("You looked closely.", "talk")]
    lines = [line.rstrip() for line in ESCAPE.sub("", rich(*events)).splitlines()]
    assert "The Rainbow" in lines[1]
    assert lines[2:] == [
        "",
        " Reachy  Mila looks up.",
        "",
        "         What does she see?",
        "",
        "  Child  a rainbow   ★ yes",
        "",
        " Reachy  Yes!",
        "         You looked closely.",
    ]


def test_without_live_nothing_is_ever_drawn_twice() -> None:
    written = rich(*PLAY, explain=True, close=True)
    assert not re.search(r"\x1b\[\d*[ABCDHJK]", written)
    assert "\x1b[?25l" not in written


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[32m" in rich(*PLAY)
    monkeypatch.setenv("NO_COLOR", "1")
    written = rich(*PLAY, {"kind": "alert", "text": "now"}, explain=True, close=True)
    assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7])m", written)


def test_every_verdict_has_its_own_words_beside_the_colour() -> None:
    for language in LANGUAGES:
        signs = screen_words(language).signs
        assert set(signs) == set(VERDICTS)
        assert len({sign[2:] for sign in signs.values()}) == len(signs)
        assert all(re.match(r"\S \w", sign) for sign in signs.values())


def test_an_alert_is_said_in_words() -> None:
    assert "! ALERT: A grown-up is needed." in ESCAPE.sub("", rich({"kind": "alert", "text": "A grown-up is needed."}))


def test_rich_explanations_and_sources() -> None:
    shown = ESCAPE.sub("", rich(*PLAY, explain=True))
    assert "┊ judged correct · score 0.83 · key idea" in shown
    assert "┊ plan SCAFFOLD_HINT rung 2" in shown
    assert "‹story›" in shown
    assert "┊" not in ESCAPE.sub("", rich(*PLAY))


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    long = said("彩虹は雨のあと、" * 12 + " " + "Regenbogenfarbenzauberwaldgeschichte" * 3)
    shown = ESCAPE.sub("", rich(*PLAY, long, heard("ja " * 60), judged("wrong"), explain=True, close=True))
    from rich.cells import cell_len

    assert max(cell_len(line.rstrip()) for line in shown.splitlines()) <= min(columns, WIDEST)


# ---------------------------------------------------------------------- the picture


def picture(text: str = "", word: Word | None = None, **more: object) -> StagePicture:
    made = StagePicture(StillRobot(), 9, interactive=True, plain=False)
    made.text, made.word = text, word
    for name, value in more.items():
        setattr(made, name, value)
    return made


def drawn(made: StagePicture, width: int = 80, height: int = 30) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, legacy_windows=False)
    with console.capture() as capture:
        console.print(made.draw(width, height))
    return capture.get()


@given(st.integers(10, 120), st.integers(5, 50), st.text(max_size=80), st.text(max_size=120), st.sampled_from(LANGUAGES))
@settings(max_examples=60, deadline=None)
def test_the_picture_fits_any_window(width: int, height: int, text: str, typed: str, language: Language) -> None:
    from rich.cells import cell_len

    made = picture(text, typed=typed, language=language)
    assert all(cell_len(line) <= width for line in drawn(made, width, height).splitlines())


@given(st.lists(st.sampled_from(["Mila", "sieht", "l'arc-en-ciel,", "süß", "“Wow!”"]), min_size=1, max_size=9), st.data())
def test_the_spoken_word_is_marked_and_only_it(words: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(words) - 1))
    text = " ".join(words)
    begin = len(" ".join(words[:place])) + (place > 0)
    made = picture(text, Word(begin, begin + len(words[place]), 0.0))
    spans = made._spoken().spans
    marked = [text[span.start : span.end] for span in spans if "underline" in str(span.style)]
    paler = [text[span.start : span.end] for span in spans if str(span.style) == "dim"]
    assert marked == [words[place]]
    assert "".join(paler) == text[begin + len(words[place]) :]


def test_what_is_typed_and_whose_turn_it_is() -> None:
    words = screen_words("en")
    assert words.break_in in drawn(picture("Mila runs."))
    assert words.turn in drawn(picture(awaited=True))
    assert words.hint in drawn(picture(awaited=True))
    shown = drawn(picture(awaited=True, typed="straße 🌈"))
    assert "› straße 🌈_" in shown
    assert words.hint not in shown


def test_progress_counts_scenes_not_questions() -> None:
    made = picture()
    assert "scene" not in drawn(made)
    made.planned("")
    made.planned("hill/wh")
    made.planned("hill/open")
    assert "scene 1 of 9" in drawn(made)
    made.reached("hill", 1, "")
    made.planned("wood/choice")
    assert "scene 2 of 9" in drawn(made)
    assert "─" * 18 in drawn(made)
    made.planned("story/recall")  # the end, whichever way the story went
    assert "scene 2 of 9" in drawn(made)
    assert "━" * 24 in drawn(made)


def test_a_resumed_session_goes_on_counting() -> None:
    made = picture()
    made.reached("lake", 5, "")
    made.planned("lake/wh")
    assert "scene 5 of 9" in drawn(made)


def test_the_robot_stands_beside_above_or_nowhere() -> None:
    made = picture("Mila runs.")
    beside, above, nowhere = drawn(made, 80, 30), drawn(made, 40, 30), drawn(made, 40, 12)
    assert re.search(r"│.*Mila runs\.", beside)
    assert "╭" in above
    assert not re.search(r"│.*Mila runs\.", above)
    assert "╭" not in nowhere
    assert "Mila runs." in nowhere


# ---------------------------------------------------------------------- live


def test_the_sentence_being_spoken_is_drawn_and_taken_away_again() -> None:
    out = Terminal()
    screen = RichScreen(Steady(out), explain=False, robot=StillRobot(), title="x", beats=9, interactive=True, live=True)
    echoed = screen.echoes
    screen.show(saying("Mila runs."))
    screen.word(Sentence("Mila runs.", "en"), Word(5, 10, 0.2))  # both draw at once
    screen.typing("wait", awaited=False)
    picture_of_now = out.getvalue()
    assert "\x1b[1;4;36mruns.\x1b[0m" in picture_of_now
    assert "wait" in picture_of_now
    screen.show(said("Mila runs."))
    screen.show({**PLANNED, "target": "hill/wh"})
    before = len(out.getvalue())
    screen.typing("", awaited=False)
    assert "runs" not in out.getvalue()[before:]
    assert "scene 1 of 9" in out.getvalue()[before:]
    screen.show(CLOSED)
    assert (echoed, screen.echoes) == (True, False)
    assert out.getvalue().endswith("\x1b[2K")  # the picture has gone
    assert "\x1b[?25h" in out.getvalue()  # the cursor is back
    screen.close()
    assert "finished" in out.getvalue()
    assert sys.stdout is not out
    assert not any(thread.name == "screen" and thread.is_alive() for thread in waited("screen"))


def test_the_picture_moves_by_itself() -> None:
    out = Terminal()
    screen = RichScreen(Steady(out), explain=False, robot=StillRobot(), title="x", beats=9, interactive=True, live=True)
    written = len(out.getvalue())
    end = time.monotonic() + 2
    while len(out.getvalue()) < written + 1000 and time.monotonic() < end:
        time.sleep(0.01)
    screen.close()
    assert out.getvalue().count("╰──────────────╯") >= 2


def waited(name: str) -> list[threading.Thread]:
    threads = [thread for thread in threading.enumerate() if thread.name == name]
    for thread in threads:
        thread.join(1.0)
    return threads


def test_a_window_made_narrower_leaves_no_old_picture_behind() -> None:
    out = Terminal()
    screen = RichScreen(Steady(out), explain=False, robot=StillRobot(), title="x", beats=9, interactive=True, live=True)
    screen._dark.set()  # no frames but those asked for here
    waited("screen")
    screen.typing("", awaited=True)
    before = out.getvalue()
    screen.typing("", awaited=True)
    same = out.getvalue()[len(before) :].count("\x1b[1A")
    assert same == 7  # an empty line and seven of robot
    screen._console.width = 40
    before = out.getvalue()
    screen.typing("", awaited=True)
    # Lines with words beside the robot are wider than 40 columns: the terminal has folded each of the seven in two.
    assert out.getvalue()[len(before) :].count("\x1b[1A") == 14
    screen.close()


def test_a_terminal_that_goes_away_does_not_end_the_session() -> None:
    far, near = pty.openpty()
    stream = os.fdopen(near, "w", encoding="utf-8")
    out = Steady(stream)
    screen = RichScreen(out, explain=True, robot=StillRobot(), title="x", beats=9, interactive=True, live=True)
    screen.show(said("Mila runs."))
    lost_before = out.gone
    os.close(far)
    for event in PLAY:
        screen.show(event)
    screen.typing("wait", awaited=True)
    screen.close()
    assert (lost_before, out.gone) == (False, True)
    stream.close()  # nothing is left that could fail at exit


def test_a_pipe_that_is_closed_goes_silent() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", encoding="utf-8")
    out = Steady(stream)
    screen = PlainScreen(out, explain=False, title="x", interactive=False)
    os.close(reading)
    for event in PLAY:
        screen.show(event)
    screen.close()
    assert out.gone
    stream.close()


def test_a_stream_that_was_closed_goes_silent() -> None:
    stream = io.StringIO()
    out = Steady(stream)
    stream.close()
    assert out.write("Mila") == 4
    assert out.gone
    assert not out.isatty()


def test_characters_the_terminal_does_not_know() -> None:
    raw = io.BytesIO()
    out = Steady(io.TextIOWrapper(raw, encoding="latin-1", write_through=True))
    out.write("Füchse ★")
    assert raw.getvalue().decode("latin-1") == "Füchse ?"
    assert not out.gone
