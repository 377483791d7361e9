"""Leaky rectifier whose slope is solved from the network's depth."""

from typing import Any

import keras
from keras import ops

from kerastricks.theory import rectifier_gain, tailored_slope
from kerastricks.theory._checks import checked_integer


@keras.saving.register_keras_serializable(package="kerastricks")
class TailoredReLU(keras.layers.Layer):
    """Tailored rectifier: as nonlinear as a network of that depth can bear, and not more.

    Use it in deep chains of layers without shortcuts and without normalization, for every
    activation but the output's. With plain rectifiers all inputs come out alike, and the network
    does not train. Do not use it in shallow networks, which have no solution, nor with batch
    normalization, nor beside other activations, for which the slope is not solved.

        f(x) = s * (max(x, 0) + a * min(x, 0)),    s = sqrt(2 / (1 + a^2))

    s keeps the second moment of zero-mean inputs. a is solved such that two orthogonal inputs of
    the network come out of `depth` layers with the correlation (cosine) eta; plain rectifiers give
    0.988 after 50 layers and 0.9964 after 100, linear units 0.

    Needs zero biases and weights that keep the scale by themselves, without a gain for the
    rectifier, which s already is: `kerastricks.initializers.LeCun()`, or better
    `Orthogonal()` and, for convolutions, `DeltaOrthogonal()`. Inputs should have mean square 1.

    For networks that are no chain, solve `kerastricks.theory.tailored_slope(network=...)` and take
    `LeakyReLU(slope)` behind weights from `He(slope)`, which puts s into the weights.

    Args:
        depth: Number of layers with this activation, one behind the other; at least 1.
        eta: The correlation to reach, unitless, in (0, 1). Larger is more nonlinear. Defaults
            to 0.9, as in the paper.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Attributes:
        negative_slope: The solution a, in (0, 1).
        output_scale: The factor s, in (1, sqrt(2)).

    Call arguments:
        inputs: A floating-point tensor of any shape.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If `depth` is no whole number or `eta` not a number.
        ValueError: If one is out of range, or if the network is too shallow for `eta`.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.TailoredReLU(depth=100)
    >>> round(layer.negative_slope, 4), round(layer.output_scale, 4)
    (0.5704, 1.2284)
    >>> [round(float(value), 4) for value in layer(keras.ops.array([-1.0, 1.0]))]
    [-0.7007, 1.2284]

    Reference:
        Zhang, Botev, Martens (2022), Deep Learning without Shortcuts: Shaping the Kernel with
        Tailored Rectifiers, section 4 (TAT for leaky rectifiers).
    """

    def __init__(self, depth: int, eta: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.depth = checked_integer(depth, "depth", "a positive whole number of layers")
        self.negative_slope = tailored_slope(self.depth, eta)
        self.output_scale = rectifier_gain(self.negative_slope)
        self.eta = float(eta)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the rectified and scaled inputs."""
        return ops.leaky_relu(inputs, self.negative_slope) * self.output_scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "depth": self.depth, "eta": self.eta}
