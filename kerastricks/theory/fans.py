"""How many inputs and outputs a weight connects: fan-in and fan-out from its shape."""

import math
from collections.abc import Iterable

from kerastricks.theory._kernel_axes import checked_sizes, kernel_axes


def compute_fans(
    shape: Iterable[int], kernel: str = "convolution", groups: int = 1
) -> tuple[int, int]:
    """Counts the inputs and the outputs that a weight of this shape connects.

    Use it to scale a kernel by the number of terms in each of its sums. Several layers of Keras
    store kernels of equal shape that mean different things, so say which kind it is:

        kernel            shape                              fan_in        fan_out
        "convolution"     (*receptive_field, n_in, n_out)    taps * n_in   taps * n_out / groups
        "depthwise"       (*receptive_field, n, multiplier)  taps          taps * multiplier
        "transposed"      (*receptive_field, n_out, n_in)    taps * n_in   taps * n_out
        "...x,xy->...y"   the letters between "," and "->"   contracted    the other new letters

    with taps = prod(receptive_field). Which layers these are:

    - `"convolution"`: `Dense` (no receptive field), `Conv1D` to `Conv3D`, the pointwise kernel of
      `SeparableConv`. A grouped convolution stores n_in / groups, so only its fan-out needs
      `groups`. A vector counts as `n -> n` and a scalar as `1 -> 1`, as in Keras.
    - `"depthwise"`: `DepthwiseConv`, the depthwise kernel of `SeparableConv`.
    - `"transposed"`: `Conv1DTranspose` to `Conv3DTranspose`.
    - an equation, as given to `keras.layers.EinsumDense`: letters of the kernel that are missing
      in the output are inputs, those missing in the input are outputs, and those in all three are
      blocks that count in neither.

    Fans count for a unit away from the border, at stride 1. A stride s in each of d directions
    divides the fan-out of a convolution by s^d on average, and the fan-in of a transposed one:
    multiply the standard deviation of such a kernel by s^(d/2) to keep the scale. A recurrent
    kernel is `(n_in, gates * units)`: its fan-in is right, and its fan-out counts every gate.
    The rows of an `Embedding` are looked up, not summed, so no fan describes them.

    Keras' own fans treat every shape as `"convolution"`: those of depthwise kernels are
    channels times too large, those of transposed kernels swapped, and the fan-out of grouped ones
    is groups times too large. For `EinsumDense`, recent versions of Keras' `VarianceScaling` have
    `input_axes` and `output_axes`, which the layer sets; there letters in all three operands
    count as outputs. Other initializers, these included, have to be told the equation.

    Args:
        shape: The weight's shape; positive whole numbers. PyTorch's kernels are
            `(n_out, n_in, *receptive_field)`: move the first two axes to the end, swapped.
        kernel: `"convolution"`, `"depthwise"`, `"transposed"` or an einsum equation. Defaults to
            `"convolution"`.
        groups: Number of groups of a convolution; divides n_out. Defaults to 1.

    Returns:
        The pair `(fan_in, fan_out)`.

    Raises:
        TypeError: If a size or `groups` is not a whole number, or `kernel` not a string.
        ValueError: If a size is not positive, `kernel` none of the above, the number of axes not
            that of such a kernel, or `groups` does not divide n_out.

    Example:
    >>> import kerastricks as kt
    >>> kt.theory.compute_fans((784, 100))  # Dense
    (784, 100)
    >>> kt.theory.compute_fans((3, 3, 16, 32))  # Conv2D
    (144, 288)
    >>> kt.theory.compute_fans((3, 3, 4, 32), groups=4)  # Conv2D of 16 channels in 4 groups
    (36, 72)
    >>> kt.theory.compute_fans((3, 3, 16, 2), kernel="depthwise")
    (9, 18)
    >>> kt.theory.compute_fans((3, 3, 32, 16), kernel="transposed")
    (144, 288)
    >>> # 64 features to 4 heads of 16, as keras.layers.MultiHeadAttention does it, and back
    >>> kt.theory.compute_fans((64, 4, 16), kernel="abc,cde->abde")
    (64, 64)
    >>> kt.theory.compute_fans((4, 16, 64), kernel="abcd,cde->abe")
    (64, 64)

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, section 2.2: for a kernel
        of k x k taps, c inputs and d outputs, n = k^2 c forward and k^2 d backward.
    """
    sizes = checked_sizes(shape)
    if len(sizes) < 2 and kernel == "convolution" and groups == 1:
        return math.prod(sizes), math.prod(sizes)
    axes = kernel_axes(sizes, kernel, groups)
    return axes.count(axes.taps + axes.inputs), axes.count(axes.taps + axes.outputs)
