"""Hard shrinkage with bounds of one's own."""

from typing import Any

import keras
from keras import ops

from kerastricks.addons.activations._bounds import check_bounds


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def hardshrink(x: Any, lower: float = -0.5, upper: float = 0.5) -> Any:
    """Hard shrinkage: 0 between two bounds, x outside of them.

        f(x) = x    if x < lower or x > upper
        f(x) = 0    otherwise, on the bounds too

    `keras.activations.hard_shrink(x, threshold)` is the case `lower = -upper`.

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
    >>> y = tfa.activations.hardshrink(keras.ops.array([-1.0, 0.25, 2.0]))
    >>> [float(value) for value in y]
    [-1.0, 0.0, 2.0]
    """
    check_bounds(lower, upper)
    x = ops.convert_to_tensor(x)
    inside = ops.logical_and(x >= lower, x <= upper)
    return ops.where(inside, ops.zeros_like(x), x)
