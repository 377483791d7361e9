"""Xavier initialization, also named after Glorot."""

from typing import Any

import keras

from kerastricks.initializers._fan_scaled import FanScaledInitializer
from kerastricks.initializers._random import Distribution
from kerastricks.theory import xavier_stddev


@keras.saving.register_keras_serializable(package="kerastricks")
class Xavier(FanScaledInitializer):
    """Xavier initialization: keeps the scale of activations and of gradients near constant.

    Use it before tanh, softsign and linear units, whose slope at 0 is 1. Do not use it before
    rectifiers, which halve the signal in every layer (use `He`), nor expect it to rescue sigmoid
    units, whose slope at 0 is 1/4.

        stddev = sqrt(2 / (fan_in + fan_out))

    One instance gives every weight a new draw, where Keras' initializers repeat theirs; a clone,
    `from_config(get_config())`, starts over. Fans follow `kerastricks.theory.compute_fans`.

    Conventions: `"normal"` is the full normal distribution. `keras.initializers.GlorotNormal` is
    `"truncated_normal"` here, `GlorotUniform` is `"uniform"`, and for an equal seed the first draw
    equals theirs. All three have the same standard deviation.

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
        groups: Number of groups of the convolution, which divides fan_out. Defaults to 1.

    Call arguments:
        shape: Shape of the weight; `(*receptive_field, n_in, n_out)` for a convolution.
        dtype: A floating-point type. Defaults to `keras.config.floatx()`. Half-precision values
            are drawn in float32 and cast.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `seed` or `groups` is not an integer, or `kernel` not a string.
        ValueError: If `distribution` or `kernel` is none of the above, `shape` not that of such a
            kernel, a size in it not positive, `groups` does not divide n_out, or `dtype` is not a
            floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> weights = kt.initializers.Xavier(seed=0)((400, 400))
    >>> round(float(keras.ops.std(weights)), 2)
    0.05

    Reference:
        Glorot, Bengio (2010), Understanding the difficulty of training deep feedforward neural
        networks, eq. 12 (the variance) and 16 (the uniform distribution).
    """

    def __init__(
        self,
        distribution: Distribution = "normal",
        seed: int | None = None,
        *,
        kernel: str = "convolution",
        groups: int = 1,
    ) -> None:
        super().__init__(distribution, seed, kernel, groups)

    def _stddev(self, fan_in: int, fan_out: int) -> float:
        return xavier_stddev(fan_in, fan_out)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        return {**super().get_config(), "groups": self.groups}
