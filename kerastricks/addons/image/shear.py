"""Shears of one image."""

from typing import Any

from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image._replacing import transform_and_replace


def shear_x(image: Any, level: Any, replace: Any) -> Tensor:
    """Shear one image along x: the pixel (x, y) is read at (x + level * y, y).

    Args:
        image: (H, W, C), whole or floating-point numbers.
        level: Pixels to the left for each row further down.
        replace: A number for all channels, or one for each; cast to the image's dtype.

    Returns:
        An image of the same shape and dtype.

    Raises:
        ValueError: If the image is not of rank 3, or `replace` has the wrong length.

    Example:
    >>> import keras
    >>> sheared = shear_x([[[1], [2]], [[3], [4]]], 1.0, 9)
    >>> keras.ops.convert_to_numpy(sheared)[:, :, 0].tolist()
    [[1, 2], [4, 9]]

    Differs from TensorFlow Addons in: what `translate_xy` differs in.
    """
    return transform_and_replace(image, [1.0, level, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], replace)


def shear_y(image: Any, level: Any, replace: Any) -> Tensor:
    """Shear one image along y: the pixel (x, y) is read at (x, y + level * x).

    Args:
        image: (H, W, C), whole or floating-point numbers.
        level: Pixels upwards for each column further right.
        replace: A number for all channels, or one for each; cast to the image's dtype.

    Returns:
        An image of the same shape and dtype.

    Raises:
        ValueError: If the image is not of rank 3, or `replace` has the wrong length.

    Example:
    >>> import keras
    >>> sheared = shear_y([[[1], [2]], [[3], [4]]], 1.0, 9)
    >>> keras.ops.convert_to_numpy(sheared)[:, :, 0].tolist()
    [[1, 4], [3, 9]]

    Differs from TensorFlow Addons in: what `translate_xy` differs in.
    """
    return transform_and_replace(image, [1.0, 0.0, 0.0, level, 1.0, 0.0, 0.0, 0.0], replace)
