"""A careful HTTP client for one model server: loopback unless told otherwise, nothing endless, no secret in any message.

The standard library's client suffices: it follows no redirect, reads no proxy from the environment and keeps no cookies.
Every exchange has a watchdog that cuts the line at its deadline, whatever the server does or leaves undone.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

KEY = "FABULA_SERVER_KEY"
MOST_BYTES = 4 * 1024 * 1024  # of one answer
_RETRY = (429, 500, 502, 503, 504)
T = TypeVar("T")


class ServerProblem(RuntimeError):
    """What keeps the server from answering, in one line."""


class Unreachable(ServerProblem):
    """Nobody answers, or nobody in time: asking again at once would only cost the child more silence."""


class Refused(ServerProblem):
    """The server answered, and does not take this request. ``status`` is its HTTP status."""

    def __init__(self, line: str, status: int) -> None:
        super().__init__(line)
        self.status = status


class Busy(ServerProblem):
    """The server may take the same request in ``wait`` seconds."""

    def __init__(self, line: str, wait: float) -> None:
        super().__init__(line)
        self.wait = wait


@dataclass(frozen=True)
class Address:
    """Where the server is. The key is in no representation of it."""

    url: str
    tls: bool
    host: str
    port: int
    path: str
    key: str = field(default="", repr=False)

    def clean(self, text: str) -> str:
        """``text`` without the key and without line breaks, short enough for a log."""
        hidden = text.replace(self.key, "…") if self.key else text
        return " ".join("".join(sign if sign.isprintable() else " " for sign in hidden).split())[:200]


def address(url: str, *, elsewhere: bool) -> Address:
    """The parts of ``url``, which may end in ``/v1``. ``elsewhere`` allows other machines than this one; the key comes from
    the environment. Raises :class:`ServerProblem`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ServerProblem("the server's address is none; it looks like http://127.0.0.1:8000/v1") from None
    if parts.username or parts.password:
        raise ServerProblem(f"the server's address holds a name or password: keys come from {KEY} in the environment alone")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ServerProblem(f"“{url}” is no server's address; it looks like http://127.0.0.1:8000/v1")
    tls, here = parts.scheme == "https", _loopback(host)
    if not here and not elsewhere:
        raise ServerProblem(
            f"{host} is another machine, and children's words would leave this one: allow it in the settings if you mean to"
        )
    key = os.environ.get(KEY, "").strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ServerProblem(f"{KEY} holds characters that no key has: set it again")
    if key and not here and not tls:
        raise ServerProblem(f"{KEY} would travel readable to {host}: use https")
    path = parts.path.rstrip("/").removesuffix("/v1")
    plain = f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"
    return Address(plain + path, tls, host, port or (443 if tls else 80), path, key)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Exchange:
    """One request and its answer, to be closed. ``deadline`` is on :func:`time.monotonic`; ``silence`` in seconds."""

    def __init__(self, where: Address, method: str, path: str, body: Any, *, silence: float, deadline: float) -> None:
        self.where = where
        self._late = False
        self.answer: http.client.HTTPResponse
        self._socket: socket.socket | None = None  # http.client forgets it while an answer is still read
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unreachable(f"{where.url} had no time left to answer")
        kind = http.client.HTTPSConnection if where.tls else http.client.HTTPConnection
        self._line = kind(where.host, where.port, timeout=min(silence, left))
        self._watchdog = threading.Timer(left, self._cut)
        self._watchdog.daemon = True
        headers = {"Accept": "text/event-stream, application/json", "Content-Type": "application/json"}
        if where.key:
            headers["Authorization"] = f"Bearer {where.key}"
        try:
            with self._readable():
                self._line.connect()
                self._socket = self._line.sock
                self._watchdog.start()
                self._line.request(method, where.path + path, None if body is None else json.dumps(body), headers)
                self.answer = self._line.getresponse()
                self._look(path)
        except BaseException:
            self.close()
            raise

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises :class:`ServerProblem` when it comes no further."""
        size = 0
        with self._readable():
            while piece := self.answer.read1(16_384):
                size += len(piece)
                if size > MOST_BYTES:
                    raise ServerProblem(f"{self.where.url} answers without end")
                yield piece
            if self.answer.length:
                raise ServerProblem(f"{self.where.url} broke off in the middle of an answer")
            self._in_time()

    def json(self) -> Any:
        """The body as JSON."""
        return read_json(b"".join(self.pieces()), self.where)

    def close(self) -> None:
        """Hang up: a server that still writes notices and stops."""
        self._watchdog.cancel()
        self._cut_line()
        if hasattr(self, "answer"):
            self.answer.close()
        self._line.close()

    def _look(self, path: str) -> None:
        status = self.answer.status
        if status == 200:
            return
        if 300 <= status < 400:
            raise Refused(f"{self.where.url} sends us elsewhere, and we follow nobody: give the server's own address", status)
        told = self.where.clean(_told(self.answer.read(10_000)))
        line = f"{self.where.url}{path} answers {status}{f': {told}' if told else ''}"
        if status in (401, 403):
            raise Refused(
                f"{line}; put the key into {KEY}" if not self.where.key else f"{line}; is {KEY} the right one?", status
            )
        if status in _RETRY:
            raise Busy(line, _wait(self.answer.headers.get("Retry-After", "0")))
        raise Refused(line, status)

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        """Turns what a line can do to us into what a person can read."""
        url = self.where.url
        try:
            yield
        except TimeoutError:
            raise Unreachable(f"{url} is silent") from None
        except ConnectionRefusedError:
            raise Unreachable(f"nobody listens at {url}: start the server, or run with --model authored") from None
        except socket.gaierror:
            raise Unreachable(f"there is no machine called {self.where.host}") from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            self._in_time()
            raise Unreachable(f"{url} broke off or speaks no HTTP ({type(error).__name__})") from None

    def _in_time(self) -> None:
        if self._late:
            raise Unreachable(f"{self.where.url} was not ready in time")

    def _cut(self) -> None:
        self._late = True
        self._cut_line()

    def _cut_line(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def read_json(raw: bytes | str, where: Address) -> Any:
    """``raw`` as JSON, or the line that says it is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ServerProblem(f"{where.url} answers something that is no JSON: is it an OpenAI-compatible server?") from None


def events(exchange: Exchange) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a server-sent event stream, until ``[DONE]`` or the end of the line."""
    held = b""
    for piece in exchange.pieces():
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            field_name, _, value = line.strip().partition(b":")
            if field_name != b"data":
                if field_name in (b"", b"event", b"id", b"retry"):
                    continue  # comments and names
                raise ServerProblem(f"{exchange.where.url} answers something that is no event stream")
            value = value.strip()
            if value == b"[DONE]":
                return
            event = read_json(value, exchange.where)
            if not isinstance(event, dict):
                raise ServerProblem(f"{exchange.where.url} answers something that is no event stream")
            yield event


def again(attempts: int, deadline: float, ask: Callable[[], T]) -> T:
    """``ask``, up to ``attempts`` times while the server is busy, waiting a little longer each time."""
    for attempt in range(attempts):
        try:
            return ask()
        except Busy as busy:
            wait = max(busy.wait, 0.1 * 2**attempt)
            if attempt + 1 == attempts or time.monotonic() + wait > deadline:
                raise
            time.sleep(wait)
    raise AssertionError("unreachable: at least one attempt is made")


def _told(raw: bytes) -> str:
    """What an error's body says."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    error = body.get("error", body.get("message", body.get("detail", ""))) if isinstance(body, dict) else ""
    message = error.get("message", "") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _wait(told: str) -> float:
    """Seconds of a ``Retry-After``, which may also be a date: then our own pause serves."""
    try:
        return min(60.0, max(0.0, float(told)))
    except ValueError:
        return 0.0
