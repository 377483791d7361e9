"""Linearly scaled hyperbolic tangent."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def lisht(x: Any) -> Any:
    """Linearly scaled hyperbolic tangent, `x * tanh(x)`: even, never negative, |x| far from 0.

    Args:
        x: A floating-point tensor of any shape.

    Returns:
        A tensor of the same shape and type.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.activations.lisht(keras.ops.array([-1.0, 0.0, 1.0]))
    >>> [round(float(value), 4) for value in y]
    [0.7616, 0.0, 0.7616]

    Reference:
        Roy, Manna, Dubey, Chaudhuri (2019), LiSHT: Non-Parametric Linearly Scaled Hyperbolic
        Tangent Activation Function for Neural Networks, section 3.
    """
    x = ops.convert_to_tensor(x)
    return x * ops.tanh(x)
