"""Rows for writing a reply: the storyteller's prompt, and the reply in three renderings.

``response``: the reply in words. ``response-slotted``: the same prompt, the turn's material as slots. ``response-compact``: the
slots in the prompt too, and nothing in it that a model that writes slots has no use for; a third as long.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from adapters.data.moments import Moment, draw
from adapters.data.replies import Turn, compose
from adapters.data.rows import Row, chat_row
from adapters.data.slots import compact
from adapters.data.split import of_story
from adapters.data.turns import Heard, Stage
from agent.turn import LANGUAGES, Language

LEVELS = ((1, 2, 3), (4, 5, 6), (7, 8, 9))  # every moment is told once in each manner


def turns(
    count: int, seed: int, stage: Stage, refused: dict[str, int], lost: Counter[str]
) -> Iterator[tuple[Moment, Heard, Language, int, Turn]]:
    """The turns of ``count`` moments, in every language and at three levels, as far as the guard lets them pass.

    ``refused`` counts what the guard said, ``lost`` what came to nothing, by strategy.
    """
    for number in range(count):
        rng = random.Random(f"moment/{seed}/{number}")
        moment = draw(number, rng)
        levels = [rng.choice(levels) for levels in LEVELS]
        for language in LANGUAGES:
            heard = stage.heard(moment, language, random.Random(f"{seed}/{number}/{language}"))
            if heard is None:
                lost[f"{moment.wanted}: judged otherwise"] += 1
                continue
            for level in levels:
                turn = compose(moment, heard, level, seed * 1_000_003 + number, refused)
                if turn is None:
                    lost[f"{moment.wanted}: the guard"] += 1
                    continue
                yield moment, heard, language, level, turn


def rows(count: int, seed: int, stage: Stage, refused: dict[str, int], lost: Counter[str]) -> Iterator[Row]:
    """Each turn once per rendering. A turn met before with the same prompt and reply is left out."""
    seen: set[tuple[str, str]] = set()
    for moment, heard, language, level, turn in turns(count, seed, stage, refused, lost):
        user = turn.prompt.messages[-1].content
        if (user, turn.plain) in seen:
            continue
        seen.add((user, turn.plain))
        renderings = (
            ("response", turn.prompt.messages, turn.plain),
            ("response-slotted", turn.prompt.messages, turn.slotted),
            ("response-compact", compact(turn.prompt).messages, turn.slotted),
        )
        for task, messages, answer in renderings:
            yield chat_row(
                task,
                messages,
                answer,
                language=language,
                story=moment.slug,
                split=of_story(moment.slug, moment.name),
                strategy=heard.strategy.id,
                level=level,
                turn=moment.name,
                verdict=heard.judgement.verdict,
                facts=dict(turn.prompt.facts),
            )
