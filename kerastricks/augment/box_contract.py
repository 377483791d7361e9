"""The box contract: how boxes are written, and when one is lost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from kerastricks.augment.boxes import (
    FORMATS,
    Corners,
    area_of,
    clipped,
    from_corners,
    hull,
    to_corners,
)
from kerastricks.augment.checks import check_probability
from kerastricks.augment.kernels import Ops, Size, Tensor, refused, seen

_FAR = 1e9
"""No box reaches further, in pixels."""
_HOST = SimpleNamespace(
    cast=np.asarray,
    logical_and=np.logical_and,
    logical_not=np.logical_not,
    logical_or=np.logical_or,
    sum=np.sum,
)
"""The functions of `keras.ops` that looking at boxes takes, in numpy."""


@dataclass(frozen=True)
class VisibleBoxes:
    """Boxes on their way through the passes.

    Attributes:
        corners: The boxes.
        visible: What is left to see of each, as a share of its area, (B, N).
        labels: Tensor (B, N), or None.
    """

    corners: Corners
    visible: Tensor
    labels: Tensor | None

    def moved(
        self, ops: Ops, move: Callable[[Tensor], Tensor], size: Size, *, bent: bool
    ) -> "VisibleBoxes":
        """Move boxes, and cut them to images of a size."""
        around = hull(ops, self.corners, move, bent=bent)
        cut = clipped(ops, around, size)
        whole = area_of(ops, around)
        share = area_of(ops, cut) / ops.where(whole > 0.0, whole, ops.ones_like(whole))
        return replace(self, corners=cut, visible=self.visible * share)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> "VisibleBoxes":
        """Do the same to each tensor."""
        left, top, right, bottom = map(function, self.corners)
        labels = None if self.labels is None else function(self.labels)
        return VisibleBoxes((left, top, right, bottom), function(self.visible), labels)

    def joined(self, ops: Ops, other: "VisibleBoxes") -> "VisibleBoxes":
        """Put another's boxes behind these."""

        def both(mine: Tensor, others: Tensor) -> Tensor:
            return ops.concatenate([mine, others], axis=1)

        left, top, right, bottom = map(both, self.corners, other.corners)
        labels = None if self.labels is None else both(self.labels, other.labels)
        return VisibleBoxes((left, top, right, bottom), both(self.visible, other.visible), labels)


@dataclass(frozen=True)
class BoxContract:
    """Say how boxes are written, and how much of one must be left for it to be kept.

    Args:
        bounding_box_format: One of Keras' formats; None where there are no boxes.
        minimum_visibility: Share of a box's area, 0 to 1.

    Raises:
        ValueError: No such format, or a share outside 0 to 1.
    """

    bounding_box_format: str | None
    minimum_visibility: float

    def __post_init__(self) -> None:
        name = self.bounding_box_format
        if name is not None and not (isinstance(name, str) and name in FORMATS):
            raise ValueError(
                f"`bounding_box_format` is one of {', '.join(map(repr, FORMATS))}, or None. "
                f"Received: bounding_box_format={self.bounding_box_format!r}"
            )
        try:
            share = check_probability("", self.minimum_visibility)
        except ValueError:
            raise ValueError(
                "`minimum_visibility` is the share of a box that must be left, a number from 0 to "
                f"1. Received: minimum_visibility={self.minimum_visibility!r}"
            ) from None
        object.__setattr__(self, "minimum_visibility", share)

    def read(self, ops: Ops, boxes: Mapping[str, Tensor], size: Size) -> VisibleBoxes:
        """Take boxes in: those of no area, and those labeled -1, are no boxes.

        Raises:
            tf.errors.InvalidArgumentError: On TensorFlow, boxes that `check` would refuse.
        """
        assert self.bounding_box_format is not None
        given, labels = boxes["boxes"], boxes.get("labels")
        rows = refused(
            given, lambda: self._are_misplaced(ops, given, labels, size), self._misplaced()
        )
        corners = to_corners(ops, rows, self.bounding_box_format, size)
        there = area_of(ops, corners) > 0.0
        if labels is not None:
            there = ops.logical_and(there, labels != ops.cast(-1, labels.dtype))
        return VisibleBoxes(corners, ops.cast(there, "float32"), labels)

    def check(self, boxes: Mapping[str, Any], size: Size) -> None:
        """Refuse boxes that are none, where their numbers are there to be looked at.

        What is labeled -1, or has four times the same number, is padding. Boxes that reach beyond
        the image are cut, and those of no width or height are lost, as no pixel is theirs.

        Raises:
            ValueError: Boxes turned inside out, outside of the image, or of no numbers.
        """
        rows, labels = seen(boxes["boxes"]), boxes.get("labels")
        marks = None if labels is None else seen(labels)
        if rows is None or (labels is not None and marks is None):
            return
        with np.errstate(all="ignore"):  # of infinite sides, which are refused
            wrong = self._are_misplaced(_HOST, rows, marks, size)
        if wrong.any():
            raise ValueError(self._misplaced(f"{rows[wrong][0].tolist()} on {size[0]} x {size[1]}"))

    def _are_misplaced(self, ops: Ops, rows: Tensor, labels: Tensor | None, size: Size) -> Tensor:
        """Tell which rows are no boxes of an image of a size, and no padding either."""
        assert self.bounding_box_format is not None
        left, top, right, bottom = to_corners(ops, rows, self.bounding_box_format, size)
        height, width = (ops.cast(length, "float32") for length in size)
        placed = None
        # All of it is false of NaN.
        for start, end, length in ((left, right, width), (top, bottom, height)):
            along = ops.logical_and(start <= end, ops.logical_and(start <= length, end >= 0.0))
            along = ops.logical_and(along, ops.logical_and(start >= -_FAR, end <= _FAR))
            placed = along if placed is None else ops.logical_and(placed, along)
        first = rows[..., :1]
        same = ops.sum(ops.cast(rows == first, "int32"), axis=-1) == 4
        fine = ops.logical_or(placed, same)
        if labels is not None:
            fine = ops.logical_or(fine, labels == ops.cast(-1, labels.dtype))
        return ops.logical_not(fine)

    def _misplaced(self, received: str = "") -> str:
        return (
            "Boxes begin before they end and have a part in the image, but for padding: what is "
            "labeled -1, or has four times the same number. Is "
            f"bounding_box_format={self.bounding_box_format!r} how they are written?"
            + (f" Received: {received} (height x width)" if received else "")
        )

    def write(self, ops: Ops, boxes: VisibleBoxes, size: Size) -> dict[str, Any]:
        """Give boxes out: of those that are lost, zeros and the label -1."""
        assert self.bounding_box_format is not None
        visible, labels = boxes.visible, boxes.labels
        kept = ops.logical_and(visible > 0.0, visible >= self.minimum_visibility - 1e-6)
        kept = ops.logical_and(kept, area_of(ops, boxes.corners) > 0.0)
        written = from_corners(ops, boxes.corners, self.bounding_box_format, size)
        out = {"boxes": ops.where(kept[..., None], written, ops.zeros_like(written))}
        if labels is not None:
            out["labels"] = ops.where(kept, labels, ops.cast(-1, labels.dtype))
        return out
