"""Likelihoods of options from a server that was made to write: whichever of three ways it offers.

``echo``: the server reads prompt and option and tells the likelihood of every token (vLLM). Exact.
``walk``: it tells the likeliest next tokens of a raw prompt, and we walk down to where the options part (llama-server). As
exact as needed to tell them apart: what follows a unique beginning is taken as certain.
``chat``: it tells the likeliest first tokens of an answer (Ollama, hosted servers). Enough where the options begin apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.template import STOPS

TOP = 20  # likeliest tokens asked for: the most that vLLM and OpenAI give
_DEEPEST = 16  # tokens after which options that still share a beginning are taken as equally likely


class NotOffered(Exception):
    """The server's answer does not hold what this way of ranking needs."""


def echoed(choices: Sequence[Mapping[str, Any]], options: Sequence[str]) -> list[float]:
    """Scores from the echoed prompts, one per option, each followed by one generated token that does not count."""
    rows: list[tuple[list[str], list[float]]] = []
    by_place = {choice.get("index", place): choice for place, choice in enumerate(choices)}
    for place, option in enumerate(options):
        choice = by_place.get(place, {})
        told = _mapping(choice.get("logprobs"))
        tokens, scores = told.get("tokens"), told.get("token_logprobs")
        if not isinstance(tokens, list) or not isinstance(scores, list) or len(tokens) != len(scores) or len(tokens) < 3:
            raise NotOffered
        if option not in str(choice.get("text")) or not all(isinstance(score, int | float) for score in scores[1:]):
            raise NotOffered  # some servers take the word echo and do nothing
        rows.append(([str(token) for token in tokens[:-1]], [0.0, *map(float, scores[1:-1])]))
    shared = 0
    while all(len(tokens) > shared for tokens, _ in rows) and len({tokens[shared] for tokens, _ in rows}) == 1:
        shared += 1
    return [sum(scores[shared:]) for _, scores in rows]


def walked(options: Sequence[str], tops: Callable[[str], Mapping[str, float]]) -> list[float]:
    """Scores by walking: ``tops`` gives the likeliest next tokens after a beginning of an answer."""
    scores = dict.fromkeys(options, 0.0)
    _walk(sorted(scores), "", scores, tops, 0)
    return [scores[option] for option in options]


def _walk(
    group: Sequence[str], said: str, scores: dict[str, float], tops: Callable[[str], Mapping[str, float]], deep: int
) -> None:
    if len(group) < 2 or deep == _DEEPEST:
        return
    next_tokens = tops(said)
    if not next_tokens:
        raise NotOffered
    step = {option: _likeliest(option[len(said) :], next_tokens) for option in group}
    if not any(step.values()) and deep == 0:
        raise NotOffered  # the model would say none of the options: its scores would be noise
    floor = min(next_tokens.values()) - 1.0  # unlisted: less likely than the least likely listed
    further: dict[str, list[str]] = {}
    for option, token in step.items():
        scores[option] += next_tokens[token] if token is not None else floor
        if token is not None and not _ends(token):
            further.setdefault(token, []).append(option)
    for token, together in further.items():
        _walk(together, said + token, scores, tops, deep + 1)


def _likeliest(rest: str, tokens: Mapping[str, float]) -> str | None:
    """The listed token an option goes on with: the stop where nothing of it is left."""
    fitting = [token for token in tokens if (_ends(token) if not rest else token and rest.startswith(token))]
    return max(fitting, key=tokens.__getitem__, default=None)


def _ends(token: str) -> bool:
    return not token or token in STOPS


def first_tokens(options: Sequence[str], tokens: Mapping[str, float]) -> list[float]:
    """Scores by the first token alone. Raises :class:`NotOffered` where two options begin with the same one."""
    step = [_likeliest(option, {token.lstrip() or token: score for token, score in tokens.items()}) for option in options]
    named = [token for token in step if token is not None]
    if not named or len(set(named)) != len(named) or len(named) < len(step) - 1:
        raise NotOffered
    plain = {token.lstrip() or token: score for token, score in tokens.items()}
    floor = min(plain.values()) - 1.0
    return [plain[token] if token is not None else floor for token in step]


def top_tokens(choice: Mapping[str, Any]) -> dict[str, float]:
    """The likeliest first tokens in an answer's ``logprobs``, in OpenAI's two shapes. Empty if it tells none."""
    told = _mapping(choice.get("logprobs"))
    pairs: list[tuple[Any, Any]] = list(_mapping(_first(told.get("top_logprobs"))).items())
    listed = _mapping(_first(told.get("content"))).get("top_logprobs")
    for entry in listed if isinstance(listed, list) else []:
        pairs.append((_mapping(entry).get("token"), _mapping(entry).get("logprob")))
    found: dict[str, float] = {}
    for token, score in pairs:
        if isinstance(token, str) and isinstance(score, int | float) and math.isfinite(score):
            found[token] = max(found.get(token, -math.inf), float(score))
    return found


def _mapping(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}


def _first(told: Any) -> Any:
    return told[0] if isinstance(told, list) and told else None


def normalised(scores: Sequence[float]) -> list[float]:
    """Log-softmax."""
    top = max(scores)
    total = top + math.log(sum(math.exp(score - top) for score in scores))
    return [score - total for score in scores]
