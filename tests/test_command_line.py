"""``python -m agent.run`` from outside: exit codes, clear answers to bad input, and nothing lost when the world breaks."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import asides, lines, personality, story
from agent.children.child import persona_names
from agent.run import main
from agent.story import slugs
from tests.conftest import ROOT

QUICK = ("--child", "simulated:quick", "--speed", "fast", "--language", "en", "--story", "seed")
REAL = ("--child", "simulated:quick", "--speed", "real", "--voice", "none", "--language", "en", "--story", "seed")

RUNNING: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file, no sessions of anybody else's; a plain terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _nobody_is_left_running() -> Iterator[None]:
    """Processes that a failed test did not wait for are ended."""
    yield
    while RUNNING:
        process = RUNNING.pop()
        if process.poll() is None:
            process.kill()
        process.communicate() if process.stdout and not process.stdout.closed else process.wait()


@pytest.fixture
def fresh_caches() -> Iterator[None]:
    """Files that were read before are read again, before and after."""

    def clear() -> None:
        lines.bank.cache_clear()
        asides.about_the_robot.cache_clear()

    clear()
    yield
    clear()


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """The command as a process, in a group of its own."""
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment(),
        **options,
    }
    RUNNING.append(subprocess.Popen([sys.executable, "-m", "agent.run", *arguments], start_new_session=True, **options))
    return RUNNING[-1]


def finish(process: subprocess.Popen[bytes], seconds: float = 60) -> tuple[int, str, str]:
    try:
        out, error = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail("the command does not end")
    return process.returncode, (out or b"").decode(errors="replace"), (error or b"").decode(errors="replace")


def only_session(data: Path) -> Path:
    [folder] = [path for path in data.iterdir() if path.is_dir()]
    return folder


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def until(ready: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until something has come about."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)


def has_spoken(data: Path, kind: str = "said") -> Callable[[], bool]:
    """Whether the session in ``data`` has logged a row of ``kind``."""
    return lambda: any(f'"{kind}"' in path.read_text(encoding="utf-8") for path in data.glob("*/events.jsonl"))


def whole(folder: Path) -> list[dict[str, Any]]:
    """The rows of a closed log, which must be gapless and end with ``closed``."""
    log = rows(folder)
    assert [row["seq"] for row in log] == list(range(len(log)))
    assert log[-1]["kind"] == "closed", [(row["kind"], row["t"], row.get("text")) for row in log[-6:]]
    return log


# ---------------------------------------------------------------------- the contract


def test_a_session_in_a_pipe_ends_in_a_goodbye() -> None:
    code, out, error = finish(start(*QUICK, "--seed", "3", "--data", "here", "--participant", "P07"))
    assert (code, error) == (0, "")
    assert "\x1b" not in out, "plain lines"
    assert "Pip" in out
    folder = only_session(Path("here"))
    assert whole(folder)[-1]["ending"] == "finished"
    header = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    assert (header["participant"], header["seed"], header["session"]) == ("P07", 3, folder.name)
    assert {path.name for path in folder.iterdir()} <= {"session.json", "events.jsonl", "checkpoint.sqlite"}


def test_the_same_seed_is_the_same_session(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for name in ("one", "two"):
        assert main([*QUICK, "--seed", "5", "--turns", "8", "--data", name]) == 0
        told.append([(row["kind"], row.get("text")) for row in rows(only_session(Path(name)))])
    assert told[0] == told[1]
    assert main([*QUICK, "--seed", "6", "--turns", "8", "--data", "three"]) == 0
    assert [(row["kind"], row.get("text")) for row in rows(only_session(Path("three")))] != told[0]


def test_the_list_names_everything_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    for name in (*slugs(), *personality.names(), *persona_names(), "en", "fr", "de", "4-5", "8-10"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--story", "rainbw"], "rainbow"),
        (["--personality", "extrovert"], "extravert"),
        (["--child", "simulated:shi"], "shy"),
        (["--child", "simulatd"], "simulated"),
        (["--language", "es"], "en"),
        (["--age", "11-13"], "8-10"),
        (["--robot", "reachi"], "reachy"),
        (["--model", "gpt"], "authored"),
        (["--speed", "fast", "--child", "typed"], "simulated"),
        (["--seed", "-2"], "--seed"),
        (["--participant", "../../etc"], "--participant"),
    ],
)
def test_a_wrong_argument_is_exit_2_with_the_choice(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--child", "simulated", "--speed", "fast", *arguments]) == 2
    said = capsys.readouterr()
    assert hint in said.err
    assert said.out == ""
    assert not Path("sessions").exists(), "nothing was begun"


@pytest.mark.parametrize("arguments", [["--colour"], ["--seed", "x"], ["--turns"], ["extra"]])
def test_an_unknown_flag_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_resuming_nothing_is_exit_3_and_names_the_latest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--resume", "nothing"]) == 3
    assert "no session “nothing”" in capsys.readouterr().err
    assert main([*QUICK, "--turns", "3"]) == 0
    capsys.readouterr()
    assert main(["--resume", "nothing"]) == 3
    assert only_session(Path("sessions")).name in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"settings": {}'])
def test_resuming_a_session_with_a_broken_header_is_exit_3(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("sessions/x")
    folder.mkdir(parents=True)
    (folder / "session.json").write_text(text, encoding="utf-8")
    assert main(["--resume", "x"]) == 3
    assert "session.json" in capsys.readouterr().err


def test_resuming_a_session_whose_checkpoint_is_no_database_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--turns", "3"]) == 0
    folder = only_session(Path("sessions"))
    for part in folder.glob("checkpoint.sqlite*"):
        part.unlink()
    (folder / "checkpoint.sqlite").write_text("no database " * 200, encoding="utf-8")
    capsys.readouterr()
    assert main(["--resume", folder.name]) == 3
    assert "checkpoint.sqlite" in capsys.readouterr().err


def test_a_finished_session_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--turns", "4"]) == 0
    folder = only_session(Path("sessions"))
    before = [row for row in rows(folder) if row["kind"] == "said"]
    assert main(["--resume", folder.name[-4:]]) == 0
    log = whole(folder)
    assert [row for row in log if row["kind"] == "said"] == before


# ---------------------------------------------------------------------- broken files


def copied(original: Path, to: Path, file: str, spoil: Callable[[str], str]) -> Path:
    """A copy of a folder in which one file is spoilt."""
    shutil.copytree(original, to, ignore=shutil.ignore_patterns("__pycache__"))
    path = to / file
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


SPOILT: list[tuple[str, Callable[[str], str], str]] = [
    ("no TOML", lambda text: text + '\nbroken = "\n', "is not valid TOML"),
    ("an unknown key", lambda text: "colour = 1\n" + text, "colour"),
]


@pytest.mark.parametrize(("kind", "spoil", "said"), SPOILT, ids=[kind for kind, _, _ in SPOILT])
@pytest.mark.parametrize(
    ("module", "attribute", "file"),
    [
        (story, "STORIES", "seed/story.toml"),
        (story, "STORIES", "seed/en.toml"),
        (personality, "PERSONALITIES", "extravert.toml"),
        (lines, "FOLDER", "en.toml"),
        (asides, "FOLDER", "en.toml"),
    ],
    ids=["story", "words", "personality", "lines", "asides"],
)
@pytest.mark.usefixtures("fresh_caches")
def test_a_broken_file_is_exit_3_with_its_place(
    kind: str,
    spoil: Callable[[str], str],
    said: str,
    module: Any,
    attribute: str,
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = copied(getattr(module, attribute), tmp_path / "copy", file, spoil)
    folder = path.parents[1] if attribute == "STORIES" else path.parent
    monkeypatch.setattr(module, attribute, folder)
    for function in (story.load, story.slugs, personality.load, personality.names):
        if function.__module__ == module.__name__:
            monkeypatch.setattr(function, "__defaults__", tuple(folder for _ in function.__defaults__ or ()))
    assert main([*QUICK, "--turns", "6"]) == 3
    error = capsys.readouterr().err
    assert re.search(rf"{re.escape(str(path))}:\d+: ", error), error
    assert said in error
    assert "Traceback" not in error


def test_a_broken_gesture_file_is_named_with_its_place(tmp_path: Path) -> None:
    """In a process of its own: gestures are read once and kept. Words come first: the story may go on without a body."""
    path = copied(ROOT / "hardware", tmp_path / "tree" / "hardware", "gestures.toml", lambda text: "colour = 1\n" + text)
    for room in ("agent", "stories", "personalities"):
        (tmp_path / "tree" / room).symlink_to(ROOT / room)
    process = start(*QUICK, "--turns", "4", cwd=tmp_path / "tree", env=environment(PYTHONPATH=str(tmp_path / "tree")))
    code, out, error = finish(process)
    assert code in (0, 3), error
    assert f"{path}:1: " in out + error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("text", "said"), [('stori = "seed"', "did you mean “story”"), ("story = ", "is not valid TOML"), ('age = "9"', "age")]
)
def test_a_broken_settings_file_is_exit_3_with_its_place(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("fabula.toml").write_text(text, encoding="utf-8")
    assert main(list(QUICK)) == 3
    error = capsys.readouterr().err
    assert "fabula.toml:1: " in error
    assert said in error


def test_a_settings_file_that_is_not_there_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--config", "mine.toml"]) == 3
    assert "mine.toml" in capsys.readouterr().err


# ---------------------------------------------------------------------- folders and disks


@pytest.mark.parametrize("data", ["file/below", "file", "/proc/nothing", "/dev/null"])
def test_a_folder_that_cannot_be_written_is_exit_3(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("", encoding="utf-8")
    assert main([*QUICK, "--data", data]) == 3
    error = capsys.readouterr().err
    assert "--data" in error
    assert "Traceback" not in error


def full_at(room: int) -> None:
    """From here on no file of this process grows beyond ``room`` bytes: as on a full disk, writes fail."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


@pytest.mark.parametrize("room", [6_000, 30_000])
def test_a_disk_that_fills_up_ends_no_session_and_loses_no_row(room: int, tmp_path: Path) -> None:
    rescue = tmp_path / "rescue"
    rescue.mkdir()
    process = start(
        *QUICK,
        "--turns",
        "14",
        "--data",
        "here",
        preexec_fn=lambda: full_at(room),
        env=environment(TMPDIR=str(rescue), HOME=str(rescue)),
    )
    code, out, error = finish(process)
    assert code == 0, error
    assert "Traceback" not in error
    assert "cannot be written" in out + error
    assert (out + error).count("cannot be saved for --resume") == 1
    log = rows(only_session(Path("here")))
    assert [row["seq"] for row in log] == list(range(len(log)))
    if room < 10_000:  # what is left is more than any other file may hold
        assert "no other folder has room" in out + error
        assert not list(rescue.iterdir())
        return
    rescued = [json.loads(line) for path in rescue.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["seq"] for row in rescued] == list(range(len(log), len(log) + len(rescued)))
    assert str(rescue) in out + error
    assert (rescued[-1]["kind"], rescued[-1].get("ending")) == ("closed", "turns")


def test_a_disk_without_room_for_the_header_is_exit_3() -> None:
    code, _, error = finish(start(*QUICK, "--data", "here", preexec_fn=lambda: full_at(0)))
    assert code == 3, error
    assert "Traceback" not in error
    assert "--data" in error


# ---------------------------------------------------------------------- people who leave


def test_a_reader_that_leaves_ends_no_session() -> None:
    process = start(*QUICK, "--data", "here", stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        error = process.stderr.read().decode()
    assert process.wait(60) == 0
    assert "Traceback" not in error
    assert whole(only_session(Path("here")))[-1]["ending"] == "finished"


@pytest.mark.parametrize("moment", ["session_started", "said", "heard"])
def test_a_session_that_is_broken_off_says_goodbye_and_closes_its_log(moment: str) -> None:
    """By Ctrl-C, by the system, by a terminal that went away: three sessions side by side, for they take real time."""
    ways = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 0}
    running = {number: start(*REAL, "--data", f"here-{number.name}") for number in ways}
    for number, process in running.items():
        until(has_spoken(Path(f"here-{number.name}"), moment))
        process.send_signal(number)
    for number, process in running.items():
        returned, out, error = finish(process)
        assert returned == ways[number], error
        assert "Traceback" not in error
        log = whole(only_session(Path(f"here-{number.name}")))
        assert log[-1]["ending"] == "left"
        assert [row for row in log if row["kind"] == "said" and row["gesture"] == "goodbye"], "goodbye was said"
        assert "Reachy: " in out


def test_two_ctrl_c_are_one() -> None:
    process = start(*REAL, "--data", "here")
    until(has_spoken(Path("here")))
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    code, _, error = finish(process)
    assert (code, "Traceback" in error) == (130, False)
    whole(only_session(Path("here")))


class Terminal:
    """A terminal of one process, ``columns`` wide."""

    def __init__(self, *arguments: str, columns: int = 80, **changes: str) -> None:
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            kept = {
                key: value
                for key, value in environment(TERM="xterm-256color", **changes).items()
                if key not in ("COLUMNS", "LINES")
            }
            os.execve(
                sys.executable,
                [sys.executable, "-m", "agent.run", *arguments],
                {**kept, "COLUMNS": str(columns), "LINES": "30"},
            )
        self.out = b""

    def read_until(self, ready: Callable[[str], bool], seconds: float = 40) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ready(self.text):
                return self.text
            if select.select([self.file], [], [], 0.1)[0]:
                try:
                    data = os.read(self.file, 65_536)
                except OSError:
                    data = b""
                if not data:
                    return self.text
                self.out += data
        pytest.fail(f"it never came about: {self.text[-800:]}")

    @property
    def text(self) -> str:
        return self.out.decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self.file, keys.encode())

    def end(self, seconds: float = 30) -> int:
        """The exit code, reading what is still written."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if self.file >= 0 and select.select([self.file], [], [], 0.05)[0]:
                try:
                    self.out += os.read(self.file, 65_536)
                except OSError:
                    time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        pytest.fail("the command does not end")

    def close(self) -> None:
        os.close(self.file)
        self.file = -1


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as Linux has them")
def test_a_terminal_that_closes_ends_the_session_kindly() -> None:
    terminal = Terminal("--language", "en", "--voice", "none", "--data", "here")
    terminal.read_until(lambda text: has_spoken(Path("here"))())
    terminal.close()
    assert terminal.end() == 0
    assert whole(only_session(Path("here")))[-1]["ending"] in ("left", "stopped", "declined")


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as Linux has them")
def test_ctrl_c_typed_in_a_terminal() -> None:
    terminal = Terminal("--language", "en", "--voice", "none", "--data", "here")
    terminal.read_until(lambda text: has_spoken(Path("here"))())
    terminal.type("\x03")
    assert terminal.end() == 130
    assert whole(only_session(Path("here")))[-1]["ending"] == "left"


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as Linux has them")
@pytest.mark.parametrize(("columns", "changes"), [(40, {}), (80, {"NO_COLOR": "1"})], ids=["40 columns", "NO_COLOR"])
def test_narrow_and_colourless_terminals(columns: int, changes: dict[str, str]) -> None:
    terminal = Terminal(*QUICK, "--turns", "5", "--explain", "--data", "here", columns=columns, **changes)
    assert terminal.end(60) == 0
    assert "Traceback" not in terminal.text
    visible = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip("\r") for line in terminal.text.split("\n")]
    assert max(len(line.rstrip()) for line in visible) <= columns
    if "NO_COLOR" in changes:
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.text)


def test_no_log_writes_nothing() -> None:
    assert main([*QUICK, "--no-log", "--turns", "4"]) == 0
    assert list(Path.cwd().iterdir()) == []


def test_the_robots_side_can_be_kept_as_sound(capsys: pytest.CaptureFixture[str]) -> None:
    import wave

    assert main([*QUICK, "--turns", "3", "--save-audio", "--data", "here"]) == 0
    with wave.open(str(only_session(Path("here")) / "robot.wav")) as sound:
        assert sound.getnframes() / sound.getframerate() > 5
        assert sound.getnchannels() == 1
