"""A linear model of short texts: what class an utterance belongs to, and how surely. A few hundred microseconds each.

The weights in ``weights/`` were trained by ``python -m agent.classifiers.train`` on this project's own sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.classifiers.features import PLACES, features
from agent.turn import Language

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS = Path(__file__).resolve().parent / "weights"
Task = Literal["acts", "child", "robot"]


@dataclass(frozen=True)
class LinearModel:
    """``weights`` is int8 [PLACES, classes]; times ``scale`` [classes], plus ``bias`` [classes], it gives log-odds.

    ``alarm`` is for models with a class "ok": how unlikely "ok" must be before the model speaks up; in cross-validation
    one in a hundred sentences of ordinary talk got there, and one in five hundred got to ``certain``.
    """

    labels: tuple[str, ...]
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    alarm: float
    certain: float
    digest: str

    def probabilities(self, text: str) -> dict[str, float]:
        """Label → probability (they sum to 1)."""
        import numpy as np

        found = features(text)
        places = np.fromiter(found.keys(), dtype=np.int64, count=len(found))
        values = np.fromiter(found.values(), dtype=np.float32, count=len(found))
        odds = values @ self.weights[places].astype(np.float32) * self.scale + self.bias
        shares = np.exp(odds - odds.max())
        shares /= shares.sum()
        return dict(zip(self.labels, shares.tolist(), strict=True))


def load(path: Path) -> LinearModel:
    """Read one model. OSError or ValueError when it is missing or not one of ours; nothing is unpickled."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        rows, values = file["rows"], file["values"]
        if values.dtype != np.int8 or len(rows) != len(values) or (len(rows) and int(rows.max()) >= PLACES):
            raise ValueError(f"{path} holds no model of this version: train it again with python -m agent.classifiers.train")
        weights = np.zeros((PLACES, values.shape[1]), np.int8)
        weights[rows] = values
        labels = tuple(str(label) for label in file["labels"])
        alarm, certain = float(file["alarm"]), float(file["certain"])
        return LinearModel(labels, weights, file["scale"], file["bias"], alarm, certain, str(file["digest"]))


@cache
def model(task: Task, language: Language) -> LinearModel:
    """The shipped model for a task in a language, read once."""
    return load(WEIGHTS / f"{task}-{language}.npz")
