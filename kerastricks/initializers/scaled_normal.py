"""Normal weights of one fixed scale, whatever the layer's size."""

from collections.abc import Sequence
from typing import Any

import keras

from kerastricks.initializers._random import RandomInitializer
from kerastricks.theory._checks import checked_number


@keras.saving.register_keras_serializable(package="kerastricks")
class ScaledNormal(RandomInitializer):
    """Fixed-scale normal initialization: the textbook's "small random numbers".

    Use it to show what goes wrong without scaling by the fans, or where a paper prescribes a
    fixed scale. Do not use it in deep networks: behind each layer the signal is multiplied by
    about sqrt(fan_in) * stddev, so it vanishes or explodes with depth unless that is near 1.

        weights = stddev * N(0, 1)

    One instance gives every weight a new draw, where Keras' initializers repeat theirs; a clone,
    `from_config(get_config())`, starts over. For an equal seed the first draw equals that of
    `keras.initializers.RandomNormal(stddev=stddev)`.

    Args:
        stddev: The standard deviation of the weights, above 0. Defaults to 0.03.
        seed: Integer that makes the draws reproducible. Defaults to a random one. Warning:
            `keras.models.clone_model` gives every layer its own copy of a shared instance, and
            copies of a seeded one all start at the same draw, so that layers of equal shape come
            out identical. In models to be cloned, give each layer an instance with its own seed.

    Call arguments:
        shape: Shape of the weight.
        dtype: A floating-point type. Defaults to `keras.config.floatx()`. Half-precision values
            are drawn in float32 and cast.

    Returns:
        A tensor of that shape and type.

    Raises:
        TypeError: If `stddev` is not a number or `seed` not an integer.
        ValueError: If `stddev` is not positive, NaN or infinite, a size in `shape` is not
            positive, or `dtype` is not a floating-point type.

    Example:
    >>> import keras, kerastricks as kt
    >>> weights = kt.initializers.ScaledNormal(seed=0)((300, 300))
    >>> round(float(keras.ops.std(weights)), 2)
    0.03

    Reference:
        Krizhevsky, Sutskever, Hinton (2012), ImageNet Classification with Deep Convolutional
        Neural Networks, section 5, for the practice (with 0.01). He, Zhang, Ren, Sun (2015),
        Delving Deep into Rectifiers, section 2.2, for why it fails with depth.
    """

    def __init__(self, stddev: float = 0.03, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self.stddev = checked_number(
            stddev,
            "stddev",
            "above 0",
            lambda s: s > 0,
            "For weights that are all zero, use keras.initializers.Zeros().",
        )

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Draws a weight; see the class."""
        return self._draw(shape, self.stddev, "normal", dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer, at its first draw."""
        return {"stddev": self.stddev, **super().get_config()}
