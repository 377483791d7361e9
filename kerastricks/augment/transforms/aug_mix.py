"""Chains of operations beside each other, blended with the image."""

from dataclasses import dataclass

import keras

from kerastricks.augment.beta import beta, draws_of_alpha
from kerastricks.augment.branching import BranchedTransform
from kerastricks.augment.checks import (
    check_positive_limits,
    check_probability,
    check_reach,
    check_size,
)
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transform import Transform, sometimes
from kerastricks.augment.transforms._policy import Choice, chain_of, chosen

_AMOUNTS: dict[str, tuple[float, float, bool]] = {
    "auto_contrast": (0.0, 0.0, False),
    "equalize": (0.0, 0.0, False),
    "posterize": (4.0, 1.0, False),
    "rotate": (0.0, 30.0, True),
    "solarize": (1.0, 0.0, False),
    "shear_x": (0.0, 0.3, True),
    "shear_y": (0.0, 0.3, True),
    "translate_x": (0.0, 1 / 3, True),
    "translate_y": (0.0, 1 / 3, True),
}
"""Amounts at magnitudes 0 and 1, and whether either sign may be drawn."""


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class AugMix(BranchedTransform):
    """Blend each image with several chains of operations on it.

        out = m x + (1 - m) sum_k w_k chain_k(x)
        m ~ Beta(alpha, alpha),  w ~ Dirichlet(alpha, ..., alpha)

    Each chain has one to `chain_depth` operations, drawn for each image out of the paper's nine,
    which have nothing in common with the corruptions of ImageNet-C: auto contrast, equalizing, 4 to
    1 bits, rotation to 30 degrees, solarizing, shears to 0.3, translations to a third. Labels stay;
    masks, boxes and keypoints are refused, as they would lie in several places. The paper trains
    on an image and two such blends of it with a loss for their agreement, which is not part of
    this.

    Args:
        severity: Strength of an operation: a number f from 0 to 1 for the range (0, f), or a pair
            (low, high). Defaults to 0.3.
        num_chains: How many chains, 1 or more. Defaults to 3.
        chain_depth: How many operations a chain has at most, 1 or more. Defaults to 3.
        alpha: A number above 0, or a pair (low, high) to draw each sample's from, uniformly; the
            smaller, the closer to one of the images that are blended. Defaults to 1.0.
        probability: Share of the samples that are changed, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: Arguments out of bounds; when it runs, masks, boxes or keypoints.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.tile(np.arange(64, dtype="uint8")[:, None, None], (8, 1, 64, 3))
    >>> pipeline = kt.augment.Pipeline([kt.augment.AugMix()], seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> len({image.tobytes() for image in out})
    8

    Reference:
        Hendrycks et al., "AugMix: a simple data processing method to improve robustness and
        uncertainty", 2020.
    """

    severity: float | tuple[float, float] = 0.3
    num_chains: int = 3
    chain_depth: int = 3
    alpha: float | tuple[float, float] = 1.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        severity = check_reach("AugMix", "severity", self.severity, 1)
        object.__setattr__(self, "severity", severity)
        for argument in ("num_chains", "chain_depth"):
            value = check_size("AugMix", argument, getattr(self, argument), "number")
            object.__setattr__(self, argument, value)
        alpha = check_positive_limits("AugMix", "alpha", self.alpha)
        object.__setattr__(self, "alpha", alpha)
        probability = check_probability("AugMix", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def num_draws(self) -> int:
        """For whether, shares and depths, three for each operation, one for a range of alpha."""
        operations = self.num_chains * self.chain_depth
        return 2 + 2 * self.num_chains + 3 * operations + draws_of_alpha(self.alpha)

    @property
    def branches(self) -> tuple[tuple[Transform, ...], ...]:
        """What moves pixels, then tables, of each chain."""
        return tuple(
            chain_of(self, range(chain * self.chain_depth, (chain + 1) * self.chain_depth))
            for chain in range(self.num_chains)
        )

    def weights(self, ops: Ops, uniforms: Tensor) -> Tensor:
        """Draw the image's share, and break the rest into the chains'."""
        last = uniforms[:, -1]
        own = beta(ops, uniforms[:, 1], self.alpha, last)
        own = sometimes(ops, uniforms[:, 0], self.probability, own, ops.ones_like(own))
        left, weights = 1.0 - own, [own]
        for chain in range(self.num_chains - 1):
            # A stick of so many parts as are still to be given, broken.
            others = float(self.num_chains - 1 - chain)
            share = beta(ops, uniforms[:, 2 + chain], self.alpha, last, others)
            weights.append(left * share)
            left = left * (1.0 - share)
        return ops.stack([*weights, left], axis=-1)

    def choose(self, ops: Ops, uniforms: Tensor, slot: int) -> Choice:
        """One of nine, each as likely, or none beyond the chain's depth."""
        chain, place = divmod(slot, self.chain_depth)
        first = 2 + 2 * self.num_chains + 3 * slot
        choice = chosen(ops, uniforms[:, first : first + 3], _AMOUNTS, self.severity)
        depth = uniforms[:, 2 + self.num_chains + chain] * float(self.chain_depth)
        return choice.where(ops, depth >= float(place))
