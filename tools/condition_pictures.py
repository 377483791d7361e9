"""One picture a condition: what the doctor measures, of a sick network and of a healthy one.

Each function draws what a page's code has trained (`draw_conditions.Run`) beside each other. Dashed
lines are the rules' own thresholds.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

import kerastricks as kt
from kerastricks.diagnosis.activations import activation_of
from kerastricks.diagnosis.drawing import ALARM, INK, LATE, QUIET
from kerastricks.diagnosis.rules._learning import (
    HEALTHY_UPDATE,
    UPDATE,
    constant_cost,
    median_update,
    updates_of,
)
from kerastricks.diagnosis.rules.dropout_variance_shift import NOTE_SHIFT, SHIFT
from kerastricks.diagnosis.rules.exploding_gradients import UPDATE as OVERWRITTEN
from kerastricks.diagnosis.rules.learning_rate_too_low import UPDATE as TINY_UPDATE
from kerastricks.diagnosis.rules.poor_initialization import RANGE
from kerastricks.diagnosis.rules.saturated_units import MEAN_SHARE
from kerastricks.diagnosis.rules.stale_batch_statistics import DISTANCE
from kerastricks.diagnosis.rules.unnormalized_inputs import LARGE, SMALL
from kerastricks.diagnosis.rules.vanishing_gradients import RATIO

SICK, HEALTHY = ALARM, LATE
BAND = "#e3edf5"
"""Where healthy numbers lie."""
RAW = {"interpolation": "none"}
"""An image is kept as it is, a pixel a number, and not enlarged: files stay small."""


def _pair(figure: Any, axes: Any, **options: Any) -> tuple[Any, Any]:
    axes.remove()
    left, right = figure.subplots(1, 2, **options)
    return left, right


def _threshold(axes: Any, value: float, name: str, *, x: float = 0.99, va: str = "bottom") -> None:
    axes.axhline(value, color=INK, linewidth=1, linestyle="--", zorder=1)
    axes.text(
        x, value, f"{name} = {value:g} ", transform=axes.get_yaxis_transform(), ha="right", va=va
    )


def _both(axes: Any, sick: Any, healthy: Any, marker: str = "", label: str = "") -> None:
    for numbers, color, name in ((sick, SICK, "sick"), (healthy, HEALTHY, "healthy")):
        axes.plot(*numbers, marker, color=color, label=f"{name}{label}", markersize=3.5)


def _finish(axes: Any, title: str, x: str, y: str, *, legend: bool = True) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if legend:
        axes.legend(frameon=False, fontsize=8)


def _losses(ran: Any, axes: Any, *, chance: bool = True) -> None:
    series = [
        ([each.step for each in seen], [each.loss for each in seen])
        for seen in (ran.sick, ran.healthy)
    ]
    _both(axes, *series, marker="-")
    if chance:
        cost = constant_cost(ran.healthy[0])
        axes.axhline(cost, color=QUIET, linewidth=1, linestyle=":", label="a constant answer")
    _finish(axes, "What becomes of the loss", "training step", "loss of the batch")


def _outputs(model: Any, count: int, x: Any) -> Any:
    """What the first layers of a model put out."""
    for layer in model.layers[:count]:
        x = layer(x)
    return keras.ops.convert_to_numpy(x)


def _saturated(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)

    def shares(seen: Any) -> Any:
        layer = [next(a for a in each.layers if a.path.endswith("hidden_2")) for each in seen]
        return [each.step for each in seen], [float(np.mean(a.saturated)) for a in layer]

    _both(left, shares(ran.sick), shares(ran.healthy), marker="-")
    _threshold(left, MEAN_SHARE, "MEAN_SHARE", va="top")
    left.set_ylim(-0.02, 1)
    _finish(left, "Saturated share of samples, hidden_2", "training step", "mean over the units")
    edge = activation_of(keras.layers.Activation("tanh")).high
    for low, high in ((-1, -edge), (edge, 1)):
        right.axvspan(low, high, color="#f7dcdc", zorder=0)
    bins = np.linspace(-1, 1, 41)
    for name, color in (("sick", SICK), ("healthy", HEALTHY)):
        y = _outputs(ran.names[name], 2, ran.names["x"]).ravel()
        right.hist(y, bins, histtype="step", density=True, color=color, label=name, linewidth=1.4)
    _finish(right, "Outputs of hidden_2 (red: slope below 1/10)", "tanh(z)", "density")


def _dying(ran: Any, figure: Any, axes: Any) -> None:
    both = _pair(figure, axes, sharey=True)
    for place, seen, name in zip(both, (ran.sick, ran.healthy), ("sick", "healthy"), strict=True):
        rows = [
            np.stack([layer.active for each in seen for layer in each.layers if tail in layer.path])
            for tail in ("hidden_1", "hidden_2")
        ]
        units = np.concatenate([block.T[np.argsort(block[-1])] for block in rows])
        image = place.imshow(units, aspect="auto", cmap="magma", vmin=0, vmax=1, **RAW)
        place.axhline(len(rows[0].T) - 0.5, color="white", linewidth=1)
        ticks = np.linspace(0, len(seen) - 1, 5).round().astype(int)
        place.set_xticks(ticks, [seen[tick].step for tick in ticks])
        place.grid(False)
        _finish(place, f"{name.capitalize()}: black units are silent", "step", "", legend=False)
    both[0].set_yticks([32, 96], ["hidden_1", "hidden_2"])
    bar = figure.colorbar(image, ax=both, pad=0.01, fraction=0.03, ticks=[0, 0.5, 1])
    bar.set_label("share of samples on which it fires")


def _vanishing(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)

    def shares(seen: Any) -> Any:
        sizes = np.array([kernel.sensitivity for kernel in seen[-1].kernels])
        return range(1, len(sizes) + 1), sizes / np.maximum.accumulate(sizes[::-1])[::-1]

    _both(left, shares(ran.sick), shares(ran.healthy), marker="o-")
    left.set_yscale("log")
    _threshold(left, RATIO, "RATIO")
    title = "|g| |w| relative to the later layers"
    _finish(left, title, "layer, from the input", "share, at the last look")
    _losses(ran, right)


def _exploding(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    series = [
        ([each.step for each in seen], [max(updates_of(each)) for each in seen])
        for seen in (ran.sick, ran.healthy)
    ]
    _both(left, *series, marker="-")
    left.set_yscale("log")
    _threshold(left, OVERWRITTEN, "UPDATE")
    _finish(left, "Largest update of a kernel, per kernel size", "training step", "ratio")
    _losses(ran, right)
    right.set_yscale("log")


def _symmetric(ran: Any, figure: Any, axes: Any) -> None:
    both = _pair(figure, axes, sharey=True)
    for place, name in zip(both, ("sick", "healthy"), strict=True):
        kernel = keras.ops.convert_to_numpy(ran.names[name].layers[0].kernel)
        most = float(np.abs(kernel).max())
        image = place.imshow(kernel, aspect="auto", cmap="PuOr_r", vmin=-most, vmax=most, **RAW)
        place.grid(False)
        figure.colorbar(image, ax=place, pad=0.02, fraction=0.05)
        _finish(
            place, f"{name.capitalize()}: weights after training", "unit", "pixel", legend=False
        )


def _poor(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)

    def scales(seen: Any) -> Any:
        hidden = [layer.scale for layer in seen[0].layers if not layer.head]
        return range(1, len(hidden) + 1), np.array(hidden) / hidden[0]

    _both(left, scales(ran.sick), scales(ran.healthy), marker="o-")
    left.set_yscale("log")
    _threshold(left, 1 / RANGE, "1 / RANGE", x=0.45)
    _finish(left, "Signal through depth, at the start", "hidden layer", "deviation, of the first's")
    left.set_xticks(range(1, 1 + sum(not layer.head for layer in ran.sick[0].layers)))
    _losses(ran, right)


def _off_center(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    for seen, color, name, shift in (
        (ran.sick, SICK, "sigmoid", 0),
        (ran.healthy, HEALTHY, "tanh", 0.4),
    ):
        layer = seen[0].layers[0]
        places = np.arange(layer.units) + shift
        left.errorbar(
            places,
            layer.mean,
            np.sqrt(layer.variance),
            fmt="o",
            color=color,
            label=name,
            markersize=3,
        )
    left.axhline(0, color=INK, linewidth=1)
    _finish(left, "Outputs of hidden_1: mean and deviation", "unit", "output, at the start")
    epochs = range(1, 1 + len(ran.names["slow"]))
    right.plot(epochs, ran.names["slow"], "o-", color=SICK, label="sigmoid")
    right.plot(epochs, ran.names["fast"], "o-", color=HEALTHY, label="tanh")
    right.set_ylim(0)
    right.xaxis.get_major_locator().set_params(integer=True)
    _finish(right, "What becomes of the loss", "epoch", "loss")


def _inputs(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    x = ran.names["x"]
    normal = keras.ops.convert_to_numpy(ran.names["normalize"](x))
    sizes = [np.sqrt(np.mean(np.square(each), axis=0)) for each in (x, normal)]
    left.axhspan(SMALL, LARGE, color=BAND, zorder=0, label="healthy overall size")
    columns = range(x.shape[1])
    _both(left, (columns, sizes[0]), (columns, sizes[1]), marker="o")
    left.set_yscale("log")
    _finish(left, "Root mean square of each column", "column", "size")
    _accuracies(ran, right, "slow", "fast")


def _accuracies(ran: Any, axes: Any, sick: str, healthy: str) -> None:
    series = [(range(1, len(ran.names[name]) + 1), ran.names[name]) for name in (sick, healthy)]
    _both(axes, *series, marker="o-")
    axes.set_ylim(0, 1.02)
    axes.xaxis.get_major_locator().set_params(integer=True)
    _finish(axes, "What becomes of the accuracy", "epoch", "training accuracy")


def _targets(ran: Any, figure: Any, axes: Any) -> None:
    both = _pair(figure, axes)
    for place, seen, name in zip(both, (ran.sick, ran.healthy), ("sick", "healthy"), strict=True):
        steps = [each.step for each in seen]
        for part, color in (("target", QUIET), ("prediction", SICK if name == "sick" else HEALTHY)):
            data = [getattr(each.outputs[0], part) for each in seen]
            mean = np.array([float(each.mean[0]) for each in data])
            deviation = np.sqrt([float(each.variance[0]) for each in data])
            low, high = mean - deviation, mean + deviation
            place.fill_between(steps, low, high, color=color, alpha=0.3, linewidth=0, label=part)
            place.plot(steps, mean, color=color, linewidth=1)
        _finish(place, f"{name.capitalize()}: mean and deviation of a batch", "training step", "y")


def _unreachable(ran: Any, figure: Any, axes: Any) -> None:
    both = _pair(figure, axes, sharey=True)
    x, y = ran.names["x"], ran.names["y"]
    for place, name, color in zip(both, ("sick", "healthy"), (SICK, HEALTHY), strict=True):
        if name == "sick":
            place.axhspan(0, 1, color=BAND, zorder=0, label="what sigmoid gives")
        answers = _outputs(ran.names[name], 2, x)[:, 0]
        place.plot(y, answers, "o", color=color, markersize=2, alpha=0.6, rasterized=True)
        ends = [float(y.min()), float(y.max())]
        place.plot(ends, ends, color=QUIET, linewidth=1, linestyle=":", label="right answers")
        _finish(place, name.capitalize(), "target", "prediction")


def _constant(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    x, y = ran.names["x"], ran.names["y"]
    for name, color in (("sick", SICK), ("healthy", HEALTHY)):
        answers = _outputs(ran.names[name], 5, x)[:, 0]
        left.plot(np.sort(answers), color=color, label=name)
    left.axhline(y.mean(), color=QUIET, linewidth=1, linestyle=":", label="share of the class 1")
    left.set_ylim(0, 1)
    _finish(left, "Predicted probability of all samples", "sample, sorted", "probability")
    _accuracies(ran, right, "stuck", "learned")


def _mismatch(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    left.axvspan(0, 1, color=BAND, zorder=0, label="what the loss takes as it is")
    answers = _outputs(ran.names["sick"], 2, ran.names["x"]).ravel()
    left.hist(answers, 60, histtype="step", density=True, color=SICK, linewidth=1.4, label="sick")
    _finish(left, "Outputs that the loss takes for probabilities", "output", "density")
    _accuracies(ran, right, "stuck", "learned")


def _linear(ran: Any, figure: Any, axes: Any) -> None:
    both = _pair(figure, axes, sharey=True)
    x, y = ran.names["x"], ran.names["y"]
    colors = LinearSegmentedColormap.from_list("answers", ["#f3c6c6", "white", "#bcd6ea"])
    line = np.linspace(-1.4, 1.4, 80)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    for place, name in zip(both, ("sick", "healthy"), strict=True):
        answers = _outputs(ran.names[name], 3, grid).reshape(80, 80)
        place.imshow(
            answers,
            extent=(-1.4, 1.4, -1.4, 1.4),
            origin="lower",
            cmap=colors,
            vmin=0,
            vmax=1,
            **RAW,
        )
        for label, color in ((0, SICK), (1, HEALTHY)):
            dots = x[y == label]
            place.plot(dots[:, 0], dots[:, 1], "o", color=color, markersize=2, rasterized=True)
        place.grid(False)
        _finish(place, f"{name.capitalize()}: the answer in the plane", "x", "y", legend=False)


def _infinite(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    _losses(ran, left, chance=False)
    first = next(each.step for each in ran.sick if not math.isfinite(each.loss))
    left.axvspan(first, ran.sick[-1].step, color="#f7dcdc", zorder=0)
    left.text(first + 1, left.get_ylim()[1] * 0.94, f"NaN from step {first} on", color=SICK)

    def broken(seen: Any) -> Any:
        shares = [np.mean([not math.isfinite(k.norm) for k in each.kernels]) for each in seen]
        return [each.step for each in seen], shares

    _both(right, broken(ran.sick), broken(ran.healthy), marker="-")
    right.set_ylim(-0.02, 1.02)
    _finish(right, "Kernels that hold a NaN", "training step", "share of the kernels")


def _steps(ran: Any, axes: Any, measure: Callable[[Any], float], title: str) -> None:
    series = [
        ([each.step for each in seen], [measure(each) for each in seen])
        for seen in (ran.sick, ran.healthy)
    ]
    _both(axes, *series, marker="-")
    axes.set_yscale("log")
    axes.axhline(HEALTHY_UPDATE, color=QUIET, linewidth=1, linestyle=":", label="usual: 0.001")
    _finish(axes, title, "training step", "update / kernel")


def _too_high(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    _steps(ran, left, median_update, "Update of the median kernel")
    _threshold(left, UPDATE, "UPDATE")
    _losses(ran, right)
    right.set_yscale("log")


def _too_low(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    _steps(ran, left, lambda each: max(updates_of(each)), "Largest update of a kernel")
    _threshold(left, TINY_UPDATE, "UPDATE")
    _losses(ran, right)
    right.set_ylim(0)


def _stale(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)

    def distance(each: Any) -> float:
        (layer,) = each.normalizations
        squares = np.square(layer.moving_mean - layer.batch_mean)
        return float(np.mean(squares / (layer.batch_variance + layer.epsilon)))

    series = [
        ([each.step for each in seen], [distance(each) for each in seen])
        for seen in (ran.sick, ran.healthy)
    ]
    _both(left, *series, marker="-")
    left.set_yscale("log")
    _threshold(left, DISTANCE, "DISTANCE", va="top")
    _finish(left, "How far off the averaged means are", "training step", "squared, in variances")
    for seen, color, name in ((ran.sick, SICK, "sick"), (ran.healthy, HEALTHY, "healthy")):
        (layer,) = seen[-1].normalizations
        right.plot(
            layer.batch_variance, layer.moving_variance, "o", color=color, markersize=3, label=name
        )
        ends = [float(layer.batch_variance.min()), float(layer.batch_variance.max())]
    right.plot(ends, ends, color=QUIET, linewidth=1, linestyle=":", label="equal")
    right.set_xscale("log")
    right.set_yscale("log")
    right.tick_params(which="minor", labelbottom=False, labelleft=False)
    _finish(right, "Variance of each unit, last look", "of the batch", "moving average")


def _shift(ran: Any, figure: Any, axes: Any) -> None:
    left, right = _pair(figure, axes)
    x = ran.names["x"].astype("float32")
    for name, color in (("sick", SICK), ("healthy", HEALTHY)):
        model = ran.names[name]
        inside = keras.ops.convert_to_numpy(model.layers[0](x)).var(axis=0)
        learned = keras.ops.convert_to_numpy(model.get_layer("normalization").moving_variance)
        left.plot(np.sort(inside / learned), "o", color=color, label=name, markersize=3)
    left.axhline(1, color=QUIET, linewidth=1, linestyle=":")
    left.set_ylim(0, 1.5)
    _finish(left, "Variance in use over the learned one", "unit, sorted", "ratio after training")
    rates = np.linspace(0.01, 0.9, 90)
    rectified = 1 / math.sqrt(2 * math.pi), 0.5 - 1 / (2 * math.pi)
    for moments, color, name in (
        ((0.0, 1.0), INK, "units around zero"),
        (rectified, QUIET, "normal units behind ReLU"),
    ):
        curve = [kt.theory.dropout_variance_shift(1 - rate, *moments) for rate in rates]
        right.plot(rates, curve, color=color, label=name)
    (found,) = (f for f in ran.names["report"].findings if f.condition == ran.condition)
    evidence = found.evidence
    right.plot(evidence["rate"], evidence["shift"], "o", color=SICK, label="the sick network")
    _threshold(right, SHIFT, "SHIFT")
    _threshold(right, NOTE_SHIFT, "NOTE_SHIFT")
    right.set_ylim(0, 1)
    _finish(right, "Theory: the share that is left", "dropout rate", "shift")
    right.legend(frameon=False, fontsize=8, loc="lower left")


def _overfitted(ran: Any, figure: Any, axes: Any) -> None:
    both = _pair(figure, axes, sharey=True)
    most = max(ran.names["losses"]["val_loss"])
    for place, name, title in zip(
        both, ("losses", "stopped"), ("Sick: trained on", "Healthy: stopped"), strict=True
    ):
        history = ran.names[name]
        epochs = range(1, len(history["loss"]) + 1)
        place.plot(epochs, history["loss"], "o-", color=QUIET, markersize=3, label="training")
        color = SICK if name == "losses" else HEALTHY
        place.plot(epochs, history["val_loss"], "o-", color=color, markersize=3, label="validation")
        best = int(np.argmin(history["val_loss"]))
        place.axvline(best + 1, color=INK, linewidth=1, linestyle="--")
        place.set_xlim(0, len(ran.names["losses"]["loss"]) + 1)
        place.set_ylim(0, 1.05 * most)
        place.xaxis.get_major_locator().set_params(integer=True)
        _finish(place, title, "epoch (dashed: least validation loss)", "loss")


PICTURES: dict[str, Callable[[Any, Any, Any], None]] = {
    "saturated_units": _saturated,
    "dying_units": _dying,
    "vanishing_gradients": _vanishing,
    "exploding_gradients": _exploding,
    "symmetric_units": _symmetric,
    "poor_initialization": _poor,
    "not_zero_centered": _off_center,
    "unnormalized_inputs": _inputs,
    "unnormalized_targets": _targets,
    "unreachable_targets": _unreachable,
    "constant_output": _constant,
    "loss_mismatch": _mismatch,
    "no_nonlinearity": _linear,
    "non_finite": _infinite,
    "learning_rate_too_high": _too_high,
    "learning_rate_too_low": _too_low,
    "stale_batch_statistics": _stale,
    "dropout_variance_shift": _shift,
    "overfitting": _overfitted,
}
"""Functions of a run, a figure and its axes."""
