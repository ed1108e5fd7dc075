"""``python -m agent.classifiers.train [--only acts|child|robot]``: train the linear models from ``data/``
anew, in about two minutes.

Needs scikit-learn (``make install EXTRAS=train``); running the models does not. A line of data is ``{"text", "label"}``,
in the guard's files also ``"who"``. The tutor's own authored lines are added to what the robot may say, and the simulated
children's to what is harmless, so that the models know how this house talks.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.children.words import FOLDER as CHILDREN
from agent.classifiers.features import PLACES, features
from agent.classifiers.linear import WEIGHTS, Task, load
from agent.lines import MANNERS, bank, expansions
from agent.readability import sentences
from agent.safety import concerns
from agent.turn import LANGUAGES, Language

DATA = Path(__file__).resolve().parent / "data"
TASKS: tuple[Task, ...] = ("acts", "child", "robot")
_STRENGTH = 40.0  # inverse regularisation; 10 to 40 were equal within noise on held-out lines
_FALSE = 0.01  # share of ordinary talk that may raise an alarm
_RARE = 0.002  # share that may break off a story
_FOLDS = 5
_EACH = 40  # expansions of a frame of the tutor's lines
_CHILDS = {"accepted", "key_ideas", "asks", "names"}
Example = tuple[str, str]


def examples(task: Task, language: Language, folder: Path = DATA) -> list[Example]:
    """(text, label) of every line written for a task, without repetitions."""
    found: dict[str, str] = {}
    for path in sources(task, language, folder):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                if row.get("who", task) == task:
                    found.setdefault(row["text"], row["label"])
            except (ValueError, KeyError) as error:
                raise SystemExit(f"{path}:{number}: a line is an object with text and label ({error})") from None
    return list(found.items())


def sources(task: Task, language: Language, folder: Path = DATA) -> list[Path]:
    return sorted(folder.glob(f"{'acts' if task == 'acts' else 'guard'}*-{language}.jsonl"))


def digest(task: Task, language: Language, folder: Path = DATA) -> str:
    """A fingerprint of the data a model was trained on."""
    whole = hashlib.sha256()
    for path in sources(task, language, folder):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def matrix(texts: Iterable[str]) -> Any:
    """Sparse [texts, PLACES]."""
    from scipy.sparse import csr_matrix

    rows, places, values = [], [], []
    count = 0
    for row, text in enumerate(texts):
        for place, value in features(text).items():
            rows.append(row)
            places.append(place)
            values.append(value)
        count = row + 1
    return csr_matrix((values, (rows, places)), shape=(count, PLACES), dtype=np.float64)


def threshold(harmless: NDArray[Any], false: float) -> float:
    """How unlikely "ok" is for the oddest part ``false`` of ordinary talk; at least one half. ``harmless`` is P(ok) of each."""
    return max(0.5, float(np.quantile(1.0 - harmless, 1.0 - false)) + 1e-6)


def train(written: Sequence[Example], ordinary: Sequence[Example]) -> dict[str, NDArray[Any]]:
    """The arrays of one model. How easily it raises an alarm is set on ``ordinary`` talk, in cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    data = [*written, *ordinary]
    truth = [label for _, label in data]
    inputs = matrix(text for text, _ in data)
    fresh = LogisticRegression(C=_STRENGTH, max_iter=1000)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    shares = cross_val_predict(fresh, inputs, truth, cv=folds, method="predict_proba", n_jobs=2)
    fitted = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(inputs, truth)
    labels = [str(label) for label in fitted.classes_]
    # Two classes share one row of coefficients: the second class's.
    both = len(labels) == 2
    weights = (np.vstack([-fitted.coef_, fitted.coef_]) / 2 if both else fitted.coef_).T
    bias = np.concatenate([-fitted.intercept_, fitted.intercept_]) / 2 if both else fitted.intercept_
    scale = np.abs(weights).max(axis=0) / 127
    small = np.round(weights / scale).astype(np.int8)
    used = np.flatnonzero(small.any(axis=1))
    ok = labels.index("ok") if "ok" in labels else 0
    calm = [row for row in range(len(written), len(data)) if truth[row] == "ok"]
    guesses = [labels[column] for column in shares.argmax(axis=1)]
    right = np.mean([guess == true for guess, true in zip(guesses, truth, strict=True)])
    print(f"  {len(data)} examples, {len(used)} features, {right:.1%} right in cross-validation")
    return {
        "labels": np.array(labels),
        "rows": used.astype(np.uint16),
        "values": small[used],
        "scale": scale.astype(np.float32),
        "bias": bias.astype(np.float32),
        "alarm": np.array(threshold(shares[calm, ok], _FALSE) if calm else 1.0),
        "certain": np.array(threshold(shares[calm, ok], _RARE) if calm else 1.0),
    }


def house(task: Task, language: Language) -> list[Example]:
    """What this project itself makes people say: the tutor's authored words, and answers to the stories' questions."""
    from agent.story import load as load_story
    from agent.story import slugs

    wordings = [load_story(slug, language).wording for slug in slugs()]
    if task == "robot":
        spoken = strings([tutor(language), *(wording.model_dump(exclude_none=True) for wording in wordings)])
        return [(sentence, "ok") for text in spoken for sentence in sentences(text)]
    found: list[Example] = []
    if task == "child":
        # Asking, stopping, not knowing are no alarm, unless the patterns know better.
        for text, label in examples("acts", language):
            if label == "disclosure":
                found.append((text, "handoff"))
            elif concerns.find(text, language, "child") is None:
                found.append((text, "ok"))
        # Telling one's name is the tagger's business and no harm: with the name, and with the gap that it leaves.
        for path in sorted(DATA.glob("personal*.jsonl")):
            for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
                if row["language"] == language and concerns.find(row["text"], language, "child") is None:
                    gap = row["text"]
                    for span in row["spans"]:
                        gap = gap.replace(span, " ")
                    found += [(row["text"], "ok"), *([(gap, "ok")] if row["spans"] else [])]
        talk = tomllib.loads((CHILDREN / f"{language}.toml").read_text(encoding="utf-8"))
        found += [(text, "ok") for text in strings(talk) if concerns.find(text, language, "child") is None]
        found += [(text, "ok") for wording in wordings for question in wording.questions for text in question.asks]
    prompts = [prompt for wording in wordings for beat in wording.beats.values() for prompt in beat.prompts.values()]
    return found + [(text, "answer" if task == "acts" else "ok") for prompt in prompts for text in prompt.accepted]


def tutor(language: Language) -> list[str]:
    """What the tutor's lines may become, up to ``_EACH`` of every frame."""
    dice = random.Random(language)
    found: dict[str, None] = {}
    for key in bank(language).values():
        for manner in MANNERS:
            for frame in key.frames(manner):
                every = list(expansions(frame))
                found.update(dict.fromkeys(every if len(every) <= _EACH else dice.sample(every, _EACH)))
    return list(found)


def strings(value: object) -> Iterator[str]:
    """Every text of three words or more in nested material, except what children are expected to say."""
    if isinstance(value, str):
        if len(value.split()) >= 3:
            yield re.sub(r"\[\w+\] |\{\w+\}", "", value)
    elif isinstance(value, dict):
        yield from (text for key, inner in value.items() if key not in _CHILDS for text in strings(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in strings(inner))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m agent.classifiers.train", description=__doc__)
    parser.add_argument("--only", choices=TASKS, action="append", help="train this one (may be given again; default: all)")
    for task in parser.parse_args(arguments).only or TASKS:
        for language in LANGUAGES:
            print(f"{task} {language}")
            ordinary = house(task, language)
            arrays = train(examples(task, language), ordinary)
            arrays["digest"] = np.array(digest(task, language))
            WEIGHTS.mkdir(exist_ok=True)
            path = WEIGHTS / f"{task}-{language}.npz"
            np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
            if task == "robot":  # whatever the authors of this project wrote may be said
                made = load(path)
                least = max(1.001 - made.probabilities(text)["ok"] for text, _ in ordinary)
                arrays["alarm"] = np.array(max(made.alarm, least))
                np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main())
