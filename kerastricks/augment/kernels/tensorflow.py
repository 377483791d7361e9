"""The part of `keras.ops` that augmentation uses, in TensorFlow, for graphs inside `tf.data`.

Names, arguments and rules are those of `keras.ops`, so that a function written for one namespace
runs on the other. Only what augmentation calls is here.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from kerastricks.augment.kernels import Tensor

bitwise_and = tf.bitwise.bitwise_and
bitwise_or = tf.bitwise.bitwise_or
bitwise_xor = tf.bitwise.bitwise_xor
left_shift = tf.bitwise.left_shift
right_shift = tf.bitwise.right_shift
logical_and = tf.logical_and
cast = tf.cast
clip = tf.clip_by_value
floor = tf.floor
minimum = tf.minimum
ones_like = tf.ones_like
reshape = tf.reshape
round = tf.round  # noqa: A001 - the name it has in keras.ops
stack = tf.stack
where = tf.where
zeros_like = tf.zeros_like


def arange(stop: int | Tensor, dtype: str) -> Tensor:
    """Count from 0 up to, not including, `stop`."""
    return tf.cast(tf.range(stop), dtype)


def shape(x: Tensor) -> tuple[int | Tensor, ...]:
    """Give the shape: an integer where it is known, a scalar tensor where it is not."""
    dynamic = tf.shape(x)
    return tuple(
        dynamic[axis] if size is None else size for axis, size in enumerate(x.shape.as_list())
    )


def sum(x: Tensor, axis: int) -> Tensor:  # noqa: A001 - the name it has in keras.ops
    """Add up along one axis."""
    return tf.reduce_sum(x, axis=axis)


def take(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Pick the entries of `x` at `indices` along one axis."""
    return tf.gather(x, indices, axis=axis)


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compile with XLA, which fuses index arithmetic, gathers and blend into one loop."""
    return tf.function(function, autograph=False, jit_compile=True)  # type: ignore[no-any-return]


def ensure_shape(x: Tensor, static_shape: Sequence[int | None]) -> Tensor:
    """State what is known of a shape that graph tracing lost."""
    return tf.ensure_shape(x, static_shape)
