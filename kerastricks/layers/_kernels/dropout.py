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
    if noise_shape is None and keras.backend.backend() == "torch":
        outputs = _kernel().fused(inputs, keep, gain, seeds)
        if outputs is not None:
            return outputs
    shape = ops.shape(inputs)
    noise_shape = (None,) * len(shape) if noise_shape is None else fitted(noise_shape, shape)
    pairs = tuple(zip(noise_shape, shape, strict=True))
    for given, size in pairs:
        if given not in (None, 1) and not isinstance(size, int):
            inputs = asserted(inputs, size == given, _misfit(noise_shape, shape))
    sizes = tuple(size if given is None else given for given, size in pairs)
    mask = random_mask(sizes, keep, seeds, inputs)
    whole = all(given is None for given in noise_shape)
    apply = _kernel().masked if whole else _kernel().masked_by_broadcast
    return apply(inputs, mask.values, gain / mask.share)


def fitted(noise_shape: tuple[int | None, ...], shape: tuple[Any, ...]) -> tuple[int | None, ...]:
    """Returns `noise_shape` with a size for each axis of `shape`, or raises a ValueError.

    Missing axes come first and have the size 1, as in broadcasting. Sizes of `shape` that are no
    integers are not known yet and fit anything.
    """
    padded = (1,) * (len(shape) - len(noise_shape)) + tuple(noise_shape)
    fits = len(padded) == len(shape) and all(
        given in (None, 1) or not isinstance(size, int) or given == size
        for given, size in zip(padded, shape, strict=True)
    )
    if fits:
        return padded
    raise ValueError(_misfit(noise_shape, shape))


def asserted(inputs: Any, condition: Any, message: str) -> Any:
    """Returns the inputs of a graph of TensorFlow that fails unless the condition holds in a run.

    Only there are sizes unknown when the layer is called.
    """
    return _kernel().asserted(inputs, condition, message)


def random_mask(shape: tuple[Any, ...], share: Any, seeds: Any, like: Any) -> Mask:
    """Draws a mask whose entries are True with the probability `share`.

    An entry is True where a random integer of 8, 16, 32 or 64 bits lies below a threshold: of the
    fewest bits that give the share exactly (8) or to a thousandth of it and of its complement
    (others). Scaling by the share of the mask, not by the one asked for, keeps means exact.

    Args:
        shape: Sizes; integers, or scalar tensors where TensorFlow does not know them yet.
        share: The probability, in (0, 1); a number, or a scalar tensor in float32.
        seeds: A `keras.random.SeedGenerator`.
        like: A tensor on the device where the mask is wanted.
    """
    draw = _kernel().random_integers
    if not isinstance(share, float):
        # In 64 bits: near -2^31, floats of 32 bits are 128 apart.
        below = ops.cast(share * 2.0**32, "int64")
        threshold = ops.cast(ops.minimum(below, 2**32 - 1) - 2**31, "int32")
        return Mask(draw(shape, 32, seeds, like) < threshold, share)
    bits = _bits_for(share)
    below = min(round(share * 2**bits), 2**bits - 1)
    share = below / 2**bits
    if bits < 64:
        return Mask(draw(shape, bits, seeds, like) < below - 2 ** (bits - 1), share)
    # As two words: JAX has no integers of 64 bits unless told.
    high, low = (word - 2**31 for word in divmod(below, 2**32))
    first = draw(shape, 32, seeds, like)
    second = draw(shape, 32, seeds, like)
    decided_by_second = ops.logical_and(first == high, second < low)
    return Mask(ops.logical_or(first < high, decided_by_second), share)


def random_uniform(shape: tuple[Any, ...], low: float, high: float, seeds: Any, like: Any) -> Any:
    """Draws from 2^16 equidistant values between `low` and `high`, with their exact mean.

    The arguments are those of `random_mask`; the type is that of `like`.
    """
    step = (high - low) / 2**16
    integers = _kernel().random_integers(shape, 16, seeds, like)
    # In half precision the step alone could be too small a number.
    values = ops.cast(integers, "float32") * step + ((low + high) / 2 + step / 2)
    return ops.cast(values, like.dtype)


def _misfit(noise_shape: tuple[int | None, ...], shape: tuple[Any, ...]) -> str:
    known = tuple(size if isinstance(size, int) else None for size in shape)
    return (
        "`noise_shape` must broadcast to the inputs: no more axes than they have, the last ones "
        "aligned, and along each axis None, 1 or the inputs' size. Received: "
        f"noise_shape={tuple(noise_shape)} and inputs of shape {known}."
    )


def _bits_for(share: float) -> int:
    rarer = min(share, 1 - share)
    for bits, true_to in ((8, 0.0), (16, TRUE_TO), (32, TRUE_TO)):
        error = abs(share * 2**bits - round(share * 2**bits))
        if rarer > 0 and error <= true_to * 2**bits * rarer:
            return bits
    return 64


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
