"""A linear model of short texts: what class an utterance belongs to, and how surely. A few hundred microseconds each.

The weights in ``weights/`` were trained by ``python -m agent.classifiers.train`` on this project's own sentences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.classifiers.features import PLACES, features
from agent.turn import Language

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS = Path(__file__).resolve().parent / "weights"
Task = Literal["acts", "child", "robot"]
_TRAINER = "agent.classifiers.train"


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


def arrays(path: Path, trainer: str) -> dict[str, NDArray[Any]]:
    """All arrays in a file of weights; nothing is unpickled.

    ``trainer`` is the module that makes such files. OSError when the file cannot be opened, ValueError when it is damaged;
    both say what to do.
    """
    import numpy as np

    try:
        content = path.read_bytes()
    except OSError as error:
        raise OSError(f"{path}: {error.strerror}; {_remedy(trainer)}") from None
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a damaged archive breaks in a dozen ways, each with an exception of its own
        raise no_model(path, trainer) from error


def no_model(path: Path, trainer: str) -> ValueError:
    """What to raise for a file that can be opened and is no model."""
    return ValueError(f"{path}: holds no model of this version; {_remedy(trainer)}")


def _remedy(trainer: str) -> str:
    return f"check the file out again, or train it again with: python -m {trainer}"


def fits(rows: NDArray[Any], values: NDArray[Any], places: int, dimensions: int) -> bool:
    """Whether ``values`` (int8, of so many dimensions) holds one entry for each of ``rows``, which all lie in ``places``."""
    shapes = rows.ndim == 1 and values.ndim == dimensions and len(rows) == len(values)
    return shapes and rows.dtype.kind in "iu" and values.dtype == "int8" and bool(((rows >= 0) & (rows < places)).all())


def load(path: Path) -> LinearModel:
    """Read one model. OSError or ValueError, saying what to do, when it is missing or not one of ours."""
    import numpy as np

    found = arrays(path, _TRAINER)
    try:
        rows, values, scale, bias = found["rows"], found["values"], found["scale"], found["bias"]
        labels = tuple(str(label) for label in found["labels"])
        alarm, certain = float(found["alarm"]), float(found["certain"])
        digest = str(found["digest"])
    except (KeyError, TypeError, ValueError) as error:
        raise no_model(path, _TRAINER) from error
    sound = fits(rows, values, PLACES, 2) and values.shape[1:] == scale.shape == bias.shape == (len(labels),)
    sound = sound and all(array.dtype == np.float32 and np.isfinite(array).all() for array in (scale, bias))
    if not sound or math.isnan(alarm) or math.isnan(certain):  # nothing is ever above or below what is no number
        raise no_model(path, _TRAINER)
    weights = np.zeros((PLACES, len(labels)), np.int8)
    weights[rows] = values
    return LinearModel(labels, weights, scale, bias, alarm, certain, digest)


@cache
def model(task: Task, language: Language) -> LinearModel:
    """The shipped model for a task in a language, read once."""
    return load(WEIGHTS / f"{task}-{language}.npz")
