"""The pass of a mix: each sample and its partner become one."""

from typing import Any

import keras

from kerastricks.augment.kernels import Ops, Size, Stage, Tensor
from kerastricks.augment.mixing import MixTransform, check_mixable, check_weights, mix_labels
from kerastricks.augment.targets import Parts
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.values import ValueContract


class MixPass:
    """Carry out a mix on a batch whose samples are each other's partners.

    Args:
        index: The mix's place in the pipeline's list.
        transform: The mix.
        values: The range of values.
    """

    def __init__(self, index: int, transform: MixTransform, values: ValueContract) -> None:
        self.index = index
        self.transform = transform
        self.values = values

    def draw(self, ops: Ops, keys: SampleKeys, size: Size) -> Any:
        """Draw the parameters, a few numbers a sample."""
        uniforms = keys.uniform(ops, self.index, self.transform.num_draws)
        return self.transform.draw(ops, uniforms, size)

    def stage(self, ops: Ops, dtype: str, *, led: bool, frames: Any) -> Stage:
        """Give the function of (images, drawn) that mixes, one loop over the pixels."""

        def blend(images: Tensor, drawn: Any) -> Tensor:
            own, partners = pairs(ops, images, led=led, rows=frames)
            mixed = self.transform.mix_images(ops, own, partners, drawn)
            return self.values.finish(ops, mixed, dtype)

        return blend

    def move(
        self,
        ops: Ops,
        targets: Parts,
        drawn: Any,
        size: Size,
        *,
        led: bool,
        frames: Any,
    ) -> Parts:
        """Mix masks, boxes, labels and weights.

        Raises:
            ValueError: Keypoints, or weights that are not one a sample.
            TypeError: Labels or masks that cannot be mixed.
        """
        name = type(self.transform).__name__
        if "keypoints" in targets:
            raise ValueError(
                f'{name} cannot serve "keypoints": those of two samples have no common order, and '
                "what was cut away has no place. Take them out, or the mix."
            )
        out = dict(targets)
        if "segmentation_masks" in targets:
            both = pairs(ops, targets["segmentation_masks"], led=led, rows=frames)
            out["segmentation_masks"] = self.transform.mix_masks(ops, *both, drawn)
        if "bounding_boxes" in targets:
            boxes = targets["bounding_boxes"]
            own, partners = (
                boxes.mapped(lambda x, side=side: pairs(ops, x, led=led, rows=frames)[side])
                for side in range(2)
            )
            own, partners = self.transform.mix_boxes(ops, own, partners, drawn)
            out["bounding_boxes"] = own.joined(ops, partners)
        labels, weights = targets.get("labels"), targets.get("weights")
        if not [label for label in keras.tree.flatten(labels) if label is not None]:
            return out
        check_mixable(self.transform, labels)
        check_weights(self.transform, weights)
        share = self.transform.share(ops, drawn, size)
        share = ops.reshape(share, (-1, frames))[:, 0]
        own, partners = _structures(ops, labels, led=led)
        own_weights, partner_weights = _structures(ops, weights, led=led)
        mixed = mix_labels(ops, own, partners, share, own_weights, partner_weights)
        out["labels"] = mixed[0]
        if "weights" in targets:
            out["weights"] = mixed[1]
        return out


def pairs(ops: Ops, x: Tensor, *, led: bool, rows: Any = 1) -> tuple[Tensor, Tensor]:
    """Give samples and their partners, the samples before them.

    Args:
        ops: `keras.ops` or a namespace like it.
        x: Tensor (B * rows, ...).
        led: Whether the first sample is a partner alone; else it has the last for its partner.
        rows: Rows that a sample has along the first axis.
    """
    if led:
        return x[rows:], x[:-rows]
    return x, ops.concatenate([x[-rows:], x[:-rows]], axis=0)


def _structures(ops: Ops, structure: Any, *, led: bool) -> tuple[Any, Any]:
    """Do as `pairs` for each tensor of a structure."""
    own, partners = (
        keras.tree.map_structure(
            lambda x, side=side: None if x is None else pairs(ops, x, led=led)[side],
            structure,
        )
        for side in range(2)
    )
    return own, partners
