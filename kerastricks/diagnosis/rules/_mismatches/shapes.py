"""Targets and outputs whose shapes cannot be compared, whatever the numbers in them.

Keras' losses let an axis of length 1 come or go at the end; then a cross entropy wants equal
shapes, one of class numbers an axis less, and every other loss subtracts or multiplies what
broadcasts. An axis of length 1 that broadcasts may be meant, so it is left to the rules that look
at the numbers. Different ranks set samples against positions: that fails, or is wrong where both
are as many.
"""

import math
from typing import Any

from kerastricks.diagnosis.observation import ColumnStatistics, Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.endings import (
    classes_or_number,
    ending,
    one_hot_ending,
)
from kerastricks.diagnosis.rules._mismatches.mismatch import (
    TOLERANCE,
    Mismatch,
    ends,
    finite,
    in_code,
    name_of,
    shape_of,
)

ENTRYWISE = (
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "cosine_similarity",
)
"""Losses of which nothing but the shapes is judged."""
_BINARY = ("binary_crossentropy", "binary_focal_crossentropy")
_EQUAL = ("categorical_crossentropy", *_BINARY)
"""Losses that broadcast nothing."""
_ACTIVATIONS = ("softmax", "sigmoid", "tanh", "relu")
FLATTEN = (
    "Put keras.layers.Flatten() or keras.layers.GlobalAveragePooling1D() before the last layer; in "
    "a recurrent network, set return_sequences=False."
)

Shape = tuple[int | None, ...]


def misshapen(output: OutputStatistics, loss: Loss) -> Mismatch | None:
    """Judge by the shapes alone whether a loss can be computed, and is what it should be."""
    target, shape = output.target, output.prediction.shape
    if target is None:
        return None
    if loss.name.startswith("sparse"):
        return None if _are_labels(target.shape, shape) else _no_labels(output, target, loss)
    wanted, given = _aligned(target.shape, shape)
    if len(wanted) != len(given):
        return None if _examples(target) == 1 else _unlike(output, target, loss, wanted, given)
    if any(_apart(*sizes, loss.name in _EQUAL) for sizes in zip(wanted, given, strict=True)):
        return _unlike(output, target, loss, wanted, given)
    return None


def _aligned(target: Shape, output: Shape) -> tuple[Shape, Shape]:
    """The shapes as Keras' losses compare them, which let a last axis of length 1 come or go."""
    if len(output) == len(target) + 1 and output[-1] in (1, None):
        return (target, output[:-1]) if target else (output, output)
    if len(target) == len(output) + 1 and target[-1] in (1, None):
        return (target[:-1], output) if output else (target, target)
    return target, output


def _are_labels(target: Shape, output: Shape) -> bool:
    """Whether targets can be class numbers: an axis less than the output, or one of length 1.

    On torch a loss may be told that the classes are another axis than the last.
    """
    if len(target) > len(output) and target[-1] in (1, None):
        target = target[:-1]
    return not output or any(_are_along(axis, target, output) for axis in range(len(output)))


def _are_along(axis: int, target: Shape, output: Shape) -> bool:
    if len(target) == len(output) and target[axis] in (1, None):
        target = target[:axis] + target[axis + 1 :]
    return _same(target, output[:axis] + output[axis + 1 :])


def _same(one: Shape, other: Shape) -> bool:
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and not any(_apart(*sizes, True) for sizes in pairs)


def _apart(one: int | None, other: int | None, equal: bool) -> bool:
    """Whether two sizes of an axis are known, and do not go together."""
    if one is None or other is None or one == other:
        return False
    return equal or 1 not in (one, other)


def _examples(target: ColumnStatistics) -> int | None:
    """How many there are in the batch; None where that is not known."""
    size = _size(target.shape)
    return None if size is None else target.samples * target.columns // max(1, size)


def _size(shape: Shape) -> int | None:
    """Numbers of an example; None where that is not known."""
    sizes = [size for size in shape if size is not None]
    return math.prod(sizes) if len(sizes) == len(shape) else None


def _evidence(output: OutputStatistics, target: ColumnStatistics) -> dict[str, Any]:
    return {"target_shape": shape_of(target), "output_shape": shape_of(output.prediction)}


def _no_labels(output: OutputStatistics, target: ColumnStatistics, loss: Loss) -> Mismatch:
    """Targets of a sparse loss that are no class numbers, one a choice that the output makes."""
    wanted, given = target.shape, output.prediction.shape
    message = (
        f"{loss.name} wants one class number where the outputs of shape "
        f"{shape_of(output.prediction)} choose once, but the targets are of shape "
        f"{shape_of(target)}."
    )
    evidence = _evidence(output, target)
    columns = wanted[-1] if wanted else None
    if columns is not None and columns > 1 and _are_shares(target):
        other = "categorical_crossentropy"
        fits = columns == output.units
        wider = "" if fits else f", and end with {_layer(output, columns, 'softmax')}"
        return Mismatch(
            "critical",
            message,
            f"For one-hot labels, use {in_code(other, loss)}{wider}; or keep the loss, and give "
            "class numbers: y.argmax(axis=-1).",
            {
                **evidence,
                "healthy_loss": other,
                **ending(output, loss, "softmax"),
                **({} if fits else {"healthy_units": columns}),
            },
        )
    evidence["healthy_target_shape"] = _text(given[:-1])
    if len(given) > len(wanted) + 1:
        return Mismatch("critical", message, FLATTEN, evidence)
    return Mismatch(
        "critical",
        message,
        f"Give class numbers of shape {_text(given[:-1])}; or have the output choose once for each "
        f"of them, with a shape of {_text((*wanted, output.units))}.",
        evidence,
    )


def _unlike(
    output: OutputStatistics, target: ColumnStatistics, loss: Loss, wanted: Shape, given: Shape
) -> Mismatch:
    """Shapes that are not those of the same thing."""
    evidence = _evidence(output, target)
    remedy, healthy = _remedy(output, target, loss, wanted, given)
    return Mismatch(
        "critical",
        f"{loss.name} compares entry by entry, but the targets are of shape "
        f"{evidence['target_shape']} and the outputs of {evidence['output_shape']}.",
        remedy,
        {**evidence, **healthy},
    )


def _remedy(
    output: OutputStatistics, target: ColumnStatistics, loss: Loss, wanted: Shape, given: Shape
) -> tuple[str, dict[str, Any]]:
    """What to change, and the evidence of what would be healthy."""
    alike = len(wanted) == len(given)
    if given and _same(wanted if not alike else wanted[:-1], given[:-1]):
        if not alike or wanted[-1] == 1:
            return _for_one_number(output, target, loss)
        return _for_columns(output, target, loss, int(wanted[-1] or 0))
    if len(given) > len(wanted):
        return FLATTEN, {"healthy_output_shape": shape_of(target)}
    numbers, has = _size(wanted), _size(given)
    if numbers is None or has is None or alike:
        return (
            f"Crop or resize the targets to {_text(given)}, or choose strides and padding with "
            f"which the output is of {_text(wanted)}.",
            {"healthy_target_shape": _text(given)},
        )
    dense = "" if numbers == has else f"keras.layers.Dense({numbers}) and "
    return (
        f"End with {dense}keras.layers.Reshape({tuple(wanted)}).",
        {"healthy_output_shape": shape_of(target)},
    )


def _for_columns(
    output: OutputStatistics, target: ColumnStatistics, loss: Loss, columns: int
) -> tuple[str, dict[str, Any]]:
    """As many columns of targets as the output should have units."""
    units = output.units or 0
    classes = one_hot_ending(target)
    if classes and loss.name in _BINARY:
        layer = _layer(output, columns, "softmax")
        yes_no = _layer(output, columns, "sigmoid")
        return (
            f'For one-hot labels, use {layer} with loss="categorical_crossentropy"; for several '
            f"labels a sample, {yes_no}.",
            {"healthy_units": columns, **classes},
        )
    remedy = f"End with {_layer(output, columns, name_of(output))}"
    if not classes or not loss.name.startswith("categorical"):
        return f"{remedy}.", {"healthy_units": columns}
    empty = target.columns == columns and target.maximum[0] <= 0
    if columns == units + 1 and empty:
        remedy += "; or, as column 0 is empty, count the classes from 0: y[..., 1:]"
    elif columns < units:
        remedy += (
            "; or, if some classes have no example, y = keras.utils.to_categorical("
            f"y.argmax(axis=-1), {units})"
        )
    return f"{remedy}.", {"healthy_units": columns}


def _for_one_number(
    output: OutputStatistics, target: ColumnStatistics, loss: Loss
) -> tuple[str, dict[str, Any]]:
    """One number a sample, or position, for several units."""
    number = "For one number a sample, use keras.layers.Dense(1)"
    if not finite(target) or target.whole < 1 or ends(target)[0] < 0:
        ends_with = ', activation="sigmoid")' if loss.name in _BINARY else ")"
        return f"{number[:-1]}{ends_with}.", {"healthy_units": 1}
    yes_no = 'keras.layers.Dense(1, activation="sigmoid") with loss="binary_crossentropy"'
    if loss.name in _BINARY and name_of(output) != "softmax" and ends(target)[1] <= 1:
        return (
            f"For a yes or no a sample, use {yes_no}.",
            {
                "healthy_units": 1,
                "healthy_loss": "binary_crossentropy",
                "healthy_activation": "sigmoid",
                "healthy_from_logits": False,
            },
        )
    last = yes_no if loss.name in _BINARY else "keras.layers.Dense(1)"
    return (
        'For class numbers, use activation="softmax" with '
        f'loss="sparse_categorical_crossentropy"; for one answer a sample, {last}.',
        classes_or_number(output, target),
    )


def _are_shares(target: ColumnStatistics) -> bool:
    """Whether each row says which class, as one-hot labels do, smoothed or not."""
    if not finite(target) or target.columns != target.shape[-1]:
        return False
    sums = [abs(total - 1) <= TOLERANCE for total in target.sums]
    return all(sums) and ends(target)[0] >= 0


def _layer(output: OutputStatistics, units: int, activation: str) -> str:
    """An output's layer, in code where it is known to be a dense one of a common activation."""
    if len(output.prediction.shape) > 2:
        return f"a layer of {units} filters"
    if activation in ("linear", "unknown"):
        return f"keras.layers.Dense({units})"
    if activation in _ACTIVATIONS:
        return f'keras.layers.Dense({units}, activation="{activation}")'
    return f"a layer of {units} units"


def _text(shape: Shape) -> str:
    return "(" + ", ".join(("batch", *map(str, shape))) + ")"
