"""The pass of look-up tables: any number of transforms, one table a sample."""

from functools import partial, reduce
from typing import Any

import keras

from kerastricks.augment.kernels import Compiler, Ops, Size, Stage, Tensor, materialised
from kerastricks.augment.passes.base import CarryOut, Pass
from kerastricks.augment.transform import LEVELS

_MOST = float(LEVELS - 1)


class TablePass(Pass):
    """Carry out neighboring table transforms by one table a sample, or a sample and channel.

    Where a table depends on how often each level occurs, the levels of the image are counted once;
    what earlier tables make of the counts follows from the tables.
    """

    @property
    def needs_counts(self) -> bool:
        """Whether the levels of the images are counted."""
        return any(transform.needs_counts for _, transform in self.transforms)

    def reads_counts(self, ops: Ops, uniforms: tuple[Tensor, ...]) -> Tensor:
        """Tell of each sample, bool (B,), whether its levels are to be counted."""
        pairs = zip(self.transforms, uniforms, strict=True)
        return reduce(ops.logical_or, [each.reads_counts(ops, of) for (_, each), of in pairs])

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        counts = ", after its levels are counted" if self.needs_counts else ""
        return f"one look-up table of {LEVELS} levels a sample{counts}"

    def run(
        self,
        ops: Ops,
        images: Tensor,
        drawn: Any,
        dtype: str,
        compiler: Compiler | None,
        carry_out: CarryOut | None = None,
    ) -> Tensor:
        """Make the tables, then look the values up.

        Compiled as one loop, each value would have its own table worked out anew.
        """
        composed, look_up = self.stages(ops, ops.shape(images)[1:3])

        def finished(images: Tensor, table: Tensor) -> Tensor:
            return self.values.finish(ops, look_up(images, table), dtype)

        images = materialised(images)
        table = (compiler(composed) if compiler else composed)(images, drawn)
        return (compiler(finished) if compiler else finished)(images, materialised(table))

    def stages(self, ops: Ops, size: Size) -> list[Stage]:
        """Make the tables of images and random numbers; look images up in tables."""
        return [partial(self._composed, ops), partial(self._apply, ops)]

    def _composed(self, ops: Ops, images: Tensor, uniforms: tuple[Tensor, ...]) -> Tensor:
        counts = _counts(ops, self._levels(ops, images)) if self.needs_counts else None
        return self.table(ops, uniforms, counts)

    def _apply(self, ops: Ops, images: Tensor, table: Tensor) -> Tensor:
        levels = self._levels(ops, images)
        batch, _, _, channels = ops.shape(levels)
        kinds = table.shape[1]
        row = ops.arange(batch, dtype="int32")[:, None] * kinds
        row = row + ops.arange(channels if kinds > 1 else 1, dtype="int32")
        found = ops.take(ops.reshape(table, (-1,)), row[:, None, None, :] * LEVELS + levels, axis=0)
        return ops.cast(found, "float32") * (self.values.span / _MOST) + self.values.low

    def table(self, ops: Ops, uniforms: tuple[Tensor, ...], counts: Tensor | None) -> Tensor:
        """Compose the table (B, K, 256)."""
        (_, first), *rest = self.transforms
        table = composed = first.table(ops, uniforms[0], counts)
        for (_, transform), drawn in zip(rest, uniforms[1:], strict=True):
            if counts is not None:
                counts = _moved(ops, table, counts)
            table = transform.table(ops, drawn, counts)
            composed = _look_up(ops, table, composed)
        return composed

    def _levels(self, ops: Ops, images: Tensor) -> Tensor:
        """The level of each value, int32 (B, H, W, C)."""
        low, span = self.values.low, self.values.span
        if keras.backend.standardize_dtype(images.dtype) == "uint8" and (low, span) == (0, _MOST):
            return ops.cast(images, "int32")
        levels = (ops.cast(images, "float32") - low) * (_MOST / span)
        return ops.cast(ops.clip(ops.round(levels), 0.0, _MOST), "int32")


def _counts(ops: Ops, levels: Tensor) -> Tensor:
    """How often each level occurs, (B, C, 256)."""
    batch, _, _, channels = ops.shape(levels)
    row = ops.arange(batch, dtype="int32")[:, None] * channels
    row = row + ops.arange(channels, dtype="int32")
    places = ops.reshape(row[:, None, None, :] * LEVELS + levels, (-1,))
    counts = ops.segment_sum(ops.ones_like(places), places, batch * channels * LEVELS)
    return ops.reshape(counts, (batch, channels, LEVELS))


def _look_up(ops: Ops, table: Tensor, levels: Tensor) -> Tensor:
    """Entries of tables (B, K, 256) at levels (B, J, 256), K or J being 1 or the same."""
    batch, kinds, _ = ops.shape(table)
    row = ops.arange(batch, dtype="int32")[:, None, None] * kinds
    row = row + ops.arange(kinds, dtype="int32")[None, :, None]
    return ops.take(ops.reshape(table, (-1,)), row * LEVELS + levels, axis=0)


def _moved(ops: Ops, table: Tensor, counts: Tensor) -> Any:
    """Counts (B, C, 256) of what a table (B, K, 256) makes of the levels."""
    batch, channels, _ = ops.shape(counts)
    row = ops.arange(batch, dtype="int32")[:, None, None] * channels
    row = row + ops.arange(channels, dtype="int32")[None, :, None]
    places = ops.reshape(row * LEVELS + table, (-1,))
    moved = ops.segment_sum(ops.reshape(counts, (-1,)), places, batch * channels * LEVELS)
    return ops.reshape(moved, (batch, channels, LEVELS))
