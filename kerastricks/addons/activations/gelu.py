"""Gaussian error linear unit, approximate by default."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def gelu(x: Any, approximate: bool = True) -> Any:
    """Gaussian error linear unit, `x * Phi(x)`, with Phi by a hyperbolic tangent unless told.

    It is `keras.activations.gelu` with TensorFlow Addons' default: there `approximate` is False.
    The two forms differ by up to 5e-4, which a trained network's predictions show.

        approximate=True   x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
        approximate=False  x / 2 * (1 + erf(x / sqrt(2)))

    Args:
        x: A floating-point tensor of any shape.
        approximate: Whether to take the hyperbolic tangent's form. Defaults to True.

    Returns:
        A tensor of the same shape and type.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> x = keras.ops.array([1.0])
    >>> [round(float(tfa.activations.gelu(x, form)[0]), 4) for form in (True, False)]
    [0.8412, 0.8413]

    Reference:
        Hendrycks, Gimpel (2016), Gaussian Error Linear Units (GELUs), section 2.
    """
    return keras.activations.gelu(x, approximate=approximate)
