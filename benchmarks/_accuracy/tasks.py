"""The data sets that come with scikit-learn, split and scaled, and what faults do to them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression, Ridge

from _accuracy.recipe import Recipe

DATA: dict[str, Callable] = {
    "digits": load_digits,
    "wine": load_wine,
    "cancer": load_breast_cancer,
    "diabetes": lambda: load_diabetes(scaled=False),
}
VALIDATION = 0.3
"""Share of the samples that is kept for validation."""
SEEDS: dict[str, dict[str, tuple[int, int]]] = {
    "choose": {
        "digits": (11, 12),
        "wine": (21, 22),
        "cancer": (31, 32),
        "diabetes": (41, 42),
    },
    "frozen": {
        "digits": (111, 112),
        "wine": (121, 122),
        "cancer": (131, 132),
        "diabetes": (141, 142),
    },
}
"""Which seeds of a data set belong to which half; a pair of the two is never in both."""


@dataclass(frozen=True)
class Task:
    """What is fitted, and what the fit is measured by.

    Attributes:
        x: Training inputs.
        y: Training targets, as `fit` gets them.
        x_validation: Validation inputs.
        y_validation: Validation targets.
        classes: Number of classes; 0 for a regression.
    """

    x: np.ndarray
    y: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    classes: int


@cache
def _split(name: str, seed: int):
    """Training inputs and targets, validation inputs and targets, all raw."""
    bunch = DATA[name]()
    order = np.random.default_rng(seed).permutation(len(bunch.data))
    count = round(VALIDATION * len(order))
    x, y = bunch.data.astype("float64"), bunch.target
    return x[order[count:]], y[order[count:]], x[order[:count]], y[order[:count]]


def _standardized(train: np.ndarray, both: list[np.ndarray]) -> list[np.ndarray]:
    deviation = train.std(axis=0)
    safe = np.where(deviation > 0, deviation, 1.0)
    return [(each - train.mean(axis=0)) / safe for each in both]


def _usual_inputs(name: str, train: np.ndarray, both: list[np.ndarray]) -> list[np.ndarray]:
    # Pixels are divided by their maximum, as everybody does; columns are standardized.
    return [each / 16 for each in both] if name == "digits" else _standardized(train, both)


def _one_column(x: np.ndarray, factor: float, train: np.ndarray) -> np.ndarray:
    column = int(np.argmax(train.std(axis=0)))
    return x * np.where(np.arange(x.shape[1]) == column, factor, 1.0)


def _binned(x: np.ndarray, _: float, __: np.ndarray) -> np.ndarray:
    """Each entry as one of six words, other words for each column."""
    bins = np.digitize(x, (-1, -0.5, 0, 0.5, 1))
    return bins + 6 * np.arange(x.shape[1])


INPUTS: dict[str, Callable[[np.ndarray, float, np.ndarray], np.ndarray]] = {
    "standard": lambda x, _, train: x,
    "scaled": lambda x, factor, train: x * factor,
    "shifted": lambda x, shift, train: x + shift,
    "one column": _one_column,
    "binned": _binned,
}
"""What is done to inputs of the usual scale, of which the training ones decide where.

`("raw", f)` takes the raw ones times f.
"""
TARGETS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "standard": lambda y, _: y,
    "scaled": lambda y, factor: y * factor,
    "shifted": lambda y, shift: y + shift,
    "one hot": lambda y, classes: np.eye(int(classes), dtype="float32")[y],
    "signed": lambda y, _: 2 * y - 1,
    "column": lambda y, _: y[:, None].astype("float32"),
}
"""The same for class numbers, or for standardized targets."""


def task_of(recipe: Recipe) -> Task:
    """The data of a run."""
    x, y, x_validation, y_validation = _split(recipe.data, recipe.seed)
    classes = 0 if recipe.data == "diabetes" else int(y.max()) + 1
    kind, size = recipe.inputs
    if kind == "raw":
        inputs = [x * size, x_validation * size]
    else:
        usual = _usual_inputs(recipe.data, x, [x, x_validation])
        inputs = [INPUTS[kind](each, size, usual[0]) for each in usual]
    dtype = "int32" if kind == "binned" else "float32"
    inputs = [each.astype(dtype) for each in inputs]
    noisy = _with_noise(y, classes, recipe)
    kind, size = recipe.targets
    if kind == "raw":
        targets = [noisy * size, y_validation * size]
    else:
        usual = [noisy, y_validation] if classes else _standardized(y, [noisy, y_validation])
        targets = [TARGETS[kind](each, size) for each in usual]
    if not classes:
        targets = [each.astype("float32") for each in targets]
    used = slice(recipe.samples)
    return Task(inputs[0][used], targets[0][used], inputs[1], targets[1], classes)


def _with_noise(y: np.ndarray, classes: int, recipe: Recipe) -> np.ndarray:
    if not recipe.label_noise:
        return y
    random = np.random.default_rng(recipe.seed)
    drawn = random.integers(0, classes, len(y)) if classes else random.permutation(y)
    return np.where(random.uniform(size=len(y)) < recipe.label_noise, drawn, y)


@cache
def linear_reference(name: str, seed: int) -> float:
    """Validation metric of scikit-learn's linear model on standardized columns."""
    x, y, x_validation, y_validation = _split(name, seed)
    x, x_validation = _standardized(x, [x, x_validation])
    model = Ridge() if name == "diabetes" else LogisticRegression(max_iter=5000)
    return float(model.fit(x, y).score(x_validation, y_validation))


def metric(y: np.ndarray, predictions: np.ndarray, classes: int, *, from_logits: bool) -> float:
    """Accuracy, or R^2 from -1 up, in whatever way the targets were written down.

    Args:
        y: Targets as `fit` gets them: class numbers from anywhere on, one-hot rows, numbers.
        predictions: What the model says, of shape (n, units).
        classes: Number of classes; 0 for a regression.
        from_logits: Whether a single unit says "yes" above 0, not above the labels' middle;
            probabilities say it above the middle in any case.
    """
    predictions = np.asarray(predictions, "float64").reshape(len(y), -1)
    if not np.isfinite(predictions).all():
        return 0.0 if classes else -1.0
    if not classes:
        residual = np.mean((y - predictions[:, 0]) ** 2)
        return float(max(-1.0, 1 - residual / np.var(y)))
    if y.ndim > 1 and y.shape[1] == 1:
        y = y[:, 0]
    truth = y.argmax(axis=-1) if y.ndim > 1 else y
    if predictions.shape[1] > 1:
        said = predictions.argmax(axis=-1)
    elif classes > 2:
        said = np.rint(predictions[:, 0])
    else:
        low, high = truth.min(), truth.max()
        probabilities = predictions.min() >= 0 and predictions.max() <= 1
        border = 0.0 if from_logits and not probabilities else (low + high) / 2
        said = np.where(predictions[:, 0] > border, high, low)
    return float(np.mean(said == truth))
