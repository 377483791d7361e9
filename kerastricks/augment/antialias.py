"""Shrink without aliasing: what an output pixel spans is averaged, not sampled.

Sampling a picture more coarsely than it is drawn turns fine patterns into wrong coarse ones. Where
a map shrinks, each output pixel takes the mean of what it spans, weighted by a triangle: PIL's
`BILINEAR` filter. Where rows stay rows the triangle is applied along each axis on its own, exactly;
elsewhere the input is smoothed first, along its axes, by as much as the map shrinks there.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

from kerastricks.augment.border import Border, is_inside
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.lines import lines

_WRITTEN_OUT = 32


def _total(ops: Ops, count: Any, term: Callable[[Any], Tensor]) -> Tensor:
    """Add up term(0) to term(count - 1), one at least; the count may be a tensor.

    Few terms are written out, so that a compiler sees them side by side.
    """
    if isinstance(count, int) and count <= _WRITTEN_OUT:
        return reduce(operator.add, map(term, map(float, range(count))))
    return ops.fori_loop(
        1, count, lambda number, total: total + term(ops.cast(number, "float32")), term(0.0)
    )


def taps(minification: float) -> int:
    """How many pixels along an axis take part in an output pixel.

    >>> taps(1.0), taps(1.2), taps(4.0)
    (2, 3, 8)
    """
    return math.ceil(2.0 * max(1.0, minification) - 1e-6)


Taps: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""What makes the pixels of a line, n out of N: which ones, int32 (B, n, K), with what weights,
float32 (B, n, K), and whether there are any, bool (B, n)."""


@dataclass(frozen=True)
class DrawnTaps:
    """Taps whose number is drawn with them, so that no compiler can make an array of them.

    Attributes:
        tap: Gives the index and the weight, both (B, n), of the tap of a number.
        count: How many there are, a tensor.
        there: As in `Taps`.
    """

    tap: Callable[[Any], tuple[Tensor, Tensor]]
    count: Tensor
    there: Tensor


def triangle_taps(
    ops: Ops,
    scale: Tensor,
    shift: Tensor,
    length: Any,
    output_length: Any,
    border: Border,
    count: Any,
) -> Taps | DrawnTaps:
    """Weigh the pixels along one axis that make those of the output.

        x = scale (i - (n - 1) / 2) + shift + (N - 1) / 2
        out[i] = sum_j w_j images[j],  w_j = max(0, 1 - |j - x| / s),  s = max(1, |scale|)

    with weights that add up to 1, pixels of the image alone having any. A constant fills what is
    centered beyond it.

    Args:
        ops: `keras.ops` or a namespace like it.
        scale: float32 tensor (B,).
        shift: float32 tensor (B,), in pixels.
        length: N.
        output_length: n.
        border: What lies beyond the border.
        count: Pixels that may take part, `taps(largest scale)`; perhaps a tensor.
    """
    rows = ops.cast(length, "float32")
    place = ops.arange(output_length, dtype="float32")
    place = place - (ops.cast(output_length, "float32") - 1.0) / 2.0
    center = scale[:, None] * place[None] + shift[:, None] + (rows - 1.0) / 2.0
    center = border.fold(ops, center, rows)
    span = ops.maximum(ops.abs(scale), 1.0)[:, None]
    first = ops.ceil(center - span)
    there = ops.logical_and(center >= -0.5, center <= rows - 0.5)

    def weigh(whole: Tensor, center: Tensor, span: Tensor) -> Tensor:
        weight = ops.maximum(1.0 - ops.abs(whole - center) / span, 0.0)
        if border.fill_mode == "wrap":
            return weight
        return ops.where(is_inside(ops, whole, rows), weight, ops.zeros_like(weight))

    def divisor(total: Tensor) -> Tensor:
        # Of what lies beyond a constant's border no pixel of the image is a part.
        return ops.where(there, total, ops.ones_like(total)) if border.is_constant else total

    def index(whole: Tensor) -> Tensor:
        return ops.cast(border.neighbor(ops, whole, rows), "int32")

    if isinstance(count, int):
        whole = first[..., None] + ops.arange(count, dtype="float32")
        weight = weigh(whole, center[..., None], span[..., None])
        return index(whole), weight / divisor(ops.sum(weight, axis=2))[..., None], there

    def term(number: Any) -> Tensor:
        return weigh(first + number, center, span)

    total = divisor(_total(ops, count, term))
    return DrawnTaps(lambda number: (index(first + number), term(number) / total), count, there)


def resample_axis(
    ops: Ops, images: Tensor, given: Taps | DrawnTaps, axis: int, border: Border
) -> Tensor:
    """Make each pixel of some along one axis, of those that its taps name.

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C) of any real dtype.
        given: What `triangle_taps` gave.
        axis: 1 or 2.
        border: What lies beyond the border.

    Returns:
        float32 tensor (B, h, W, C), or (B, H, w, C).
    """
    if isinstance(given, DrawnTaps):
        tap, count, there = given.tap, given.count, given.there
    else:
        index, weight, there = given
        count = ops.shape(weight)[-1]

        def tap(number: Any) -> tuple[Tensor, Tensor]:
            if isinstance(number, float):
                return index[..., int(number)], weight[..., int(number)]
            number = ops.cast(number, "int32")
            return ops.take(index, number, axis=2), ops.take(weight, number, axis=2)

    output_length = ops.shape(there)[1]
    batch, height, width, channels = ops.shape(images)
    # Of neighbors in memory one is read after the other, as far as they go together.
    others = width * channels if axis == 1 else channels
    flat = ops.reshape(images, (-1, others))
    first = ops.arange(batch, dtype="int32")
    if axis == 1:
        first = (first * height)[:, None]
    else:
        first = (first[:, None] * height + ops.arange(height, dtype="int32")) * width
        first = first[:, :, None]
        there = there[:, None]

    def term(number: Any) -> Tensor:
        index, weight = tap(number)
        if axis == 2:
            index, weight = index[:, None], weight[:, None]
        value = ops.take(flat, first + index, axis=0)
        return weight[..., None] * ops.cast(value, "float32")

    value = _total(ops, count, term)
    if border.is_constant:
        value = ops.where(there[..., None], value, ops.zeros_like(value) + border.fill_value)
    if axis == 1:
        return ops.reshape(value, (batch, output_length, width, channels))
    return value


def spans(ops: Ops, matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Tell how many input pixels an output pixel at the center spans along y and x, each (B,)."""
    m = matrices / matrices[:, 2:, 2:]
    lengths = []
    for row in (1, 0):
        across = m[:, row, 0] - m[:, row, 2] * m[:, 2, 0]
        down = m[:, row, 1] - m[:, row, 2] * m[:, 2, 1]
        lengths.append(ops.sqrt(across * across + down * down))
    return lengths[0], lengths[1]


def convolve_axis(
    ops: Ops,
    images: Tensor,
    weight: Callable[[Tensor], Tensor],
    like: Tensor,
    axis: int,
    border: Border,
    radius: Any,
) -> Tensor:
    """Average a batch along one axis, by weights of the distance that each sample has of its own.

        out[i] = sum_k w_|k| images[i + k] / sum_k w_|k|,  |k| <= radius

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C) of any real dtype.
        weight: From a distance in pixels to the weights, float32 tensors (B,).
        like: float32 tensor (B,).
        axis: 1 or 2.
        border: What lies beyond the border; a constant is not mixed in.
        radius: Largest k; perhaps a tensor.

    Returns:
        float32 tensor (B, H, W, C).
    """
    around = Border("wrap" if border.fill_mode == "wrap" else "reflect", 0.0)
    moved = lines(ops, images, axis, around, radius)
    middle = ops.cast(radius, "float32")

    def weights(number: Any) -> Tensor:
        return weight(ops.abs(number - middle) + ops.zeros_like(like))

    def term(number: Any) -> Tensor:
        return weights(number)[:, None, None] * ops.cast(moved(number), "float32")

    count = 2 * radius + 1
    total = _total(ops, count, weights)
    value = _total(ops, count, term) / total[:, None, None]
    return ops.reshape(value, ops.shape(images))


def smooth_axis(
    ops: Ops, images: Tensor, span: Tensor, axis: int, border: Border, radius: Any
) -> Tensor:
    """Smooth a batch along one axis, before it is sampled at every `span`-th pixel bilinearly.

        out[i] = sum_k w_k images[i + k]

    where w has the variance (s^2 - 1) / 6 by which a triangle as wide as s = max(1, span) pixels
    exceeds that of the bilinear sampling itself: (a, 1 - 2a, a), a = (s^2 - 1) / 12, up to 2, and a
    triangle beyond. Where s is 1 nothing changes.

    Args:
        ops: `keras.ops` or a namespace like it.
        images: Tensor (B, H, W, C) of any real dtype.
        span: float32 tensor (B,).
        axis: 1 or 2.
        border: What lies beyond the border; a constant is not mixed in.
        radius: Largest k, ceil(largest span) - 1; perhaps a tensor.

    Returns:
        float32 tensor (B, H, W, C).
    """
    s = ops.maximum(span, 1.0)

    def weight(distance: Tensor) -> Tensor:
        return smoothing_weight(ops, s, distance)

    return convolve_axis(ops, images, weight, s, axis, border, radius)


def smoothing_weight(ops: Ops, span: Tensor, distance: Tensor) -> Tensor:
    """Give the weights of `smooth_axis`, not yet made to add up to 1.

    Args:
        ops: `keras.ops` or a namespace like it, numpy for one.
        span: s, 1 or more.
        distance: In pixels, of the span's shape.
    """
    near = (span * span - 1.0) / 12.0
    triangle = ops.maximum(1.0 - distance / span, 0.0)
    zeros = ops.zeros_like(span)
    narrow = ops.where(distance < 0.5, 1.0 - 2.0 * near, ops.where(distance < 1.5, near, zeros))
    return ops.where(span < 2.0, narrow, triangle)
