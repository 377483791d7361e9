"""LeCun initialization: unit variance in, unit variance out."""

import math

import keras

from kerastricks.initializers._fan_scaled import FanScaledInitializer
from kerastricks.initializers._random import Distribution


@keras.saving.register_keras_serializable(package="kerastricks")
class LeCun(FanScaledInitializer):
    """LeCun initialization: keeps the scale of the signal through the sum itself.

    Use it where the inputs have second moment 1 and the sum should have it too: before SELU units
    (whose own fixed point needs it), behind normalization, in linear layers. Do not use it in
    stacks of plain rectifiers, which halve the second moment in every layer (use `He`).

        stddev = sqrt(1 / fan_in)

    One instance gives every weight a new draw, where Keras' initializers repeat theirs; a clone,
    `from_config(get_config())`, starts over. Fans follow `kerastricks.theory.compute_fans`; grouped
    convolutions need no argument, as their kernels already hold n_in / groups.

    Conventions: `"normal"` is the full normal distribution. `keras.initializers.LecunNormal` is
    `"truncated_normal"` here, `LecunUniform` is `"uniform"`, and for an equal seed the first draw
    equals theirs. The widespread U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), PyTorch's default for
    linear layers, has a third of this variance.

    Args:
        distribution: `"normal"`, `"uniform"` (within sqrt(3) * stddev) or `"truncated_normal"`
            (cut at 2 sigma and widened, so that the stated stddev holds after the cut).
            Defaults to `"normal"`.
        seed: Integer that makes the draws reproducible. Defaults to a random one. Warning:
            `keras.models.clone_model` gives every layer its own copy of a shared instance, and
            copies of a seeded one all start at the same draw, so that layers of equal shape come
            out identical. In models to be cloned, give each layer an instance with its own seed.
        kernel: What the axes of the weight stand for: `"convolution"` (for `Dense` too),
            `"depthwise"`, `"transposed"`, or the equation of an `EinsumDense` layer. Defaults to
            `"convolution"`.

    Call arguments:
        shape: Shape of the weight; `(*receptive_field, n_in, n_out)` for a convolution.
        dtype: A floating-point type. Defaults to `keras.config.floatx()`. Half-precision values
            are drawn in float32 and cast.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `seed` is not an integer or `kernel` not a string.
        ValueError: If `distribution` or `kernel` is none of the above, `shape` not that of such a
            kernel, a size in it not positive, or `dtype` not a floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> weights = kt.initializers.LeCun(seed=0)((400, 300))
    >>> round(float(keras.ops.std(weights)), 2)
    0.05

    Reference:
        LeCun, Bottou, Orr, Mueller (1998), Efficient BackProp, eq. 16.
    """

    def __init__(
        self,
        distribution: Distribution = "normal",
        seed: int | None = None,
        *,
        kernel: str = "convolution",
    ) -> None:
        super().__init__(distribution, seed, kernel)

    def _stddev(self, fan_in: int, fan_out: int) -> float:
        return 1.0 / math.sqrt(fan_in)
