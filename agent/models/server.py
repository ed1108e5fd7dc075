"""Any OpenAI-compatible server as a tenant: vLLM with LoRA modules, llama-server with LoRA ids, Ollama: ``--model server``.

An adapter is a model name (vLLM: ``--lora-modules strategy=…``; Ollama: one model each) or a LoRA id of llama-server. Without
a table the server is asked what it has. Loopback unless ``elsewhere`` is set; the key comes from ``FABULA_SERVER_KEY``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from adapters.template import STOPS, chat, plain
from agent.models.server_http import Exchange, Refused, ServerProblem, Unreachable, address, again, events
from agent.models.server_rank import TOP, NotOffered, echoed, first_tokens, normalised, top_tokens, walked
from agent.ports import Prompt

ATTEMPTS = 3
REST = 5.0  # seconds for which an unreachable server is not asked again
_MOST_SIGNS = 20  # characters per token of an answer before it is taken for endless


@dataclass(frozen=True)
class Offer:
    """What a server has. ``models`` maps a model's name to its parent's (vLLM's LoRA modules have one), ``loras`` an
    adapter's file stem to its id (llama-server)."""

    models: Mapping[str, str]
    loras: Mapping[str, int] = field(default_factory=dict)
    ollama: bool = False


class Server:
    """A model behind an address. Raises :class:`ServerProblem`, one clear line, for whatever goes wrong.

    ``adapters`` maps our names to the server's: a model's name, or a LoRA id. ``model`` is the base's name where it has
    several. ``silence`` seconds without a sign, or ``seconds`` for a whole answer, end it.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000/v1",
        *,
        adapters: Mapping[str, str | int] | None = None,
        model: str = "",
        elsewhere: bool = False,
        most_tokens: int = 160,
        silence: float = 5.0,
        seconds: float = 20.0,
    ) -> None:
        self._where = address(url, elsewhere=elsewhere)
        self._adapters, self._model = dict(adapters or {}), model
        self.most_tokens, self.silence, self.seconds = most_tokens, silence, seconds
        self._offer: Offer | None = None
        self._ways = ["echo", "walk", "chat"]
        self._rests = (0.0, "")
        self._closed = False

    @property
    def name(self) -> str:
        return f"server:{self._where.url}"

    def check(self) -> Offer:
        """Ask the server what it has: its health, and the names that adapters may have."""
        deadline = time.monotonic() + self.seconds
        listed = self._get("/v1/models", deadline)
        entries = listed.get("data") if isinstance(listed, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ServerProblem(f"{self._where.url} lists no models: is it an OpenAI-compatible server?")
        models = {str(entry["id"]): str(entry.get("parent") or "") for entry in entries if entry.get("id")}
        loras: dict[str, int] = {}
        owners = {str(entry.get("owned_by", "")) for entry in entries}
        if "llamacpp" in owners:
            told = self._get("/lora-adapters", deadline)
            loras = {PurePosixPath(str(one["path"]).replace("\\", "/")).stem: int(one["id"]) for one in told if "id" in one}
        self._offer = Offer(models, loras, ollama="library" in owners)
        if self._offer.ollama:  # it puts a raw prompt into its own template once more
            self._ways = ["chat"]
        return self._offer

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        """The answer, piece by piece. Closing the iterator hangs up, and the server stops writing."""
        body = {
            **self._target(adapter),
            "messages": [{"role": message.role, "content": plain(message.content)} for message in prompt.messages],
            "max_tokens": self.most_tokens,
            "temperature": 0,
            "stop": list(STOPS),
            "stream": True,
        }
        return _before_stop(self._written(body), self.most_tokens * _MOST_SIGNS)

    def rank(self, prompt: Prompt, options: Sequence[str], *, adapter: str) -> list[float]:
        """The log-likelihood of each option, normalised over the options, in the best way the server offers."""
        if len(options) < 2:
            return [0.0] * len(options)
        target, deadline = self._target(adapter), time.monotonic() + self.seconds
        for way in list(self._ways):
            try:
                return normalised(self._ranked(way, target, prompt, options, deadline))
            except NotOffered:
                continue
            except Refused as refused:
                if refused.status in (401, 403):
                    raise
                self._ways = [left for left in self._ways if left != way]
        raise ServerProblem(f"{self._where.url} tells no likelihoods of the options: strategies are ranked by the policy")

    def close(self) -> None:
        """What is asked afterwards is refused."""
        self._closed = True

    def _ranked(self, way: str, target: dict[str, Any], prompt: Prompt, options: Sequence[str], deadline: float) -> list[float]:
        said = [(message.role, message.content) for message in prompt.messages]
        one = {**target, "max_tokens": 1, "temperature": 0}
        if way == "echo":
            whole = [chat(said, option) for option in options]
            return echoed(
                self._choices("/v1/completions", {**one, "prompt": whole, "echo": True, "logprobs": 1}, deadline), options
            )
        if way == "walk":
            begin = chat(said)

            def tops(answer: str) -> dict[str, float]:
                body = {**one, "prompt": begin + answer, "logprobs": TOP}
                return top_tokens(self._choices("/v1/completions", body, deadline)[0])

            return walked(options, tops)
        messages = [{"role": role, "content": plain(content)} for role, content in said]
        body = {**one, "messages": messages, "logprobs": True, "top_logprobs": TOP}
        return first_tokens(options, top_tokens(self._choices("/v1/chat/completions", body, deadline)[0]))

    def _choices(self, path: str, body: dict[str, Any], deadline: float) -> list[Mapping[str, Any]]:
        made = again(ATTEMPTS, deadline, lambda: self._whole("POST", path, body, deadline))
        choices = made.get("choices") if isinstance(made, dict) else None
        if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
            raise ServerProblem(f"{self._where.url}{path} answers without an answer in it")
        return choices

    def _get(self, path: str, deadline: float) -> Any:
        return again(ATTEMPTS, deadline, lambda: self._whole("GET", path, None, deadline))

    def _whole(self, method: str, path: str, body: Any, deadline: float) -> Any:
        with self._asking(method, path, body, deadline) as exchange:
            return exchange.json()

    @contextlib.contextmanager
    def _asking(self, method: str, path: str, body: Any, deadline: float) -> Iterator[Exchange]:
        """An exchange that is closed in the end. An unreachable server is left alone for :data:`REST` seconds."""
        until, why = self._rests
        if self._closed:
            raise ServerProblem("the connection to the server was closed")
        if time.monotonic() < until:
            raise Unreachable(why)
        try:
            exchange = Exchange(self._where, method, path, body, silence=self.silence, deadline=deadline)
            try:
                yield exchange
            finally:
                exchange.close()
        except Unreachable as problem:
            self._rests = (time.monotonic() + REST, str(problem))
            raise

    def _written(self, body: dict[str, Any]) -> Iterator[str]:
        deadline = time.monotonic() + self.seconds
        with contextlib.ExitStack() as until_closed:
            path = "/v1/chat/completions"
            asked = again(ATTEMPTS, deadline, lambda: until_closed.enter_context(self._asking("POST", path, body, deadline)))
            whole = "application/json" in asked.answer.headers.get("Content-Type", "")
            for event in [asked.json()] if whole else events(asked):
                text, finished = self._piece(event)
                if text:
                    yield text
                if finished:
                    return
            raise ServerProblem(f"{self._where.url} broke off in the middle of an answer")

    def _piece(self, event: Any) -> tuple[str, bool]:
        """The text in an event, and whether it is the last."""
        if isinstance(event, dict) and event.get("error"):
            error = event["error"]
            told = error.get("message", "") if isinstance(error, dict) else error
            raise ServerProblem(f"{self._where.url} failed in the middle of an answer: {self._where.clean(str(told))}")
        choices = event.get("choices") if isinstance(event, dict) else None
        if choices == []:  # only figures
            return "", False
        first = choices[0] if isinstance(choices, list) else None
        said = (first.get("delta") or first.get("message") or {}) if isinstance(first, dict) else None
        if not isinstance(said, dict) or not isinstance(said.get("content") or "", str):
            raise ServerProblem(f"{self._where.url} answers something that is no chat completion")
        return said.get("content") or "", bool(first and first.get("finish_reason")) or "message" in (first or {})

    def _target(self, adapter: str) -> dict[str, Any]:
        """What a request must hold so that this adapter answers, and no other."""
        offer = self._offer or self.check()
        named = self._adapters.get(adapter)
        base = self._model or next((name for name, parent in offer.models.items() if not parent), "")
        if offer.loras:
            chosen = named if isinstance(named, int) else _match(str(named or adapter), offer.loras)
            number = offer.loras.get(chosen, -1) if isinstance(chosen, str) else chosen
            if adapter and number not in offer.loras.values():
                raise self._unknown(adapter, offer)
            scales = [{"id": one, "scale": float(bool(adapter) and one == number)} for one in offer.loras.values()]
            # llama-server's prompt cache does not know which adapter a prompt was read with.
            return {"model": base, "lora": scales, "cache_prompt": False}
        if isinstance(named, int):
            raise ServerProblem(f"{self._where.url} has no LoRA ids: name the model that is the adapter “{adapter}”")
        model = (named or _match(adapter, offer.models)) if adapter else base
        if not model or model not in offer.models:
            raise self._unknown(adapter or self._model, offer)
        return {"model": model}

    def _unknown(self, adapter: str, offer: Offer) -> ServerProblem:
        known = ", ".join([*offer.models, *offer.loras]) or "nothing"
        return ServerProblem(f"{self._where.url} has no adapter “{adapter}”; it has: {self._where.clean(known)}")


def _match(adapter: str, names: Mapping[str, object]) -> str:
    """The server's name for ``adapter``: the same, or one that ends in it (``nano-strategy``, ``fabula/strategy:latest``)."""
    found = [name for name in names if _plain(name) == adapter]
    found = found or [name for name in names if _plain(name).endswith((f"-{adapter}", f"/{adapter}", f"_{adapter}"))]
    return found[0] if len(found) == 1 else ""


def _plain(name: str) -> str:
    return name.removesuffix(":latest").removesuffix(".gguf")


def _before_stop(pieces: Iterator[str], most: int) -> Iterator[str]:
    """What comes before a stop token, for servers whose template forgot it; at most ``most`` characters."""
    held, signs = "", 0
    try:
        for piece in pieces:
            held += piece
            signs += len(piece)
            ends = [place for place in (held.find(stop) for stop in STOPS) if place >= 0]
            if ends:
                held = held[: min(ends)]
                break
            keep = max((size for stop in STOPS for size in range(1, len(stop)) if held.endswith(stop[:size])), default=0)
            if ready := held[: len(held) - keep]:
                yield ready
                held = held[len(held) - keep :]
            if signs > most:
                return
        if held:
            yield held
    finally:
        pieces.close()  # type: ignore[attr-defined]  # a generator: closing it hangs up
