"""From declared transforms to passes over the pixels: draw, plan, one pass a family."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras

from kerastricks.augment.border import Border
from kerastricks.augment.branching import BranchedTransform
from kerastricks.augment.kernels import Compiler, Ops, Size, Tensor
from kerastricks.augment.passes.base import CarryOut, Pass, run_pass
from kerastricks.augment.passes.branch import BranchPass
from kerastricks.augment.passes.color import ColorPass
from kerastricks.augment.passes.pixel import PixelPass
from kerastricks.augment.passes.table import TablePass
from kerastricks.augment.passes.warp import WarpPass
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transform import (
    ColorTransform,
    CompositeTransform,
    GeometricTransform,
    PixelTransform,
    TableTransform,
    Transform,
)
from kerastricks.augment.values import ValueContract

_PASSES: dict[type, Callable[..., Pass]] = {
    GeometricTransform: WarpPass,
    ColorTransform: ColorPass,
    TableTransform: TablePass,
    PixelTransform: PixelPass,
    BranchedTransform: lambda run, border, values: BranchPass(run, border, values, Plan),
}


def _family(transform: Transform) -> type:
    for family in _PASSES:
        if isinstance(transform, family):
            return family
    known = ", ".join(family.__name__ for family in _PASSES)
    raise TypeError(
        f"No pass carries out {type(transform).__name__}. A transform subclasses one of: {known}."
    )


def _parts(transform: Transform) -> tuple[Transform, ...]:
    return transform.parts if isinstance(transform, CompositeTransform) else (transform,)


def _runs(places: Sequence[tuple[int, Any]]) -> list[tuple[type, list[tuple[int, Any]]]]:
    """Put neighbors of one family together, and those that do not fuse each by itself."""
    runs: list[tuple[type, list[tuple[int, Any]]]] = []
    for place in places:
        family = _family(place[1])
        fuses = family not in (PixelTransform, BranchedTransform)
        if fuses and runs and runs[-1][0] is family:
            runs[-1][1].append(place)
        else:
            runs.append((family, [place]))
    return runs


class Plan:
    """The passes that carry out a list of transforms, in order.

    Drawing and moving are apart: `draw` makes arrays of a few numbers a sample, `apply` reads them
    and is a pure function of pixels. Between two passes images of whole numbers are rounded to
    their dtype, so that passes one after the other give what pipelines one after the other would.

    Args:
        transforms: Pairs (place in the pipeline's list, transform), in the order they apply.
        border: What lies beyond the border.
        values: The range of values, and the dtype that comes out.

    Raises:
        TypeError: A transform of a family that no pass carries out.
    """

    def __init__(
        self, transforms: Sequence[tuple[int, Transform]], border: Border, values: ValueContract
    ) -> None:
        places: list[tuple[int, Any]] = [
            (index, part) for index, transform in transforms for part in _parts(transform)
        ]
        self.passes = tuple(_PASSES[family](run, border, values) for family, run in _runs(places))
        self.values = values

    def output_size(self, size: Size) -> Size:
        """(height, width) of what comes out, for images of this size."""
        for step in self.passes:
            size = step.output_size(size)
        return size

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> tuple[Any, ...]:
        """Draw every pass's parameters for a batch of samples of size (height, width)."""
        drawn = []
        for step in self.passes:
            drawn.append(step.draw(ops, keys, size))
            size = step.output_size(size)
        return tuple(drawn)

    def apply(
        self,
        ops: Ops,
        images: Tensor,
        parameters: Sequence[Any],
        dtype: str,
        compiler: Compiler | None = None,
        carry_out: CarryOut = run_pass,
    ) -> Tensor:
        """Run the passes over images.

        Args:
            ops: `keras.ops` or a namespace like it.
            images: Tensor (B, H, W, C).
            parameters: What `draw` gave.
            dtype: The dtype to give.
            compiler: Wraps each stage, which is a function of tensors.
            carry_out: Runs a pass.

        Returns:
            Tensor (B, height, width, C).
        """
        source = str(keras.backend.standardize_dtype(images.dtype))
        if not self.passes:
            return self.values.finish(ops, images, dtype)
        for number, (step, parameter) in enumerate(zip(self.passes, parameters, strict=True)):
            given = dtype if number == len(self.passes) - 1 else source
            images = carry_out(step, ops, images, parameter, given, compiler)
        return images

    def move(
        self,
        ops: Ops,
        targets: Mapping[str, Any],
        parameters: Sequence[Any],
        size: Size,
    ) -> dict[str, Any]:
        """Move what lies on the images along with them.

        Args:
            ops: `keras.ops` or a namespace like it.
            targets: "segmentation_masks" (B, H, W, K), "keypoints" (B, K, 2), and
                "bounding_boxes" as `BoxContract.read` gives them.
            parameters: What `draw` gave.
            size: (height, width) of the images.

        Returns:
            The same, moved.
        """
        moved = dict(targets)
        points = moved.get("keypoints")
        points = None if points is None else ops.cast(points, "float32")
        boxes = moved.get("bounding_boxes")
        for step, drawn in zip(self.passes, parameters, strict=True):
            if isinstance(step, BranchPass):
                step.check_targets(moved)
            if not isinstance(step, WarpPass):
                continue
            output_size = step.output_size(size)
            if "segmentation_masks" in moved:
                masks = moved["segmentation_masks"]
                moved["segmentation_masks"] = step.move_masks(ops, masks, drawn)
            if points is not None:
                points = step.move_points(ops, points, drawn, size)
            if boxes is not None:
                go = partial(step.move_points, ops, drawn=drawn, size=size)
                boxes = boxes.moved(ops, go, output_size, bent=step.is_elastic)
            size = output_size
        if points is not None:
            moved["keypoints"] = points
        if boxes is not None:
            moved["bounding_boxes"] = boxes
        return moved
