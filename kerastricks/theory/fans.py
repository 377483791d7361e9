"""How many inputs and outputs a weight connects: fan-in and fan-out from its shape."""

import math
import operator
from collections.abc import Iterable


def compute_fans(shape: Iterable[int]) -> tuple[int, int]:
    """Counts the inputs and the outputs that a weight of this shape connects.

    Use it to scale a kernel by the number of terms in each of its sums. Only the shape is seen,
    so the answer is right when the axes mean what the convention says, and not otherwise.

    The convention is Keras': kernels are `(*receptive_field, n_in, n_out)`, and

        fan_in  = n_in  * prod(receptive_field)
        fan_out = n_out * prod(receptive_field)

    A vector counts as `n -> n` and a scalar as `1 -> 1`. Three kernels of Keras do not follow the
    convention, and the shape cannot tell them apart from those that do:

    - `DepthwiseConv` kernels, `(*receptive_field, channels, multiplier)`: each output sums over
      the receptive field only, so the true fan-in is `fan_in / channels`.
    - `ConvTranspose` kernels, `(*receptive_field, n_out, n_in)`: the two fans come out swapped.
    - `EinsumDense` kernels with more than one input or output axis.

    Kernels of grouped convolutions hold `n_in / groups`: their fan-in is right, and their fan-out
    `groups` times too large.

    Args:
        shape: The weight's shape; positive whole numbers. PyTorch's kernels are
            `(n_out, n_in, *receptive_field)`: move the first two axes to the end, swapped.

    Returns:
        The pair `(fan_in, fan_out)`.

    Raises:
        TypeError: If a size is not a whole number.
        ValueError: If a size is not positive.

    Example:
    >>> import kerastricks as kt
    >>> kt.theory.compute_fans((784, 100))  # Dense
    (784, 100)
    >>> kt.theory.compute_fans((3, 3, 16, 32))  # Conv2D
    (144, 288)

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, section 2.2: for a kernel
        of k x k taps, c inputs and d outputs, n = k^2 c forward and k^2 d backward.
    """
    given = tuple(shape)
    received = f"Received: shape={given}."
    try:
        sizes = tuple(operator.index(size) for size in given)
    except TypeError as error:
        raise TypeError(f"Argument `shape` must hold whole numbers. {received}") from error
    if any(size < 1 for size in sizes):
        raise ValueError(
            "Argument `shape` must hold positive sizes: a weight without elements connects "
            f"nothing and has no fans. {received}"
        )
    if not sizes:
        return 1, 1
    if len(sizes) == 1:
        return sizes[0], sizes[0]
    *receptive_field, n_in, n_out = sizes
    taps = math.prod(receptive_field)
    return n_in * taps, n_out * taps
