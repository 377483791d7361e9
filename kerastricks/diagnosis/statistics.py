"""Reductions that run inside the compiled training step; each returns a small, fixed-size vector.

Everything is written in `keras.ops`, so one code serves TensorFlow, JAX and torch, and a tensor
never outlives the step that made it.

What is large is sampled: the positions of a feature map and the incoming weights of a unit say much
the same as their neighbors. Norms are of all elements.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from kerastricks.diagnosis.activations import Activation

Tensor = Any

LAYER_SCALARS = 2
LAYER_ROWS = 3
WEIGHT_SCALARS = 2
KERNEL_ROWS = 6
COLUMN_SCALARS = 6
COLUMN_ROWS = 4
MOMENT_SCALARS = 1
MOMENT_ROWS = 2
MAXIMUM_COLUMNS = 1024
"""Columns of a tensor of data that are told apart; one with more is seen as a single column."""
MAXIMUM_POSITIONS = 64
"""Positions of a feature map that are seen of each example: 2048 samples in a batch of 32."""
SMALL = 4096
"""Elements up to which a weight without units of its own is reduced together with others."""
LARGE = 65_536
"""Elements of a tensor above which its squares are not stored: they would not stay in the cache.
Larger ones are reduced one by one."""
TOGETHER = 2**20
"""Elements that are reduced together of tensors of one shape."""
MAXIMUM_ROWS = 256
"""Incoming weights that are seen of each unit where units are told apart."""


def layer_vector(outputs: Tensor, axis: int, activation: Activation | None) -> Tensor:
    """Reduce a layer's output to sums per unit.

    Args:
        outputs: A tensor of any rank of at least 2.
        axis: The channel axis, whose entries are the units.
        activation: The nonlinearity that made the output.

    Returns:
        A vector: examples, samples per unit, then for each unit the sum of its outputs, the sum
        of their squared deviations from the batch mean, and the number of its events (saturated
        for a bounded activation, above zero for any other layer).
    """
    outputs = ops.cast(ops.stop_gradient(thinned(outputs, axis)), "float32")
    axes = _all_but(outputs, axis)
    examples, count = _sizes(outputs, axis)
    # Not E[x^2] - E[x]^2, which loses a collapsed signal around a mean of 0.5 to rounding.
    mean, variance = ops.mean(outputs, axis=axes), ops.var(outputs, axis=axes)
    if activation is not None and activation.bounded:
        events = ops.logical_or(outputs <= activation.low, outputs >= activation.high)
    else:
        events = outputs > 0
    events = ops.sum(ops.cast(events, "float32"), axis=axes)
    sizes = ops.convert_to_tensor([examples, count], "float32")
    return ops.concatenate([sizes, mean * count, variance * count, events])


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
    scalars = [ops.ones((), "float32"), count, whole, ops.min(sums), ops.max(sums), nonfinite(rows)]
    moments = [mean * count, ops.var(rows, axis=0) * count]
    ends = [ops.min(rows, axis=0), ops.max(rows, axis=0)]
    return ops.concatenate([ops.stack(scalars), *moments, *ends])


def moments_vector(inputs: Tensor, axis: int) -> Tensor:
    """Reduce a tensor to one, and for each unit on an axis mean and variance."""
    inputs = ops.cast(ops.stop_gradient(thinned(inputs, axis)), "float32")
    axes = _all_but(inputs, axis)
    mean, variance = ops.mean(inputs, axis=axes), ops.var(inputs, axis=axes)
    return ops.concatenate([ops.ones((1,), "float32"), mean, variance])


def weight_vectors(weights: Tensor, gradients: Tensor, scale: Tensor | None) -> Tensor:
    """Reduce weights of one shape and their gradients to the squares of their norms.

    Args:
        weights: The weights, stacked on a first axis.
        gradients: Their gradients, of the same shape.
        scale: The loss scale to divide out, or None.

    Returns:
        A matrix, a row for each weight: squared norm of the gradient, squared norm of the weight.
    """
    norms = [squared_norms(gradients), squared_norms(weights)]
    if scale is not None:
        norms[0] = norms[0] / ops.square(ops.cast(scale, "float32"))
    return ops.stack(norms, axis=1)


def kernel_vectors(
    kernels: Tensor, gradients: Tensor, scale: Tensor | None, axes: tuple[int, ...]
) -> Tensor:
    """Reduce kernels of one shape and their gradients to squares of norms, and numbers per unit.

    Args:
        kernels: The kernels, stacked on a first axis.
        gradients: Their gradients, of the same shape.
        scale: The loss scale to divide out, or None.
        axes: The axes of the units, from the end; every other axis but the first is incoming.

    Returns:
        A matrix, a row for each kernel: what `weight_vectors` gives; then for each unit the squared
        norm of its gradient and that of its weights; then both projected on a fixed random vector;
        then both projected on another.
    """
    count = kernels.shape[0]
    units = math.prod(kernels.shape[axis] for axis in axes)
    rows = math.prod(kernels.shape[1:]) // units
    seen = min(rows, MAXIMUM_ROWS)
    columns = [_incoming(each, axes, rows, units) for each in (gradients, kernels)]
    if scale is not None:
        columns[0] = columns[0] / ops.cast(scale, "float32")
    both = ops.concatenate(columns, axis=2)
    squares = ops.sum(ops.square(both), axis=1)
    if seen == rows:
        norms = ops.sum(ops.reshape(squares, (count, 2, units)), axis=2)
    else:
        squares = squares * (rows / seen)
        norms = weight_vectors(kernels, gradients, scale)
    projected = ops.matmul(_directions(seen), both)
    return ops.concatenate([norms, squares, ops.reshape(projected, (count, -1))], axis=1)


def stacked(tensors: list[Tensor]) -> Tensor:
    """Tensors of one shape on a new first axis; a single one is not copied."""
    return ops.stack(tensors) if len(tensors) > 1 else ops.expand_dims(tensors[0], 0)


def side_by_side(*rows: list[Tensor]) -> Tensor:
    """The elements of small tensors as a matrix.

    Args:
        rows: Lists of tensors, one for each place.

    Returns:
        A row for each element of each place, a column for each list.
    """
    return ops.stack([_joined(row) for row in rows], axis=1)


def small_norms(sizes: list[int], elements: Tensor) -> Tensor:
    """Squares of the norms of many small tensors, in few operations.

    Args:
        sizes: Elements of the tensors in each place.
        elements: What `side_by_side` gives.

    Returns:
        A matrix: a row for each place, a column for each list.
    """
    return _in_places(sizes, ops.square(elements))


def small_nonfinite(sizes: list[int], elements: Tensor) -> Tensor:
    """Count the NaN and infinite elements in each place, of all lists together."""
    return ops.sum(_in_places(sizes, _not_finite(elements)), axis=1)


def _in_places(sizes: list[int], elements: Tensor) -> Tensor:
    places = np.repeat(np.arange(len(sizes)), sizes).astype("int32")
    return ops.segment_sum(elements, places, num_segments=len(sizes))


def thinned(tensor: Tensor, axis: int) -> Tensor:
    """Leave `MAXIMUM_POSITIONS` positions of a feature map that has more, always the same.

    Args:
        tensor: Examples first.
        axis: The channel axis; all others but the first are positions.

    Returns:
        The tensor, or one of rank 3 with its channels on the same axis. A tensor whose channels
        are on neither its second nor its last axis is left as it is, and so is one whose number of
        positions is not known.
    """
    rank = len(tensor.shape)
    axis = axis % rank
    sizes = [size for i, size in enumerate(tensor.shape) if i not in (0, axis)]
    if axis not in (1, rank - 1) or tensor.shape[axis] is None or None in sizes:
        return tensor
    positions = math.prod(sizes)
    if positions <= MAXIMUM_POSITIONS:
        return tensor
    first = axis == 1
    shape = (tensor.shape[1], positions) if first else (positions, tensor.shape[axis])
    # Gathered from one axis: slices with strides are slow on some backends.
    return _some(ops.reshape(tensor, (-1, *shape)), 2 if first else 1, MAXIMUM_POSITIONS)


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
    return -ops.ones((length,), "float32")


def squared_norms(tensors: Tensor) -> Tensor:
    """Squares of the Euclidean norms in float32, of tensors stacked on a first axis."""
    tensors = ops.cast(tensors, "float32")
    size = math.prod(tensors.shape[1:])
    if size <= LARGE:
        return ops.sum(ops.square(tensors), axis=list(range(1, len(tensors.shape))))
    # A product of row and column, as the squares of a large tensor would have to be stored.
    row = ops.reshape(tensors, (1, size))
    return ops.reshape(ops.matmul(row, ops.transpose(row)), (1,))


def nonfinite(tensor: Tensor, axis: list[int] | None = None) -> Tensor:
    """Count the NaN and infinite elements of a tensor, or along some of its axes."""
    return ops.sum(_not_finite(tensor), axis=axis)


def counts_where_needed(vector: Tensor, length: int, counted: Callable[[], Tensor]) -> Tensor:
    """Count the NaN and infinite elements of many tensors, unless their reductions are finite.

    Args:
        vector: Sums over the tensors; it is not finite when they are not.
        length: How many numbers are counted.
        counted: Gives them.

    Returns:
        A vector of counts. All zero, at the cost of a sum over `vector`, in a step without NaN.
    """
    finite = ops.isfinite(ops.sum(vector))
    return ops.cond(finite, lambda: ops.zeros((length,), "float32"), counted)


def nonfinite_of_groups(groups: list[list[Tensor]]) -> Tensor:
    """A vector with the NaN and infinite elements of each group of tensors."""
    none = ops.zeros((), "float32")
    return ops.stack([sum(map(nonfinite, group), none) for group in groups])


def _not_finite(tensor: Tensor) -> Tensor:
    return ops.cast(ops.logical_not(ops.isfinite(tensor)), "float32")


def _joined(tensors: list[Tensor]) -> Tensor:
    flat = [each if len(each.shape) == 1 else ops.reshape(each, [-1]) for each in tensors]
    return ops.concatenate([ops.cast(each, "float32") for each in flat])


def _all_but(tensor: Tensor, axis: int) -> list[int]:
    rank = len(tensor.shape)
    return [i for i in range(rank) if i != axis % rank]


def _sizes(outputs: Tensor, axis: int) -> tuple[Any, Any]:
    """Examples, and samples of each unit: numbers where the shape is known, else scalars."""
    sizes = list(ops.shape(outputs))
    if not all(isinstance(size, int) for size in sizes):
        sizes = [ops.cast(size, "float32") for size in sizes]
    seen = [sizes[i] for i in _all_but(outputs, axis)]
    return sizes[0], math.prod(seen[1:], start=seen[0])


def _incoming(kernels: Tensor, axes: tuple[int, ...], rows: int, units: int) -> Tensor:
    """The units in columns, some of their incoming weights in rows, of each kernel."""
    last = tuple(range(-len(axes), 0))
    if axes != last:
        kernels = ops.moveaxis(kernels, axes, last)
    if len(kernels.shape) > 3:
        kernels = ops.reshape(kernels, (kernels.shape[0], rows, units))
    return ops.cast(_some(kernels, 1, MAXIMUM_ROWS), "float32")


def _some(tensor: Tensor, axis: int, count: int) -> Tensor:
    """Of the entries of an axis as many at random, always the same.

    Those in even distances may all belong to one color, one tap of a kernel, or one phase of what
    a transposed convolution puts out.
    """
    size = tensor.shape[axis]
    if size <= count:
        return tensor
    return ops.take(tensor, _chosen(size, count), axis=axis)


# What is drawn is kept: where steps are not compiled, it would be drawn in each.


@cache
def _chosen(size: int, count: int) -> NDArray[np.int32]:
    chosen = np.random.default_rng(0).choice(size, count, replace=False)
    return np.sort(chosen).astype("int32")


@cache
def _directions(size: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(2, size)).astype("float32")
