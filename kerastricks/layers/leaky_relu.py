"""Leaky rectifier with a fixed slope for negative inputs."""

from typing import Any

import keras

from kerastricks.theory._checks import checked_number


@keras.saving.register_keras_serializable(package="kerastricks")
class LeakyReLU(keras.layers.LeakyReLU):
    """Leaky rectifier: lets a share of each negative input, and of its gradient, through.

    Use it where rectified units die: a unit whose input is negative for every sample gets no
    gradient from a ReLU, and `negative_slope` of the gradient from this layer. Initialize the
    layer behind it with `kerastricks.initializers.He(negative_slope)`. Do not use it behind the
    last layer of a classifier, nor where exact zeros are wanted (sparse activations).

        f(x) = x                     if x >= 0
        f(x) = negative_slope * x    if x <  0

    Arguments and weights (none) are those of `keras.layers.LeakyReLU`, which also is the base
    class. The one difference: `negative_slope=1` is refused, because f(x) = x is linear, and a
    stack of linear layers is one linear layer.

    Defaults differ between frameworks: 0.3 in the Keras layer and here, 0.2 in
    `keras.activations.leaky_relu`, 0.01 in PyTorch and in the paper. Xu et al. (2015) write
    x / a: their a = 5.5 is `negative_slope=1 / 5.5` here.

    Args:
        negative_slope: The slope a for negative inputs, unitless, in [0, inf) but not 1;
            in practice 0.01 to 0.33, while 0 is the plain ReLU. Defaults to 0.3.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of any shape.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If `negative_slope` is not a number.
        ValueError: If `negative_slope` is negative, 1, NaN or infinite.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.LeakyReLU(negative_slope=0.25)
    >>> [float(value) for value in layer(keras.ops.array([-4.0, 0.0, 2.0]))]
    [-1.0, 0.0, 2.0]

    Reference:
        Maas, Hannun, Ng (2013), Rectifier Nonlinearities Improve Neural Network Acoustic Models,
        section 2. Xu, Wang, Chen, Li (2015), Empirical Evaluation of Rectified Activations in
        Convolutional Network, eq. 2.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        # Keras still reads the old name `alpha`, which must not get round the check.
        slope = _checked_slope(kwargs.get("alpha", negative_slope))
        super().__init__(negative_slope=slope, **kwargs)


def _checked_slope(negative_slope: object) -> float:
    slope = checked_number(
        negative_slope,
        "negative_slope",
        "in [0, inf), other than 1",
        lambda slope: slope >= 0,
        "A negative slope would fold negative inputs onto positive ones.",
    )
    if slope == 1:
        raise ValueError(
            "Argument `negative_slope` must not be 1: the layer would return its input, and the "
            f"network would lose a nonlinearity. Received: negative_slope={negative_slope!r}. "
            "Choose a slope below 1, such as 0.3, or leave the layer out."
        )
    return slope
