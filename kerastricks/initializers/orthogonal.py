"""Orthogonal initialization."""

from collections.abc import Sequence
from typing import Any

import keras

from kerastricks.initializers._orthogonal import OrthogonalInitializer, arranged
from kerastricks.initializers._random import checked_float_dtype
from kerastricks.theory._kernel_axes import kernel_axes


@keras.saving.register_keras_serializable(package="kerastricks")
class Orthogonal(OrthogonalInitializer):
    """Orthogonal initialization: a layer that turns its inputs, and stretches none of them.

    Use it in deep dense and in recurrent networks: where random weights of the right scale keep
    the norm of a signal on average, orthogonal ones keep that of every signal, so a product of
    many stays well conditioned. Do not expect that of a convolution, whose kernel sees overlapping
    patches: use `DeltaOrthogonal` there.

        weights^T weights = gain^2 * identity     (weights weights^T where n_in < n_out)

    All singular values of the matrix equal `gain`. Its entries have the standard deviation
    gain / sqrt(max(n_in, n_out)).

    One instance gives every weight a new draw, where Keras' initializer repeats its own; a clone,
    `from_config(get_config())`, starts over. For an equal seed the first draw equals that of
    `keras.initializers.Orthogonal(gain)` up to rounding. Kernels become matrices of the shape
    (inputs, outputs) as `kerastricks.theory.compute_fans` counts them, n_in holding the receptive
    field too: one for the whole kernel, or one for each channel of a depthwise kernel, each group
    and each shared axis of an einsum equation. Gates are not seen: the kernel of an LSTM is one
    matrix `(n_in, 4 * units)`.

    Args:
        gain: The factor by which every signal is stretched, above 0. 1 for linear units;
            `kerastricks.theory.gain(activation)` to make up for what an activation takes.
            Defaults to 1.
        seed: Integer that makes the draws reproducible. Defaults to a random one. Warning:
            `keras.models.clone_model` gives every layer its own copy of a shared instance, and
            copies of a seeded one all start at the same draw, so that layers of equal shape come
            out identical. In models to be cloned, give each layer an instance with its own seed.
        kernel: What the axes of the weight stand for: `"convolution"` (for `Dense` too),
            `"depthwise"`, `"transposed"`, or the equation of an `EinsumDense` layer. Defaults to
            `"convolution"`.
        groups: Number of groups of the convolution. Defaults to 1.

    Call arguments:
        shape: Shape of the weight, of 2 axes or more; `(*receptive_field, n_in, n_out)` for a
            convolution.
        dtype: A floating-point type. Defaults to `keras.config.floatx()`. Half-precision values
            are computed in float32 and cast.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `gain` is not a number, `seed` or `groups` not an integer, or `kernel` not a
            string.
        ValueError: If `gain` is not positive, NaN or infinite, `kernel` none of the above, `shape`
            not that of such a kernel, a size in it not positive, `groups` does not divide n_out,
            or `dtype` is not a floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> weights = kt.initializers.Orthogonal(gain=2.0, seed=0)((6, 4))
    >>> keras.ops.convert_to_numpy(keras.ops.transpose(weights) @ weights).round(3) + 0.0
    array([[4., 0., 0., 0.],
           [0., 4., 0., 0.],
           [0., 0., 4., 0.],
           [0., 0., 0., 4.]], dtype=float32)

    Reference:
        Saxe, McClelland, Ganguli (2013), Exact solutions to the nonlinear dynamics of learning in
        deep linear neural networks. Mezzadri (2007), How to generate random matrices from the
        classical compact groups, section 5, for the signs.
    """

    def __init__(
        self,
        gain: float = 1.0,
        seed: int | None = None,
        *,
        kernel: str = "convolution",
        groups: int = 1,
    ) -> None:
        super().__init__(gain, seed, kernel, groups)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Draws a weight; see the class."""
        axes = kernel_axes(shape, self.kernel, self.groups)
        summed = axes.taps + axes.inputs
        blocks = self._draw_blocks(
            axes.count(axes.blocks),
            axes.count(summed),
            axes.count(axes.outputs),
            checked_float_dtype(dtype),
        )
        return arranged(blocks, axes.blocks + summed + axes.outputs, axes, shape)
