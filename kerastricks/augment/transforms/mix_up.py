"""Blend each sample with the one before it."""

from dataclasses import dataclass, replace

import keras

from kerastricks.augment.beta import beta, draws_of_alpha
from kerastricks.augment.box_contract import VisibleBoxes
from kerastricks.augment.checks import check_positive_limits, check_probability
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.mixing import MixTransform, blended
from kerastricks.augment.transform import sometimes


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class MixUp(MixTransform):
    """Blend each sample with the one before it: images, labels and weights alike.

        out = s a + (1 - s) b,  s ~ Beta(alpha, alpha)

    It asks a network to be linear between examples, which makes it surer of less. Labels must be in
    floating point, classes as one-hot vectors; masks too. Of boxes a blend has those of both
    samples, twice as many; keypoints, whose order means something, are refused.

    A pipeline that is handed images alone blends these alone: a supervised model then needs the
    mix where its labels are, in the data set.

    Args:
        alpha: A number above 0, or a pair (low, high) to draw each sample's from, uniformly. Of 1
            every share is as likely; the smaller, the closer to one of the two. Defaults to 0.2.
        probability: Share of the samples that are blended, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Alphas of 0 or less, or a probability outside 0 to 1; when it runs, keypoints.
        TypeError: When it runs, labels or masks of whole numbers.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.stack([np.full((4, 4, 1), value, "uint8") for value in (0, 200)])
    >>> labels = np.eye(2, dtype="float32")
    >>> pipeline = kt.augment.Pipeline([kt.augment.MixUp(1.0)], seed=0)
    >>> out = pipeline({"images": images, "labels": labels}, training=True)
    >>> share = np.asarray(out["labels"])[1, 1]
    >>> bool(np.asarray(out["images"])[1, 0, 0, 0] == round(200 * float(share)))
    True

    Reference:
        Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", 2018.
    """

    alpha: float | tuple[float, float] = 0.2
    probability: float = 1.0

    def __post_init__(self) -> None:
        alpha = check_positive_limits("MixUp", "alpha", self.alpha)
        object.__setattr__(self, "alpha", alpha)
        probability = check_probability("MixUp", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """One number for whether, one for the share, one for an alpha that has a range."""
        return 2 + draws_of_alpha(self.alpha)

    def draw(self, ops: Ops, uniforms: Tensor, size: Size) -> Tensor:
        """Draw the shares, (B,)."""
        share = beta(ops, uniforms[:, 1], self.alpha, uniforms[:, -1])
        return sometimes(ops, uniforms[:, 0], self.probability, share, ops.ones_like(share))

    def share(self, ops: Ops, drawn: Tensor, size: Size) -> Tensor:
        """What was drawn."""
        return drawn

    def mix_images(self, ops: Ops, images: Tensor, partners: Tensor, drawn: Tensor) -> Tensor:
        """Blend."""
        return blended(ops, ops.cast(images, "float32"), ops.cast(partners, "float32"), drawn)

    def mix_masks(self, ops: Ops, masks: Tensor, partners: Tensor, drawn: Tensor) -> Tensor:
        """Blend shares of classes; numbers of classes have no mean."""
        dtype = keras.backend.standardize_dtype(masks.dtype)
        if not dtype.startswith(("float", "bfloat")):
            raise TypeError(
                "MixUp blends masks: pass them one-hot in floating point, (batch, height, width, "
                "classes), or use CutMix, which keeps numbers of classes. "
                f"Received masks of {dtype}"
            )
        return blended(ops, masks, partners, drawn)

    def mix_boxes(
        self, ops: Ops, boxes: VisibleBoxes, partners: VisibleBoxes, drawn: Tensor
    ) -> tuple[VisibleBoxes, VisibleBoxes]:
        """Keep both samples' boxes, where both are there."""
        both = ops.cast((drawn < 1.0)[:, None], "float32")
        return boxes, replace(partners, visible=partners.visible * both)
