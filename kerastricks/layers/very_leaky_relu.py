"""Leaky rectifier with the slope that did best in a comparison."""

from typing import Any

import keras

from kerastricks.layers.leaky_relu import LeakyReLU


@keras.saving.register_keras_serializable(package="kerastricks")
class VeryLeakyReLU(LeakyReLU):
    """Leaky rectifier with the slope 1 / 5.5 for negative inputs.

    Use it as a first choice among leaky rectifiers: it has nothing to tune or to learn. Initialize
    the layer behind it with `kerastricks.initializers.He(1 / 5.5)`. Do not use it where exact
    zeros are wanted.

        f(x) = x          if x >= 0
        f(x) = x / 5.5    if x <  0

    Conventions: two slopes go by this name. 1 / 5.5 = 0.182 is that of Xu et al., whose "very
    leaky" unit it is. Lasagne's `very_leaky_rectify` has 1 / 3 = 0.333, after Graham (2014); for
    that use `LeakyReLU(1 / 3)`.

    Args:
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A tensor of any shape.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If an argument is given that is not one of every Keras layer: the slope is fixed.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.VeryLeakyReLU()
    >>> [float(value) for value in layer(keras.ops.array([-11.0, 0.0, 2.0]))]
    [-2.0, 0.0, 2.0]

    Reference:
        Xu, Wang, Chen, Li (2015), Empirical Evaluation of Rectified Activations in Convolutional
        Network, section 2.2 (a = 5.5). Graham (2014), Spatially-sparse convolutional
        neural networks (1 / 3).
    """

    def __init__(self, **kwargs: Any) -> None:
        fixed = {"alpha", "negative_slope"} & set(kwargs)
        if fixed:
            raise TypeError(
                "`VeryLeakyReLU` has the fixed slope 1 / 5.5 and takes no argument for it. "
                f"Received: {', '.join(f'{name}={kwargs[name]!r}' for name in fixed)}. For another "
                "slope use `LeakyReLU(negative_slope=...)`."
            )
        super().__init__(negative_slope=1 / 5.5, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the config of every Keras layer: there is nothing to choose."""
        config: dict[str, Any] = super().get_config()
        del config["negative_slope"]
        return config
