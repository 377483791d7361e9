"""Normalizing a batch: a formula in keras.ops, and the backend's fused kernel where it applies."""

import math
from typing import Any, NamedTuple

import keras
from keras import ops


class Normalized(NamedTuple):
    """A normalized batch with what it was normalized by.

    `mean`, `variance` (divided by the count) and `count` have the shape (channels,), or
    (groups, channels) where the batch was cut into groups. `count`, how many entries each
    statistic rests on, is a Python integer where one known number holds for all.
    """

    outputs: Any
    mean: Any
    variance: Any
    count: Any


def statistics_dtype(dtype: Any) -> str:
    """Returns the type to compute statistics of inputs of this type in: float32 or float64."""
    # Not Keras' `result_type`: on PyTorch it makes float32 of float64.
    return "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"


def normalize_batch(x: Any, gamma: Any, beta: Any, epsilon: float, axis: int) -> Normalized:
    """Normalizes by the statistics of the whole batch.

    Args:
        x: Floating-point tensor of rank 2 or more.
        gamma: Scale of shape (channels,) in float32, or wider where `x` is; or None.
        beta: Offset like `gamma`, or None.
        epsilon: Added to the variance.
        axis: The channels' axis, in [0, rank).

    Returns:
        The outputs, in the type of `x` or wider, and the statistics.
    """
    kernel = _kernel()
    if not kernel.applies(x, axis, epsilon):
        return normalize_batch_by_formula(x, gamma, beta, epsilon, axis)
    gamma, beta = _filled(gamma, beta, x, axis)
    return Normalized(*kernel.normalize_batch(x, gamma, beta, epsilon, axis))


def normalize_batch_by_formula(
    x: Any,
    gamma: Any,
    beta: Any,
    epsilon: float,
    axis: int,
    *,
    mask: Any = None,
    group_size: int | None = None,
    synchronized: bool = False,
) -> Normalized:
    """Normalizes like `normalize_batch`, also by a part of the batch or by more than it.

    Args:
        x: As in `normalize_batch`, and so are `gamma`, `beta`, `epsilon` and `axis`.
        gamma: See there.
        beta: See there.
        epsilon: See there.
        axis: See there.
        mask: Boolean tensor of the shape of `x` without its last axis, or broadcastable to that:
            which entries count.
        group_size: How many consecutive samples are normalized together; divides the batch.
        synchronized: Whether the statistics are those of all replicas' batches together.

    Returns:
        The outputs, in float32 or wider, and the statistics.
    """
    shape = ops.shape(x)
    x = ops.cast(x, statistics_dtype(x.dtype))
    if mask is not None:
        mask = ops.broadcast_to(ops.cast(ops.expand_dims(mask, -1), "bool"), shape)
    kept: tuple[int, ...] = (axis,)
    if group_size is not None:
        x = _cut(x, group_size)
        mask = mask if mask is None else _cut(mask, group_size)
        kept = (0, axis + 1)
    axes = tuple(a for a in range(len(x.shape)) if a not in kept)

    total = _kernel().total_over_replicas if synchronized else lambda part: part
    count: Any
    if mask is None:
        count = math.prod(ops.shape(x)[a] for a in axes)
        count = count if isinstance(count, int) else ops.cast(count, x.dtype)
        if synchronized:
            count = total(ops.cast(count, x.dtype))
    else:
        count = total(ops.sum(ops.cast(mask, x.dtype), axes, keepdims=True))
    divisor = max(count, 1) if isinstance(count, int) else ops.maximum(count, 1)

    def mean_of(values: Any) -> Any:
        values = values if mask is None else ops.where(mask, values, 0)
        return total(ops.sum(values, axes, keepdims=True)) / divisor

    mean = mean_of(x)
    variance = mean_of(ops.square(x - mean))
    scale = ops.rsqrt(variance + epsilon)
    column = [1] * len(x.shape)
    column[kept[-1]] = -1
    if gamma is not None:
        scale = scale * ops.reshape(gamma, column)
    # Not (x - mean) * scale: XLA would keep a copy of the difference in memory.
    offset = -mean * scale if beta is None else ops.reshape(beta, column) - mean * scale
    outputs = x * scale + offset

    flat = (-1, shape[axis])[-len(kept) :]
    if mask is not None:
        count = ops.reshape(count, flat)
    return Normalized(
        ops.reshape(outputs, shape), ops.reshape(mean, flat), ops.reshape(variance, flat), count
    )


def normalize(
    x: Any, mean: Any, variance: Any, gamma: Any, beta: Any, epsilon: float, axis: int
) -> Any:
    """Normalizes by given statistics, as in inference; the arguments are those above."""
    if keras.backend.backend() == "torch":
        gamma, beta = _filled(gamma, beta, x, axis)
        return _kernel().normalize(x, mean, variance, gamma, beta, epsilon, axis)
    # Keras takes -1, and no other name of the last axis, as "needs no reshaping".
    axis = -1 if axis == len(x.shape) - 1 else axis
    return ops.batch_normalization(
        ops.cast(x, mean.dtype), mean, variance, axis, offset=beta, scale=gamma, epsilon=epsilon
    )


def _kernel() -> Any:
    if keras.backend.backend() == "tensorflow":
        from kerastricks.layers._kernels import batch_normalization_tensorflow

        return batch_normalization_tensorflow
    if keras.backend.backend() == "torch":
        from kerastricks.layers._kernels import batch_normalization_torch

        return batch_normalization_torch
    from kerastricks.layers._kernels import batch_normalization_jax

    return batch_normalization_jax


def _filled(gamma: Any, beta: Any, x: Any, axis: int) -> tuple[Any, Any]:
    dtype = statistics_dtype(x.dtype)
    channels = (x.shape[axis],)
    return (
        ops.ones(channels, dtype) if gamma is None else gamma,
        ops.zeros(channels, dtype) if beta is None else beta,
    )


def _cut(x: Any, size: int) -> Any:
    if keras.backend.backend() == "tensorflow":
        x = _kernel().checked_batch(x, size)
    return ops.reshape(x, (-1, size, *ops.shape(x)[1:]))
