"""Leaky rectifier whose slope is drawn anew for each entry in training."""

from typing import Any, Literal

import keras
from keras import ops

from kerastricks.layers._kernels.dropout import random_uniform
from kerastricks.theory._checks import checked_number

TestSlope = Literal["mean", "paper"] | float


@keras.saving.register_keras_serializable(package="kerastricks")
class RandomizedLeakyReLU(keras.layers.Layer):
    """Leaky rectifier with a random slope in training: a rectifier that regularizes.

    Use it in place of a leaky rectifier on small data, where learned slopes (`PReLU`) overfit. Do
    not use it in networks that underfit, nor where training and inference must agree exactly.

        f(x) = x    if x >= 0
        f(x) = a x  if x <  0

    In training a is drawn for each entry: uniformly from [lower, upper] (from 2^16 equidistant
    values there, with their exact mean). At inference a is fixed. Three values circulate, with the
    defaults of `lower` and `upper`:

        test_slope="mean"    (lower + upper) / 2                   = 0.2292   here, PyTorch
        test_slope="paper"   2 * lower * upper / (lower + upper)   = 0.1818   Xu et al.
        test_slope=0.1962    log(upper / lower) / (1 / lower - 1 / upper)     the paper's true mean

    "mean" is the only one that keeps the mean of the outputs of training. "paper" is for networks
    that were trained elsewhere: Xu et al. write x / a with a uniform in [3, 8] and take
    2 x / (3 + 8) at inference, which is not the mean of x / a (that is the third).

    Initialize the layer behind it with the gain sqrt(2 / (1 + E[a^2])), where E[a^2] =
    (lower^2 + lower * upper + upper^2) / 3: `He(negative_slope=math.sqrt(...))`.

    Args:
        lower: Smallest slope, in [0, upper]. Defaults to 1 / 8.
        upper: Largest slope, in [lower, inf). Both may be equal, but not both 1: the layer would
            be linear. Defaults to 1 / 3.
        test_slope: The slope at inference: `"mean"`, `"paper"`, or a number in [0, inf) other than
            1. Defaults to `"mean"`.
        seed: Integer that makes the slopes reproducible. Defaults to a random one.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of any shape; integers are cast to the layer's compute type.
        training: Whether to draw the slopes.

    Returns:
        A floating-point tensor of the same shape.

    Raises:
        TypeError: If a slope is not a number.
        ValueError: If `lower` exceeds `upper`, a slope is out of range, the layer would be linear,
            or `test_slope` is an unknown name.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.RandomizedLeakyReLU(test_slope="paper")
    >>> [round(float(value), 4) for value in layer(keras.ops.array([-5.5, 0.0, 2.0]))]
    [-1.0, 0.0, 2.0]
    >>> y = layer(keras.ops.array([-1.0, 2.0]), training=True)
    >>> 1 / 8 <= -float(y[0]) <= 1 / 3, float(y[1])
    (True, 2.0)

    Reference:
        Xu, Wang, Chen, Li (2015), Empirical Evaluation of Rectified Activations in Convolutional
        Network, section 2.4.

    Differs from the paper in: the slope is uniform, as in PyTorch, with the mean 0.2292. The paper
    defines it so too, but takes U(3, 8) for its experiments, as divisor: the mean is 0.1962 then.
    """

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        test_slope: TestSlope = "mean",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.upper = _checked_slope(upper, "upper")
        self.lower = checked_number(
            lower,
            "lower",
            f"in [0, upper], where upper={self.upper}",
            lambda slope: 0 <= slope <= self.upper,
            "The slopes are drawn between `lower` and `upper`.",
        )
        if self.lower == self.upper == 1:
            raise ValueError(
                "Arguments `lower` and `upper` must not both be 1: the layer would return its "
                f"input. Received: lower={lower!r}, upper={upper!r}. Choose slopes below 1."
            )
        self.test_slope = test_slope
        self.negative_slope = self._inference_slope()
        self.seed = seed
        if self.lower < self.upper:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Draws the slopes in training; see the class for the formulas."""
        if not keras.backend.is_float_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        if not training:
            return ops.leaky_relu(inputs, self.negative_slope)
        if self.lower == self.upper:
            return ops.leaky_relu(inputs, self.lower)
        slopes = random_uniform(
            ops.shape(inputs), self.lower, self.upper, self.seed_generator, inputs
        )
        return inputs * ops.where(inputs < 0, slopes, ops.ones((), inputs.dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "lower": self.lower,
            "upper": self.upper,
            "test_slope": self.test_slope,
            "seed": self.seed,
        }

    def _inference_slope(self) -> float:
        lower, upper = self.lower, self.upper
        if self.test_slope == "mean":
            return (lower + upper) / 2
        if self.test_slope == "paper":
            return 2 * lower * upper / (lower + upper) if upper else 0.0
        if isinstance(self.test_slope, str):
            raise ValueError(
                'Argument `test_slope` must be "mean", (lower + upper) / 2; "paper", '
                "2 lower upper / (lower + upper); or a number. "
                f"Received: test_slope={self.test_slope!r}."
            )
        slope = _checked_slope(self.test_slope, "test_slope")
        if slope == 1:
            raise ValueError(
                "Argument `test_slope` must not be 1: at inference the layer would return its "
                f"input. Received: test_slope={self.test_slope!r}. Choose a slope between `lower` "
                "and `upper`."
            )
        return slope


def _checked_slope(slope: object, name: str) -> float:
    return checked_number(
        slope,
        name,
        "in [0, inf)",
        lambda slope: slope >= 0,
        "A negative slope would fold negative inputs onto positive ones.",
    )
