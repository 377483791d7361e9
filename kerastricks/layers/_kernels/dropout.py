"""Random masks from as few random bits as their share needs, and inputs multiplied by them."""

from types import ModuleType
from typing import Any, NamedTuple

import keras
from keras import ops

TRUE_TO = 1e-3
"""How far, as a part of itself, the drawn share may be from the one that was asked for."""


class Mask(NamedTuple):
    """A boolean tensor, and the exact probability with which its entries are True."""

    values: Any
    share: Any


def dropout(
    inputs: Any, keep: float, gain: float, noise_shape: tuple[int | None, ...] | None, seeds: Any
) -> Any:
    """Returns inputs * mask * gain / keep, whose expectation over masks is inputs * gain.

    Args:
        inputs: Floating-point tensor.
        keep: The share of entries that stays, in (0, 1).
        gain: The factor that is left in the mean.
        noise_shape: The mask's shape, with None for the inputs' own size; None for all of it.
        seeds: A `keras.random.SeedGenerator`.
    """
    shape = ops.shape(inputs)
    if noise_shape is None or all(size is None for size in noise_shape):
        mask = random_mask(shape, keep, seeds, inputs)
        return _kernel().masked(inputs, mask.values, gain / mask.share)
    sizes = zip(noise_shape, shape, strict=True)
    shape = tuple(size if given is None else given for given, size in sizes)
    mask = random_mask(shape, keep, seeds, inputs)
    # One multiplication by a small tensor: selecting by a mask that must be broadcast is slower.
    return inputs * (ops.cast(mask.values, inputs.dtype) * (gain / mask.share))


def random_mask(shape: tuple[Any, ...], share: Any, seeds: Any, like: Any) -> Mask:
    """Draws a mask whose entries are True with the probability `share`.

    An entry is True where a random integer of 8, 16 or 32 bits lies below a threshold: of the
    fewest bits that give the share exactly (8) or to a thousandth of it and of its complement
    (16). Scaling by the share of the mask, not by the one asked for, keeps means exact.

    Args:
        shape: Sizes; integers, or scalar tensors where TensorFlow does not know them yet.
        share: The probability, in (0, 1); a number, or a scalar tensor in float32.
        seeds: A `keras.random.SeedGenerator`.
        like: A tensor on the device where the mask is wanted.
    """
    if isinstance(share, float):
        bits = _bits_for(share)
        below = min(max(round(share * 2**bits), 1), 2**bits - 1)
        share = below / 2**bits
        threshold = below - 2 ** (bits - 1)
    else:
        bits = 32
        threshold = ops.cast(share * 2.0**32 - 2.0**31, "int32")
    return Mask(_kernel().random_integers(shape, bits, seeds, like) < threshold, share)


def random_uniform(shape: tuple[Any, ...], low: float, high: float, seeds: Any, like: Any) -> Any:
    """Draws from 2^16 equidistant values between `low` and `high`, with their exact mean.

    The arguments are those of `random_mask`; the type is that of `like`.
    """
    step = (high - low) / 2**16
    integers = _kernel().random_integers(shape, 16, seeds, like)
    # In half precision the step alone could be too small a number.
    values = ops.cast(integers, "float32") * step + ((low + high) / 2 + step / 2)
    return ops.cast(values, like.dtype)


def _bits_for(share: float) -> int:
    if (share * 2**8).is_integer():
        return 8
    error = abs(share * 2**16 - round(share * 2**16))
    return 16 if error <= TRUE_TO * 2**16 * min(share, 1 - share) else 32


def _kernel() -> ModuleType:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from kerastricks.layers._kernels import dropout_tensorflow

        return dropout_tensorflow
    if backend == "jax":
        from kerastricks.layers._kernels import dropout_jax

        return dropout_jax
    from kerastricks.layers._kernels import dropout_torch

    return dropout_torch
