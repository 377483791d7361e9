"""The geometric pass: any number of transforms, one resample."""

import math
from functools import partial, reduce
from typing import Any

from kerastricks.augment.antialias import (
    Taps,
    resample_axis,
    smooth_axis,
    spans,
    taps,
    triangle_taps,
)
from kerastricks.augment.border import Border
from kerastricks.augment.elastic import displacement, undisplaced
from kerastricks.augment.geometry import compose, inverse, shifting
from kerastricks.augment.kernels import Compiler, Ops, Size, Stage, Tensor, materialised
from kerastricks.augment.passes.base import CarryOut, Pass
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transform import ElasticTransform
from kerastricks.augment.warp import Places, centered, copy_nearest, from_corner, mapped, warp

Warp = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""Matrices (B, 3, 3), output to input, and the control points of the bends between them."""

_SLACK = 1e-6
"""By which a product of bounds may be off through rounding."""


class WarpPass(Pass):
    """Carry out neighboring geometric transforms in one resample.

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

    def shrinks(self, size: Size) -> bool:
        """Whether images of a size may become smaller, as far as is known beforehand."""
        bound = self.minification(size)
        return bound is None or bound > 1.0 + _SLACK

    @property
    def is_elastic(self) -> bool:
        """Whether images are bent."""
        return any(isinstance(transform, ElasticTransform) for _, transform in self.transforms)

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> Warp:
        """Draw one composed matrix a sample, and one more behind each bend."""
        matrices: list[Tensor] = []
        grids = []
        apart = True
        for index, transform in self.transforms:
            uniforms = keys.uniform(ops, index, max(1, transform.num_draws))
            matrix = transform.matrix(ops, uniforms, size)
            if apart:
                matrices.append(matrix)
            else:
                matrices[-1] = compose(ops, matrices[-1], matrix)
            apart = isinstance(transform, ElasticTransform)
            if isinstance(transform, ElasticTransform):
                grids.append(transform.grid(ops, uniforms, size))
            size = transform.output_size(size)
        if apart:
            zeros = ops.zeros_like(matrices[0][:, 0, 0])
            matrices.append(shifting(ops, zeros, zeros))
        return tuple(matrices), tuple(grids)

    def _frames(self, size: Size) -> list[Size]:
        """The sizes of the images at each bend, and of what comes out."""
        frames = []
        for _, transform in self.transforms:
            if isinstance(transform, ElasticTransform):
                frames.append(size)
            size = transform.output_size(size)
        return [*frames, size]

    def places(self, ops: Ops, drawn: Warp, size: Size) -> Places:
        """Where each output pixel comes from, in pixels of the input."""
        matrices, grids = drawn
        frames = self._frames(size)
        at = centered(ops, frames[-1])
        for number in range(len(grids), -1, -1):
            at = mapped(ops, matrices[number], at, projective=self.is_projective)
            if number:
                shift = displacement(ops, grids[number - 1], *at, frames[number - 1])
                at = at[0] + shift[0], at[1] + shift[1]
        return from_corner(ops, at, size)

    def stages(self, ops: Ops, size: Size) -> list[Stage]:
        """Copy whole pixels, or smooth where images may shrink and then resample bilinearly.

        Where rows stay rows and pixels are not whole, and where images are bent, `run` takes other
        functions.
        """
        if self.copies:
            return [
                lambda images, drawn: copy_nearest(
                    ops, images, *self.places(ops, drawn, size), self.border
                )
            ]

        def resample(images: Tensor, drawn: Warp) -> Tensor:
            return warp(ops, images, *self.places(ops, drawn, size), self.border)

        return [*self._smoothing(ops, size), resample]

    def _smoothing(self, ops: Ops, size: Size) -> list[Stage]:
        """The stage that smooths, if images may shrink."""
        if not self.shrinks(size):
            return []
        bound = self.minification(size)

        def smooth(images: Tensor, drawn: Warp) -> Tensor:
            for axis, span in enumerate(spans(ops, reduce(partial(compose, ops), drawn[0])), 1):
                largest = _largest(ops, span) if bound is None else bound
                radius = _ceil(ops, largest - _SLACK) - 1
                radius = max(1, radius) if isinstance(radius, int) else ops.maximum(1, radius)
                images = smooth_axis(ops, images, span, axis, self.border, radius)
            return images

        return [smooth]

    def move_masks(self, ops: Ops, masks: Tensor, drawn: Warp) -> Tensor:
        """Move masks (B, H, W, K) along with the images: each place has the label of its pixel.

        Beyond the border lies what lies there of the images; 0 where they are filled.
        """
        _, height, width, _ = ops.shape(masks)
        x, y = self.places(ops, drawn, (height, width))
        return copy_nearest(ops, masks, x, y, Border(self.border.fill_mode, 0.0))

    def move_points(self, ops: Ops, points: Tensor, drawn: Warp, size: Size) -> Tensor:
        """Move points (B, K, 2), (x, y) in pixels, to where the pixels go that they lie on."""
        matrices, grids = drawn
        frames = self._frames(size)
        middle_y, middle_x = ((ops.cast(length, "float32") - 1.0) / 2.0 for length in size)
        at = points[:, None, :, 0] - middle_x, points[:, None, :, 1] - middle_y
        for number, matrix in enumerate(matrices):
            if number:
                at = undisplaced(ops, grids[number - 1], *at, frames[number - 1])
            at = mapped(ops, inverse(ops, matrix), at, projective=self.is_projective)
        x, y = from_corner(ops, at, frames[-1])
        return ops.stack([x[:, 0], y[:, 0]], axis=-1)

    def run(
        self,
        ops: Ops,
        images: Tensor,
        drawn: Warp,
        dtype: str,
        compiler: Compiler | None,
        carry_out: CarryOut | None = None,
    ) -> Tensor:
        """Carry the pass out.

        Along the axes it is weighed first which pixels make which, and where images are bent it is
        found first where pixels come from: in one loop each value would have it worked out anew.
        """
        if self.is_elastic:
            return self._bend(ops, images, drawn, dtype, compiler)
        if self.copies or not self.keeps_axes:
            return super().run(ops, images, drawn, dtype, compiler, carry_out)
        _, height, width, _ = ops.shape(images)
        size = height, width

        def weigh(images: Tensor, drawn: Warp) -> tuple[Taps, Taps]:
            return self.weighed(ops, drawn, size)

        def rows(images: Tensor, down: Any) -> Tensor:
            return resample_axis(ops, images, down, 1, self.border)

        def columns(images: Tensor, across: Any) -> Tensor:
            found = resample_axis(ops, images, across, 2, self.border)
            return self.values.finish(ops, found, dtype)

        wrapped = compiler or (lambda stage: stage)
        images = materialised(images)
        if self.minification(size) is None:
            # What is weighed is no array then, and is worked out within the loops.
            half = wrapped(lambda x, drawn: rows(x, self.weighed(ops, drawn, size)[0]))
            whole = wrapped(lambda x, drawn: columns(x, self.weighed(ops, drawn, size)[1]))
            return whole(materialised(half(images, drawn)), drawn)
        down, across = wrapped(weigh)(images, drawn)
        half = wrapped(rows)(images, materialised(down))
        return wrapped(columns)(materialised(half), materialised(across))

    def _bend(
        self, ops: Ops, images: Tensor, drawn: Warp, dtype: str, compiler: Compiler | None
    ) -> Tensor:
        """Find the places, smooth, and resample."""
        _, height, width, _ = ops.shape(images)
        size = height, width

        def find(images: Tensor, drawn: Warp) -> Places:
            return self.places(ops, drawn, size)

        def finished(images: Tensor, places: Places) -> Tensor:
            return self.values.finish(ops, warp(ops, images, *places, self.border), dtype)

        wrapped = compiler or (lambda stage: stage)
        images = materialised(images)
        places = wrapped(find)(images, drawn)
        for stage in self._smoothing(ops, size):
            images = materialised(wrapped(stage)(images, drawn))
        return wrapped(finished)(images, materialised(places))

    def weighed(self, ops: Ops, drawn: Warp, size: Size) -> tuple[Any, Any]:
        """Which pixels make which, down and across: `DrawnTaps` where minification is unknown."""
        (matrices,), _ = drawn
        found = []
        for axis, output_length in enumerate(self.output_size(size)):
            scale, shift = matrices[:, 1 - axis, 1 - axis], matrices[:, 1 - axis, 2]
            count = self._taps(ops, scale, size)
            found.append(
                triangle_taps(ops, scale, shift, size[axis], output_length, self.border, count)
            )
        return found[0], found[1]

    def _taps(self, ops: Ops, scale: Tensor, size: Size) -> Any:
        """How many pixels take part in one: a tensor, where it is not known beforehand."""
        bound = self.minification(size)
        if bound is not None:
            return taps(bound)
        return _ceil(ops, 2.0 * _largest(ops, ops.abs(scale)) - _SLACK)


def _largest(ops: Ops, spans: Tensor) -> Tensor:
    """The largest of a batch, at least 1."""
    return ops.max(ops.concatenate([ops.reshape(spans, (-1,)), ops.ones((1,), "float32")], axis=0))


def _ceil(ops: Ops, value: Any) -> Any:
    """Round up, to an integer or a tensor of one."""
    return math.ceil(value) if isinstance(value, float) else ops.cast(ops.ceil(value), "int32")
