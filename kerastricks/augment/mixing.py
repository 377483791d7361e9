"""What makes one sample of two: the family of mixes, and what becomes of labels."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import keras

from kerastricks.augment.box_contract import VisibleBoxes
from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.transform import DrawnTransform


@dataclass(frozen=True)
class MixTransform(DrawnTransform):
    """Mix each sample with a partner.

    The partner is the sample before it in its epoch, augmented by all that stands before the mix
    in the pipeline's list. So a mix is a function of the order of the data, and not of how it is
    cut into batches; shuffle before. The first sample of an epoch has no partner, and is mixed with
    itself. A layer sees one batch, and takes the last sample for the first one's partner.
    """

    @abstractmethod
    def share(self, ops: Ops, drawn: Any, size: Size) -> Tensor:
        """Give the share of each sample in its mix, 0 to 1, (B,); the partner has the rest."""

    @abstractmethod
    def mix_images(self, ops: Ops, images: Tensor, partners: Tensor, drawn: Any) -> Tensor:
        """Mix images (B, H, W, C) with others of their shape and dtype, perhaps in float32."""

    @abstractmethod
    def mix_masks(self, ops: Ops, masks: Tensor, partners: Tensor, drawn: Any) -> Tensor:
        """Mix masks (B, H, W, K) with others of their shape and dtype.

        Raises:
            TypeError: Masks of a dtype that cannot be mixed.
        """

    @abstractmethod
    def mix_boxes(
        self, ops: Ops, boxes: VisibleBoxes, partners: VisibleBoxes, drawn: Any
    ) -> tuple[VisibleBoxes, VisibleBoxes]:
        """Give what is left to see of either's boxes."""


def check_mixable(transform: MixTransform, labels: Any) -> None:
    """Refuse labels that have no mean, such as numbers of classes."""
    for label in keras.tree.flatten(labels):
        dtype = keras.backend.standardize_dtype(label.dtype) if hasattr(label, "dtype") else None
        if dtype is None or not dtype.startswith(("float", "bfloat")):
            raise TypeError(
                f"{type(transform).__name__} mixes labels: pass them in floating point, classes as "
                "one-hot vectors (keras.utils.to_categorical), and a loss that takes them. "
                f"Received labels of dtype {dtype or type(label).__name__}"
            )


def check_weights(transform: MixTransform, weights: Any) -> None:
    """Refuse weights other than one a sample."""
    for weight in [] if weights is None else keras.tree.flatten(weights):
        if len(weight.shape) > 1 or keras.tree.is_nested(weights):
            raise ValueError(
                f"{type(transform).__name__} takes one weight a sample, (batch,). Received weights "
                f"of shape {tuple(weight.shape)}"
            )


def blended(ops: Ops, own: Tensor, partners: Tensor, share: Tensor) -> Tensor:
    """Blend tensors (B, ...) by shares (B,); one of 1 leaves a sample exactly as it is."""
    part = ops.reshape(share, (-1,) + (1,) * (len(own.shape) - 1))
    mixed = partners + ops.cast(part, own.dtype) * (own - partners)
    return ops.where(part < 1.0, mixed, own)


def mix_labels(
    ops: Ops, labels: Any, partners: Any, share: Tensor, weights: Any, partner_weights: Any
) -> tuple[Any, Any]:
    """Mix labels, so that a loss that is linear in them is the mean of both samples' losses.

        w = s w_1 + (1 - s) w_2,  y = (s w_1 y_1 + (1 - s) w_2 y_2) / w

    Args:
        ops: `keras.ops` or a namespace like it.
        labels: A structure of float tensors (B, ...).
        partners: The same of the partners.
        share: s, float32 tensor (B,).
        weights: Tensor (B,), or None.
        partner_weights: The same of the partners.

    Returns:
        The mixed labels and weights.
    """
    total = None
    if weights is not None:
        own = share * ops.cast(weights, "float32")
        total = own + (1.0 - share) * ops.cast(partner_weights, "float32")
        share = ops.where(total > 0.0, own / ops.where(total > 0.0, total, total + 1.0), share)

    def mixed(label: Tensor, partner: Tensor) -> Tensor:
        return blended(ops, label, partner, share)

    out = keras.tree.map_structure(mixed, labels, partners)
    return out, None if total is None else ops.cast(total, weights.dtype)
