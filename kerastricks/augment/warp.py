"""Move pixels by one matrix a sample: the only geometric pass over the pixels.

Pixel centres lie at whole numbers and matrices turn about the centre ((W - 1) / 2, (H - 1) / 2).
Indices and weights are computed once for all channels, and pixels are gathered in the dtype they
came in, so that uint8 images cross memory as bytes.
"""

from kerastricks.augment.kernels import Ops, Tensor

FILL_MODES = ("reflect", "constant", "nearest", "wrap")


def _source(ops: Ops, matrices: Tensor, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Look up where each output pixel comes from: x and y, each (B, H, W), in pixels."""
    center_x = (ops.cast(width, "float32") - 1.0) / 2.0
    center_y = (ops.cast(height, "float32") - 1.0) / 2.0
    x = (ops.arange(width, dtype="float32") - center_x)[None, None, :]
    y = (ops.arange(height, dtype="float32") - center_y)[None, :, None]
    entry = matrices[:, :, :, None, None]
    source_x = entry[:, 0, 0] * x + entry[:, 0, 1] * y + entry[:, 0, 2] + center_x
    source_y = entry[:, 1, 0] * x + entry[:, 1, 1] * y + entry[:, 1, 2] + center_y
    return source_x, source_y


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


def permute(ops: Ops, images: Tensor, matrices: Tensor) -> Tensor:
    """Move whole pixels: exact, in any dtype, for matrices that map the pixel grid onto itself.

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C).
        matrices: float32 tensor (B, 3, 3), output to input, image centre as the origin.

    Returns:
        Tensor of the images' shape and dtype.
    """
    pixels = _Pixels(ops, images)
    x, y = _source(ops, matrices, pixels.height, pixels.width)
    return pixels(y, x)


def _fold(ops: Ops, coordinate: Tensor, size: Tensor, fill_mode: str) -> Tensor:
    """Bring coordinates back to the image where its border pattern repeats."""
    if fill_mode == "reflect":
        period = 2.0 * size
        inside = coordinate - period * ops.floor((coordinate + 0.5) / period)
        return ops.minimum(inside, period - 1.0 - inside)
    if fill_mode == "wrap":
        return coordinate - size * ops.floor(coordinate / size)
    return coordinate


def _neighbour(ops: Ops, whole: Tensor, size: Tensor, fill_mode: str) -> Tensor:
    """Give the pixel to read for a neighbour that may lie just outside the image."""
    if fill_mode == "wrap":
        whole = ops.where(whole >= size, whole - size, whole)
    return ops.clip(whole, 0.0, size - 1.0)


def warp(
    ops: Ops, images: Tensor, matrices: Tensor, *, fill_mode: str, fill_value: float
) -> Tensor:
    """Resample a batch bilinearly under one matrix a sample.

    Use it once, on composed matrices: every further resampling blurs.

        out[y, x] = lerp over the four pixels around (x_in, y_in),  (x_in, y_in) = M (x, y)

    | fill_mode    | beyond the border                | scipy.ndimage   |
    |--------------|----------------------------------|-----------------|
    | `"reflect"`  | (d c b a | a b c d | d c b a)    | `reflect`       |
    | `"constant"` | (k k k k | a b c d | k k k k)    | `grid-constant` |
    | `"nearest"`  | (a a a a | a b c d | d d d d)    | `nearest`       |
    | `"wrap"`     | (a b c d | a b c d | a b c d)    | `grid-wrap`     |

    The names are those of `keras.ops.image.affine_transform`.

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C) of any real dtype.
        matrices: float32 tensor (B, 3, 3), output to input, image centre as the origin, last row
            (0, 0, 1).
        fill_mode: What lies beyond the border, as above.
        fill_value: k, for "constant".

    Returns:
        float32 tensor of the images' shape. Coordinates that fall on pixels give their values
        exactly, and a constant image stays constant.

    Example:
    >>> import keras
    >>> images = keras.ops.reshape(keras.ops.arange(4, dtype="float32"), (1, 1, 4, 1))
    >>> half_pixel = keras.ops.convert_to_tensor([[[1.0, 0, 0.5], [0, 1, 0], [0, 0, 1]]])
    >>> out = warp(keras.ops, images, half_pixel, fill_mode="nearest", fill_value=0.0)
    >>> [float(v) for v in out[0, 0, :, 0]]
    [0.5, 1.5, 2.5, 3.0]
    """
    pixels = _Pixels(ops, images)
    width, height = ops.cast(pixels.width, "float32"), ops.cast(pixels.height, "float32")
    x, y = _source(ops, matrices, pixels.height, pixels.width)
    x, y = _fold(ops, x, width, fill_mode), _fold(ops, y, height, fill_mode)
    left, top = ops.floor(x), ops.floor(y)

    def read(row: Tensor, column: Tensor) -> Tensor:
        value = pixels(
            _neighbour(ops, row, height, fill_mode), _neighbour(ops, column, width, fill_mode)
        )
        value = ops.cast(value, "float32")
        if fill_mode != "constant":
            return value
        inside = ops.logical_and(row >= 0.0, row <= height - 1.0)
        inside = ops.logical_and(inside, ops.logical_and(column >= 0.0, column <= width - 1.0))
        return ops.where(inside[..., None], value, ops.zeros_like(value) + fill_value)

    across, down = (x - left)[..., None], (y - top)[..., None]
    upper_left, lower_left = read(top, left), read(top + 1.0, left)
    upper = upper_left + across * (read(top, left + 1.0) - upper_left)
    lower = lower_left + across * (read(top + 1.0, left + 1.0) - lower_left)
    return upper + down * (lower - upper)
