"""The color pass: any number of transforms, one matrix a sample."""

from typing import Any

import keras

from kerastricks.augment.color import compose_colors, diagonal, mix
from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.passes.base import Pass


class ColorPass(Pass):
    """Carry out neighboring color transforms by one matrix and one offset a sample.

    Between them nothing is clipped: the result is clipped at the end of the pass. The mean that
    contrast needs is taken once, of what comes in, and follows through the matrices: it is linear.
    """

    @property
    def needs_mean(self) -> bool:
        """Whether the mean of the images is needed."""
        return any(transform.needs_mean for _, transform in self.transforms)

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        mean = ", after their mean is taken" if self.needs_mean else ""
        return f"one color matrix for all pixels{mean}"

    def stages(self, ops: Ops, size: Size) -> list[Stage]:
        """Mix the channels."""
        return [lambda images, uniforms: self._apply(ops, images, uniforms)]

    def _apply(self, ops: Ops, images: Tensor, uniforms: tuple[Tensor, ...]) -> Tensor:
        channels = images.shape[-1]
        self.check(channels)
        low, span = self.values.low, self.values.span
        kind = 3 if channels == 3 else 1
        mean = self._mean(ops, images, kind) if self.needs_mean else None
        matrix, offset = self.color(ops, uniforms, mean, kind)
        values = ops.cast(images, "float32") - low
        if kind == 1:
            return values * matrix[:, :, :, None] + (offset * span)[:, :, None, None] + low
        mixed = (offset * span)[:, None, None, :] + low
        for channel in range(3):
            mixed = mixed + matrix[:, None, None, :, channel] * values[..., channel : channel + 1]
        return mixed

    def color(
        self, ops: Ops, uniforms: tuple[Tensor, ...], mean: Tensor | None, kind: int
    ) -> tuple[Tensor, Tensor]:
        """Compose matrix (B, K, K) and offset (B, K)."""
        ones = ops.ones_like(uniforms[0][:, 0])
        composed = diagonal(ops, ones, kind), ops.zeros_like(ones[:, None] * ops.ones((1, kind)))
        now = composed[1] if mean is None else mean
        for (_, transform), drawn in zip(self.transforms, uniforms, strict=True):
            color = transform.matrix(ops, drawn, now)
            composed = compose_colors(ops, composed, color)
            now = mix(ops, color, now)
        return composed

    def _mean(self, ops: Ops, images: Tensor, kind: int) -> Tensor:
        """The mean of each channel, or of all, relative to the range, (B, K)."""
        _, height, width, channels = ops.shape(images)
        dtype = keras.backend.standardize_dtype(images.dtype)
        # Whole numbers add up exactly, whatever the order.
        exact = dtype in ("uint8", "int8")
        total = ops.sum(ops.sum(ops.cast(images, "int32" if exact else "float32"), axis=1), axis=1)
        mean = ops.cast(total, "float32") / ops.cast(height * width, "float32")
        if kind == 1:
            mean = ops.sum(mean, axis=1)[:, None] / float(channels)
        return (mean - self.values.low) / self.values.span

    def check(self, channels: Any) -> None:
        """Refuse numbers of channels that are no colors, where colors are asked for."""
        wanting = [t for _, t in self.transforms if t.needs_color]
        if wanting and channels not in (1, 3):
            raise ValueError(
                f"{type(wanting[0]).__name__} works on colors: images of 3 channels (red, green, "
                "blue), or of 1, which it leaves as they are. Received images of "
                f"{channels} channels."
            )
