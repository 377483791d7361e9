"""What operations on images need of a backend itself: random numbers, and ranks not yet known."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, TypeAlias

import keras

Tensor: TypeAlias = Any
"""An array of Keras' backend."""

Seed: TypeAlias = Any
"""None, an integer, or a `keras.random.SeedGenerator`."""

_calls: dict[int, int] = {}


def uniform(shape: Sequence[Any], seed: Seed) -> Tensor:
    """Draw numbers in [0, 1), other ones on every call.

    With an integer, the calls of a program are a sequence that it fixes, as with TensorFlow's
    stateful operations; `keras.random` would draw the same numbers on every call.

    Args:
        shape: Sizes, which may be tensors on TensorFlow.
        seed: None, an integer, or a `keras.random.SeedGenerator`. Inside a function that JAX
            compiles an integer gives the same numbers on every call, and None is refused.

    Returns:
        float32 tensor.
    """
    if seed is None or isinstance(seed, Integral):
        number = None if seed is None else int(seed)
        if keras.backend.backend() == "tensorflow":
            from kerastricks.addons.image._kernels.tensorflow import stateful_uniform

            return stateful_uniform(shape, number)
        if number is not None:
            _calls[number] = _calls.get(number, -1) + 1
            seed = (number * 1_000_003 + _calls[number]) % 2**31
    return keras.random.uniform(shape, dtype="float32", seed=seed)


def batch_of_unknown_rank(images: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]] | None:
    """Make a batch of images whose rank is known only when they are there.

    Args:
        images: A tensor.

    Returns:
        A tensor of rank 4 and a function that undoes it; None if the rank is known.
    """
    if keras.backend.backend() != "tensorflow" or images.shape.rank is not None:
        return None
    from kerastricks.addons.image._kernels.tensorflow import batch_of_unknown_rank as batch

    return batch(images)


__all__ = ["Seed", "Tensor", "batch_of_unknown_rank", "uniform"]
