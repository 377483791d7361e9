"""Pairs of operations that were searched for on a data set, a pair for each image."""

from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
from numpy.typing import NDArray

from kerastricks.augment.checks import check_probability
from kerastricks.augment.kernels import Ops, Tensor
from kerastricks.augment.transforms._policy import OPERATIONS, Choice, Policy, picked, rows_of

# Operation, probability and magnitude, 0 to 9, of the first and of the second.
_POLICIES = {
    "imagenet": """
        posterize 0.4 8, rotate 0.6 9;          solarize 0.6 5, auto_contrast 0.6 0
        equalize 0.8 0, equalize 0.6 0;         posterize 0.6 7, posterize 0.6 6
        equalize 0.4 0, solarize 0.2 4;         equalize 0.4 0, rotate 0.8 8
        solarize 0.6 3, equalize 0.6 0;         posterize 0.8 5, equalize 1.0 0
        rotate 0.2 3, solarize 0.6 8;           equalize 0.6 0, posterize 0.4 6
        rotate 0.8 8, saturation 0.4 0;         rotate 0.4 9, equalize 0.6 0
        equalize 0.0 0, equalize 0.8 0;         invert 0.6 0, equalize 1.0 0
        saturation 0.6 4, contrast 1.0 8;       rotate 0.8 8, saturation 1.0 2
        saturation 0.8 8, solarize 0.8 7;       sharpness 0.4 7, invert 0.6 0
        shear_x 0.6 5, equalize 1.0 0;          saturation 0.4 0, equalize 0.6 0
        equalize 0.4 0, solarize 0.2 4;         solarize 0.6 5, auto_contrast 0.6 0
        invert 0.6 0, equalize 1.0 0;           saturation 0.6 4, contrast 1.0 8
        equalize 0.8 0, equalize 0.6 0
    """,
    "cifar10": """
        invert 0.1 0, contrast 0.2 6;           rotate 0.7 2, translate_x 0.3 9
        sharpness 0.8 1, sharpness 0.9 3;       shear_y 0.5 8, translate_y 0.7 9
        auto_contrast 0.5 0, equalize 0.9 0;    shear_y 0.2 7, posterize 0.3 7
        saturation 0.4 3, brightness 0.6 7;     sharpness 0.3 9, brightness 0.7 9
        equalize 0.6 0, equalize 0.5 0;         contrast 0.6 7, sharpness 0.6 5
        saturation 0.7 7, translate_x 0.5 8;    equalize 0.3 0, auto_contrast 0.4 0
        translate_y 0.4 3, sharpness 0.2 6;     brightness 0.9 6, saturation 0.2 8
        solarize 0.5 2, invert 0.0 0;           equalize 0.2 0, auto_contrast 0.6 0
        equalize 0.2 0, equalize 0.6 0;         saturation 0.9 9, equalize 0.6 0
        auto_contrast 0.8 0, solarize 0.2 8;    brightness 0.1 3, saturation 0.7 0
        solarize 0.4 5, auto_contrast 0.9 0;    translate_y 0.9 9, translate_y 0.7 9
        auto_contrast 0.9 0, solarize 0.8 3;    equalize 0.8 0, invert 0.1 0
        translate_y 0.7 9, auto_contrast 0.9 0
    """,
    "svhn": """
        shear_x 0.9 4, invert 0.2 0;            shear_y 0.9 8, invert 0.7 0
        equalize 0.6 0, solarize 0.6 6;         invert 0.9 0, equalize 0.6 0
        equalize 0.6 0, rotate 0.9 3;           shear_x 0.9 4, auto_contrast 0.8 0
        shear_y 0.9 8, invert 0.4 0;            shear_y 0.9 5, solarize 0.2 6
        invert 0.9 0, auto_contrast 0.8 0;      equalize 0.6 0, rotate 0.9 3
        shear_x 0.9 4, solarize 0.3 3;          shear_y 0.8 8, invert 0.7 0
        equalize 0.9 0, translate_y 0.6 6;      invert 0.9 0, equalize 0.6 0
        contrast 0.3 3, rotate 0.8 4;           invert 0.8 0, translate_y 0.0 2
        shear_y 0.7 6, solarize 0.4 8;          invert 0.6 0, rotate 0.8 4
        shear_y 0.3 7, translate_x 0.9 3;       shear_x 0.1 6, invert 0.6 0
        solarize 0.7 2, translate_y 0.6 7;      shear_y 0.8 4, invert 0.8 0
        shear_x 0.7 9, translate_y 0.8 3;       shear_y 0.8 5, auto_contrast 0.7 0
        shear_x 0.7 2, invert 0.1 0
    """,
}
_STRONGEST = {
    "shear_x": 0.3,
    "shear_y": 0.3,
    "translate_x": 150 / 331,
    "translate_y": 150 / 331,
    "rotate": 30.0,
    "brightness": 0.9,
    "saturation": 0.9,
    "contrast": 0.9,
    "sharpness": 0.9,
}
"""Amounts at magnitude 9, of either sign."""
_MOST = 9


@cache
def pairs(policy: str) -> NDArray[np.float64]:
    """Rows of a policy, (pairs, 2, 4): operation, probability, amount, whether signs are drawn."""
    rows = []
    for pair in _POLICIES[policy].replace("\n", ";").split(";"):
        for name, probability, magnitude in map(str.split, filter(str.strip, pair.split(","))):
            level = int(magnitude) / _MOST
            amount = _STRONGEST.get(name, 0.0) * level
            if name == "posterize":
                amount = 8 - round(4 * level)
            elif name == "solarize":
                amount = 1 - level
            rows.append((OPERATIONS.index(name), float(probability), amount, name in _STRONGEST))
    return np.array(rows, dtype=np.float64).reshape(-1, 2, 4)


@keras.saving.register_keras_serializable(package="kerastricks")
@dataclass(frozen=True)
class AutoAugment(Policy):
    """Give each image one of 25 pairs of operations that were searched for on a data set.

    Each operation of the pair is done with a probability of its own; signs are drawn. Pairs and
    amounts are those of torchvision's class of this name, which come from the paper; what moves
    pixels goes first, in one resample.

    Args:
        policy: The data set of the search: "imagenet" (the default), "cifar10" or "svhn".
        probability: Share of the images that get a pair, 0 to 1. Defaults to 1.0.

    Raises:
        ValueError: No such policy, or a probability outside 0 to 1; when it runs, images of neither
            1 nor 3 channels.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> images = np.tile(np.arange(64, dtype="uint8")[:, None, None], (16, 1, 64, 3))
    >>> pipeline = kt.augment.Pipeline([kt.augment.AutoAugment()], seed=0)
    >>> out = np.asarray(pipeline(images, training=True))
    >>> len({image.tobytes() for image in out}) > 4
    True

    Reference:
        Cubuk, Zoph, Mané, Vasudevan and Le, "AutoAugment: learning augmentation policies from
        data", 2019.
    """

    policy: str = "imagenet"
    probability: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.policy, str) or self.policy not in _POLICIES:
            raise ValueError(
                f"AutoAugment: `policy` is one of {', '.join(map(repr, _POLICIES))}. "
                f"Received: policy={self.policy!r}"
            )
        probability = check_probability("AutoAugment", self.probability)
        object.__setattr__(self, "probability", probability)

    @property
    def slots(self) -> int:
        """A pair."""
        return 2

    @property
    def draws_of_a_slot(self) -> int:
        """For whether, and the sign."""
        return 2

    @property
    def num_draws(self) -> int:
        """One more number for which pair, and one for whether any."""
        return 2 + self.slots * self.draws_of_a_slot

    def choose(self, ops: Ops, uniforms: Tensor, slot: int) -> Choice:
        """The operation of the image's pair."""
        table = pairs(self.policy)
        index = picked(ops, uniforms[:, 0], len(table))
        operation, probability, amount, signed = (
            rows_of(ops, table[:, slot, column], index) for column in range(4)
        )
        whether, sign = uniforms[:, 1 + 2 * slot], uniforms[:, 2 + 2 * slot]
        negative = ops.logical_and(signed > 0.5, sign < 0.5)
        amount = ops.where(negative, 0.0 - amount, amount)
        done = ops.logical_and(whether < probability, uniforms[:, -1] < self.probability)
        return Choice(operation, amount).where(ops, done)
