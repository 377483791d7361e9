"""What a hyperbolic tangent leaves."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def tanhshrink(x: Any) -> Any:
    """What a hyperbolic tangent leaves of its input, `x - tanh(x)`: near x^3 / 3 about 0.

    It is `keras.activations.tanh_shrink`.

    Args:
        x: A floating-point tensor of any shape.

    Returns:
        A tensor of the same shape and type.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> round(float(tfa.activations.tanhshrink(keras.ops.array([1.0]))[0]), 4)
    0.2384
    """
    return keras.activations.tanh_shrink(x)
