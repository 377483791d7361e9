"""Paste a part of the sample before into each sample."""

from dataclasses import dataclass, replace

import keras

from kerastricks.augment.beta import beta, draws_of_alpha
from kerastricks.augment.box_contract import VisibleBoxes
from kerastricks.augment.boxes import Corners, area_of
from kerastricks.augment.checks import check_positive_limits, check_probability
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.mixing import MixTransform
from kerastricks.augment.transform import sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class CutMix(MixTransform):
    """Paste a rectangle of the sample before into each sample, and mix the labels by area.

        height = H sqrt(1 - s),  width = W sqrt(1 - s),  s ~ Beta(alpha, alpha)

    in whole pixels, centered anywhere in the image and cut to it; the labels' share is that of the
    pixels that are left. Labels must be in floating point, classes as one-hot vectors. Masks are
    pasted with their numbers. Boxes lose what is covered: a box that is cut right through its width
    or height becomes what is left of it, others stay, and `minimum_visibility` counts the rest. The
    partner's boxes are cut to the rectangle. Keypoints are refused.

    A pipeline that is handed images alone pastes these alone: a supervised model then needs the
    mix where its labels are, in the data set.

    Args:
        alpha: A number above 0, or a pair (low, high) to draw each sample's from, uniformly.
            Defaults to 1.0, where every area is as likely.
        probability: Share of the samples that are pasted into, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Alphas of 0 or less, or a probability outside 0 to 1; when it runs, keypoints.
        TypeError: When it runs, labels of whole numbers.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.stack([np.full((8, 8, 1), value, "uint8") for value in (1, 9)])
    >>> labels = np.eye(2, dtype="float32")
    >>> pipeline = kt.augment.Pipeline([kt.augment.CutMix()], seed=3)
    >>> out = pipeline({"images": images, "labels": labels}, training=True)
    >>> share = (np.asarray(out["images"])[0] == 1).mean()
    >>> bool(share == np.asarray(out["labels"])[0, 0])
    True

    Reference:
        Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
        features", 2019.
    """

    alpha: float | tuple[float, float] = 1.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        alpha = check_positive_limits("CutMix", "alpha", self.alpha)
        object.__setattr__(self, "alpha", alpha)
        probability = check_probability("CutMix", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for the area, two for the place, one for a range of alpha."""
        return 4 + draws_of_alpha(self.alpha)

    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> Corners:
        """Draw left, top, right and bottom, (B,) each, in whole pixels."""
        share = beta(ops, uniforms[:, 1], self.alpha, uniforms[:, -1])
        share = sometimes(ops, uniforms[:, 0], self.probability, share, ops.ones_like(share))
        side = ops.sqrt(1.0 - share)
        edges = []
        for axis in range(2):
            full = ops.cast(size[axis], "float32")
            length = ops.round(full * side)
            start = ops.floor(uniforms[:, 2 + axis] * full) - ops.floor(length / 2.0)
            edges.append((ops.maximum(start, 0.0), ops.minimum(start + length, full)))
        return edges[1][0], edges[0][0], edges[1][1], edges[0][1]

    def share(self, ops: Ops, drawn: Corners, size: Size) -> Tensor:
        """The share of the area that is left."""
        height, width = (ops.cast(length, "float32") for length in size)
        return 1.0 - area_of(ops, drawn) / (height * width)

    def mix_images(self, ops: Ops, images: Tensor, partners: Tensor, drawn: Corners) -> Tensor:
        """Paste."""
        _, height, width, _ = ops.shape(images)
        left, top, right, bottom = (edge[:, None, None, None] for edge in drawn)
        y = ops.arange(height, dtype="float32")[None, :, None, None]
        x = ops.arange(width, dtype="float32")[None, None, :, None]
        rows = ops.logical_and(y >= top, y < bottom)
        inside = ops.logical_and(rows, ops.logical_and(x >= left, x < right))
        return ops.where(inside, partners, images)

    def mix_masks(self, ops: Ops, masks: Tensor, partners: Tensor, drawn: Corners) -> Tensor:
        """Paste."""
        return self.mix_images(ops, masks, partners, drawn)

    def mix_boxes(
        self, ops: Ops, boxes: VisibleBoxes, partners: VisibleBoxes, drawn: Corners
    ) -> tuple[VisibleBoxes, VisibleBoxes]:
        """Cut the partner's boxes to the rectangle, and what it covers off the others."""
        pasted = tuple(edge[:, None] for edge in drawn)
        return _without(ops, boxes, pasted), _within(ops, partners, pasted)


def _common(ops: Ops, corners: Corners, pasted: Corners) -> Corners:
    return (
        ops.maximum(corners[0], pasted[0]),
        ops.maximum(corners[1], pasted[1]),
        ops.minimum(corners[2], pasted[2]),
        ops.minimum(corners[3], pasted[3]),
    )


def _share(ops: Ops, corners: Corners, of: Corners) -> Tensor:
    whole = area_of(ops, of)
    return area_of(ops, corners) / ops.where(whole > 0.0, whole, ops.ones_like(whole))


def _within(ops: Ops, boxes: VisibleBoxes, pasted: Corners) -> VisibleBoxes:
    cut = _common(ops, boxes.corners, pasted)
    visible = boxes.visible * _share(ops, cut, boxes.corners)
    return replace(boxes, corners=cut, visible=visible)


def _without(ops: Ops, boxes: VisibleBoxes, pasted: Corners) -> VisibleBoxes:
    corners = boxes.corners
    covered = _share(ops, _common(ops, corners, pasted), corners)
    low, high = [], []
    for axis in range(2):
        # A rectangle that spans the other axis cuts this one.
        start, end, other = corners[axis], corners[axis + 2], 1 - axis
        through = ops.logical_and(
            pasted[other] <= corners[other], pasted[other + 2] >= corners[other + 2]
        )
        at_start = ops.logical_and(pasted[axis] <= start, pasted[axis + 2] > start)
        at_end = ops.logical_and(pasted[axis + 2] >= end, pasted[axis] < end)
        cut_start = ops.logical_and(through, at_start)
        cut_end = ops.logical_and(through, at_end)
        low.append(ops.where(cut_start, ops.minimum(pasted[axis + 2], end), start))
        high.append(ops.where(cut_end, ops.maximum(pasted[axis], start), end))
    left = low[0], low[1], high[0], high[1]
    return replace(boxes, corners=left, visible=boxes.visible * (1.0 - covered))
