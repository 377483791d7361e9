"""What state a run is in, measured on the whole training set, without the doctor.

Forward passes over all samples, weights before and after, losses of the history, and the data
itself. No number of the diagnosis package is used.
"""

import math
from collections.abc import Iterable

import keras
import numpy as np

from _accuracy.architectures import loss_name, output_activation, output_units
from _accuracy.recipe import Recipe
from _accuracy.tasks import Task, metric

Measured = dict[str, float]

BOUNDED = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0)}
"""Ends of the bounded hidden activations."""
OUTER = 0.025
"""An entry is saturated within this share of the range from an end: |tanh| > 0.95."""
RANGES = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "softmax twice": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
}
"""What an output activation can produce."""
EQUAL = 1e-5
"""Two units are equal when their weights differ by less than this share of their size."""


def before_training(model, recipe: Recipe, task: Task) -> Measured:
    """What the data, the weights and the first forward pass say."""
    return {
        **_of_inputs(model, task),
        **_of_targets(recipe, task),
        **{f"{name}_at_start": value for name, value in _of_hidden(model, recipe, task.x).items()},
        "nonlinearity": _nonlinearity(model, task.x),
    }


def after_training(model, recipe: Recipe, task: Task, start: list[np.ndarray]) -> Measured:
    """What the trained model, and how far it came from its start, say.

    Args:
        model: The model as training left it.
        recipe: Its recipe.
        task: Its data.
        start: Values of `model.weights` before the training.
    """
    predictions = _predicted(model, task.x)
    return {
        "metric": validation_metric(model, task),
        "finite": float(all(np.isfinite(weight).all() for weight in model.get_weights())),
        "constancy": _constancy(predictions),
        **_of_hidden(model, recipe, task.x),
        **_of_kernels(model, start),
        **_of_probabilities(model, recipe, task, predictions),
        **_of_averages(model, task),
    }


def of_history(history: dict[str, list[float]]) -> Measured:
    """What the losses say: finite throughout, and whether validation turned for the worse."""
    losses = np.asarray(history["loss"], float)
    smooth = _smoothed(history["val_loss"])
    least = float(np.min(smooth))
    return {
        "losses_finite": float(np.isfinite(losses).all()),
        "loss_first": float(losses[0]),
        "loss_last": float(losses[-1]),
        "validation_rise": float(smooth[-1] / least) if 0 < least < math.inf else 1.0,
    }


def validation_metric(model, task: Task) -> float:
    """Accuracy or R^2 on the validation data."""
    loss = model.loss[0] if isinstance(model.loss, list) else model.loss
    logits = bool(getattr(loss, "from_logits", False))
    predictions = _predicted(model, task.x_validation)
    return metric(task.y_validation, predictions, task.classes, from_logits=logits)


def hidden_names(model) -> list[str]:
    """Names of the layers that put out what a hidden block gives, input first."""
    names = (layer.name for layer in model.layers)
    return [name for name in names if name.startswith("hidden_") and name[7:].isdigit()]


def _predicted(model, x: np.ndarray) -> np.ndarray:
    predictions = model.predict(x, batch_size=len(x), verbose=0)
    return np.asarray(predictions[0] if isinstance(predictions, list) else predictions, float)


def _outputs_of(model, names: Iterable[str], x: np.ndarray, *, training: bool) -> list[np.ndarray]:
    """Outputs of some layers as (samples, units)."""
    wanted = [model.get_layer(name).output for name in names]
    if not wanted:
        return []
    outputs = keras.Model(model.inputs[0], wanted)(x, training=training)
    values = [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(outputs)]
    return [value.reshape(-1, value.shape[-1]).astype("float64") for value in values]


def _of_inputs(model, task: Task) -> Measured:
    """Scale of what the first kernel gets."""
    names = [layer.name for layer in model.layers]
    if "scaled" in names:
        (x,) = _outputs_of(model, ["scaled"], task.x, training=False)
    else:
        x = task.x.reshape(len(task.x), -1).astype("float64")
    deviation = x.std(axis=0)
    varying = deviation[deviation > 0]
    typical = float(np.median(varying)) if len(varying) else 0.0
    return {
        "input_size": float(np.sqrt(np.mean(x**2))),
        "input_offset": float(np.max(np.abs(x.mean(axis=0))) / typical) if typical else 0.0,
        "input_unevenness": float(varying.max() / typical) if typical else 0.0,
    }


def _of_targets(recipe: Recipe, task: Task) -> Measured:
    """Scale of a regression's targets, and how many the output cannot produce."""
    measured = {"targets_outside": _outside(recipe, task)}
    if not task.classes:
        deviation = float(task.y.std())
        measured["target_deviation"] = deviation
        measured["target_offset"] = float(abs(task.y.mean()) / deviation)
    return measured


def _outside(recipe: Recipe, task: Task) -> float:
    units = output_units(recipe, task)
    if loss_name(recipe, task).startswith("sparse"):
        return float(np.mean((task.y < 0) | (task.y >= units)))
    low, high = RANGES.get(output_activation(recipe, task), (-math.inf, math.inf))
    return float(np.mean((task.y < low) | (task.y > high)))


def _of_hidden(model, recipe: Recipe, x: np.ndarray) -> Measured:
    """Dead and saturated units, and how much of the inputs' variation arrives behind them."""
    outputs = _outputs_of(model, hidden_names(model), x, training=False)
    measured = {"dead": 0.0, "saturated": 0.0, "signal": 1.0}
    if not outputs:
        return measured
    if not all(np.isfinite(output).all() for output in outputs):
        return {**measured, "signal": math.inf}
    if recipe.activation == "relu":
        measured["dead"] = max(float(np.mean(output.max(axis=0) <= 0)) for output in outputs)
    if recipe.activation in BOUNDED:
        low, high = BOUNDED[recipe.activation]
        margin = OUTER * (high - low)
        measured["saturated"] = max(
            float(np.mean((output < low + margin) | (output > high - margin))) for output in outputs
        )
    flat = x.reshape(len(x), -1).astype("float64")
    if x.dtype.kind == "f":
        measured["signal"] = _spread(outputs[-1]) / _spread(flat)
    return measured


def _spread(values: np.ndarray) -> float:
    """Root mean square over units of the deviation over samples."""
    return float(np.sqrt(np.mean(values.var(axis=0))))


def _nonlinearity(model, x: np.ndarray) -> float:
    """How far the last hidden output is from an affine function: 0 when it is one."""
    names = hidden_names(model)
    if not names or x.dtype.kind != "f":
        return 1.0
    half = len(x) // 2
    one, other = x[:half], x[half : 2 * half]
    of_one, of_other, of_middle = (
        _outputs_of(model, names[-1:], each, training=False)[0]
        for each in (one, other, (one + other) / 2)
    )
    if not np.isfinite(of_middle).all() or _spread(of_middle) == 0:
        return 1.0
    bend = of_middle - (of_one + of_other) / 2
    return float(np.sqrt(np.mean(bend**2))) / _spread(of_middle)


def _of_kernels(model, start: list[np.ndarray]) -> Measured:
    """Equal units, and how far the first and the last kernel have moved."""
    moves, equal = [], 0.0
    for weight, before in zip(model.weights, start, strict=True):
        if weight.name != "kernel" or not weight.trainable:
            continue
        now = keras.ops.convert_to_numpy(weight).astype("float64")
        size = float(np.linalg.norm(before)) or 1.0
        moves.append(float(np.linalg.norm(now - before)) / size)
        if "hidden_" in weight.path:
            equal = max(equal, _equal_units(now.reshape(-1, now.shape[-1])))
    if not moves:
        return {"equal_units": equal, "first_moved": 1.0, "last_moved": 1.0}
    return {"equal_units": equal, "first_moved": moves[0], "last_moved": moves[-1]}


def _equal_units(kernel: np.ndarray) -> float:
    """Share of the units that are the same as their neighbor."""
    if kernel.shape[1] < 2 or not np.isfinite(kernel).all():
        return 0.0
    difference = np.linalg.norm(np.diff(kernel, axis=1), axis=0)
    size = np.linalg.norm(kernel, axis=0)[1:]
    return float(np.mean(difference <= EQUAL * size))


def _constancy(predictions: np.ndarray) -> float:
    """Variation of the predictions over samples relative to their size; NaN counts as none."""
    if not np.isfinite(predictions).all():
        return 0.0
    size = float(np.sqrt(np.mean(predictions**2)))
    return _spread(predictions.reshape(len(predictions), -1)) / size if size else 0.0


def _of_probabilities(model, recipe: Recipe, task: Task, predictions: np.ndarray) -> Measured:
    """Whether a cross-entropy is what the probabilities that the model gives say it is."""
    name = loss_name(recipe, task)
    known = name in ("binary_crossentropy", "sparse_categorical_crossentropy") and task.y.ndim == 1
    if not known or not np.isfinite(predictions).all() or recipe.architecture == "two outputs":
        return {}
    outside = float(np.mean((predictions < -EQUAL) | (predictions > 1 + EQUAL)))
    units = output_units(recipe, task)
    certainty = float(predictions.max())
    measured = {"no_probabilities": outside, "certainty": certainty, "units": float(units)}
    labels = np.arange(units)
    if outside or not np.isin(task.y, [0, 1] if len(labels) == 1 else labels).all():
        return measured
    safe = np.clip(predictions, 1e-7, 1.0)
    if len(labels) == 1:
        yes, no = safe[:, 0], np.clip(1 - predictions[:, 0], 1e-7, 1.0)
        own = -np.mean(np.where(task.y == 1, np.log(yes), np.log(no)))
    else:
        own = -np.mean(np.log(safe[np.arange(len(task.y)), task.y]))
    reported = model.evaluate(task.x, task.y, batch_size=len(task.x), verbose=0)
    return {**measured, "loss_gap": float(abs(reported - own) / max(own, 0.1))}


def _of_averages(model, task: Task) -> Measured:
    """What exact statistics in batch normalization would change, and what dropout does to them."""
    normalizations = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    weights = model.get_weights()
    if not normalizations or not all(np.isfinite(weight).all() for weight in weights):
        return {}
    measured = {"dropout_shift": max(_shift(model, layer, task.x) for layer in normalizations)}
    momenta = [layer.momentum for layer in normalizations]
    before = _training_metric(model, task)
    try:
        for layer in normalizations:
            layer.momentum = 0.0
        model(task.x, training=True)
        measured["staleness"] = _training_metric(model, task) - before
    finally:
        for layer, momentum in zip(normalizations, momenta, strict=True):
            layer.momentum = momentum
        model.set_weights(weights)
    return measured


def _training_metric(model, task: Task) -> float:
    predictions = _predicted(model, task.x)
    return metric(task.y, predictions, task.classes, from_logits=False)


def _shift(model, layer, x: np.ndarray) -> float:
    """Variance of what a normalization gets in training over that in inference, median unit."""
    tensor = layer.input
    if not any(isinstance(each, keras.layers.Dropout) for each in model.layers):
        return 1.0
    probe = keras.Model(model.inputs[0], tensor)
    in_training, in_inference = (
        keras.ops.convert_to_numpy(probe(x, training=training)).astype("float64")
        for training in (True, False)
    )
    axes = tuple(range(in_training.ndim - 1))
    variance = in_inference.var(axis=axes)
    alive = variance > 0
    if not alive.any():
        return 1.0
    return float(np.median(in_training.var(axis=axes)[alive] / variance[alive]))


def _smoothed(losses: Iterable[float]) -> np.ndarray:
    """Means over three epochs in a row, or over as many as there are."""
    values = np.nan_to_num(np.asarray(list(losses), float), nan=math.inf)
    width = min(3, len(values))
    return np.convolve(values, np.full(width, 1 / width), mode="valid")
