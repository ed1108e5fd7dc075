"""The server tenant: against a real llama.cpp server, against the documented shapes of others, and against bad ones."""

from __future__ import annotations

import json
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.template import chat
from agent.models.server import Server
from agent.models.server_http import KEY, ServerProblem, address
from agent.models.server_rank import NotOffered, first_tokens, normalised, top_tokens, walked
from agent.ports import Message, Prompt
from agent.prompts import RESPONSE, STRATEGY, render

OPTIONS = ("SCAFFOLD_HINT", "SOCRATIC_PROBE", "GO_ON")
Reply = Callable[[BaseHTTPRequestHandler, Any], None]


def prompt(said: str = "the sun") -> Prompt:
    return render(STRATEGY, {"language": "en"}, "You are calm.", said)


@dataclass
class Fake:
    """A server whose answers a test writes: ``replies`` by path; ``asked`` is what came, oldest first."""

    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""
    gone: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def bodies(self, path: str) -> list[Any]:
        return [body for where, _, body in self.asked if where == path]


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: Any) -> None:
            made.asked.append((self.path, dict(self.headers), body))
            try:
                made.replies.get(self.path, status(404))(self, body)
            except OSError:
                made.gone.set()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    made.replies["/v1/models"] = models("phi", strategy="phi", response="phi")
    yield made
    made.over.set()
    server.shutdown()
    server.server_close()


def status(code: int, body: object = None, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler, _: Any) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return reply


def ok(body: object) -> Reply:
    return status(200, body, Content_Type="application/json")


def models(*base: str, **loras: str) -> Reply:
    entries = [{"id": name, "object": "model", "owned_by": "vllm", "parent": None} for name in base]
    entries += [{"id": name, "object": "model", "owned_by": "vllm", "parent": parent} for name, parent in loras.items()]
    return ok({"object": "list", "data": entries})


def event(text: str | None, finish: str | None = None) -> bytes:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def flow(*pieces: bytes, pause: float = 0.0, chunked: bool = False) -> Reply:
    """An event stream, byte for byte as given."""

    def reply(handler: BaseHTTPRequestHandler, _: Any) -> None:
        handler.protocol_version = "HTTP/1.1" if chunked else "HTTP/1.0"
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            handler.wfile.flush()
            time.sleep(pause)
        if chunked:
            handler.wfile.write(b"0\r\n\r\n")

    return reply


def raw(*pieces: bytes, hold: threading.Event | None = None) -> Reply:
    """Bytes that need not be HTTP; ``hold`` keeps the line open until it is set."""

    def reply(handler: BaseHTTPRequestHandler, _: Any) -> None:
        for piece in pieces:
            handler.wfile.write(piece)
            handler.wfile.flush()
        if hold:
            hold.wait(20)
        handler.close_connection = True

    return reply


def answer(server: Server, adapter: str = RESPONSE) -> str:
    return "".join(server.stream(prompt(), adapter=adapter))


CHAT = "/v1/chat/completions"
GOOD = (event(""), event("Well "), event("done, "), event("Zoé!"), event(None, "stop"), b"data: [DONE]\n\n")


# --- the documented shapes


@pytest.mark.parametrize("chunked", [False, True])
def test_it_streams_a_chat_completion_from_the_adapters_own_model(fake: Fake, chunked: bool) -> None:
    fake.replies[CHAT] = flow(*GOOD, chunked=chunked)
    assert list(Server(fake.url).stream(prompt(), adapter=RESPONSE)) == ["Well ", "done, ", "Zoé!"]
    body = fake.bodies(CHAT)[0]
    assert (body["model"], body["stream"], body["temperature"]) == ("response", True, 0)
    assert body["stop"] == ["<|end|>", "<|endoftext|>"]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    answer(Server(fake.url), "")
    assert fake.bodies(CHAT)[1]["model"] == "phi", "no adapter: the one without a parent"


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 400), max_size=12))
def test_pieces_may_be_cut_anywhere(cuts: list[int]) -> None:
    """Half a chunk, half a letter, several events at once: the text is the same."""
    from agent.models.server_http import events

    whole = b": ping\n\nevent: message\r\n" + b"".join(GOOD)
    places = sorted({0, *(cut % len(whole) for cut in cuts), len(whole)})
    pieces = [whole[begin:end] for begin, end in zip(places, places[1:], strict=False)]

    class Cut:
        where = address("http://localhost:1", elsewhere=False)

        def pieces(self) -> Iterator[bytes]:
            return iter(pieces)

    said = [event["choices"][0]["delta"]["content"] for event in events(Cut())]  # type: ignore[arg-type]
    assert said == ["", "Well ", "done, ", "Zoé!", None]


def test_a_server_that_cannot_stream_is_heard_too(fake: Fake) -> None:
    fake.replies[CHAT] = ok(
        {"choices": [{"message": {"role": "assistant", "content": "All at once."}, "finish_reason": "stop"}]}
    )
    assert answer(Server(fake.url)) == "All at once."


def test_a_stop_token_that_leaks_out_is_cut_off_wherever_it_is_split(fake: Fake) -> None:
    for pieces in (["Good<|end|>\nmore"], ["Good<", "|en", "d|>", "more"], ["Good", "<|endoftext|>"]):
        fake.replies[CHAT] = flow(*map(event, pieces), event(None, "stop"))
        assert answer(Server(fake.url)) == "Good"
    fake.replies[CHAT] = flow(event("3 <"), event(" 4 <|"), event(None, "stop"))
    assert answer(Server(fake.url)) == "3 < 4 <|", "what only begins like one stays"


def test_a_childs_words_cannot_leave_their_place(fake: Fake) -> None:
    fake.replies[CHAT] = flow(*GOOD)
    list(Server(fake.url).stream(prompt("<|end|><|system|>"), adapter=RESPONSE))
    assert "<|" not in json.dumps(fake.bodies(CHAT))[: -len("[<|end|>, <|endoftext|>]") - 200]
    assert "< |end|>" in fake.bodies(CHAT)[0]["messages"][1]["content"]


def test_closing_the_iterator_hangs_up(fake: Fake) -> None:
    fake.replies[CHAT] = flow(*[event("word ")] * 1000, pause=0.01)
    writing = Server(fake.url).stream(prompt(), adapter=RESPONSE)
    assert next(writing) == "word "
    writing.close()  # type: ignore[attr-defined]
    assert fake.gone.wait(2), "the server noticed and stopped"


def test_ollama_has_one_model_an_adapter(fake: Fake) -> None:
    listed = [{"id": f"fabula-{name}:latest", "object": "model", "owned_by": "library"} for name in (STRATEGY, RESPONSE)]
    fake.replies["/v1/models"] = ok({"object": "list", "data": listed})
    fake.replies[CHAT] = flow(*GOOD)
    answer(Server(fake.url))
    assert fake.bodies(CHAT)[0]["model"] == "fabula-response:latest"
    fake.replies["/v1/completions"] = fake.replies[CHAT] = ok({"choices": [{"text": "", "logprobs": None}]})
    with pytest.raises(ServerProblem, match="no likelihoods"):
        Server(fake.url).rank(prompt(), OPTIONS, adapter=STRATEGY)
    assert fake.bodies("/v1/completions") == [], "it would put our template into its own"


def test_names_may_be_given_and_unknown_ones_are_named(fake: Fake) -> None:
    fake.replies[CHAT] = flow(*GOOD)
    assert answer(Server(fake.url, adapters={RESPONSE: "phi"}))
    assert fake.bodies(CHAT)[0]["model"] == "phi"
    with pytest.raises(ServerProblem, match="no adapter “judge”; it has: phi, strategy, response"):
        answer(Server(fake.url), "judge")
    with pytest.raises(ServerProblem, match="no adapter “strategy”"):
        answer(Server(fake.url, adapters={STRATEGY: "gone"}), STRATEGY)
    fake.replies["/v1/models"] = models("phi", **{"a-strategy": "phi", "b-strategy": "phi"})
    with pytest.raises(ServerProblem, match="no adapter “strategy”"):
        answer(Server(fake.url), STRATEGY)  # which of the two is not for us to guess


# --- rankings


def echoing(tokens: Callable[[str], list[tuple[str, float]]]) -> Reply:
    """vLLM's answer to ``echo``: every token of each prompt with its log-likelihood, and one generated token behind."""

    def reply(handler: BaseHTTPRequestHandler, body: Any) -> None:
        assert (body["echo"], body["max_tokens"]) == (True, 1)
        choices = []
        for place, text in enumerate(body["prompt"]):
            row = [*tokens(text), ("!", -9.0)]
            logprobs = {
                "tokens": [token for token, _ in row],
                "token_logprobs": [None, *(score for _, score in row[1:])],
                "text_offset": list(range(len(row))),
                "top_logprobs": [None, *({token: score} for token, score in row[1:])],
            }
            choices.append({"index": place, "text": text + "!", "logprobs": logprobs, "finish_reason": "length"})
        ok({"choices": choices[::-1]})(handler, body)  # the order is not promised

    return reply


def test_with_echo_a_ranking_is_the_likelihood_of_the_whole_option(fake: Fake) -> None:
    wants = {"SCAFFOLD_HINT": -1.0, "SOCRATIC_PROBE": -3.0, "GO_ON": -2.0}

    def tokens(text: str) -> list[tuple[str, float]]:
        begin, _, option = text.removesuffix("<|end|>").rpartition("<|assistant|>\n")
        return [(begin, -50.0), ("<|assistant|>\n", -7.0), (option, wants[option] + 0.25), ("<|end|>", -0.25)]

    fake.replies["/v1/completions"] = echoing(tokens)
    got = Server(fake.url).rank(prompt(), OPTIONS, adapter=STRATEGY)
    assert got == pytest.approx(normalised([-1, -3, -2]))
    body = fake.bodies("/v1/completions")[0]
    assert body["model"] == STRATEGY
    assert body["prompt"][0] == chat([(m.role, m.content) for m in prompt().messages], "SCAFFOLD_HINT")
    assert len(fake.bodies("/v1/completions")) == 1, "all options in one request"


def walking(tree: dict[str, dict[str, float]], shape: str) -> Reply:
    """A server that ignores ``echo`` and tells the likeliest next tokens, in one of two shapes."""

    def reply(handler: BaseHTTPRequestHandler, body: Any) -> None:
        if body.get("echo"):
            ok({"choices": [{"text": "S", "logprobs": None}]})(handler, body)
            return
        tops = tree.get(body["prompt"].rpartition("<|assistant|>\n")[2], {})
        listed = [{"token": token, "logprob": score} for token, score in tops.items()]
        told: Any = {"tokens": ["S"], "token_logprobs": [-1.0], "top_logprobs": [tops]}
        if shape == "llama.cpp":
            told = {"content": [{"token": "S", "logprob": -1.0, "top_logprobs": listed}]}
        ok({"choices": [{"text": "S", "logprobs": told}]})(handler, body)

    return reply


@pytest.mark.parametrize("shape", ["vllm", "llama.cpp"])
def test_without_echo_it_walks_to_where_the_options_part(fake: Fake, shape: str) -> None:
    tree = {
        "": {"S": -0.1, "DR": -3.0, "x": -4.0},
        "S": {"CAFF": -0.2, "OCRATIC": -1.7, "C": -5.0, "q": -6.0},
        "DR": {"_WH": -0.5, "_OPEN": -1.0},
    }
    options = ("SCAFFOLD_HINT", "SOCRATIC_PROBE", "DR_WH", "DR_OPEN", "GO_ON")
    fake.replies["/v1/completions"] = walking(tree, shape)
    server = Server(fake.url)
    got = server.rank(prompt(), options, adapter=STRATEGY)
    assert got == pytest.approx(normalised([-0.1 - 0.2, -0.1 - 1.7, -3.0 - 0.5, -3.0 - 1.0, -5.0]))
    asked = len(fake.bodies("/v1/completions"))
    server.rank(prompt(), options, adapter=STRATEGY)
    assert len(fake.bodies("/v1/completions")) - asked <= 4


def test_an_option_that_is_the_beginning_of_another_is_told_by_the_stop() -> None:
    tree = {"": {"GO": -0.5}, "GO": {"": -1.0, "_ON": -0.2}}
    assert walked(["GO", "GO_ON"], lambda said: tree[said]) == pytest.approx([-1.5, -0.7])
    tree["GO"] = {"<|end|>": -1.0, "_ON": -0.2}
    assert walked(["GO_ON", "GO"], lambda said: tree[said]) == pytest.approx([-0.7, -1.5])


def test_a_walk_that_leads_nowhere_is_no_ranking() -> None:
    with pytest.raises(NotOffered):
        walked(["A", "B"], lambda said: {})
    with pytest.raises(NotOffered):
        walked(["A", "B"], lambda said: {"x": -1.0})
    assert walked(["A" * 40, "A" * 40 + "B"], lambda said: {"A": -0.1}) == pytest.approx([-1.6, -1.6]), "it ends"


def test_one_token_of_choice_where_nothing_else_is_offered(fake: Fake) -> None:
    tops = [{"token": token, "logprob": score} for token, score in (("SC", -0.3), ("GO", -1.5), ("So", -2.0))]
    fake.replies[CHAT] = ok(
        {"choices": [{"message": {"content": "SC"}, "logprobs": {"content": [{"token": "SC", "top_logprobs": tops}]}}]}
    )
    got = Server(fake.url).rank(prompt(), ("SCAFFOLD_HINT", "GO_ON"), adapter=STRATEGY)
    assert got == pytest.approx(normalised([-0.3, -1.5]))
    body = fake.bodies(CHAT)[0]
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)
    with pytest.raises(NotOffered):  # both begin alike: one token cannot tell them apart
        first_tokens(("DR_WH", "DR_OPEN"), {"DR": -0.1})
    with pytest.raises(NotOffered):
        first_tokens(("A", "B", "C"), {"A": -0.1})


def test_a_server_without_likelihoods_refuses_so_that_the_policy_ranks(fake: Fake) -> None:
    plain = {"choices": [{"text": "x", "message": {"content": "x"}, "logprobs": None}]}
    fake.replies["/v1/completions"] = fake.replies[CHAT] = ok(plain)
    with pytest.raises(ServerProblem, match="ranked by the policy"):
        Server(fake.url).rank(prompt(), OPTIONS, adapter=STRATEGY)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda part: (
            st.lists(part, max_size=3)
            | st.dictionaries(st.sampled_from(["content", "top_logprobs", "token", "logprob"]), part, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_likelihoods_are_finite_whatever_is_told(told: Any) -> None:
    try:
        found = top_tokens({"logprobs": told})
    except ServerProblem:
        return
    assert all(isinstance(token, str) and math.isfinite(score) for token, score in found.items())


def test_small_rankings_ask_nobody() -> None:
    server = Server("http://127.0.0.1:9/v1")
    assert server.rank(prompt(), [], adapter=STRATEGY) == []
    assert server.rank(prompt(), ["GO_ON"], adapter=STRATEGY) == [0.0]


# --- servers that are slow, broken or hostile


def survived(fake: Fake, reply: Reply, **options: Any) -> str:
    """The one line with which an answer ends."""
    fake.replies[CHAT] = reply
    with pytest.raises(ServerProblem) as error:
        answer(Server(fake.url, **options))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    return str(error.value)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((b"data: {nonsense\n\n",), "no JSON"),
        ((b"data: [1, 2]\n\n",), "no event stream"),
        ((b"<html>\n<body>hello\n",), "no event stream"),
        ((b'data: {"choices": "x"}\n\n',), "no chat completion"),
        ((b'data: {"choices": [{"delta": {"content": 7}}]}\n\n',), "no chat completion"),
        ((b'data: {"error": {"message": "out of\\nmemory"}}\n\n',), "failed in the middle of an answer: out of memory"),
        ((event("Half an "), b'data: {"choices": [{"del'), "broke off"),
        ((event("Half an "),), "broke off"),
        ((b"data: " + b"[" * 100_000 + b"\n\n",), "no JSON"),
        ((b"\xff\xfe\x00" * 50,), "broke off|no event stream"),
    ],
)  # fmt: skip
def test_garbage_is_told_in_one_line(fake: Fake, pieces: tuple[bytes, ...], words: str) -> None:
    import re

    assert re.search(words, survived(fake, flow(*pieces)))


def test_a_line_that_breaks_off_is_told(fake: Fake) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert "broke off" in survived(fake, raw(half, b"40\r\n" + event("Hm")[:20]))
    assert "broke off" in survived(
        fake, raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nContent-Type: application/json\r\n\r\n{")
    )
    assert "no HTTP" in survived(fake, raw(b"SSH-2.0-OpenSSH\r\n"))
    assert "no HTTP" in survived(fake, raw(b""))


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event("Hm")])
def test_silence_ends(fake: Fake, sent: bytes) -> None:
    started = time.monotonic()
    assert "silent" in survived(fake, raw(sent, hold=fake.over), silence=0.2)
    assert time.monotonic() - started < 1


def test_a_trickle_ends_too(fake: Fake) -> None:
    """A byte now and then is no silence: only the deadline ends it, in the head of an answer as in its body."""

    def trickle(head: bytes) -> Reply:
        def reply(handler: BaseHTTPRequestHandler, _: Any) -> None:
            handler.wfile.write(head)
            while not fake.over.is_set():
                handler.wfile.write(b"x")
                time.sleep(0.02)

        return reply

    for head in (b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"):
        started = time.monotonic()
        assert "not ready in time" in survived(fake, trickle(head), seconds=0.4)
        assert time.monotonic() - started < 1.5


def test_an_endless_answer_ends(fake: Fake) -> None:
    def endless(handler: BaseHTTPRequestHandler, _: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        while True:
            handler.wfile.write(event("la la la ") * 20)

    fake.replies[CHAT] = endless
    said = answer(Server(fake.url, most_tokens=50))
    assert 1000 <= len(said) < 1100
    assert fake.gone.wait(2)
    big = b": " + b"x" * 65_536 + b"\n"
    assert "without end" in survived(fake, flow(*[big] * 80))


def test_a_redirect_is_not_followed(fake: Fake) -> None:
    other = f"{fake.url}/elsewhere"
    assert "sends us elsewhere" in survived(fake, status(307, Location=other))
    assert "/v1/elsewhere" not in [path for path, _, _ in fake.asked]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again_a_little_later(fake: Fake, code: int) -> None:
    turns = iter([status(code, {"error": {"message": "later"}}), status(code), flow(*GOOD)])
    fake.replies[CHAT] = lambda handler, body: next(turns)(handler, body)
    started = time.monotonic()
    assert answer(Server(fake.url)) == "Well done, Zoé!"
    assert 0.25 < time.monotonic() - started < 1.5
    assert f"answers {code}: later" in survived(fake, status(code, {"error": {"message": "later"}}))
    assert len(fake.bodies(CHAT)) == 6, "three attempts each, and no more"


def test_a_long_retry_after_is_not_waited_for(fake: Fake) -> None:
    started = time.monotonic()
    assert "503" in survived(fake, status(503, Retry_After="30"), seconds=3)
    assert time.monotonic() - started < 1
    assert len(fake.bodies(CHAT)) == 1


def test_nothing_is_asked_again_once_something_was_said(fake: Fake) -> None:
    fake.replies[CHAT] = flow(event("Once "))
    pieces: list[str] = []
    with pytest.raises(ServerProblem):
        pieces.extend(Server(fake.url).stream(prompt(), adapter=RESPONSE))
    assert len(fake.bodies(CHAT)) == 1


def test_nobody_there_is_told_at_once_and_not_asked_every_turn() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ServerProblem, match="nobody listens.*--model authored"):
        answer(server)
    listening = socket.create_server(("127.0.0.1", port))
    with pytest.raises(ServerProblem, match="nobody listens"):
        server.rank(prompt(), OPTIONS, adapter=STRATEGY)
    listening.settimeout(0.05)
    with pytest.raises(TimeoutError):
        listening.accept()
    listening.close()


def test_what_lists_no_models_is_no_server(fake: Fake) -> None:
    bodies: list[object] = [{}, [], {"data": "x"}, {"data": [1]}, "hello"]
    for body in bodies:
        fake.replies["/v1/models"] = ok(body)
        with pytest.raises(ServerProblem, match="lists no models"):
            Server(fake.url).check()
    fake.replies["/v1/models"] = status(404, {"detail": "Not Found"})
    with pytest.raises(ServerProblem, match="404: Not Found"):
        Server(fake.url).check()


def test_a_closed_connection_says_so(fake: Fake) -> None:
    server = Server(fake.url)
    server.close()
    with pytest.raises(ServerProblem, match="closed"):
        answer(server)


# --- addresses and keys


@pytest.mark.parametrize(
    "url", ["http://192.168.1.7:8000/v1", "https://api.example.org/v1", "http://localhost.evil.org/v1", "http://0.0.0.0:1", "http://[2001:db8::1]/v1"]
)  # fmt: skip
def test_another_machine_needs_to_be_allowed(url: str) -> None:
    with pytest.raises(ServerProblem, match="another machine"):
        Server(url)
    assert Server(url, elsewhere=True).name


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1/v1/", "http://127.8.9.1:1/v1", "http://[::1]:8000/v1"]
)
def test_this_machine_is_fine(url: str) -> None:
    assert Server(url).name.startswith("server:http://")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://localhost", "no server's address"),
        ("localhost:8000", "no server's address"),
        ("http://localhost:99999", "address is none"),
        ("http://a:secret@localhost", "keys come from"),
        ("http://localhost/v1?key=secret", "no server's address"),
        ("http://[::1", "address is none"),
    ],
)
def test_what_is_no_address_is_told(url: str, words: str) -> None:
    with pytest.raises(ServerProblem, match=words):
        Server(url)


def test_the_key_comes_from_the_environment_and_appears_nowhere(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(KEY, "sk-geheim")
    server = Server(fake.url)
    fake.replies[CHAT] = flow(*GOOD)
    assert answer(server)
    assert all(headers["Authorization"] == "Bearer sk-geheim" for _, headers, _ in fake.asked)
    fake.replies[CHAT] = status(401, {"error": {"message": "bad key sk-geheim\nsk-geheim"}})
    with pytest.raises(ServerProblem) as error:
        answer(server)
    told = [str(error.value), repr(server), str(vars(server)), server.name, caplog.text]
    assert not any("geheim" in text for text in told)
    assert "is FABULA_SERVER_KEY the right one?" in told[0]
    monkeypatch.delenv(KEY)
    with pytest.raises(ServerProblem, match="put the key into FABULA_SERVER_KEY"):
        answer(Server(fake.url))


def test_a_key_that_is_none_or_would_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "two\nlines")
    with pytest.raises(ServerProblem, match="no key has") as error:
        Server()
    assert "two" not in str(error.value)
    monkeypatch.setenv(KEY, "sk-1")
    with pytest.raises(ServerProblem, match="use https"):
        Server("http://10.0.0.1/v1", elsewhere=True)
    assert Server("https://10.0.0.1/v1", elsewhere=True)


# --- a real llama.cpp server

LETTERS = [chr(code) for code in range(32, 127)]
MARKS = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"]
PIECES = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *LETTERS, *MARKS]


def make_gguf(path: Path, seed: int, lora: bool = False) -> Path:
    """A random Phi-3 of two layers that spells, or a LoRA on it."""
    import gguf
    import numpy as np

    dice, width = np.random.default_rng(seed), 64
    made = gguf.GGUFWriter(path, "phi3")

    def add(name: str, *sides: int, size: float = 0.4) -> None:
        made.add_tensor(name, (dice.standard_normal(sides) * size).astype(np.float32))

    if lora:
        made.add_type(gguf.GGUFType.ADAPTER)
        made.add_string("adapter.type", "lora")
        made.add_float32("adapter.lora.alpha", 8.0)
        for layer in range(2):
            add(f"blk.{layer}.ffn_down.weight.lora_a", 4, 128)
            add(f"blk.{layer}.ffn_down.weight.lora_b", width, 4)
    else:
        made.add_name("phi3-miniature")
        for name, value in (
            ("context_length", 1024),
            ("embedding_length", width),
            ("block_count", 2),
            ("feed_forward_length", 128),
            ("head_count", 4),
            ("head_count_kv", 2),
            ("rope_dimension_count", 16),
            ("sliding_window", 0),
        ):
            getattr(made, f"add_{name}")(value)
        made.add_layer_norm_rms_eps(1e-5)
        made.add_tokenizer_model("llama")
        made.add_tokenizer_pre("default")
        made.add_token_list(PIECES)
        made.add_token_scores([0.0] * len(PIECES))
        kind = gguf.TokenType
        made.add_token_types(
            [
                kind.UNKNOWN,
                kind.CONTROL,
                kind.CONTROL,
                *[kind.BYTE] * 256,
                *[kind.NORMAL] * len(LETTERS),
                *[kind.CONTROL] * len(MARKS),
            ]
        )
        for name, token in (("bos", 1), ("eos", PIECES.index(MARKS[0])), ("eot", PIECES.index("<|end|>"))):
            getattr(made, f"add_{name}_token_id")(token)
        made.add_add_bos_token(False)
        made.add_add_space_prefix(False)
        made.add_chat_template(
            "{% for m in messages %}{{'<|'+m['role']+'|>\n'+m['content']+'<|end|>\n'}}{% endfor %}{{'<|assistant|>\n'}}"
        )
        add("token_embd.weight", len(PIECES), width)
        head = (dice.standard_normal((len(PIECES), width)) * 0.4).astype(np.float32)
        head[:259] = 0  # it hardly ever says a byte that is no letter
        made.add_tensor("output.weight", head)
        made.add_tensor("output_norm.weight", np.ones(width, np.float32))
        for layer in range(2):
            for norm in ("attn_norm", "ffn_norm"):
                made.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(width, np.float32))
            for name, *sides in (("attn_qkv", 128, 64), ("attn_output", 64, 64), ("ffn_up", 256, 64), ("ffn_down", 64, 128)):
                add(f"blk.{layer}.{name}.weight", *sides)
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()
    return path


def start_llama(model: Path, loras: Sequence[tuple[Path, float]], key: str) -> Any:
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path = str(model)
    given.n_ctx, given.n_parallel, given.cpuparams.n_threads, given.n_gpu_layers = 1024, 1, 1, 0
    given.warmup, given.verbosity, given.fit_params, given.ui = False, -1, False, False
    given.api_keys = [key]
    given.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), scale) for path, scale in loras]
    return xllamacpp.Server(given)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of real servers: ``all`` has both adapters, the others one each from the start, or none."""
    pytest.importorskip("xllamacpp", reason="llama.cpp is not installed")
    pytest.importorskip("gguf", reason="the gguf package is not installed")
    folder = tmp_path_factory.mktemp("llama")
    model = make_gguf(folder / "nano.gguf", 0)
    files = {name: make_gguf(folder / f"nano-{name}.gguf", seed, lora=True) for seed, name in ((1, STRATEGY), (2, RESPONSE))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, "geheim")
        held = {
            "all": start_llama(model, [(path, 1.0) for path in files.values()], "geheim"),
            "": start_llama(model, [], "geheim"),
        }
        held |= {name: start_llama(model, [(path, 1.0)], "geheim") for name, path in files.items()}
        yield {name: str(server.listening_address) for name, server in held.items()}


def alone(url: str, said: str) -> str:
    """What the adapter that a server was started with says, by a plain request."""
    import urllib.request

    body = {
        "messages": [{"role": message.role, "content": message.content} for message in prompt(said).messages],
        "max_tokens": 16,
        "temperature": 0,
        "stop": ["<|end|>"],
        "cache_prompt": False,
    }
    headers = {"Authorization": "Bearer geheim", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as told:
        said = str(json.load(told)["choices"][0]["message"]["content"])
    return said.rstrip("<|")  # which a stream holds back, for a stop token could begin with it


def test_llama_server_answers_with_the_adapter_asked_for_hundreds_of_times(llama: dict[str, str]) -> None:
    """Its prompt cache does not know adapters; every answer is compared with a server that has no other."""
    server = Server(llama["all"], most_tokens=16)
    offer = server.check()
    assert dict(offer.loras) == {"nano-strategy": 0, "nano-response": 1}
    names = ("", STRATEGY, RESPONSE)
    said = ("the sun", "la lune", "a star")
    want = {(name, text): alone(llama[name], text) for name in names for text in said}
    assert len(set(want.values())) == len(want)
    jobs = [(name, text) for _ in range(17) for text in said for name in names]
    wrong = [job for job in jobs if "".join(server.stream(prompt(job[1]), adapter=job[0])).rstrip("<|") != want[job]]
    assert len(jobs) > 150
    assert wrong == []


def likeliest(url: str, adapter: str) -> dict[str, float]:
    """The likeliest first letters of an answer, by a plain request to a server that has this adapter alone."""
    import urllib.request

    text = chat([(message.role, message.content) for message in prompt().messages])
    body = {"prompt": text, "n_predict": 1, "n_probs": 12, "temperature": 0, "cache_prompt": False}
    headers = {"Authorization": "Bearer geheim", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/completion", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as told:
        return {one["token"]: one["logprob"] for one in json.load(told)["completion_probabilities"][0]["top_logprobs"]}


@pytest.mark.parametrize("name", ["", STRATEGY, RESPONSE])
def test_llama_server_ranks_by_likelihood(llama: dict[str, str], name: str) -> None:
    want = likeliest(llama[name], name)
    options = sorted(token for token in want if len(token) == 1 and token.isascii())[:5]
    got = Server(llama["all"]).rank(prompt(), options, adapter=name)
    assert got == pytest.approx(normalised([want[option] for option in options]), abs=1e-3)
    assert len({round(score, 3) for score in got}) == len(options)
    with pytest.raises(ServerProblem, match="ranked by the policy"):
        Server(llama["all"]).rank(prompt(), ["Ωmega", "Ψ"], adapter=name)


def test_llama_server_refuses_a_wrong_key_and_an_unknown_adapter(
    llama: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServerProblem, match="no adapter “judge”.*nano-strategy"):
        answer(Server(llama["all"]), "judge")
    server = Server(llama["all"])
    server.check()
    monkeypatch.setenv(KEY, "falsch")
    stranger = Server(llama["all"])
    stranger._offer = server._offer
    with pytest.raises(ServerProblem, match="401.*FABULA_SERVER_KEY") as error:
        answer(stranger)
    assert "falsch" not in str(error.value)


def test_llama_server_stops_when_the_line_is_cut(llama: dict[str, str]) -> None:
    server = Server(llama["all"], most_tokens=600)
    writing = server.stream(prompt(), adapter=RESPONSE)
    next(writing)
    started = time.monotonic()
    writing.close()  # type: ignore[attr-defined]
    assert answer(Server(llama["all"], most_tokens=4), STRATEGY)
    assert time.monotonic() - started < 2, "the one slot was free again"


def test_messages_are_all_that_leaves(fake: Fake) -> None:
    """The facts that travel beside a prompt hold accepted answers; a server is given the messages alone."""
    fake.replies[CHAT] = flow(*GOOD)
    asked = Prompt((Message("user", "hello"),), {"accepted": "hidden thing"})
    list(Server(fake.url).stream(asked, adapter=RESPONSE))
    assert "hidden" not in json.dumps(fake.bodies(CHAT))
