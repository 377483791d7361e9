"""Projective transforms of images."""

from typing import Any

from keras import ops

from kerastricks.addons.image._images import as_batch, as_dtype, choice, dtype_of, known
from kerastricks.addons.image._kernels import Tensor
from kerastricks.augment.border import FILL_MODES, Border
from kerastricks.augment.warp import copy_nearest, warp

INTERPOLATIONS = ("nearest", "bilinear")


def transform(
    images: Any,
    transforms: Any,
    interpolation: str = "nearest",
    fill_mode: str = "constant",
    output_shape: Any = None,
    name: str | None = None,
    fill_value: Any = 0.0,
) -> Tensor:
    """Apply projective transforms to images.

    With transforms (a0, a1, a2, b0, b1, b2, c0, c1), the pixel (x, y) of the output is read at

        ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k)    with k = c0 x + c1 y + 1

    of the input. Where k is 0 there is `fill_value`.

    | fill_mode    | beyond the border                |
    |--------------|----------------------------------|
    | `"reflect"`  | (d c b a | a b c d | d c b a)    |
    | `"constant"` | (k k k k | a b c d | k k k k)    |
    | `"wrap"`     | (a b c d | a b c d | a b c d)    |
    | `"nearest"`  | (a a a a | a b c d | d d d d)    |

    Args:
        images: (H, W), (H, W, C) or (B, H, W, C), whole or floating-point numbers.
        transforms: (8,), (1, 8) for all images, or (B, 8). No gradient reaches them.
        interpolation: `"nearest"` or `"bilinear"`. Halves are rounded away from 0.
        fill_mode: One of the table. Defaults to `"constant"`.
        output_shape: (height, width) of the output, that of the input by default.
        name: Taken for compatibility; has no effect.
        fill_value: k of `"constant"`, cast to the images' dtype. Defaults to 0.

    Returns:
        Images of the same rank and dtype, of the size `output_shape`.

    Raises:
        TypeError: If the images are no numbers.
        ValueError: If an argument is none of the above, or there are neither one nor as many
            transforms as images.

    Example:
    >>> import keras
    >>> mirrored = transform([[1, 2, 3]], [-1.0, 0, 2, 0, 1, 0, 0, 0])
    >>> keras.ops.convert_to_numpy(mirrored).tolist()
    [[3, 2, 1]]

    Differs from TensorFlow Addons in: `"wrap"` repeats the image; there it goes wrong between the
    last pixel and the first, and from the second repetition on. Bilinear values of whole numbers
    are rounded; there the fraction is cut off. Gradients are those of what is computed; there the
    gradient of the output is warped by the inverse transforms, without weights at borders. All
    numeric dtypes are taken.
    """
    batch, restored = as_batch(images)
    numbers = known(transforms)
    # What is no vector is refused when it is applied.
    affine = numbers is not None and numbers.ndim > 0 and not numbers[..., 6:].any()
    return restored(
        transformed(
            batch, transforms, interpolation, fill_mode, fill_value, output_shape, affine=affine
        )
    )


def transformed(
    batch: Tensor,
    transforms: Any,
    interpolation: str,
    fill_mode: str,
    fill_value: Any,
    output_shape: Any = None,
    *,
    affine: bool,
) -> Tensor:
    """Apply transforms to a batch (B, H, W, C), as `transform` does.

    Args:
        batch: Images (B, H, W, C).
        transforms: As for `transform`, and what follows.
        interpolation: `"nearest"` or `"bilinear"`.
        fill_mode: What lies beyond the border.
        fill_value: What it is filled with.
        output_shape: (height, width) of the output.
        affine: Whether c0 and c1 are known to be 0.

    Returns:
        Images (B, height, width, C).
    """
    mode = choice("interpolation", interpolation, INTERPOLATIONS)
    border = Border(choice("fill_mode", fill_mode, FILL_MODES), fill_value)
    rows = ops.stop_gradient(as_rows(transforms, "transforms", 8))
    count, images_count = rows.shape[0], batch.shape[0]
    if None not in (count, images_count) and count not in (1, images_count):
        raise ValueError(
            f"There must be one of `transforms`, or one for each of the {images_count} images. "
            f"Received: {count}"
        )
    height, width = ops.shape(batch)[1:3]
    size = (height, width) if output_shape is None else _size(output_shape)
    x, y, depth = _places(rows, size, affine=affine)
    # Each image has places of its own: kernels take them so.
    whose = ops.zeros((ops.shape(batch)[0], 1, 1), dtype="float32")
    if mode == "bilinear":
        moved = as_dtype(warp(ops, batch, x + whose, y + whose, border), dtype_of(batch))
    else:
        height, width = ops.cast(height, "float32"), ops.cast(width, "float32")
        x, y = _rounded(border.fold(ops, x, width)), _rounded(border.fold(ops, y, height))
        moved = copy_nearest(ops, batch, x + whose, y + whose, border)
    if depth is None:
        return moved
    return ops.where((depth == 0.0)[..., None], ops.cast(fill_value, dtype_of(batch)), moved)


def as_rows(values: Any, name: str, length: int) -> Tensor:
    """Float32 vectors of one length as a matrix, a single one as its only row.

    Raises:
        ValueError: If they are neither a vector nor a matrix of this length.
    """
    if isinstance(values, list | tuple):
        numbers = known(values)
        parts = [ops.cast(value, "float32") for value in values] if numbers is None else []
        values = ops.stack(parts) if numbers is None else numbers
    rows = ops.cast(ops.convert_to_tensor(values), "float32")
    rows = rows[None] if len(rows.shape) == 1 else rows
    if len(rows.shape) != 2 or rows.shape[1] not in (None, length):
        raise ValueError(
            f"`{name}` must be a vector of {length} numbers or a matrix of such rows. "
            f"Received: {name} of shape {tuple(rows.shape)}"
        )
    return rows


def _size(output_shape: Any) -> tuple[Any, Any]:
    numbers = known(output_shape)
    if numbers is None:
        sizes = ops.cast(ops.convert_to_tensor(output_shape), "int32")
        return sizes[0], sizes[1]
    if numbers.shape != (2,):
        raise ValueError(f"`output_shape` must be (height, width). Received: {output_shape}")
    return int(numbers[0]), int(numbers[1])


def _places(rows: Tensor, size: tuple[Any, Any], *, affine: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Where each pixel of the output comes from, (N, height, width), and the depths k."""
    y, x = (ops.cast(ops.arange(length), "float32") for length in size)
    x, y = x[None, None, :], y[None, :, None]
    entry = rows[:, :, None, None]
    across = entry[:, 0] * x + entry[:, 1] * y + entry[:, 2]
    down = entry[:, 3] * x + entry[:, 4] * y + entry[:, 5]
    if affine:
        return across, down, None
    depth = entry[:, 6] * x + entry[:, 7] * y + 1.0
    divisor = ops.where(depth == 0.0, ops.ones_like(depth), depth)
    return across / divisor, down / divisor, depth


def _rounded(places: Tensor) -> Tensor:
    """The nearest whole numbers, halves away from 0."""
    size = ops.abs(places)
    whole = ops.floor(size)
    return ops.sign(places) * (whole + ops.cast(size - whole >= 0.5, "float32"))
