"""Read the arguments of a pipeline, or say what is wrong with them."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastricks.augment.border import FILL_MODES, Border
from kerastricks.augment.checks import is_number
from kerastricks.augment.threefry import MOST_NUMBERS, MOST_TRANSFORMS
from kerastricks.augment.transform import Transform


def check_transforms(transforms: Any) -> list[Transform]:
    """Return the list of transforms, or say what in it is none."""
    if isinstance(transforms, Transform) or not isinstance(transforms, Sequence):
        raise TypeError(
            "`transforms` is a list, such as [kt.augment.RandomFlip()]. "
            f"Received: {transforms!r} (of type {type(transforms).__name__})"
        )
    for index, transform in enumerate(transforms):
        if not isinstance(transform, Transform):
            raise TypeError(
                "`transforms` holds transforms of kerastricks.augment, such as RandomFlip(). Keras "
                "layers run beside a pipeline, not in it. "
                f"Received: transforms[{index}]={transform!r} (of type {type(transform).__name__})"
            )
        if transform.num_draws > MOST_NUMBERS:
            raise ValueError(
                f"A transform takes at most {MOST_NUMBERS} random numbers a sample, and "
                f"{transform!r} takes {transform.num_draws}. Pass it smaller numbers."
            )
    if len(transforms) > MOST_TRANSFORMS:
        raise ValueError(
            f"A pipeline has at most {MOST_TRANSFORMS} transforms. Received: {len(transforms)}"
        )
    return list(transforms)


def check_seed(seed: Any) -> int:
    """Return the seed, or pick one with Python's `random`."""
    if seed is None:
        return random.randrange(2**32)
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**32:
        raise ValueError(
            "`seed` is an integer from 0 to 2**32 - 1, or None to pick one. "
            f"Received: seed={seed!r}"
        )
    return int(seed)


def check_border(fill_mode: Any, fill_value: Any, value_range: tuple[float, float]) -> Border:
    """Return what lies beyond the border."""
    if not isinstance(fill_mode, str) or fill_mode not in FILL_MODES:
        raise ValueError(
            f"`fill_mode` is one of {', '.join(map(repr, FILL_MODES))}. "
            f"Received: fill_mode={fill_mode!r}"
        )
    low, high = value_range
    inside = is_number(fill_value) and low <= fill_value <= high
    # What is not used need not lie in the range, as the default does not in every one.
    if not is_number(fill_value) or (fill_mode == "constant" and not inside):
        raise ValueError(
            f"`fill_value` is a number within value_range=({low:g}, {high:g}). "
            f"Received: fill_value={fill_value!r}"
        )
    return Border(fill_mode, float(fill_value))
