"""Operations of TensorFlow's own that graphs inside `tf.data` need."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Tensor = Any


def stateful_uniform(shape: Sequence[Any], seed: int | None) -> Tensor:
    """Draw float32 numbers in [0, 1) from a state that lives in the operation.

    It needs no variable, which a graph inside `tf.data` could not reach on every device, and obeys
    `tf.random.set_seed`, hence `keras.utils.set_random_seed`.
    """
    return tf.random.uniform(tf.stack(list(shape)), seed=seed)


def batch_of_unknown_rank(images: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Reshape (H, W), (H, W, C) or (B, H, W, C) to rank 4; the second result undoes it."""
    rank, shape = tf.rank(images), tf.shape(images)
    with tf.control_dependencies([tf.debugging.assert_rank_in(images, (2, 3, 4))]):
        before = tf.ones([tf.cast(rank < 4, "int32")], "int32")
        after = tf.ones([tf.cast(rank < 3, "int32")], "int32")
    batch = tf.reshape(images, tf.ensure_shape(tf.concat([before, shape, after], 0), [4]))

    def restored(result: Tensor) -> Tensor:
        sizes = tf.shape(result)
        return tf.reshape(result, sizes[tf.size(before) : 4 - tf.size(after)])

    return batch, restored
