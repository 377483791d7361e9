"""Functions that Keras 2 computed otherwise under the same name."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kerastricks.addons")
def hard_sigmoid(x: Any) -> Any:
    """Keras 2's hard sigmoid, `clip(0.2 * x + 0.5, 0, 1)`; Keras 3's rises by 1/6.

    Args:
        x: A tensor.

    Returns:
        A tensor of the same shape, from 0 to 1.

    Example:
        >>> float(hard_sigmoid(1.0))
        0.699999988079071
    """
    return keras.ops.clip(0.2 * keras.ops.convert_to_tensor(x) + 0.5, 0.0, 1.0)
