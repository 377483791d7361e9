"""Batch normalization by TensorFlow's fused operation, or by a formula that XLA fuses."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# On GPUs the fused operation raises a smaller epsilon to this, in silence.
_SMALLEST_EPSILON = 1.001e-5


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
    fusable = x.dtype != tf.float64 and epsilon >= _SMALLEST_EPSILON
    return *_normalized(x, gamma, beta, count, epsilon, axis, fusable), count


def _normalized(
    x: Any, gamma: Any, beta: Any, count: Any, epsilon: float, axis: int, fusable: bool
) -> Any:
    # XLA turns the fused operation into mean(x^2) - mean(x)^2, which is noise, or negative, where
    # the mean is a thousand times the standard deviation. When XLA compiles, this index is 2 and
    # known, so the formula alone is compiled. It is made out here because a Jacobian would
    # vectorize what is made within the gradient.
    device = None
    if not tf.executing_eagerly():
        device = tf.raw_ops.DeviceIndex(device_names=["CPU", "GPU"])

    def switch(fused: Callable[[], Any], formula: Callable[[], Any]) -> Any:
        if not fusable:
            return formula()
        if device is None:
            return fused()
        return tf.switch_case(device, [fused, fused], default=formula)

    # Both gradients are written down: what automatic differentiation makes of the switch and of
    # the formula takes longer. Mean and variance are for the moving averages, through which no
    # gradient flows.
    @tf.custom_gradient
    def function(x: Any, gamma: Any, beta: Any) -> Any:
        outputs, mean, variance, *reserved = switch(
            lambda: _fused(x, gamma, beta, count, epsilon, axis),
            lambda: _formula(x, gamma, beta, epsilon, axis),
        )

        def gradient(upstream: Any, *_: Any) -> Any:
            return switch(
                lambda: _fused_gradient(upstream, x, gamma, reserved, epsilon, axis),
                lambda: _formula_gradient(upstream, x, gamma, count, epsilon, axis),
            )

        return (outputs, mean, variance), gradient

    return function(x, gamma, beta)


def _fused(x: Any, gamma: Any, beta: Any, count: Any, epsilon: float, axis: int) -> Any:
    outputs, mean, variance, *reserved = tf.raw_ops.FusedBatchNormV3(
        x=_images(x, axis),
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
    return _from_images(outputs, x, axis), mean, variance, *reserved


def _fused_gradient(
    upstream: Any, x: Any, gamma: Any, reserved: Any, epsilon: float, axis: int
) -> Any:
    to_x, to_gamma, to_beta, *_ = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=_images(upstream, axis),
        x=_images(x, axis),
        scale=gamma,
        reserve_space_1=reserved[0],
        reserve_space_2=reserved[1],
        reserve_space_3=reserved[2],
        epsilon=epsilon,
        is_training=True,
    )
    return _from_images(to_x, x, axis), to_gamma, to_beta


def _images(x: Any, axis: int) -> Any:
    rank = len(x.shape)
    if axis != rank - 1:
        x = tf.transpose(x, [*(a for a in range(rank) if a != axis), axis])
    return x if rank == 4 else tf.reshape(x, (-1, 1, 1, x.shape[-1]))


def _from_images(images: Any, x: Any, axis: int) -> Any:
    rank = len(x.shape)
    order = [*(a for a in range(rank) if a != axis), axis]
    if rank != 4:
        images = tf.reshape(images, tf.gather(tf.shape(x), order))
    if axis != rank - 1:
        images = tf.transpose(images, [order.index(a) for a in range(rank)])
    return tf.ensure_shape(images, x.shape)


def _standardized(x: Any, epsilon: float, axis: int, dtype: Any) -> tuple[Any, ...]:
    axes = [a for a in range(len(x.shape)) if a != axis]
    x = tf.cast(x, dtype)
    mean = tf.reduce_mean(x, axes, keepdims=True)
    centered = x - mean
    variance = tf.reduce_mean(tf.square(centered), axes, keepdims=True)
    return axes, mean, variance, centered, tf.math.rsqrt(variance + epsilon)


def _formula(x: Any, gamma: Any, beta: Any, epsilon: float, axis: int) -> Any:
    _, mean, variance, centered, scale = _standardized(x, epsilon, axis, gamma.dtype)
    outputs = centered * (scale * tf.reshape(gamma, mean.shape)) + tf.reshape(beta, mean.shape)
    mean, variance = tf.reshape(mean, (-1,)), tf.reshape(variance, (-1,))
    # Two statistics and an empty tensor take the place of what the fused operation reserves.
    return tf.cast(outputs, x.dtype), mean, variance, mean, variance, tf.zeros([0])


def _formula_gradient(
    upstream: Any, x: Any, gamma: Any, count: Any, epsilon: float, axis: int
) -> Any:
    # The statistics are taken again, as functions of x, for the sake of second derivatives; XLA
    # finds that it has them.
    axes, mean, _, centered, scale = _standardized(x, epsilon, axis, gamma.dtype)
    wide = tf.cast(upstream, gamma.dtype)
    standardized = centered * scale
    to_beta = tf.reduce_sum(wide, axes, keepdims=True)
    to_gamma = tf.reduce_sum(wide * standardized, axes, keepdims=True)
    n = tf.cast(count, gamma.dtype)
    to_x = (scale * tf.reshape(gamma, mean.shape)) * (
        wide - to_beta / n - standardized * (to_gamma / n)
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
