"""Batch normalization by TensorFlow's fused operation, or by a formula where that is better.

The fused operation takes channels last; to transpose for it costs more than it saves.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

# On GPUs the fused operation raises a smaller epsilon to this, in silence.
_SMALLEST_EPSILON = 1.001e-5

Total = Callable[[Any], Any]
"""Sums a tensor over all axes but that of the channels, and keeps them, of size 1."""


def applies(x: Any, axis: int, epsilon: float) -> bool:
    """Whether this module can normalize the batch: always."""
    del x, axis, epsilon
    return True


def normalize_batch(
    x: Any, gamma: Any, beta: Any, epsilon: float, axis: int
) -> tuple[Any, Any, Any, Any]:
    """Returns the outputs, mean, variance (divided by the count) and count of a batch."""
    channels = x.shape[axis]
    count: Any
    if x.shape.is_fully_defined():
        count = math.prod(x.shape) // channels
    else:
        count = tf.cast(tf.size(x, tf.int64) // channels, gamma.dtype)
    channels_last = axis == len(x.shape) - 1
    fusable = channels_last and x.dtype != tf.float64 and epsilon >= _SMALLEST_EPSILON
    return *_normalized(x, gamma, beta, count, epsilon, axis, fusable), count


def _normalized(
    x: Any, gamma: Any, beta: Any, count: Any, epsilon: float, axis: int, fusable: bool
) -> Any:
    # XLA turns the fused operation into mean(x^2) - mean(x)^2, which is noise, or negative, where
    # the mean is a thousand times the standard deviation; and sums in two steps are slow there.
    # When XLA compiles, this index is 2 and known, so the last branch alone is compiled. It is
    # made out here because a Jacobian would vectorize what is made within the gradient.
    device = None
    if not tf.executing_eagerly():
        device = tf.raw_ops.DeviceIndex(device_names=["CPU", "GPU"])

    def switch(fused: Callable[[], Any], formula: Callable[[Total], Any]) -> Any:
        usual = fused if fusable else partial(formula, partial(_total_by_rows, axis=axis))
        if device is None:
            return usual()
        under_xla = partial(formula, partial(_total, axis=axis))
        return tf.switch_case(device, [usual, usual], default=under_xla)

    # Both gradients are written down: what automatic differentiation makes of the switch and of
    # the formula takes longer. Mean and variance are for the moving averages, through which no
    # gradient flows.
    @tf.custom_gradient
    def function(x: Any, gamma: Any, beta: Any) -> Any:
        def fused() -> Any:
            return _fused(x, gamma, beta, count, epsilon)

        def formula(total: Total) -> Any:
            return _formula(x, gamma, beta, count, epsilon, total)

        outputs, mean, variance, *reserved = switch(fused, formula)

        def gradient(upstream: Any, *_: Any) -> Any:
            def fused() -> Any:
                return _fused_gradient(upstream, x, gamma, reserved, epsilon)

            def formula(total: Total) -> Any:
                return _formula_gradient(upstream, x, gamma, count, epsilon, total)

            return switch(fused, formula)

        return (outputs, mean, variance), gradient

    return function(x, gamma, beta)


def _fused(x: Any, gamma: Any, beta: Any, count: Any, epsilon: float) -> Any:
    outputs, mean, variance, *reserved = tf.raw_ops.FusedBatchNormV3(
        x=_images(x),
        scale=gamma,
        offset=beta,
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        is_training=True,
    )
    n = tf.cast(count, tf.float32)
    # The operation divides by n - 1 (by 1 for n = 1).
    variance *= tf.maximum(n - 1.0, 1.0) / n
    return _from_images(outputs, x), mean, variance, *reserved


def _fused_gradient(upstream: Any, x: Any, gamma: Any, reserved: Any, epsilon: float) -> Any:
    to_x, to_gamma, to_beta, *_ = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=_images(upstream),
        x=_images(x),
        scale=gamma,
        reserve_space_1=reserved[0],
        reserve_space_2=reserved[1],
        reserve_space_3=reserved[2],
        epsilon=epsilon,
        is_training=True,
    )
    return _from_images(to_x, x), to_gamma, to_beta


def _images(x: Any) -> Any:
    return x if len(x.shape) == 4 else tf.reshape(x, (-1, 1, 1, x.shape[-1]))


def _from_images(images: Any, x: Any) -> Any:
    if len(x.shape) != 4:
        images = tf.reshape(images, tf.shape(x))
    return tf.ensure_shape(images, x.shape)


def _total(x: Any, axis: int) -> Any:
    """Sums over all axes but one, which XLA does best in one step."""
    return tf.reduce_sum(x, [a for a in range(len(x.shape)) if a != axis], keepdims=True)


def _total_by_rows(x: Any, axis: int) -> Any:
    """The same with neighbors in memory first; twice as fast, and its rounding is smaller."""
    rows = tf.reduce_sum(x, list(range(axis + 1, len(x.shape))), keepdims=True)
    return tf.reduce_sum(rows, list(range(axis)), keepdims=True)


def _statistics(x: Any, count: Any, epsilon: float, total: Total) -> tuple[Any, Any, Any]:
    mean = total(x) / count
    variance = total(tf.math.squared_difference(x, mean)) / count
    return mean, variance, tf.math.rsqrt(variance + epsilon)


def _formula(x: Any, gamma: Any, beta: Any, count: Any, epsilon: float, total: Total) -> Any:
    wide = tf.cast(x, gamma.dtype)
    mean, variance, scale = _statistics(wide, count, epsilon, total)
    # Not before the squares are gone from memory.
    with tf.control_dependencies([variance]):
        outputs = (wide - mean) * (scale * tf.reshape(gamma, mean.shape))
    outputs += tf.reshape(beta, mean.shape)
    mean, variance = tf.reshape(mean, (-1,)), tf.reshape(variance, (-1,))
    # Two statistics and an empty tensor take the place of what the fused operation reserves.
    return tf.cast(outputs, x.dtype), mean, variance, mean, variance, tf.zeros([0])


def _formula_gradient(
    upstream: Any, x: Any, gamma: Any, count: Any, epsilon: float, total: Total
) -> Any:
    # The statistics are taken again, as functions of x, for the sake of second derivatives; XLA
    # finds that it has them.
    wide = tf.cast(x, gamma.dtype)
    mean, _, scale = _statistics(wide, count, epsilon, total)
    standardized = (wide - mean) * scale
    to_outputs = tf.cast(upstream, gamma.dtype)
    to_beta = total(to_outputs)
    to_gamma = total(to_outputs * standardized)
    to_x = (scale * tf.reshape(gamma, mean.shape)) * (
        to_outputs - to_beta / count - standardized * (to_gamma / count)
    )
    return tf.cast(to_x, x.dtype), tf.reshape(to_gamma, (-1,)), tf.reshape(to_beta, (-1,))


def total_over_replicas(part: Any) -> Any:
    """Returns the sum of `part` over all replicas; outside of replicas, `part`."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return part
    return context.all_reduce(tf.distribute.ReduceOp.SUM, part)


def checked_batch(x: Any, group_size: int) -> Any:
    """Returns `x`; running it fails if its batch, known by then, cannot be cut into groups."""
    check = tf.debugging.assert_equal(
        tf.shape(x)[0] % group_size,
        0,
        f"The batch must be a multiple of virtual_batch_size={group_size}. Cut the data with "
        "`drop_remainder=True`, or choose a divisor of the batch size.",
    )
    if check is None:
        return x
    with tf.control_dependencies([check]):
        return tf.identity(x)
