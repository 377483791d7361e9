"""Shifts of images."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch
from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image._replacing import transform_and_replace
from kerastricks.addons.image.projective_transforms import translations_to_projective_transforms
from kerastricks.addons.image.transform import transformed


def translate(
    images: Any,
    translations: Any,
    interpolation: str = "nearest",
    fill_mode: str = "constant",
    name: str | None = None,
    fill_value: Any = 0.0,
) -> Tensor:
    """Shift images.

    Args:
        images: (H, W), (H, W, C) or (B, H, W, C), whole or floating-point numbers.
        translations: (dx, dy) in pixels, to the right and downwards, or a matrix of one such row
            for each image.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: `"constant"`, `"reflect"`, `"wrap"` or `"nearest"`; see `transform`.
        name: Taken for compatibility; has no effect.
        fill_value: What lies beyond the border, for `"constant"`. Defaults to 0.

    Returns:
        Images of the same shape and dtype.

    Raises:
        TypeError: If the images are no numbers.
        ValueError: If an argument is none of the above, or the number of rows is neither 1 nor
            that of the images.

    Example:
    >>> import keras
    >>> keras.ops.convert_to_numpy(translate([[1, 2, 3]], [1, 0])).tolist()
    [[0, 1, 2]]

    Differs from TensorFlow Addons in: what `transform` differs in.
    """
    batch, restored = as_batch(images)
    transforms = translations_to_projective_transforms(translations)
    return restored(
        transformed(batch, transforms, interpolation, fill_mode, fill_value, affine=True)
    )


def translate_xy(image: Any, translate_to: Any, replace: Any) -> Tensor:
    """Shift one image, and fill what becomes empty with a color.

    Args:
        image: (H, W, C), whole or floating-point numbers.
        translate_to: (dx, dy) in pixels, to the right and downwards.
        replace: A number for all channels, or one for each; cast to the image's dtype.

    Returns:
        An image of the same shape and dtype.

    Raises:
        ValueError: If the image is not of rank 3, or an argument has the wrong length.

    Example:
    >>> import keras
    >>> shifted = translate_xy([[[1], [2], [3]]], [1, 0], 9)
    >>> keras.ops.convert_to_numpy(shifted)[0, :, 0].tolist()
    [9, 1, 2]

    Differs from TensorFlow Addons in: any number of channels is taken, there 3 alone; `replace` may
    be a vector of one number, as its documentation says, which raises there.
    """
    transforms = translations_to_projective_transforms(translate_to)
    return transform_and_replace(image, ops.reshape(transforms, (8,)), replace)
