"""Random integers and masked inputs in TensorFlow."""

import math
from typing import Any

import tensorflow as tf

_TYPES = {8: tf.int8, 16: tf.int16, 32: tf.int32}


def random_integers(shape: tuple[Any, ...], bits: int, seeds: Any, like: Any) -> Any:
    """Draws signed integers uniformly from all of that many bits.

    Several are cut from each random word. The generator is named, because the one that TensorFlow
    would choose depends on the device; whole words are the same with and without XLA, while
    uniform floats are not.
    """
    seed = tf.cast(tf.math.floormod(seeds.next(), tf.int32.max), tf.int32)
    # In 64 bits where it is not known yet: it may exceed the 32 of a tensor's shape.
    count = math.prod(size if isinstance(size, int) else tf.cast(size, tf.int64) for size in shape)
    words = -(-count // (32 // bits))
    drawn = tf.random.stateless_uniform([words], seed, None, None, tf.uint32, alg="philox")
    integers = tf.bitcast(drawn, _TYPES[bits])
    if math.prod(size for size in shape if isinstance(size, int)) % (32 // bits):
        # The last word may hold too many, and the slice is a copy.
        integers = tf.reshape(integers, [-1])[:count]
    return tf.reshape(integers, shape)


def masked(inputs: Any, mask: Any, factor: float) -> Any:
    """Returns inputs * factor where the mask is True, and 0 elsewhere."""

    # Differentiated automatically, the selection would cost two more of them in eager mode.
    @tf.custom_gradient
    def function(values: Any) -> Any:
        return select(values), select

    def select(values: Any) -> Any:
        # In this order: in a graph, the product takes the place of the selection in memory.
        return tf.where(mask, values, tf.zeros([], values.dtype)) * factor

    return function(inputs)


def masked_by_broadcast(inputs: Any, mask: Any, factor: float) -> Any:
    """Returns what `masked` does, for a mask that is smaller than the inputs."""
    # Selections that broadcast take longer than this product, which is 0 where its second factor
    # is, whatever the first one. For bfloat16 it has no kernel on GPUs.
    if inputs.dtype == tf.bfloat16:
        return masked(inputs, mask, factor)
    factors = tf.cast(mask, inputs.dtype) * factor

    @tf.custom_gradient
    def function(values: Any) -> Any:
        return multiply(values), multiply

    def multiply(values: Any) -> Any:
        return tf.math.multiply_no_nan(values, factors)

    return function(inputs)


def asserted(x: Any, condition: Any, message: str) -> Any:
    """Returns `x`; running it fails with the message unless the condition, known by then, holds."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(x)
