"""He initialization for rectifiers, plain and leaky."""

from typing import Any

import keras

from kerastricks.initializers._fan_scaled import FanScaledInitializer
from kerastricks.initializers._random import Distribution
from kerastricks.theory import he_stddev
from kerastricks.theory._checks import checked_number


@keras.saving.register_keras_serializable(package="kerastricks")
class He(FanScaledInitializer):
    """He initialization: keeps the second moment of activations constant behind rectifiers.

    Use it for layers whose inputs come out of a ReLU (`negative_slope=0`) or a leaky rectifier (its
    slope). Do not use it before tanh units (use `Xavier`): the larger weights saturate them.

        stddev = sqrt(2 / ((1 + negative_slope^2) * fan_in))

    One instance gives every weight a new draw, where Keras' initializers repeat theirs; a clone,
    `from_config(get_config())`, starts over. Fans follow `kerastricks.theory.compute_fans`; grouped
    convolutions need no argument, as their kernels already hold n_in / groups.

    Conventions: `"normal"` is the full normal distribution of the paper.
    `keras.initializers.HeNormal` is `"truncated_normal"` here, `HeUniform` is `"uniform"`, and for
    an equal seed the first draw equals theirs. In PyTorch it is
    `kaiming_normal_(w, a=negative_slope)`.

    Args:
        negative_slope: The slope a of the rectifier in front, unitless, any finite number: 0 for
            the ReLU, 0.3 for the default `LeakyReLU`, 1 for linear units. Defaults to 0.
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
        TypeError: If `negative_slope` is not a number, `seed` not an integer, or `kernel` not a
            string.
        ValueError: If `negative_slope` is NaN or infinite, `distribution` or `kernel` none of the
            above, `shape` not that of such a kernel, a size in it not positive, or `dtype` not a
            floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> weights = kt.initializers.He(negative_slope=0.3, seed=0)((800, 200))
    >>> round(float(keras.ops.std(weights)), 2)
    0.05

    Reference:
        He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers: Surpassing Human-Level Performance
        on ImageNet Classification, eq. 10 (ReLU) and 15 (leaky).
    """

    def __init__(
        self,
        negative_slope: float = 0.0,
        distribution: Distribution = "normal",
        seed: int | None = None,
        *,
        kernel: str = "convolution",
    ) -> None:
        super().__init__(distribution, seed, kernel)
        self.negative_slope = checked_number(
            negative_slope, "negative_slope", "(any finite slope)", lambda slope: True
        )

    def _stddev(self, fan_in: int, fan_out: int) -> float:
        return he_stddev(fan_in, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        return {"negative_slope": self.negative_slope, **super().get_config()}
