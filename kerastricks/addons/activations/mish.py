"""Self-regularized non-monotonic activation."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def mish(x: Any) -> Any:
    """Smooth, non-monotonic relative of the rectifier, `x * tanh(log(1 + exp(x)))`.

    It is `keras.activations.mish`.

    Args:
        x: A floating-point tensor of any shape.

    Returns:
        A tensor of the same shape and type.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> round(float(tfa.activations.mish(keras.ops.array([1.0]))[0]), 4)
    0.8651

    Reference:
        Misra (2019), Mish: A Self Regularized Non-Monotonic Activation Function, eq. 1.
    """
    return keras.activations.mish(x)
