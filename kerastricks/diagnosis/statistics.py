"""Reductions that run inside the compiled training step; each returns a small, fixed-size vector.

Everything is written in `keras.ops`, so one code serves TensorFlow, JAX and torch, and a tensor
never outlives the step that made it.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.diagnosis.activations import Activation

Tensor = Any

LAYER_SCALARS = 3
LAYER_ROWS = 3
WEIGHT_SCALARS = 3
KERNEL_ROWS = 4
COLUMN_SCALARS = 6
COLUMN_ROWS = 4
MOMENT_SCALARS = 1
MOMENT_ROWS = 2
MAXIMUM_COLUMNS = 1024
"""Columns of a tensor of data that are told apart; one with more is seen as a single column."""


def layer_vector(outputs: Tensor, axis: int, activation: Activation | None) -> Tensor:
    """Reduce a layer's output to sums per unit.

    Args:
        outputs: A tensor of any rank of at least 2.
        axis: The channel axis, whose entries are the units.
        activation: The nonlinearity that made the output.

    Returns:
        A vector: examples, samples per unit, number of non-finite elements, then for each unit
        the sum of its outputs, the sum of their squared deviations from the batch mean, and the
        number of its events (saturated for a bounded activation, above zero for any other layer).
    """
    outputs = ops.cast(ops.stop_gradient(outputs), "float32")
    axes = [i for i in range(len(outputs.shape)) if i != axis % len(outputs.shape)]
    shape = ops.shape(outputs)
    count = ops.ones(())
    for i in axes:
        count = count * ops.cast(shape[i], "float32")
    # Two passes: E[x^2] - E[x]^2 loses a collapsed signal around a mean of 0.5 to rounding.
    mean = ops.mean(outputs, axis=axes, keepdims=True)
    deviations = ops.sum(ops.square(outputs - mean), axis=axes)
    if activation is not None and activation.bounded:
        low, high = outputs <= activation.low, outputs >= activation.high
        events = _count(ops.logical_or(low, high), axes)
    else:
        events = _count(outputs > 0, axes)
    total = ops.reshape(mean, [-1]) * count
    scalars = ops.stack([ops.cast(shape[0], "float32"), count, nonfinite(outputs)])
    return ops.concatenate([scalars, total, deviations, events])


def column_vector(data: Tensor, columns: int) -> Tensor:
    """Reduce a tensor of data or predictions to numbers per column.

    Args:
        data: A tensor of numbers, of any rank of at least 1.
        columns: How many columns are told apart: the size of its last axis, or 1.

    Returns:
        A vector: one, samples a column, number of whole entries, smallest and largest sum over a
        row, number of non-finite entries; then for each column the sum, the sum of the squared
        deviations from its mean, the smallest and the largest entry.
    """
    rows = ops.reshape(ops.cast(ops.stop_gradient(data), "float32"), (-1, columns))
    count = ops.cast(ops.shape(rows)[0], "float32")
    mean = ops.mean(rows, axis=0)
    sums = ops.sum(rows, axis=1)
    whole = ops.sum(ops.cast(ops.equal(rows, ops.round(rows)), "float32"))
    scalars = [ops.ones(()), count, whole, ops.min(sums), ops.max(sums), nonfinite(rows)]
    moments = [mean * count, ops.sum(ops.square(rows - mean), axis=0)]
    ends = [ops.min(rows, axis=0), ops.max(rows, axis=0)]
    return ops.concatenate([ops.stack(scalars), *moments, *ends])


def moments_vector(inputs: Tensor, axis: int) -> Tensor:
    """Reduce a tensor to one, and for each unit on an axis mean and variance."""
    inputs = ops.cast(ops.stop_gradient(inputs), "float32")
    axes = [i for i in range(len(inputs.shape)) if i != axis % len(inputs.shape)]
    mean = ops.mean(inputs, axis=axes, keepdims=True)
    variance = ops.mean(ops.square(inputs - mean), axis=axes)
    return ops.concatenate([ops.ones((1,)), ops.reshape(mean, [-1]), variance])


def weight_vector(weight: Tensor, gradient: Tensor, scale: Tensor | None) -> Tensor:
    """Reduce a weight and its gradient to numbers.

    Returns:
        A vector: squared norm of the gradient, squared norm of the weight, number of non-finite
        elements of both.
    """
    gradient = unscaled(gradient, scale)
    weight = ops.cast(weight, "float32")
    return ops.stack(
        [
            ops.sum(ops.square(gradient)),
            ops.sum(ops.square(weight)),
            nonfinite(gradient) + nonfinite(weight),
        ]
    )


def kernel_vector(
    kernel: Tensor, gradient: Tensor, scale: Tensor | None, axes: tuple[int, ...]
) -> Tensor:
    """Reduce a kernel to four numbers per unit.

    Args:
        kernel: The kernel.
        gradient: Its gradient, of the same shape.
        scale: The loss scale to divide out, or None.
        axes: The axes of the units, from the end; every other axis is incoming.

    Returns:
        A vector: for each unit the squared norm of its gradient, then the kernel projected on two
        fixed random vectors, then the gradient projected on the first.
    """
    kernel = _columns(ops.cast(kernel, "float32"), axes)
    gradient = _columns(unscaled(gradient, scale), axes)
    first, second = _directions(kernel.shape[0])
    return ops.concatenate(
        [
            ops.sum(ops.square(gradient), axis=0),
            ops.matmul(first, kernel),
            ops.matmul(second, kernel),
            ops.matmul(first, gradient),
        ]
    )


def first_tensor(structure: Any) -> Tensor:
    """The first tensor of a structure; None without one."""
    tensors = [each for each in keras.tree.flatten(structure) if hasattr(each, "dtype")]
    return tensors[0] if tensors else None


def is_float(tensor: Any) -> bool:
    """True for dense tensors of floating-point numbers."""
    if not hasattr(tensor, "dtype") or not is_dense(tensor):
        return False
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def is_dense(tensor: Any) -> bool:
    """False for sparse and ragged tensors, and for their specifications."""
    named = type(tensor).__name__.startswith(("Sparse", "Ragged", "BCOO"))
    return not (named or getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False))


def unseen(length: int) -> Tensor:
    """What stands in the place of a weight that got no gradient: negative, as no norm can be."""
    return -ops.ones((length,))


def squared_distance(after: Tensor, before: Tensor) -> Tensor:
    """Squared Euclidean distance in float32."""
    return ops.sum(ops.square(ops.cast(after, "float32") - ops.cast(before, "float32")))


def nonfinite(tensor: Tensor) -> Tensor:
    """Count the NaN and infinite elements of a tensor."""
    return ops.sum(ops.cast(ops.logical_not(ops.isfinite(tensor)), "float32"))


def unscaled(gradient: Tensor, scale: Tensor | None) -> Tensor:
    """Undo loss scaling, in float32."""
    gradient = ops.cast(gradient, "float32")
    return gradient if scale is None else gradient / ops.cast(scale, "float32")


def _count(mask: Tensor, axes: list[int]) -> Tensor:
    return ops.sum(ops.cast(mask, "float32"), axis=axes)


def _columns(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    tensor = ops.moveaxis(tensor, axes, tuple(range(-len(axes), 0)))
    return ops.reshape(tensor, (-1, math.prod(tensor.shape[-len(axes) :])))


def _directions(size: int) -> list[Tensor]:
    directions = np.random.default_rng(0).normal(size=(2, size))
    return [ops.convert_to_tensor(direction, dtype="float32") for direction in directions]
