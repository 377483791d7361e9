"""Counter-based random numbers: the same key and counter give the same number, anywhere.

A generator with a state hands its numbers out in the order of the calls, so parallel calls and
batch sizes change what a sample gets. A counter-based one is a function: sample n of epoch e has
its numbers, whoever asks, and in whatever order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kerastricks.augment.kernels import Ops, Tensor

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_BLOCK_BITS = 16
MOST_NUMBERS = 2 << _BLOCK_BITS
"""Random numbers that a transform may take for a sample: two a block."""
MOST_TRANSFORMS = 1 << (32 - _BLOCK_BITS)
"""Transforms of a pipeline, which have numbers of their own."""


def signed(word: int) -> int:
    """Give the int32 that has the bits of an unsigned 32-bit word.

    >>> signed(0xFFFFFFFF)
    -1
    """
    return (word & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def _rotate_left(ops: Ops, x: Tensor, bits: int) -> Tensor:
    # int32 shifts right arithmetically: the mask clears the copies of the sign.
    low = ops.bitwise_and(ops.right_shift(x, 32 - bits), (1 << bits) - 1)
    return ops.bitwise_or(ops.left_shift(x, bits), low)


def threefry_2x32(
    ops: Ops, key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Scramble two 32-bit counter words under two key words: Threefry-2x32 with 20 rounds.

    Use it where a random number must be a function of its name (epoch, sample, purpose) and not of
    the order of calls. It is no cipher. `jax.random` is built on the same function.

    int32 carries the bits: addition wraps, and every backend, XLA included, has it.

    Args:
        ops: `keras.ops` or a namespace like it.
        key: Two int32 tensors; shapes broadcast with the counter's.
        counter: Two int32 tensors.

    Returns:
        Two int32 tensors of random bits.

    Example:
    >>> import keras
    >>> zero = keras.ops.zeros((1,), "int32")
    >>> first, second = threefry_2x32(keras.ops, (zero, zero), (zero, zero))
    >>> hex(int(first[0])), int(second[0]) == signed(0x99BA4EFE)
    ('0x6b200159', True)

    Reference:
        Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    keys = (*key, ops.bitwise_xor(ops.bitwise_xor(key[0], key[1]), _PARITY))
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for bits in _ROTATIONS[group % 2]:
            x = x + y
            y = ops.bitwise_xor(_rotate_left(ops, y, bits), x)
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + (group + 1)
    return x, y


@dataclass(frozen=True)
class SampleKeys:
    """Name the samples of a batch, and draw their random numbers.

    Args:
        seed: The pipeline's seed, 0 to 2**32 - 1.
        epoch: int32 scalar tensor: which pass over the data set.
        positions: int32 tensor (B,): each sample's place in its epoch, from 0.
        numbers: What has been drawn, float32 tensors (B, count) by transform.
    """

    seed: int
    epoch: Tensor
    positions: Tensor
    numbers: Mapping[int, Tensor] = field(default_factory=dict)

    def uniform(self, ops: Ops, transform: int, count: int) -> Tensor:
        """Draw `count` uniform numbers in [0, 1) for each sample.

        The key is (seed, epoch), the counter (position, transform and block), so two transforms
        never share a number. A number is the upper 24 bits of a word times 2**-24: all of float32's
        precision, and never 1.

        Args:
            ops: `keras.ops` or a namespace like it.
            transform: The transform's place in the list.
            count: Numbers a sample, at most `MOST_NUMBERS`.

        Returns:
            float32 tensor (B, count).
        """
        known = self if transform in self.numbers else self.drawn(ops, {transform: count})
        return known.numbers[transform][:, :count]

    def drawn(self, ops: Ops, counts: Mapping[int, int]) -> "SampleKeys":
        """Draw the numbers of several transforms in one go, for `uniform` to hand out.

        Args:
            ops: `keras.ops` or a namespace like it.
            counts: Numbers a sample, by transform.
        """
        if not counts:
            return self
        blocks = {transform: (count + 1) // 2 for transform, count in counts.items()}
        names = [
            signed((transform << _BLOCK_BITS) + block)
            for transform, length in blocks.items()
            for block in range(length)
        ]
        block = ops.cast(np.array([names], "int32"), "int32")
        position = self.positions[:, None] + ops.zeros_like(block)
        block = block + ops.zeros_like(position)
        seed = ops.zeros_like(block) + signed(self.seed)
        epoch = ops.zeros_like(block) + self.epoch
        words = ops.stack(threefry_2x32(ops, (seed, epoch), (position, block)), axis=-1)
        words = ops.reshape(words, (-1, 2 * len(names)))
        upper = ops.bitwise_and(ops.right_shift(words, 8), (1 << 24) - 1)
        numbers = ops.cast(upper, "float32") * 2.0**-24
        found, start = {}, 0
        for transform, length in blocks.items():
            found[transform] = numbers[:, 2 * start : 2 * (start + length)]
            start += length
        return replace(self, numbers=found)

    def without_first(self, count: Any) -> "SampleKeys":
        """Name the samples after the first ones."""
        numbers = {transform: each[count:] for transform, each in self.numbers.items()}
        return replace(self, positions=self.positions[count:], numbers=numbers)


def sample_keys_of(ops: Ops, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Make two key words of a sample's first four uniform numbers, for `pixel_uniforms`.

    Args:
        ops: `keras.ops` or a namespace like it.
        uniforms: float32 tensor (B, 4) of numbers in [0, 1), multiples of 2**-24.

    Returns:
        Two int32 tensors (B,).
    """
    whole = ops.cast(uniforms * 2.0**24, "int32")
    # Two numbers of 24 bits fill one word of 32: what overlaps is random on both sides.
    words = [
        ops.bitwise_xor(whole[:, first], ops.left_shift(whole[:, first + 1], _BLOCK_BITS))
        for first in (0, 2)
    ]
    return words[0], words[1]


def pixel_uniforms(
    ops: Ops, key: tuple[Tensor, Tensor], shape: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Draw two uniform numbers in [0, 1) for each value of each image.

    Args:
        ops: `keras.ops` or a namespace like it.
        key: Two int32 tensors (B,), each sample's own.
        shape: (height, width, channels), together below 2**31.

    Returns:
        Two float32 tensors (B, height, width, channels).
    """
    height, width, channels = shape
    place = ops.reshape(
        ops.arange(height * width * channels, dtype="int32"), (1, height, width, channels)
    )
    place = place + ops.zeros_like(key[0][:, None, None, None])
    keys = tuple(word[:, None, None, None] + ops.zeros_like(place) for word in key)
    words = threefry_2x32(ops, keys, (place, ops.zeros_like(place)))
    numbers = [
        ops.cast(ops.bitwise_and(ops.right_shift(word, 8), (1 << 24) - 1), "float32") * 2.0**-24
        for word in words
    ]
    return numbers[0], numbers[1]
