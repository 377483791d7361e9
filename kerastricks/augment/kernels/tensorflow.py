"""The part of `keras.ops` that augmentation uses, in TensorFlow, for graphs inside `tf.data`.

Names, arguments and rules are those of `keras.ops`, so that a function written for one namespace
runs on the other. Only what augmentation calls is here; `kernels.numpy` has the same, but for what
compiles or checks.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from kerastricks.augment.kernels import Demand, Tensor

abs = tf.abs  # noqa: A001 - the name it has in keras.ops
bitwise_and = tf.bitwise.bitwise_and
bitwise_or = tf.bitwise.bitwise_or
bitwise_xor = tf.bitwise.bitwise_xor
left_shift = tf.bitwise.left_shift
right_shift = tf.bitwise.right_shift
log = tf.math.log
logical_and = tf.logical_and
logical_not = tf.logical_not
logical_or = tf.logical_or
cast = tf.cast
ceil = tf.math.ceil
clip = tf.clip_by_value
concatenate = tf.concat
cos = tf.cos
cumsum = tf.cumsum
exp = tf.exp
floor = tf.floor
max = tf.reduce_max  # noqa: A001 - the name it has in keras.ops
maximum = tf.maximum
min = tf.reduce_min  # noqa: A001 - the name it has in keras.ops
minimum = tf.minimum
ones = tf.ones
ones_like = tf.ones_like
reshape = tf.reshape
round = tf.round  # noqa: A001 - the name it has in keras.ops
segment_sum = tf.math.unsorted_segment_sum
slice = tf.slice  # noqa: A001 - the name it has in keras.ops
sqrt = tf.sqrt
stack = tf.stack
sum = tf.reduce_sum  # noqa: A001 - the name it has in keras.ops
where = tf.where
zeros_like = tf.zeros_like


def arange(stop: int | Tensor, dtype: str) -> Tensor:
    """Count from 0 up to, not including, `stop`."""
    return tf.cast(tf.range(stop), dtype)


def fori_loop(
    lower: int | Tensor, upper: int | Tensor, body: Callable[..., Tensor], start: Tensor
) -> Tensor:
    """Apply `body(number, value)` for each number from `lower` up to, not including, `upper`."""
    state = tf.constant(lower), start
    _, value = tf.while_loop(
        lambda number, _: number < upper,
        lambda number, value: (number + 1, body(number, value)),
        state,
    )
    return value


def shape(x: Tensor) -> tuple[int | Tensor, ...]:
    """Give the shape: an integer where it is known, a scalar tensor where it is not."""
    known = tuple(x.shape)
    if None not in known:
        return known
    dynamic = tf.shape(x)
    return tuple(dynamic[axis] if size is None else size for axis, size in enumerate(known))


def take(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Pick the entries of `x` at `indices` along one axis."""
    return tf.gather(x, indices, axis=axis)


def jitted(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compile with XLA, anew for each shape of the arguments."""
    return tf.function(function, autograph=False, jit_compile=True)  # type: ignore[no-any-return]


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compile with XLA, which fuses index arithmetic, gathers and blend into one loop.

    XLA compiles anew for each shape. Batch sizes are a full one and a rest; image sizes that are
    not known beforehand may be many, and are left to TensorFlow's own kernels.
    """
    fused = jitted(function)
    return lambda images, *rest: (function if None in images.shape[1:] else fused)(images, *rest)


def checked_at_least(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Refuse, at run time, images (..., H, W, C) that are smaller than (height, width).

    XLA leaves assertions out. It compiles for sizes that it knows, and then refuses to cut more out
    of images than they have; TensorFlow's own graphs leave that out, as nothing comes of it.
    """
    message = (
        f"What is cut out of images takes {size[0]} x {size[1]} pixels (height x width) at least: "
        "put Pad or Resize before it. These images are smaller."
    )
    others = len(images.shape) - 3
    large = tf.debugging.assert_greater_equal(tf.shape(images)[-3:-1], size, message)
    with tf.control_dependencies([large]):  # which says more, where both would refuse
        nothing = tf.slice(
            images,
            [0] * len(images.shape),
            [0] * others + [*size, 0],
            name="images_smaller_than_what_is_cut_out_of_them",
        )
    with tf.control_dependencies([nothing]):
        return tf.identity(images)


def checked_lengths(images: Tensor, demands: Sequence[Demand]) -> Tensor:
    """Refuse, at run time, lengths that do not go with each other; see `kernels.agreeing`."""
    checks = []
    for name, x, axis, other, other_axis in demands:
        if not isinstance(x, tf.Tensor) or x.shape.rank is None:
            continue
        number = isinstance(other, int)
        if not number and not isinstance(other, tf.Tensor):
            continue
        known = other if number else other.shape[other_axis]
        if x.shape[axis] is not None and known is not None:
            continue
        wanted = other if number else tf.shape(other)[other_axis]
        message = f"The lengths of {name} do not go with those of the images (axis {axis})."
        checks.append(tf.debugging.assert_equal(tf.shape(x)[axis], wanted, message))
    if not checks:
        return images
    with tf.control_dependencies(checks):
        return tf.identity(images)


def checked_nowhere(x: Tensor, wrong: Tensor, message: str) -> Tensor:
    """Refuse, at run time, what is wrong somewhere; see `kernels.refused`."""
    right = tf.debugging.assert_equal(tf.reduce_any(wrong), False, message)
    with tf.control_dependencies([] if right is None else [right]):
        return tf.identity(x)


def ensure_shape(x: Tensor, static_shape: Sequence[int | None]) -> Tensor:
    """State what is known of a shape that graph tracing lost."""
    return tf.ensure_shape(x, static_shape)
