"""What the orthogonal initializers and Dirac share: blocks, and their place in a kernel."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastricks.initializers._random import RandomInitializer, drawing_dtype
from kerastricks.theory._checks import checked_number
from kerastricks.theory._kernel_axes import KernelAxes, checked_groups, checked_kernel, kernel_axes


class OrthogonalInitializer(RandomInitializer):
    """Base class: draws blocks whose singular values are all equal.

    Args:
        gain: The singular value, above 0.
        seed: Integer, or None for a random one.
        kernel: The kind of kernel; see `kerastricks.theory.compute_fans`.
        groups: Number of groups of a convolution.

    Raises:
        TypeError: If `gain` is not a number, `seed` or `groups` not an integer or `kernel` not a
            string.
        ValueError: If `gain` or `groups` is not positive or `kernel` is not known.
    """

    def __init__(self, gain: float, seed: int | None, kernel: str, groups: int) -> None:
        super().__init__(seed=seed)
        self.gain = checked_number(
            gain,
            "gain",
            "above 0",
            lambda g: g > 0,
            "For an activation's gain, use kerastricks.theory.gain(activation).",
        )
        self.kernel = checked_kernel(kernel)
        self.groups = checked_groups(groups, kernel)

    def _draw_blocks(self, count: int, rows: int, columns: int, dtype: str) -> Any:
        """Draws matrices of shape `(count, rows, columns)`, uniform over the orthogonal ones.

        Their columns are orthonormal up to the gain, or their rows where those are fewer.
        """
        tall = (count, max(rows, columns), min(rows, columns))
        # Backends have no QR decomposition in half precision.
        gaussian = self._draw(tall, 1.0, "normal", drawing_dtype(dtype))
        q, r = keras.ops.qr(gaussian)
        # A decomposition fixes the columns up to their sign, and libraries do so in a way that
        # depends on the matrix; positive diagonals of r make q uniform.
        q = q * keras.ops.sign(keras.ops.diagonal(r, axis1=-2, axis2=-1))[:, None, :]
        if rows < columns:
            q = keras.ops.transpose(q, (0, 2, 1))
        return keras.ops.cast(self.gain * q, dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        return {
            "gain": self.gain,
            **super().get_config(),
            "kernel": self.kernel,
            "groups": self.groups,
        }


def arranged(
    values: Any, order: Sequence[int], axes: KernelAxes, shape: Sequence[int], ops: Any = keras.ops
) -> Any:
    """Brings values, laid out by the axes in that order, into the kernel's shape.

    Args:
        values: As many values as the kernel has.
        order: All axes of the kernel, as numbered by `axes`, in the order of the values.
        axes: What they stand for.
        shape: The kernel's shape.
        ops: `keras.ops` for tensors, numpy for arrays.

    Returns:
        The values in the kernel's shape.
    """
    unfolded = ops.reshape(values, [axes.shape[axis] for axis in order])
    return ops.reshape(ops.transpose(unfolded, np.argsort(order).tolist()), tuple(shape))


def centered_axes(shape: Sequence[int], kernel: str, groups: int, name: str) -> KernelAxes:
    """Sorts the axes of a kernel that has a receptive field, or raises a ValueError.

    Args:
        shape: The kernel's shape.
        kernel: `"convolution"`, `"depthwise"` or `"transposed"`.
        groups: Number of groups of a convolution.
        name: The initializer's name, for the error.

    Returns:
        The axes by their meaning.
    """
    axes = kernel_axes(shape, kernel, groups)
    if not axes.taps:
        raise ValueError(
            "Argument `shape` must have at least 3 axes, (*receptive_field, n_in, n_out): "
            f"{name} fills the middle of a convolution's kernel. Received: shape={tuple(shape)}. "
            "For a Dense kernel, use kerastricks.initializers.Orthogonal() or "
            "keras.initializers.Identity()."
        )
    return axes


def center_mask(axes: KernelAxes) -> npt.NDArray[np.bool_]:
    """Makes an array over the receptive field that is true at its center only.

    An even size has no middle: the tap at `(size - 1) // 2` is taken, which is the one that
    `padding="same"` of Keras lays on the position itself.
    """
    taps = tuple(axes.shape[axis] for axis in axes.taps)
    mask = np.zeros(taps, bool)
    mask[tuple((size - 1) // 2 for size in taps)] = True
    return mask
