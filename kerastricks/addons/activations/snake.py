"""A periodic function on top of the identity."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def snake(x: Any, frequency: Any = 1) -> Any:
    """The identity with ripples, which lets a network go on periodically outside of its data.

        f(x) = x + (1 - cos(2 * frequency * x)) / (2 * frequency)

    which equals x + sin^2(frequency * x) / frequency, the form that is computed: it does not drown
    in rounding near 0, nor overflow at half as much. At a frequency of 0 it is x, the limit, where
    TensorFlow Addons gives NaN. The layer `Snake` learns the frequency.

    Args:
        x: A floating-point tensor of any shape.
        frequency: A number or a tensor that broadcasts to `x`. Defaults to 1.

    Returns:
        A tensor of the same shape and type.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.activations.snake(keras.ops.array([-1.0, 0.0, 1.0]))
    >>> [round(float(value), 4) for value in y]
    [-0.2919, 0.0, 1.7081]

    Reference:
        Liu, Hartwig, Ueda (2020), Neural Networks Fail to Learn Periodic Functions and How to Fix
        It, eq. 3.
    """
    x = ops.convert_to_tensor(x)
    frequency = ops.cast(frequency, x.dtype)
    still = ops.equal(frequency, 0)
    divisor = ops.where(still, ops.ones_like(frequency), frequency)
    wave = ops.square(ops.sin(frequency * x)) / divisor
    # The limit has the gradient x^2, which must not overflow where it is not taken.
    limit = frequency * ops.square(ops.where(still, x, ops.zeros_like(x)))
    return x + ops.where(still, limit, wave)
