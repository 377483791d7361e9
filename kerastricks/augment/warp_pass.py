"""The geometric pass: any number of transforms, one resample."""

import math
from typing import Any

from kerastricks.augment.antialias import resample_axis, smooth_axis, spans, taps
from kerastricks.augment.border import Border
from kerastricks.augment.geometry import compose, inverse
from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.passes import Pass
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.warp import copy_nearest, source, warp

_SLACK = 1e-6
"""By which a product of bounds may be off through rounding."""


class WarpPass(Pass):
    """Carry out neighbouring geometric transforms in one resample.

    Their matrices are multiplied, sample by sample, and the pixels move once: as whole pixels,
    where every transform moves whole pixels; along each axis by a triangle filter, where rows stay
    rows; bilinearly elsewhere, after smoothing where the matrices may shrink.
    """

    @property
    def copies(self) -> bool:
        """Whether pixels are copied: exact in any dtype."""
        return all(transform.keeps_lattice for _, transform in self.transforms)

    @property
    def keeps_axes(self) -> bool:
        """Whether rows stay rows."""
        return all(transform.keeps_axes for _, transform in self.transforms)

    @property
    def is_projective(self) -> bool:
        """Whether matrices may have last rows of their own."""
        return any(transform.is_projective for _, transform in self.transforms)

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        if self.copies:
            return "copy of whole pixels, one gather"
        how = "along each axis" if self.keeps_axes else "bilinear"
        return f"warp, {how}, antialiased, fill_mode={self.border.fill_mode!r}, one resample"

    def output_size(self, size: Size) -> Size:
        """(height, width) of what comes out."""
        for _, transform in self.transforms:
            size = transform.output_size(size)
        return size

    def minification(self, size: Size) -> float | None:
        """At most how many input pixels an output pixel spans along an axis; None if unknown."""
        product = 1.0
        for _, transform in self.transforms:
            factor = transform.minification(size)
            if factor is None:
                return None
            product *= factor
            size = transform.output_size(size)
        return product

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> Tensor:
        """Draw one composed matrix a sample, (B, 3, 3), output to input."""
        composed = None
        for index, transform in self.transforms:
            uniforms = keys.uniform(ops, index, max(1, transform.num_draws))
            matrix = transform.matrix(ops, uniforms, size)
            composed = matrix if composed is None else compose(ops, composed, matrix)
            size = transform.output_size(size)
        return composed

    def stages(self, ops: Ops, size: Size) -> list[Stage]:
        """Move the pixels, in one loop over them or two."""
        output_size = self.output_size(size)
        if self.copies:
            return [
                lambda images, matrices: copy_nearest(
                    ops, images, *source(ops, matrices, size, output_size), self.border
                )
            ]
        if self.keeps_axes:
            return self._along_axes(ops, size, output_size)

        def resample(images: Tensor, matrices: Tensor) -> Tensor:
            x, y = source(ops, matrices, size, output_size, projective=self.is_projective)
            return warp(ops, images, x, y, self.border)

        bound = self.minification(size)
        if bound is not None and bound <= 1.0 + _SLACK:
            return [resample]

        def smooth(images: Tensor, matrices: Tensor) -> Tensor:
            for axis, span in enumerate(spans(ops, matrices), 1):
                largest = _largest(ops, span) if bound is None else bound
                radius = _ceil(ops, largest - _SLACK) - 1
                radius = max(1, radius) if isinstance(radius, int) else ops.maximum(1, radius)
                images = smooth_axis(ops, images, span, axis, self.border, radius)
            return images

        return [smooth, resample]

    def move_masks(self, ops: Ops, masks: Tensor, matrices: Tensor) -> Tensor:
        """Move masks (B, H, W, K) along with the images: each place has the label of its pixel.

        Beyond the border lies what lies there of the images; 0 where they are filled.
        """
        _, height, width, _ = ops.shape(masks)
        size = height, width
        x, y = source(ops, matrices, size, self.output_size(size), projective=self.is_projective)
        return copy_nearest(ops, masks, x, y, Border(self.border.fill_mode, 0.0))

    def move_points(self, ops: Ops, points: Tensor, matrices: Tensor, size: Size) -> Tensor:
        """Move points (B, K, 2), (x, y) in pixels, to where the pixels go that they lie on."""
        middles = [
            [(ops.cast(length, "float32") - 1.0) / 2.0 for length in (each[1], each[0])]
            for each in (size, self.output_size(size))
        ]
        x, y = (points[..., axis] - middles[0][axis] for axis in range(2))
        m = inverse(ops, matrices)[:, :, :, None]
        moved = [m[:, row, 0] * x + m[:, row, 1] * y + m[:, row, 2] for row in range(3)]
        places = [moved[axis] / moved[2] + middles[1][axis] for axis in range(2)]
        return ops.stack(places, axis=-1)

    def _along_axes(self, ops: Ops, size: Size, output_size: Size) -> list[Stage]:
        bound = self.minification(size)

        def count(scale: Tensor) -> Any:
            if bound is not None:
                return taps(bound)
            return _ceil(ops, 2.0 * _largest(ops, ops.abs(scale)) - _SLACK)

        def rows(images: Tensor, matrices: Tensor) -> Tensor:
            batch, height, width, channels = ops.shape(images)
            flat = ops.reshape(images, (batch, height, width * channels))
            scale, shift = matrices[:, 1, 1], matrices[:, 1, 2]
            out = resample_axis(ops, flat, scale, shift, output_size[0], self.border, count(scale))
            return ops.reshape(out, (batch, output_size[0], width, channels))

        def columns(images: Tensor, matrices: Tensor) -> Tensor:
            batch, height, width, channels = ops.shape(images)
            flat = ops.reshape(images, (batch * height, width, channels))
            scale, shift = (ops.repeat(matrices[:, 0, column], height, axis=0) for column in (0, 2))
            out = resample_axis(ops, flat, scale, shift, output_size[1], self.border, count(scale))
            return ops.reshape(out, (batch, height, output_size[1], channels))

        return [rows, columns]


def _largest(ops: Ops, spans: Tensor) -> Tensor:
    """The largest of a batch, at least 1."""
    return ops.max(ops.concatenate([ops.reshape(spans, (-1,)), ops.ones((1,), "float32")], axis=0))


def _ceil(ops: Ops, value: Any) -> Any:
    """Round up, to an integer or a tensor of one."""
    return math.ceil(value) if isinstance(value, float) else ops.cast(ops.ceil(value), "int32")
