"""Rotation of images about their center."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image.projective_transforms import angles_to_projective_transforms
from kerastricks.addons.image.transform import transformed


def rotate(
    images: Any,
    angles: Any,
    interpolation: str = "nearest",
    fill_mode: str = "constant",
    name: str | None = None,
    fill_value: Any = 0.0,
) -> Tensor:
    """Rotate images counterclockwise about their center.

    Args:
        images: (H, W), (H, W, C) or (B, H, W, C), whole or floating-point numbers.
        angles: An angle in radians for all images, or a vector of one for each.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: `"constant"`, `"reflect"`, `"wrap"` or `"nearest"`; see `transform`.
        name: Taken for compatibility; has no effect.
        fill_value: What lies beyond the border, for `"constant"`. Defaults to 0.

    Returns:
        Images of the same shape and dtype.

    Raises:
        TypeError: If the images are no numbers.
        ValueError: If an argument is none of the above, or the number of angles is neither 1 nor
            that of the images.

    Example:
    >>> import keras
    >>> quarter_turn = rotate([[1, 2], [3, 4]], 3.14159265 / 2)
    >>> keras.ops.convert_to_numpy(quarter_turn).tolist()
    [[2, 4], [1, 3]]

    Differs from TensorFlow Addons in: what `transform` differs in.
    """
    batch, restored = as_batch(images)
    _, height, width, _ = ops.shape(batch)
    transforms = angles_to_projective_transforms(angles, height, width)
    return restored(
        transformed(batch, transforms, interpolation, fill_mode, fill_value, affine=True)
    )
