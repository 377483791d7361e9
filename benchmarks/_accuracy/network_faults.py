"""Faults of the network: its start, its activations, its normalization, its depth.

A fault's roots are the conditions that name its cause; where two names are right, a comment says
why. They go from mild to gross: a mild one often does no harm, and such a run is set aside.
"""

from _accuracy.fault import Fault, fault
from _accuracy.states import (
    CONSTANT_OUTPUT,
    DEAD,
    EQUAL_UNITS,
    HARMED,
    INPUTS_OFF,
    LINEAR,
    NON_FINITE,
    SATURATED,
    SHIFTED,
    SIGNAL_LOST,
    STALE,
    STARVED,
)

_SYMMETRY, _INPUTS = "symmetric_units", "unnormalized_inputs"
_START = "poor_initialization"
# The signal of a layer whose outputs are all at the ends neither shrinks nor grows with depth:
# the name for it is another.
_TOO_LARGE = f"{_START} saturated_units"
# Biases or scales that kill at the start are a start that lets nothing through.
_KILLED = f"{_START} dying_units"
# A signal that is lost forwards is a gradient that is lost backwards, and one that grows explodes
# both ways, to infinity in the end.
_DEPTH = f"{_START} vanishing_gradients"
_BLOWN_UP = f"{_START} exploding_gradients non_finite"
_LINEAR, _STALE, _SHIFT = "no_nonlinearity", "stale_batch_statistics", "dropout_variance_shift"
_UNLEARNED = SIGNAL_LOST | (STARVED & HARMED)

NETWORK_FAULTS: dict[str, Fault] = {
    # Initialization.
    "zero kernels": fault(
        "initialization",
        "digits-mlp cancer-mlp diabetes-tanh",
        _SYMMETRY,
        EQUAL_UNITS,
        kernel="zeros",
    ),
    "kernels all 0.1": fault(
        "initialization", "digits-tanh wine-mlp", _SYMMETRY, EQUAL_UNITS, kernel=("constant", 0.1)
    ),
    "kernels all 1": fault(
        "initialization", "cancer-deep diabetes-mlp", _SYMMETRY, EQUAL_UNITS, kernel="ones"
    ),
    "kernels N(0, 0.0001²)": fault(
        "initialization", "digits-tanh wine-tanh", _START, SIGNAL_LOST, kernel=("normal", 1e-4)
    ),
    "kernels N(0, 0.001²)": fault(
        "initialization", "digits-deep cancer-deep", _START, SIGNAL_LOST, kernel=("normal", 1e-3)
    ),
    "kernels N(0, 0.01²)": fault(
        "initialization", "digits-deep cancer-deep", _START, SIGNAL_LOST, kernel=("normal", 1e-2)
    ),
    "kernels N(0, 0.05²)": fault(
        "initialization", "digits-deep cancer-deep", _START, SIGNAL_LOST, kernel=("normal", 0.05)
    ),
    "tanh kernels N(0, 0.3²)": fault(
        "initialization", "digits-tanh", _TOO_LARGE, SATURATED, kernel=("normal", 0.3)
    ),
    "tanh kernels N(0, 1)": fault(
        "initialization", "digits-tanh wine-tanh", _TOO_LARGE, SATURATED, kernel=("normal", 1.0)
    ),
    "relu kernels N(0, 0.5²)": fault(
        "initialization", "digits-deep cancer-deep", _START, SIGNAL_LOST, kernel=("normal", 0.5)
    ),
    "relu kernels N(0, 3²)": fault(
        "initialization", "digits-deep diabetes-mlp", _START, SIGNAL_LOST, kernel=("normal", 3.0)
    ),
    "kernels U(0, 1)": fault(
        "initialization", "digits-deep cancer-mlp", _START, SIGNAL_LOST, kernel=("positive", 1.0)
    ),
    "biases of -1": fault("initialization", "digits-deep", _KILLED, DEAD, bias=-1.0),
    "biases of -20": fault("initialization", "digits-mlp cancer-mlp", _KILLED, DEAD, bias=-20.0),
    "biases of 10": fault(
        "initialization", "digits-tanh wine-tanh", _TOO_LARGE, SATURATED, bias=10.0
    ),
    # Activation.
    "deep sigmoid": fault(
        "activation", "digits-deep cancer-deep", _DEPTH, _UNLEARNED, activation="sigmoid"
    ),
    "softmax in hidden layers": fault(
        "activation", "digits-deep cancer-deep", _DEPTH, _UNLEARNED, activation="softmax"
    ),
    "no activation": fault(
        "activation", "digits-deep wine-mlp diabetes-mlp", _LINEAR, LINEAR, activation="linear"
    ),
    "leaky slope 1": fault(
        "activation", "digits-mlp cancer-deep", _LINEAR, LINEAR, activation="leaky_relu", slope=1.0
    ),
    "leaky slope 3": fault(
        "activation",
        "digits-deep cancer-deep",
        _BLOWN_UP,
        SIGNAL_LOST,
        activation="leaky_relu",
        slope=3.0,
    ),
    "exponential in hidden layers": fault(
        "activation",
        "digits-deep wine-mlp",
        _BLOWN_UP,
        SIGNAL_LOST | NON_FINITE,
        activation="exponential",
    ),
    # Normalization.
    "layer normalization over one feature": fault(
        "normalization",
        "wine-mlp cancer-mlp diabetes-mlp",
        "constant_output",
        CONSTANT_OUTPUT,
        architecture="features normalized",
    ),
    "epsilon of 1000": fault(
        "normalization", "digits-batch cancer-batch", _START, SIGNAL_LOST, epsilon=1e3
    ),
    "scales of zero": fault(
        "normalization",
        "digits-batch cancer-batch",
        f"{_KILLED} constant_output",
        CONSTANT_OUTPUT,
        gamma=0.0,
    ),
    "a thousandfold input normalization": fault(
        "normalization",
        "wine-mlp cancer-mlp",
        _INPUTS,
        INPUTS_OFF,
        architecture="deviation for variance",
    ),
    # Depth.
    "20 layers of ReLU, Xavier": fault(
        "depth", "digits-mlp cancer-mlp diabetes-mlp", _DEPTH, _UNLEARNED, depth=20
    ),
    "50 layers of ReLU, He": fault(
        "depth", "digits-mlp", _DEPTH, _UNLEARNED, depth=50, kernel="he_normal"
    ),
    "20 narrow layers of ReLU": fault(
        "depth",
        "digits-mlp wine-mlp",
        f"{_DEPTH} dying_units",
        _UNLEARNED,
        depth=20,
        width=6,
        kernel="he_normal",
    ),
    "30 layers of tanh, N(0, 0.05²)": fault(
        "depth", "digits-tanh", _DEPTH, _UNLEARNED, depth=30, kernel=("normal", 0.05)
    ),
    "20 layers of sigmoid": fault(
        "depth", "digits-mlp wine-mlp", _DEPTH, _UNLEARNED, depth=20, activation="sigmoid"
    ),
    "30 residual blocks that only add": fault(
        "depth", "digits-residual", _BLOWN_UP, SIGNAL_LOST, depth=30, normalization="none"
    ),
    # Placement of dropout.
    "dropout of 0.2 before the normalization": fault(
        "dropout placement",
        "digits-batch wine-batch",
        _SHIFT,
        SHIFTED,
        dropout=0.2,
        dropout_at="before",
    ),
    "dropout of 0.5 before the normalization": fault(
        "dropout placement",
        "digits-batch cancer-batch",
        _SHIFT,
        SHIFTED,
        dropout=0.5,
        dropout_at="before",
    ),
    "dropout of 0.7 before the normalization": fault(
        "dropout placement",
        "wine-batch cancer-batch",
        _SHIFT,
        SHIFTED,
        dropout=0.7,
        dropout_at="before",
    ),
    "dropout of 0.3 between the blocks": fault(
        "dropout placement",
        "digits-batch wine-batch cancer-batch",
        _SHIFT,
        SHIFTED,
        dropout=0.3,
        dropout_at="between",
    ),
    "dropout of 0.6 between the blocks": fault(
        "dropout placement",
        "digits-batch cancer-batch",
        _SHIFT,
        SHIFTED,
        dropout=0.6,
        dropout_at="between",
    ),
    # Alpha.
    "alpha of 1e-5": fault("alpha", "digits-batch wine-batch", _STALE, STALE, alpha=1e-5),
    "alpha of 1e-4": fault("alpha", "digits-batch cancer-batch", _STALE, STALE, alpha=1e-4),
    "alpha of 1e-3": fault(
        "alpha", "digits-batch wine-batch cancer-batch", _STALE, STALE, alpha=1e-3
    ),
    "alpha of 1e-4, our layer": fault(
        "alpha", "digits-batch cancer-batch", _STALE, STALE, alpha=1e-4, normalization="batch, ours"
    ),
}
"""Faults by name."""
