"""Random integers and masked inputs in JAX."""

import math
from typing import Any

import jax
import jax.numpy as jnp

_TYPES = {8: jnp.int8, 16: jnp.int16, 32: jnp.int32}
_UNSIGNED = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32}
_FEW = 2**14


def random_integers(shape: tuple[int, ...], bits: int, seeds: Any, like: Any) -> Any:
    """Draws signed integers uniformly from all of that many bits.

    Several are cut from each random word (JAX's own narrow integers take a word each), along the
    last axis only: a batch that is spread over devices stays where it is. For few integers the
    cutting takes longer than the words that it saves.
    """
    if math.prod(shape) <= _FEW:
        drawn = jax.random.bits(seeds.next(), shape, _UNSIGNED[bits])
        return jax.lax.bitcast_convert_type(drawn, _TYPES[bits])
    *leading, last = shape or (1,)
    words = (*leading, -(-last // (32 // bits)))
    drawn = jax.random.bits(seeds.next(), words, jnp.uint32)
    integers = jax.lax.bitcast_convert_type(drawn, _TYPES[bits])
    cut = (*leading, words[-1] * (32 // bits))
    return integers.reshape(cut)[..., :last].reshape(shape)


def masked(inputs: Any, mask: Any, factor: float) -> Any:
    """Returns inputs * factor where the mask is True, and 0 elsewhere."""
    return jnp.where(mask, inputs * factor, 0)


masked_by_broadcast = masked
