"""Xavier beside the older 1 / sqrt(n): the Jacobians and gradients of Glorot and Bengio (2010).

    python benchmarks/tricks/xavier.py

Five hidden layers of 1000 tanh units and ten outputs, as in the paper, on digits. The "standard"
start of that time is U(-1 / sqrt(n), 1 / sqrt(n)), which has a third of the variance of LeCun's.
For each start: the mean singular value of the layers' Jacobians (the derivative of a layer's
outputs by the outputs before it, for one image; hidden layers of 1000 x 1000), and how much the
deviation of the gradient of the sums, coming from the loss, changes from the fifth hidden layer
to the first.
"""

import math
from itertools import pairwise

import keras
import numpy as np
from _common import SEEDS, digits, numpy_of, run, spread, table

import kerastricks as kt

STARTS = {
    "standard, U(±1/√n)": lambda fan_in: keras.initializers.RandomUniform(
        -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in)
    ),
    'Xavier("uniform")': lambda fan_in: kt.initializers.Xavier("uniform"),
}


def network(start, seed, width):
    """Kernels from the pixels to the ten classes."""
    keras.utils.set_random_seed(seed)
    sizes = [64, *[width] * 5, 10]
    return [numpy_of(start(a)((a, b))).astype("float64") for a, b in pairwise(sizes)]


def measured(kernels, x, y):
    """Mean singular value of the Jacobians, and deviations of gradients from first to last."""
    hidden = [x.astype("float64")]
    for kernel in kernels[:-1]:
        hidden.append(np.tanh(hidden[-1] @ kernel))
    jacobians = [
        np.linalg.svd((kernel * (1 - h[0] ** 2)), compute_uv=False).mean()
        for kernel, h in zip(kernels[1:-1], hidden[2:], strict=True)
    ]
    logits = hidden[-1] @ kernels[-1]
    answers = np.exp(logits - logits.max(axis=1, keepdims=True))
    gradient = answers / answers.sum(axis=1, keepdims=True) - np.eye(10)[y]
    deviations = []
    for kernel, h in zip(reversed(kernels[1:]), reversed(hidden[1:]), strict=True):
        gradient = gradient @ kernel.T * (1 - h**2)
        deviations.append(gradient.std())
    return np.mean(jacobians), deviations[-1] / deviations[0]


def main(quick: bool = False) -> None:
    """Prints singular values and what is left of the gradient."""
    seeds, width = (SEEDS[:1], 50) if quick else (SEEDS, 1000)
    rows = []
    for name, start in STARTS.items():
        singular, left = [], []
        for seed in seeds:
            x, y, _, _ = digits(seed, 256)
            pair = measured(network(start, seed, width), x, y)
            singular.append(pair[0])
            left.append(pair[1])
        rows.append((name, spread(singular, 3), spread(left, 3)))
    header = ("start", "mean singular value", "gradient, layer 1 over layer 5")
    table(header, rows)


if __name__ == "__main__":
    run(main)
