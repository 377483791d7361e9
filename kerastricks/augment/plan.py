"""From declared transforms to passes over the pixels: draw, plan, one pass a family."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from kerastricks.augment.geometry import compose
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transform import GeometricTransform, Transform
from kerastricks.augment.warp import permute, warp


@dataclass(frozen=True)
class Border:
    """What lies beyond the border of an image.

    Args:
        fill_mode: "reflect", "constant", "nearest" or "wrap".
        fill_value: The value for "constant".
    """

    fill_mode: str
    fill_value: float


class WarpPass:
    """Carry out neighbouring geometric transforms in one resample.

    Their matrices are multiplied, sample by sample, and the pixels move once. Where every transform
    moves whole pixels the pass copies instead of interpolating, and is exact in any dtype.

    Args:
        transforms: Pairs (place in the pipeline's list, transform), in the order they apply.
        border: What lies beyond the border.
    """

    def __init__(
        self, transforms: Sequence[tuple[int, GeometricTransform]], border: Border
    ) -> None:
        self.transforms = tuple(transforms)
        self.border = border
        self.copies = all(transform.keeps_lattice for _, transform in self.transforms)

    @property
    def summary(self) -> str:
        """Name the pass in a few words."""
        if self.copies:
            return "copy of whole pixels, one gather"
        return f"warp, bilinear, fill_mode={self.border.fill_mode!r}, one resample"

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> Tensor:
        """Draw the pass's parameters: one composed matrix a sample, (B, 3, 3), output to input."""
        matrices = [
            transform.matrix(ops, keys.uniform(ops, index, transform.num_draws), size)
            for index, transform in self.transforms
        ]
        composed = matrices[0]
        for matrix in matrices[1:]:
            composed = compose(ops, composed, matrix)
        return composed

    def apply(self, ops: Ops, images: Tensor, matrices: Tensor) -> Tensor:
        """Move the pixels of a batch (B, H, W, C)."""
        if self.copies:
            return permute(ops, images, matrices)
        return warp(
            ops,
            images,
            matrices,
            fill_mode=self.border.fill_mode,
            fill_value=self.border.fill_value,
        )


_PASSES = {GeometricTransform: WarpPass}


def _family(transform: Transform) -> type[GeometricTransform]:
    for family in _PASSES:
        if isinstance(transform, family):
            return family
    known = ", ".join(family.__name__ for family in _PASSES)
    raise TypeError(
        f"No pass carries out {type(transform).__name__}. A transform subclasses one of: {known}."
    )


class Plan:
    """The passes that carry out a list of transforms, in order.

    Drawing and moving are apart: `draw` makes arrays of a few numbers a sample, `apply` reads them
    and is a pure function of pixels.

    Args:
        transforms: The transforms, in the order they apply.
        border: What lies beyond the border.

    Raises:
        TypeError: A transform of a family that no pass carries out.
    """

    def __init__(self, transforms: Sequence[Transform], border: Border) -> None:
        places: list[tuple[int, Any]] = list(enumerate(transforms))
        runs = groupby(places, key=lambda place: _family(place[1]))
        self.passes = tuple(_PASSES[family](list(run), border) for family, run in runs)

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> tuple[Tensor, ...]:
        """Draw every pass's parameters for a batch of samples of size (height, width)."""
        return tuple(step.draw(ops, keys, size) for step in self.passes)

    def apply(self, ops: Ops, images: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Run the passes over images (B, H, W, C); the result is float32 or the images' dtype."""
        for step, parameter in zip(self.passes, parameters, strict=True):
            images = step.apply(ops, images, parameter)
        return images
