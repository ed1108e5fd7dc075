"""What a finished run leaves beside its weights: the loss curve as a picture, and a card that says how to make it again."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from adapters import template
from adapters.pretrain_recipe import Recipe

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 360, 52, 34, 40
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#7d3c98", "#b9770e", "#566573")
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "safetensors")


def curve(loss: Sequence[tuple[int, int, float]], held: Sequence[tuple[int, Mapping[str, float]]], title: str) -> str:
    """The losses over the steps as SVG: grey what was trained on (each step, and smoothed), in colour what was held out."""
    lines = {name: [(step, values[name]) for step, values in held] for name in (held[0][1] if held else {})}
    lines = {name: [point for point in line if math.isfinite(point[1])] for name, line in lines.items()}
    lines = {name: line for name, line in lines.items() if line}
    values = [point[2] for point in loss] + [value for line in lines.values() for _, value in line]
    if not values:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"/>\n'
    last = max([point[0] for point in loss] + [step for line in lines.values() for step, _ in line] + [1])
    low, high = math.floor(min(values) * 2) / 2, math.ceil(max(values) * 2) / 2
    high = max(high, low + 0.5)

    def place(step: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - 110) * step / last
        y = TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)
        return f"{x:.1f},{y:.1f}"

    def line(points: Sequence[tuple[float, float]], colour: str, width: float) -> str:
        spelled = " ".join(place(*point) for point in points)
        return f'<polyline points="{spelled}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="20" font-size="14">{title}</text>',
    ]
    for half in range(round(low * 2), round(high * 2) + 1):
        x, y = place(0, half / 2).split(",")
        parts.append(f'<path d="M{x} {y}H{WIDTH - 110}" stroke="#dddddd"/><text x="10" y="{y}" dy="4">{half / 2:.1f}</text>')
    for step in (0, last // 2, last):
        x, y = place(step, low).split(",")
        parts.append(f'<text x="{x}" y="{HEIGHT - 16}" text-anchor="middle">{step}</text>')
    thin = loss[:: max(1, len(loss) // 400)]
    parts.append(line([(step, value) for step, _, value in thin], "#cccccc", 1))
    steps, even = [step for step, *_ in thin], smooth([value for *_, value in thin])
    parts.append(line(list(zip(steps, even, strict=True)), "#888888", 2))
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(line(points, colour, 2))
        parts.append(f'<text x="{WIDTH - 104}" y="{TOP + 14 + 18 * number}" fill="{colour}">{name} {points[-1][1]:.2f}</text>')
    below = "nats a token, over steps; grey: trained on, colour: held out"
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 2}" fill="#666666">{below}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def smooth(values: Sequence[float], keep: float = 0.9) -> list[float]:
    """A running mean that begins with the first value."""
    smoothed: list[float] = []
    for value in values:
        smoothed.append(value if not smoothed else keep * smoothed[-1] + (1 - keep) * value)
    return smoothed


def facts(recipe: Recipe, folder: Path, data: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """The card as values. ``folder`` holds the finished model, ``data`` what it was trained on, ``run`` how that went."""
    return {
        "name": recipe.name,
        "kind": "base",
        "architecture": "phi3",
        "about": recipe.about,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.suffix in (".json", ".safetensors")},
        "base_digest": _sha256(folder / "model.safetensors"),
        "tokenizer_digest": _sha256(folder / "tokenizer.json"),
        "template_digest": template.digest(),
        "recipe": recipe.model_dump(mode="json"),
        "recipe_digest": recipe.digest(),
        "data": dict(data),
        "run": dict(run),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "processor": platform.processor() or platform.machine(),
    }


def write(folder: Path, card: Mapping[str, Any], picture: str) -> None:
    """``curve.svg``, ``README.md`` and, last, ``card.json``: with it the folder is finished."""
    replace(folder / "curve.svg", picture)
    replace(folder / "README.md", readme(card))
    replace(folder / "card.json", json.dumps(card, ensure_ascii=False, indent=2) + "\n")


def readme(card: Mapping[str, Any]) -> str:
    """The card for people."""
    recipe, run, data = card["recipe"], card["run"], card["data"]
    shape = recipe["model"]
    looked_at = {**run["held_out"], **run["held_out_by_kind"]}
    held = "\n".join(f"| {name} | {value:.3f} | {math.exp(value):.2f} |" for name, value in looked_at.items())
    size = f"{shape['layers']} layers of {shape['hidden']}, {shape['heads']} heads, {run['vocabulary']} tokens"
    time = f"{run['seconds'] / 60:.1f} minutes, {run['tokens_per_second']:,.0f} tokens a second"
    files = "\n".join(f"| {name} | `{digest}` |" for name, digest in data["files"].items())
    rounds = ", ".join(f"{name} {count:.2f}" for name, count in run["rounds"].items())
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items())
    return f"""# {card["name"]}

{card["about"] or "A small model of the Phi-3 architecture, trained from nothing on this project's own text."}

It speaks about this project's stories and nothing else; it has read no other text. It is no chat partner and knows no facts.

| | |
|---|---|
| parameters | {run["parameters"]:,} ({size}) |
| context | {shape["context"]} tokens |
| trained on | {run["tokens"]:,} tokens in {run["steps"]:,} steps, {time} |
| rounds through the data | {rounds} |
| chats left out as longer than the context | {data["left_out"]} |
| versions | {versions} |
| weights | `{card["base_digest"]}` |
| tokenizer | `{card["tokenizer_digest"]}` |
| chat format | `{card["template_digest"]}` |

| held out | nats a token | perplexity |
|---|---|---|
{held}

![loss](curve.svg)

## Made from

| file | sha256 |
|---|---|
{files}

```
python -m adapters.pretrain RECIPE --data DIR --out DIR
```

The recipe in full is in `card.json` under `recipe`; its seed is {recipe["training"]["seed"]}.
"""


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
