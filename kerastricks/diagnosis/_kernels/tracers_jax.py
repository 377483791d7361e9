"""What JAX puts in the place of arrays while it writes a function's operations down."""

from typing import Any

import jax


def is_traced(values: Any) -> bool:
    """True where any of the values stands for an array that is not there yet."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree_util.tree_leaves(values))
