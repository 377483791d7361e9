"""Vectors of eight numbers that `transform` takes: of angles, of shifts, and composed."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from kerastricks.addons.image._kernels import Tensor
from kerastricks.addons.image.transform import as_rows


def angles_to_projective_transforms(
    angles: Any, image_height: Any, image_width: Any, name: str | None = None
) -> Tensor:
    """Make the transforms that rotate images about their center.

        a0 = cos(angle), a1 = -sin(angle), b0 = sin(angle), b1 = cos(angle)

    and a2, b2 such that ((image_width - 1) / 2, (image_height - 1) / 2) stays where it is.

    Args:
        angles: An angle in radians, counterclockwise, or a vector of them.
        image_height: Height of the images in pixels.
        image_width: Width of the images in pixels.
        name: Taken for compatibility; has no effect.

    Returns:
        float32 tensor (number of angles, 8), for `transform`.

    Raises:
        ValueError: If `angles` is neither a number nor a vector.

    Example:
    >>> half_turn = angles_to_projective_transforms(3.14159265, 5, 7)
    >>> [round(float(number)) for number in half_turn[0]]
    [-1, 0, 6, 0, -1, 4, 0, 0]
    """
    angles = ops.cast(ops.convert_to_tensor(angles), "float32")
    if len(angles.shape) > 1:
        raise ValueError(
            f"`angles` must be a number or a vector. Received: angles of shape {angles.shape}"
        )
    angles = ops.reshape(angles, (-1,))
    cos, sin = ops.cos(angles), ops.sin(angles)
    width, height = (ops.cast(size, "float32") - 1.0 for size in (image_width, image_height))
    x_offset = (width - (cos * width - sin * height)) / 2.0
    y_offset = (height - (sin * width + cos * height)) / 2.0
    nothing = ops.zeros_like(angles)
    return ops.stack([cos, -sin, x_offset, sin, cos, y_offset, nothing, nothing], axis=1)


def translations_to_projective_transforms(translations: Any, name: str | None = None) -> Tensor:
    """Make the transforms that shift images.

    Args:
        translations: (dx, dy) in pixels, to the right and downwards, or a matrix of such rows.
        name: Taken for compatibility; has no effect.

    Returns:
        float32 tensor (number of rows, 8), for `transform`: (1, 0, -dx, 0, 1, -dy, 0, 0).

    Raises:
        ValueError: If `translations` is neither a pair nor a matrix of pairs.

    Example:
    >>> translations_to_projective_transforms([2, 3]).shape[1]
    8
    """
    shifts = as_rows(translations, "translations", 2)
    one, nothing = ops.ones_like(shifts[:, 0]), ops.zeros_like(shifts[:, 0])
    rows = [one, nothing, -shifts[:, 0], nothing, one, -shifts[:, 1], nothing, nothing]
    return ops.stack(rows, axis=1)


def compose_transforms(transforms: Sequence[Any], name: str | None = None) -> Tensor:
    """Compose transforms to one that does the same as all of them in this order.

    Use it instead of `transform` after `transform`: every resampling blurs.

    Args:
        transforms: A list of vectors of 8 numbers, or of matrices (N, 8).
        name: Taken for compatibility; has no effect.

    Returns:
        float32 tensor (N, 8), for `transform`.

    Raises:
        ValueError: If there are none, or one is neither a vector nor a matrix of 8 numbers a row.

    Example:
    >>> both = compose_transforms([[1.0, 0, 2, 0, 1, 0, 0, 0], [1.0, 0, 0, 0, 1, 3, 0, 0]])
    >>> [float(number) for number in both[0]]
    [1.0, 0.0, 2.0, 0.0, 1.0, 3.0, 0.0, 0.0]
    """
    matrices = [_matrices(each) for each in transforms]
    if not matrices:
        raise ValueError("`transforms` must be at least one. Received: none")
    composed = matrices[0]
    for each in matrices[1:]:
        composed = ops.matmul(composed, each)
    flat = ops.reshape(composed, (-1, 9))
    return flat[:, :8] / flat[:, 8:]


def _matrices(transforms: Any) -> Tensor:
    rows = as_rows(transforms, "transforms", 8)
    return ops.reshape(ops.concatenate([rows, ops.ones_like(rows[:, :1])], axis=1), (-1, 3, 3))
