"""Cut rectangles out of images: what the transforms that change the size share."""

from kerastricks.augment.geometry import affine
from kerastricks.augment.kernels import Ops, Size, Tensor


def window(
    ops: Ops,
    size: Size,
    output_size: Size,
    corner: tuple[Tensor, Tensor],
    extent: tuple[Tensor, Tensor],
) -> Tensor:
    """Give the matrices that fill the output with a rectangle of the input.

        x_in + 1/2 = left + (x_out + 1/2) width / W_out,  pixels counted from the edge

    Args:
        ops: `keras.ops` or a namespace like it.
        size: (height, width) of the input.
        output_size: (height, width) of the output.
        corner: Top and left edge of the rectangles, float32 tensors (B,), in pixels.
        extent: Their heights and widths.

    Returns:
        float32 tensor (B, 3, 3), between centers.
    """

    def axis(index: int) -> tuple[Tensor, Tensor]:
        length, output_length = (ops.cast(each[index], "float32") for each in (size, output_size))
        middle = corner[index] + extent[index] / 2.0
        return extent[index] / output_length, middle - length / 2.0

    (down, shift_y), (across, shift_x) = axis(0), axis(1)
    zeros = ops.zeros_like(shift_x)
    return affine(ops, (across, zeros, shift_x), (zeros, down, shift_y))


def check_fits(name: str, size: Size, output_size: tuple[int, int]) -> None:
    """Refuse images that are smaller than what is to be cut out of them."""
    if any(isinstance(a, int) and a < b for a, b in zip(size, output_size, strict=True)):
        raise ValueError(
            f"{name} cuts {output_size[0]} x {output_size[1]} pixels (height x width) out of "
            f"images that have at least as many. Received images of {size[0]} x {size[1]}: put "
            "Pad or Resize before it."
        )


def shrinks(size: Size, output_size: tuple[int, int]) -> float | None:
    """How many input pixels an output pixel spans when the whole image fills the output."""
    ratios = [a / b for a, b in zip(size, output_size, strict=True)]
    return max(1.0, *ratios) if all(isinstance(each, int) for each in size) else None
