"""What training is refused for, each with its reason: all of it would train without an error and speak badly.

A prompt that is learned, a stop token that is not, a text that differs from what the server will send, an example that does
not fit. The checks look at the very rows (``input_ids``, ``labels``) the trainer is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters import template
from adapters.formats import Example

MASKED = -100  # torch's mark for a token that is not learned
_PROBES = (
    ([("user", "Hello, said the fox.")], "Good!"),
    ([("system", "In French."), ("user", "language: fr\nchild: là-bas"), ("assistant", "Oui."), ("user", "?")], "  « Là. »"),
)


class Refusal(Exception):
    """Training would go wrong without anybody noticing. ``str()`` is the reason and what to change."""


class Coder:
    """Turns examples into rows with one tokenizer and one template (``phi3`` or ``own``). Raises :class:`Refusal` when the
    template or the stop token is not what a server would use."""

    def __init__(self, tokenizer: Any, kind: str) -> None:
        self.tokenizer, self.kind = tokenizer, kind
        own = getattr(tokenizer, "chat_template", None)
        if kind == "phi3":
            if own:
                _same(tokenizer)
            else:
                tokenizer.chat_template = template.JINJA
            self.stop = template.END
        else:
            if not own:
                raise Refusal('the tokenizer has no chat template of its own; remove template = "own" to teach it ours')
            self.stop = str(tokenizer.eos_token or "")
        ids = self.ids(self.stop) if self.stop else []
        self.stop_id = ids[0] if len(ids) == 1 else -1
        if self.stop_id < 0 or self.stop_id == getattr(tokenizer, "unk_token_id", None):
            raise Refusal(
                f"the stop token “{self.stop}” is {len(ids)} pieces for this tokenizer: no model could be taught to stop; "
                'use a base that knows it, or template = "own"'
            )

    def ids(self, text: str) -> list[int]:
        """Token ids as the server makes them: nothing is added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def texts(self, example: Example) -> tuple[str, str]:
        """What the server sends, and the same with the answer up to its stop token."""
        if self.kind == "phi3":
            return template.chat(example.turns), template.chat(example.turns, example.answer)
        chat = [{"role": role, "content": text} for role, text in example.turns]
        answer = [{"role": "assistant", "content": example.answer}]
        told: str = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        whole: str = self.tokenizer.apply_chat_template(chat + answer, tokenize=False)
        return told, whole[: whole.rfind(self.stop) + len(self.stop)] if self.stop in whole[len(told) :] else whole

    def row(self, example: Example) -> dict[str, list[int]]:
        """One row for the trainer: the prompt masked, the answer and its stop token learned."""
        told, whole = self.texts(example)
        prompt, ids = self.ids(told), self.ids(whole)
        return {"input_ids": ids, "labels": [MASKED] * len(prompt) + ids[len(prompt) :]}


def rows(found: Sequence[dict[str, list[int]]], examples: Sequence[Example], coder: Coder, max_tokens: int) -> None:
    """Look at every row. Raises :class:`Refusal` for the first kind of fault, with its place and how many share it."""
    faults = [(_fault(row, example, coder, max_tokens), example.place) for row, example in zip(found, examples, strict=True)]
    for kind in ("unmasked", "server", "stop", "truncated", "long"):
        bad = [(what, place) for what, place in faults if what.startswith(kind)]
        if bad:
            what, place = bad[0]
            longest = max(len(row["input_ids"]) for row in found)
            more = f" (and {len(bad) - 1} more of {len(faults)})" if len(bad) > 1 else ""
            advice = f"; the longest has {longest}: set training.max_tokens or shorten it" if kind == "long" else ""
            raise Refusal(f"{place}: {what.partition('|')[2]}{more}{advice}")


def _fault(row: dict[str, list[int]], example: Example, coder: Coder, max_tokens: int) -> str:
    ids, labels = row["input_ids"], row["labels"]
    told, whole = coder.texts(example)
    prompt, full = coder.ids(told), coder.ids(whole)
    if any(label != MASKED for label in labels[: len(prompt)]):
        return "unmasked|the prompt is not masked: the model would learn to ask instead of to answer"
    if ids[: len(prompt)] != prompt:
        return "server|the tokens before the answer are not those the server sends: the template's end merges with the answer"
    if full[-1] != coder.stop_id:
        return f"stop|the example does not end with the stop token “{coder.stop}”: the model would never stop"
    if ids != full:
        return f"truncated|the example is cut off: {len(ids)} of {len(full)} tokens are left"
    if labels[len(prompt) :] != full[len(prompt) :]:
        where = "stop|the stop token" if labels[-1] == MASKED else "unmasked|part of the answer"
        return f"{where} is masked: it would never be learned"
    return f"long|has {len(ids)} tokens, more than {max_tokens}" if len(ids) > max_tokens else ""


def _same(tokenizer: Any) -> None:
    """The tokenizer's own template, which vLLM and llama-server render, against the one that is trained."""
    from jinja2 import TemplateError

    other_way = 'train with template = "own" and serve it elsewhere, or take another base'
    for turns, answer in _PROBES:
        chat = [{"role": role, "content": text} for role, text in turns]
        told, full = template.chat(turns), template.chat(turns, answer)
        try:
            theirs: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            whole: str = tokenizer.apply_chat_template([*chat, {"role": "assistant", "content": answer}], tokenize=False)
        except TemplateError as error:
            raise Refusal(f"the base's chat template cannot say what the server's can ({error}); {other_way}") from None
        for ours, other in ((told, theirs), (full, whole[: len(full)])):  # what follows the stop token is nobody's loss
            if ours != other:
                place = next((at for at, (a, b) in enumerate(zip(ours, other, strict=False)) if a != b), len(other))
                raise Refusal(
                    "the base's chat template differs from the server's (adapters/template.py): after "
                    f"{ours[:place][-24:]!r} the server sends {ours[place : place + 24]!r}, the base has "
                    f"{other[place : place + 24]!r}; {other_way}"
                )
