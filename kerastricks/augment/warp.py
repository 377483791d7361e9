"""Move pixels by one matrix a sample, whatever it does to the axes.

Pixel centers lie at whole numbers and matrices turn about the center ((W - 1) / 2, (H - 1) / 2).
Indices and weights are computed once for all channels, and pixels are gathered in the dtype they
came in, so that uint8 images cross memory as bytes.
"""

from kerastricks.augment.border import Border, is_inside
from kerastricks.augment.kernels import Ops, Size, Tensor

Places = tuple[Tensor, Tensor]
"""x and y of places, in pixels from the center of an image."""


def centered(ops: Ops, size: Size) -> Places:
    """Give the places of all pixels of an image, (1, 1, W) and (1, H, 1)."""
    y, x = (
        ops.arange(length, dtype="float32") - (ops.cast(length, "float32") - 1.0) / 2.0
        for length in size
    )
    return x[None, None, :], y[None, :, None]


def mapped(ops: Ops, matrices: Tensor, places: Places, *, projective: bool = False) -> Places:
    """Apply matrices (B, 3, 3) to places.

    Args:
        ops: `keras.ops` or a namespace like it.
        matrices: float32 tensor (B, 3, 3).
        places: Of a shape that broadcasts with (B, h, w).
        projective: Whether last rows may be other than (0, 0, 1).
    """
    x, y = places
    entry = matrices[:, :, :, None, None]
    x, y, depth = (
        entry[:, row, 0] * x + entry[:, row, 1] * y + entry[:, row, 2] for row in range(3)
    )
    return (x / depth, y / depth) if projective else (x, y)


def from_corner(ops: Ops, places: Places, size: Size) -> Places:
    """Count places from the first pixel of an image instead of from its center."""
    middle_y, middle_x = ((ops.cast(length, "float32") - 1.0) / 2.0 for length in size)
    return places[0] + middle_x, places[1] + middle_y


def source(ops: Ops, matrices: Tensor, size: Size, output_size: Size) -> Places:
    """Look up where each output pixel comes from, by one affine matrix a sample.

    Args:
        ops: `keras.ops` or a namespace like it.
        matrices: float32 tensor (B, 3, 3), output to input, the centers as origins.
        size: (height, width) of the input.
        output_size: (height, width) of the output.

    Returns:
        x and y in pixels of the input, each (B, height, width) of the output.
    """
    return from_corner(ops, mapped(ops, matrices, centered(ops, output_size)), size)


class _Pixels:
    """Read pixels of a batch at (y, x), each a tensor (B, H, W) of whole float numbers in range."""

    def __init__(self, ops: Ops, images: Tensor) -> None:
        batch, self.height, self.width, channels = ops.shape(images)
        self.ops = ops
        self.flat = ops.reshape(images, (-1, channels))
        offsets = ops.arange(batch, dtype="int32") * (self.height * self.width)
        self.offsets = offsets[:, None, None]

    def __call__(self, y: Tensor, x: Tensor) -> Tensor:
        row, column = self.ops.cast(y, "int32"), self.ops.cast(x, "int32")
        return self.ops.take(self.flat, self.offsets + row * self.width + column, axis=0)


def copy_nearest(ops: Ops, images: Tensor, x: Tensor, y: Tensor, border: Border) -> Tensor:
    """Copy the pixel nearest to each place: exact in any dtype where places are whole pixels.

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C).
        x: Where each output pixel comes from, float32 tensor (B, height, width).
        y: The same, downwards.
        border: What lies beyond the border.

    Returns:
        Tensor (B, height, width, C) of the images' dtype.
    """
    pixels = _Pixels(ops, images)
    width, height = ops.cast(pixels.width, "float32"), ops.cast(pixels.height, "float32")
    # Halves go up: whole pixels that a rounded product has missed by little are met.
    x, y = ops.floor(x + 0.5), ops.floor(y + 0.5)
    x, y = border.fold(ops, x, width), border.fold(ops, y, height)
    value = pixels(border.neighbor(ops, y, height), border.neighbor(ops, x, width))
    if not border.is_constant:
        return value
    inside = ops.logical_and(is_inside(ops, x, width), is_inside(ops, y, height))
    fill = ops.zeros_like(value)
    if border.fill_value:  # of masks, which may be truth values, it is 0
        fill = fill + ops.cast(border.fill_value, value.dtype)
    return ops.where(inside[..., None], value, fill)


def warp(ops: Ops, images: Tensor, x: Tensor, y: Tensor, border: Border) -> Tensor:
    """Resample a batch bilinearly at the given places.

    Use it once, on composed coordinates: every further resampling blurs.

        out[i, j] = lerp over the four pixels around (x[i, j], y[i, j])

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C) of any real dtype.
        x: Where each output pixel comes from, float32 tensor (B, height, width), in pixels.
        y: The same, downwards.
        border: What lies beyond the border.

    Returns:
        float32 tensor (B, height, width, C). Coordinates that fall on pixels give their values
        exactly, and a constant image stays constant.

    Example:
    >>> import keras
    >>> images = keras.ops.reshape(keras.ops.arange(4, dtype="float32"), (1, 1, 4, 1))
    >>> half_pixel = keras.ops.convert_to_tensor([[[1.0, 0, 0.5], [0, 1, 0], [0, 0, 1]]])
    >>> x, y = source(keras.ops, half_pixel, (1, 4), (1, 4))
    >>> out = warp(keras.ops, images, x, y, Border("nearest", 0.0))
    >>> [float(v) for v in out[0, 0, :, 0]]
    [0.5, 1.5, 2.5, 3.0]
    """
    pixels = _Pixels(ops, images)
    width, height = ops.cast(pixels.width, "float32"), ops.cast(pixels.height, "float32")
    x, y = border.fold(ops, x, width), border.fold(ops, y, height)
    left, top = ops.floor(x), ops.floor(y)

    def read(row: Tensor, column: Tensor) -> Tensor:
        value = pixels(border.neighbor(ops, row, height), border.neighbor(ops, column, width))
        value = ops.cast(value, "float32")
        if not border.is_constant:
            return value
        inside = ops.logical_and(is_inside(ops, row, height), is_inside(ops, column, width))
        return ops.where(inside[..., None], value, ops.zeros_like(value) + border.fill_value)

    across, down = (x - left)[..., None], (y - top)[..., None]
    upper_left, lower_left = read(top, left), read(top + 1.0, left)
    upper = upper_left + across * (read(top, left + 1.0) - upper_left)
    lower = lower_left + across * (read(top + 1.0, left + 1.0) - lower_left)
    return upper + down * (lower - upper)
