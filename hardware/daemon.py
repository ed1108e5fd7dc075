"""Starts the SDK's daemon, waits until it is ready, and stops it: only ever the one that was started here.

The daemon listens on loopback alone, on a free port, sends no telemetry and asks no network. It ends with this process,
however that ends: it watches a pipe that only this process holds open.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from hardware.connect import INSTALL, Missing

SIMULATORS = {
    "mockup": ("--mockup-sim", "--no-media"),
    "mujoco": ("--sim", "--headless", "--no-media"),
}
READY = 40.0  # seconds a daemon may take; a mock needs 4 to 9, MuJoCo 7 to 12, a busy machine longer
_STOP = 10.0  # seconds it may take to end; 2 to 6 are usual

# The SDK's own entry point, in a process that ends when its parent does (its standard input closes).
_PROGRAM = """
import os, signal, sys, threading
def watch():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
from reachy_mini.daemon.app.main import main
sys.argv[0] = "reachy-mini-daemon"
main()
"""


def prepare_environment() -> None:
    """This is a children's product: the SDK sends no telemetry and downloads nothing. Before the SDK is imported."""
    os.environ["REACHY_MINI_TELEMETRY"] = "0"
    os.environ["HF_HUB_OFFLINE"] = "1"


class Daemon:
    """A simulator's daemon in a process of its own. Raises Missing when the SDK is not there or the daemon does not start."""

    def __init__(self, kind: str, options: Sequence[str] | None = None, ready: float = READY) -> None:
        if importlib.util.find_spec("reachy_mini") is None:
            raise Missing(INSTALL)
        self.kind, self.port = kind, 0
        self._options = tuple(SIMULATORS[kind] if options is None else options)
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it (again) and wait until it is ready; one retry, because one start in six fails on a busy machine."""
        prepare_environment()
        for _ in range(2):
            self._launch()
            if self._wait_until_ready():
                return
            last = self._last_words()
            self.stop()
        raise Missing(f"The {self.kind} simulator did not start within {self._ready:.0f} s. It said: {last}")

    def _launch(self) -> None:
        self.port = free_port()
        command = [sys.executable, "-c", _PROGRAM, *self._options, "--no-wake-up-on-start", "--no-goto-sleep-on-stop"]
        command += ["--no-preload-datasets", "--dataset-update-interval", "0"]
        command += ["--fastapi-host", "127.0.0.1", "--fastapi-port", str(self.port)]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - what it writes, until it is stopped
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the conversation: it says goodbye before the robot sleeps
        )

    def _wait_until_ready(self) -> bool:
        until = time.monotonic() + self._ready
        while time.monotonic() < until and self.running:
            if state(self.port) == "running":
                return True
            time.sleep(0.1)
        return False

    def _last_words(self) -> str:
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - 2000))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "nothing"

    def stop(self) -> None:
        """Ask it to end, and end it if it does not. Twice is once."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._said.close()


def state(port: int, host: str = "127.0.0.1", timeout: float = 1.0) -> str:
    """What a daemon says of itself: ``running``, ``starting``, ``error`` …, or "" when none answers at that port."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/api/daemon/status", timeout=timeout) as answer:
            return str(json.load(answer).get("state", ""))
    except (OSError, ValueError, urllib.error.URLError):
        return ""


def free_port() -> int:
    """A port of the loopback interface that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
