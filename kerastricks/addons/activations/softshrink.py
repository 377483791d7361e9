"""Soft shrinkage with bounds of one's own."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.activations._bounds import check_bounds


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def softshrink(x: Any, lower: float = -0.5, upper: float = 0.5) -> Any:
    """Soft shrinkage: 0 between two bounds, outside of them the distance to the nearer one.

        f(x) = x - lower    if x < lower
        f(x) = x - upper    if x > upper
        f(x) = 0            otherwise

    `keras.activations.soft_shrink(x, threshold)` is the case `lower = -upper`.

    Args:
        x: A floating-point tensor of any shape.
        lower: The lower bound. Defaults to -0.5.
        upper: The upper bound, not below `lower`. Defaults to 0.5.

    Returns:
        A tensor of the same shape and type.

    Raises:
        ValueError: If `lower` is higher than `upper`.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> y = tfa.activations.softshrink(keras.ops.array([-1.0, 0.25, 2.0]))
    >>> [float(value) for value in y]
    [-0.5, 0.0, 1.5]

    Differs from TensorFlow Addons in: NaN stays NaN, which there becomes 0.
    """
    check_bounds(lower, upper)
    x = ops.convert_to_tensor(x)
    inside = ops.logical_and(x >= lower, x <= upper)
    return ops.where(inside, ops.zeros_like(x), ops.where(x > upper, x - upper, x - lower))
