"""What the random initializers share: a new draw for every weight, at a stated scale."""

import math
import random
from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np

from kerastricks.theory import TRUNCATED_NORMAL_STDDEV
from kerastricks.theory._checks import checked_integer
from kerastricks.theory._kernel_axes import checked_sizes

Distribution = Literal["normal", "uniform", "truncated_normal"]


class RandomInitializer(keras.initializers.Initializer):
    """Base class: gives each weight its own draw, reproducibly.

    Keras' initializers repeat their draw: one instance passed to two layers of equal shape makes
    them equal. Here call k of an instance draws with a seed derived from `(seed, k)`, so that

    - one instance gives each weight different values;
    - the same seed and the same order of calls give the same values again;
    - without a seed one is taken from Python's generator when the instance is made, which
      `keras.utils.set_random_seed` makes reproducible;
    - a clone, `from_config(get_config())`, starts over at the first draw of the same seed (of a
      new one without a seed). Layers that clone their initializers, such as
      `keras.layers.MultiHeadAttention`, therefore repeat a seeded draw, and so do the layers of a
      cloned model that shared an instance.

    The first draw takes `seed` itself, from 0 to 2^31 - 3, and equals that of Keras' initializer of
    the same distribution.
    Keras calls the initializer in the order in which layers are built; while it traces a subclassed
    model without `build` it also calls it for placeholders, which counts.

    Args:
        seed: Integer, or None for a random one.

    Raises:
        TypeError: If `seed` is neither.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None:
            seed = checked_integer(
                seed,
                "seed",
                "an integer or None",
                least=None,
                hint="One instance gives every weight a new draw, so a "
                "`keras.random.SeedGenerator` is not needed.",
            )
        self.seed = seed
        self._first_seed = random.randrange(2**31) if seed is None else seed
        self._calls = 0

    def _next_seed(self) -> int:
        call, self._calls = self._calls, self._calls + 1
        # Not all backends take more than 31 bits or a sign; TensorFlow's takes the rest after
        # division by 2^31 - 2.
        if call == 0 and 0 <= self._first_seed < 2**31 - 2:
            return self._first_seed
        # Adding the call's number to the seed would make the second draw of seed 0 the first of
        # seed 1.
        mixed = np.random.SeedSequence([self._first_seed % 2**64, call])
        return int(mixed.generate_state(1)[0] >> 1)

    def _draw(
        self, shape: Sequence[int], stddev: float, distribution: Distribution, dtype: Any
    ) -> Any:
        """Draws zero-mean values of that standard deviation, for this call's seed."""
        # All checks come before the seed is taken: a refused call must not shift later draws.
        shape, dtype = checked_sizes(shape), checked_float_dtype(dtype)
        drawn_dtype = drawing_dtype(dtype)
        seed = self._next_seed()
        if distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            values = keras.random.uniform(shape, -limit, limit, dtype=drawn_dtype, seed=seed)
        elif distribution == "normal":
            values = keras.random.normal(shape, stddev=stddev, dtype=drawn_dtype, seed=seed)
        else:
            values = keras.random.truncated_normal(
                shape, stddev=stddev / TRUNCATED_NORMAL_STDDEV, dtype=drawn_dtype, seed=seed
            )
        return keras.ops.cast(values, dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        return {"seed": self.seed}


def checked_float_dtype(dtype: Any) -> str:
    """Returns the name of a floating-point type (of the default one for None), or raises."""
    name: str = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_float_dtype(name):
        raise ValueError(
            "Argument `dtype` must be a floating-point type: rounding random weights to "
            f'whole numbers would give zeros. Received: dtype={name!r}. Use "float32".'
        )
    return name


def drawing_dtype(dtype: str) -> str:
    """The type to draw in: backends draw half precision from few bits, which shows in the tails."""
    return "float64" if dtype == "float64" else "float32"


def checked_distribution(distribution: str) -> Distribution:
    """Returns the distribution, or raises a ValueError that lists those there are."""
    for known in get_args(Distribution):
        if distribution == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(
        'Argument `distribution` must be "normal", "uniform" or "truncated_normal" (cut at 2 '
        f"sigma, at the same standard deviation). Received: distribution={distribution!r}."
    )
