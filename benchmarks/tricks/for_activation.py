"""The gain of an activation, worked out or looked up: what thirty layers leave of a signal.

    python benchmarks/tricks/for_activation.py

Thirty layers of 256 units, random inputs of mean square 1, three networks each. For each
activation the root mean square of the sums of the thirtieth layer over that of the first, with
the gain of `ForActivation` (smallest to largest of the three), with He's sqrt(2), with LeCun's 1,
and with what PyTorch's `calculate_gain` returns (its documented table; "-" where it has no
entry); these are geometric means. "carried on" is how much of a small relative error in the size
of a signal one layer carries on to the next, by integration: above 1 errors grow, whatever the
gain.
"""

import math

import keras
import numpy as np
from _common import SEEDS, numpy_of, run, table

import kerastricks as kt

DEPTH = 30
TORCH = {"linear": 1.0, "relu": math.sqrt(2), "tanh": 5 / 3, "sigmoid": 1.0, "selu": 3 / 4}
ACTIVATIONS = ("relu", "tanh", "selu", "elu", "softplus", "gelu", "silu")


def signal_left(activation, gain, seed, width):
    """Of the root mean square of the sums, behind DEPTH layers."""
    rng = np.random.default_rng(seed)
    function = keras.activations.get(activation)
    hidden = rng.normal(size=(64, width)).astype("float32")
    keras.utils.set_random_seed(seed)
    start = kt.initializers.ScaledNormal(1 / math.sqrt(width))
    sizes = []
    for layer in range(DEPTH):
        # The first layer's inputs come out of no activation.
        kernel = numpy_of(start((width, width))) * (gain if layer else 1.0)
        sums = hidden @ kernel
        sizes.append(float(np.sqrt(np.mean(np.square(sums, dtype="float64")))))
        hidden = numpy_of(function(sums))
    return sizes[-1] / sizes[0]


def carried_on(activation):
    """Derivative of the logarithm of a layer's size by that of its inputs' size, at size 1."""
    points = np.linspace(-10, 10, 20_001)
    weights = np.exp(-(points**2) / 2)
    function = keras.activations.get(activation)

    def log_size(scale):
        values = numpy_of(function((scale * points).astype("float32"))).astype("float64")
        return 0.5 * np.log(weights @ values**2)

    return (log_size(1.05) - log_size(0.95)) / np.log(1.05 / 0.95)


def main(quick: bool = False) -> None:
    """Prints gains and signals."""
    seeds, width = (SEEDS[:1], 16) if quick else (SEEDS, 256)

    def left(activation, gain):
        return [signal_left(activation, gain, seed, width) for seed in seeds]

    def mean(values):
        return f"{np.exp(np.mean(np.log(values))):.2g}"

    rows = []
    for activation in ACTIVATIONS:
        gain, torch = kt.initializers.ForActivation(activation).gain, TORCH.get(activation)
        own = left(activation, gain)
        rows.append(
            (
                activation,
                f"{gain:.4f}",
                f"{carried_on(activation):.3f}",
                f"{min(own):.2g} to {max(own):.2g}",
                mean(left(activation, math.sqrt(2))),
                mean(left(activation, 1.0)),
                f"{mean(left(activation, torch))} ({torch:.4f})" if torch else "-",
            )
        )
    table(
        ("activation", "gain", "carried on", "ForActivation", "He", "LeCun", "PyTorch's gain"), rows
    )


if __name__ == "__main__":
    run(main)
