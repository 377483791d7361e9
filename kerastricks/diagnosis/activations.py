"""What the doctor has to know of an activation function: where it saturates, whether it dies."""

import math
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True, slots=True)
class Activation:
    """The ranges of an activation's output in which little or no gradient passes.

    Attributes:
        name: The activation's name, such as `"tanh"`.
        low: An output at or below it is saturated; `-inf` when the activation has no lower end.
        high: An output at or above it is saturated; `inf` when it has no upper end.
        rectifier: True when a whole half line maps to zero with zero gradient, so that a unit
            can die.
    """

    name: str
    low: float = -math.inf
    high: float = math.inf
    rectifier: bool = False

    @property
    def bounded(self) -> bool:
        """True when the output can saturate."""
        return math.isfinite(self.low) or math.isfinite(self.high)


# A unit counts as saturated where the slope is below a tenth of the largest slope. Solved for
# the output y: sigmoid y(1 - y) = 0.025, tanh 1 - y^2 = 0.1, softsign (1 - |y|)^2 = 0.1.
_SIGMOID_LOW = (1 - math.sqrt(0.9)) / 2
_TANH_HIGH = math.sqrt(0.9)
_SOFTSIGN_HIGH = 1 - math.sqrt(0.1)

GATE = "gate"
"""Name of the activation of a layer whose output is multiplied with that of another layer."""

_KNOWN = {
    activation.name: activation
    for activation in (
        Activation("sigmoid", low=_SIGMOID_LOW, high=1 - _SIGMOID_LOW),
        Activation("tanh", low=-_TANH_HIGH, high=_TANH_HIGH),
        Activation("softsign", low=-_SOFTSIGN_HIGH, high=_SOFTSIGN_HIGH),
        Activation("soft_sign", low=-_SOFTSIGN_HIGH, high=_SOFTSIGN_HIGH),
        Activation("hard_sigmoid", low=0.0, high=1.0),
        Activation("hard_tanh", low=-1.0, high=1.0),
        Activation("relu", rectifier=True),
        Activation("relu6", rectifier=True),
    )
}

_LAYERS = {
    keras.layers.LeakyReLU: "leaky_relu",
    keras.layers.PReLU: "prelu",
    keras.layers.ELU: "elu",
    keras.layers.Softmax: "softmax",
}


def activation_of(layer: Any) -> Activation | None:
    """Tell which nonlinearity a layer ends with.

    Functions are known by their name, so `tf.nn.relu` and `jax.nn.relu` are read like
    `keras.activations.relu`.

    Args:
        layer: A Keras layer.

    Returns:
        What is known of it; an `Activation` without bounds for a nonlinearity that neither
        saturates nor dies in the sense used here; None for a linear layer.
    """
    if isinstance(layer, keras.layers.ReLU):
        leak = float(layer.negative_slope or 0.0)
        return Activation("relu", rectifier=True) if leak == 0.0 else Activation("leaky_relu")
    if isinstance(layer, keras.layers.RNN):
        return None  # `activation` is the cell's; the output has passed a gate as well
    for kind, known in _LAYERS.items():
        if isinstance(layer, kind):
            return Activation(known)
    function = getattr(layer, "activation", None)
    if isinstance(function, keras.layers.Layer):
        return activation_of(function)
    name: str | None = getattr(function, "__name__", None)
    if name is None or name == "linear":
        return None
    return _KNOWN.get(name, Activation(name))
