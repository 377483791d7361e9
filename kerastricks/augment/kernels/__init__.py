"""Array namespaces, and the only place that calls a backend's own operations.

Everything that draws, plans or moves pixels is written once, against a namespace named `ops` that
is handed in. A layer in a model hands in `keras.ops`; a `tf.data` stage hands in
`kerastricks.augment.kernels.tensorflow`, because a `tf.data` graph speaks TensorFlow whatever
backend Keras runs on. Nothing here is imported before it is needed, so TensorFlow may be absent.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

Ops: TypeAlias = Any
"""A namespace with the functions of `kernels.tensorflow`, under the names and rules of
`keras.ops`."""

Tensor: TypeAlias = Any
"""An array of the namespace at hand."""

Size: TypeAlias = tuple[Any, Any]
"""(height, width) in pixels: integers where they are known, scalar tensors where they are not."""


Stage: TypeAlias = Callable[[Tensor, Any], Tensor]
"""A function of images (B, H, W, C) and the parameters of a pass: one loop over the pixels."""


Compiler: TypeAlias = Callable[[Callable[..., Tensor]], Callable[..., Tensor]]
"""Wraps a stage."""


Demand: TypeAlias = tuple[str, Tensor, int, Any, int]
"""(name, x, axis, other, axis of the other): x is as long along its axis as the other is along its
own, or as a number says."""


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compile a pure function of tensors where Keras' backend would compile it piece by piece.

    JAX compiles every operation of a call outside a model by itself, for seconds; as one function
    they take a fraction. In a model, and on the other backends, this changes nothing.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)  # type: ignore[no-any-return]
    return function


def materialised(found: Any) -> Any:
    """Keep a compiler from computing tensors anew for every pixel that the next stage reads.

    XLA on JAX would merge the stages into one loop, and the reads of both would multiply.
    """
    if keras.backend.backend() == "jax" and not _is_tensorflow(keras.tree.flatten(found)[0]):
        import jax

        return jax.lax.optimization_barrier(found)
    return found


def at_least(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Refuse images that turn out too small when they are there.

    Sizes that are not known beforehand are TensorFlow's alone; of others nothing is to be done.

    Args:
        images: Tensor (..., H, W, C).
        size: (height, width) that they must have at least.

    Returns:
        The images.
    """
    if not _is_tensorflow(images):
        return images
    from kerastricks.augment.kernels.tensorflow import checked_at_least

    return checked_at_least(images, size)


def agreeing(images: Tensor, demands: Sequence[Demand]) -> Tensor:
    """Refuse parts of lengths that turn out not to go with each other when they are there.

    Lengths that are not known beforehand are TensorFlow's alone.

    Args:
        images: Tensor of images.
        demands: Of lengths.

    Returns:
        The images.
    """
    if not demands or not _is_tensorflow(images):
        return images
    from kerastricks.augment.kernels.tensorflow import checked_lengths

    return checked_lengths(images, demands)


def refused(x: Tensor, wrong: Callable[[], Tensor], message: str) -> Tensor:
    """Refuse what turns out wrong when it is there, in a graph of TensorFlow.

    XLA leaves this out, and on the other backends `seen` tells before.

    Args:
        x: Tensor.
        wrong: Gives a boolean tensor, true where something is wrong.
        message: What to say.

    Returns:
        x.
    """
    if not _is_tensorflow(x):
        return x
    from kerastricks.augment.kernels.tensorflow import checked_nowhere

    return checked_nowhere(x, wrong(), message)


def replaced(
    ops: Ops, wanted: Tensor, table: Tensor, function: Callable[..., Tensor], *arguments: Tensor
) -> Tensor:
    """Put a function's rows in the place of some of a table's.

    Of numpy arrays, the function is handed the wanted rows alone. Of tensors it is handed all of
    them, and the wanted are picked from what it gives: which these are is not known to a graph.

    Args:
        ops: `keras.ops` or a namespace like it.
        wanted: Which rows, bool (B,).
        table: Tensor (B, K, N).
        function: Gives (R, K', N) for R rows of the arguments; K' is K, or either is 1.
        arguments: Tensors (B, ...).

    Returns:
        Tensor (B, max(K, K'), N); in numpy the table itself, where no row is wanted.
    """
    if not isinstance(table, np.ndarray):
        return ops.where(wanted[:, None, None], function(*arguments), table)
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return table
    found = function(*(x[rows] for x in arguments))
    kinds = np.broadcast_shapes(table.shape[1:], found.shape[1:])
    out = np.array(np.broadcast_to(table, (len(table), *kinds)))
    out[rows] = found
    return out


def seen(x: Any) -> NDArray[Any] | None:
    """Give the numbers of an array; None where they are yet to come, as while a graph is traced.

    On an accelerator this waits for them.
    """
    if isinstance(x, np.ndarray):
        return x
    if _is_tensorflow(x):
        return x.numpy() if hasattr(x, "numpy") else None
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        there = isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
        return np.asarray(x) if there else None
    if backend == "torch":
        import torch

        there = isinstance(x, torch.Tensor) and x.device.type != "meta"
        if not there or torch.compiler.is_compiling():
            return None
        x = x.detach().cpu()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # type: ignore[no-any-return]
    return None


def _is_tensorflow(x: Tensor) -> bool:
    """True for a tensor of a `tf.data` graph, which there may be under any backend."""
    return type(x).__module__.startswith("tensorflow")


__all__ = [
    "Compiler",
    "Demand",
    "Ops",
    "Size",
    "Stage",
    "Tensor",
    "agreeing",
    "at_least",
    "compiled",
    "materialised",
    "refused",
    "replaced",
    "seen",
]
