"""Delta-orthogonal initialization for convolutions."""

from collections.abc import Sequence
from typing import Any

import keras

from kerastricks.initializers._orthogonal import (
    OrthogonalInitializer,
    arranged,
    center_mask,
    centered_axes,
)
from kerastricks.initializers._random import checked_float_dtype
from kerastricks.theory._kernel_axes import checked_kernel


@keras.saving.register_keras_serializable(package="kerastricks")
class DeltaOrthogonal(OrthogonalInitializer):
    """Delta-orthogonal initialization: a convolution that turns its channels and nothing else.

    Use it for very deep convolutional networks without normalization or skips, at stride 1 and
    with `padding="same"`: every image keeps its norm, position by position. Do not use it for
    the first layer of a network that is to look at neighborhoods at once, as all taps but the
    middle one start at zero and have to be learned.

        weights[center] = gain * Q,     Q orthogonal, of shape (n_in, n_out)
        weights[elsewhere] = 0

    All singular values of the convolution equal `gain`. Where n_out >= n_in it keeps norms (times
    the gain); where n_out < n_in it is a projection.

    One instance gives every weight a new draw; a clone, `from_config(get_config())`, starts over.
    The center of an even size is the tap at `(size - 1) // 2`, which Keras' `padding="same"` lays
    on the position itself. Each group of a grouped convolution has an orthogonal matrix of its
    own.

    Args:
        gain: The factor by which every signal is stretched, above 0.
            `kerastricks.theory.gain(activation)` makes up for what an activation takes. To keep
            the mean square of a unit instead of the norm where n_out > n_in, multiply by
            sqrt(n_out / n_in). Defaults to 1.
        seed: Integer that makes the draws reproducible. Defaults to a random one. Warning:
            `keras.models.clone_model` gives every layer its own copy of a shared instance, and
            copies of a seeded one all start at the same draw, so that layers of equal shape come
            out identical. In models to be cloned, give each layer an instance with its own seed.
        kernel: `"convolution"`, or `"transposed"` for the kernel of a transposed convolution.
            Defaults to `"convolution"`.
        groups: Number of groups of the convolution. Defaults to 1.

    Call arguments:
        shape: Shape of the weight, of 3 axes or more: `(*receptive_field, n_in, n_out)`.
        dtype: A floating-point type. Defaults to `keras.config.floatx()`. Half-precision values
            are computed in float32 and cast.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `gain` is not a number, `seed` or `groups` not an integer, or `kernel` not a
            string.
        ValueError: If `gain` is not positive, NaN or infinite, `kernel` none of the above, `shape`
            has fewer than 3 axes or a size that is not positive, `groups` does not divide n_out,
            or `dtype` is not a floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> weights = kt.initializers.DeltaOrthogonal(seed=0)((3, 3, 16, 16))
    >>> round(float(keras.ops.sum(weights**2)), 3)  # of 16 columns, each of norm 1
    16.0
    >>> round(float(keras.ops.sum(weights[1, 1] ** 2)), 3)
    16.0

    Reference:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz, Pennington (2018), Dynamical Isometry and a Mean
        Field Theory of CNNs: How to Train 10,000-Layer Vanilla Convolutional Neural Networks,
        the section on delta-orthogonal initialization.

    Differs from the paper in:
        It is defined there for odd sizes and n_out >= n_in only. Even sizes and n_out < n_in are
        taken here as described above, as in `Orthogonal`.
    """

    def __init__(
        self,
        gain: float = 1.0,
        seed: int | None = None,
        *,
        kernel: str = "convolution",
        groups: int = 1,
    ) -> None:
        super().__init__(gain, seed, checked_kernel(kernel, ("convolution", "transposed")), groups)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Draws a weight; see the class."""
        axes = centered_axes(shape, self.kernel, self.groups, "DeltaOrthogonal")
        blocks = self._draw_blocks(
            axes.count(axes.blocks),
            axes.count(axes.inputs),
            axes.count(axes.outputs),
            checked_float_dtype(dtype),
        )
        at_center = center_mask(axes)[..., None, None, None]
        values = keras.ops.where(at_center, blocks, keras.ops.zeros_like(blocks))
        order = axes.taps + axes.blocks + axes.inputs + axes.outputs
        return arranged(values, order, axes, shape)
