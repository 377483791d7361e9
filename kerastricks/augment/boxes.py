"""Bounding boxes in Keras' formats, and what a map of the pixels makes of them.

Boxes are measured from the outer edges of pixels, from 0 to the width, as in Keras; the center of
pixel i lies at i + 1/2 there.
"""

from collections.abc import Callable
from functools import reduce

from kerastricks.augment.kernels import Ops, Size, Tensor

FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)
_BETWEEN = 8
"""Points along each side of a box that is bent."""
Corners = tuple[Tensor, Tensor, Tensor, Tensor]
"""Left, top, right and bottom, float32 tensors (B, N), in pixels."""


def to_corners(ops: Ops, boxes: Tensor, bounding_box_format: str, size: Size) -> Corners:
    """Read boxes (B, N, 4) of a format, on images of a size.

    Args:
        ops: `keras.ops` or a namespace like it.
        boxes: Tensor (B, N, 4).
        bounding_box_format: One of `FORMATS`.
        size: (height, width) of the images, in pixels.
    """
    boxes = ops.cast(boxes, "float32")
    a, b, c, d = (boxes[..., entry] for entry in range(4))
    kind = bounding_box_format.removeprefix("rel_")
    if kind in ("yxyx", "center_yxhw"):
        a, b, c, d = b, a, d, c
    if kind.startswith("center"):
        a, b = a - c / 2.0, b - d / 2.0
    if kind not in ("xyxy", "yxyx"):
        c, d = a + c, b + d
    if bounding_box_format.startswith("rel_"):
        height, width = (ops.cast(length, "float32") for length in size)
        a, b, c, d = a * width, b * height, c * width, d * height
    return a, b, c, d


def from_corners(ops: Ops, corners: Corners, bounding_box_format: str, size: Size) -> Tensor:
    """Write boxes in a format: the inverse of `to_corners`.

    Returns:
        float32 tensor (B, N, 4).
    """
    a, b, c, d = corners
    if bounding_box_format.startswith("rel_"):
        height, width = (ops.cast(length, "float32") for length in size)
        a, b, c, d = a / width, b / height, c / width, d / height
    kind = bounding_box_format.removeprefix("rel_")
    if kind not in ("xyxy", "yxyx"):
        c, d = c - a, d - b
    if kind.startswith("center"):
        a, b = a + c / 2.0, b + d / 2.0
    if kind in ("yxyx", "center_yxhw"):
        a, b, c, d = b, a, d, c
    return ops.stack([a, b, c, d], axis=-1)


def area_of(ops: Ops, corners: Corners) -> Tensor:
    """Areas in pixels, 0 for boxes that are turned inside out."""
    left, top, right, bottom = corners
    return ops.maximum(right - left, 0.0) * ops.maximum(bottom - top, 0.0)


def hull(
    ops: Ops, corners: Corners, move: Callable[[Tensor], Tensor], *, bent: bool = False
) -> Corners:
    """Give the smallest upright boxes around the moved outlines of boxes.

    Args:
        ops: `keras.ops` or a namespace like it.
        corners: The boxes.
        move: From points (B, K, 2), as (x, y) of pixel centers, to where they go.
        bent: Whether straight lines may be bent, so that points between corners are looked at too.
    """
    left, top, right, bottom = corners
    steps = _BETWEEN if bent else 1
    around = [(left + (right - left) * x, top + (bottom - top) * y) for x, y in _outline(steps)]
    x, y = (ops.concatenate([place[axis] for place in around], axis=1) for axis in range(2))
    moved = move(ops.stack([x, y], axis=-1) - 0.5) + 0.5
    count = ops.shape(left)[1]
    sides = []
    for axis in range(2):
        each = [moved[:, place * count : (place + 1) * count, axis] for place in range(len(around))]
        sides.append((reduce(ops.minimum, each), reduce(ops.maximum, each)))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def _outline(steps: int) -> list[tuple[float, float]]:
    """Points around a square, so many along each side."""
    along = [number / steps for number in range(steps)]
    return [
        *((share, 0.0) for share in along),
        *((1.0, share) for share in along),
        *((1.0 - share, 1.0) for share in along),
        *((0.0, 1.0 - share) for share in along),
    ]


def clipped(ops: Ops, corners: Corners, size: Size) -> Corners:
    """Cut boxes to an image of a size."""
    height, width = (ops.cast(length, "float32") for length in size)
    left, top, right, bottom = corners
    return (
        ops.clip(left, 0.0, width),
        ops.clip(top, 0.0, height),
        ops.clip(right, 0.0, width),
        ops.clip(bottom, 0.0, height),
    )
