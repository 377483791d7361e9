"""How many narrow networks end as constants: |x| with ten ReLU layers of width 2 (Lu et al., 2019).

    python benchmarks/tricks/randomized_asymmetric.py

Nine hidden layers of two ReLUs and a linear output learn |x| on [-sqrt 3, sqrt 3] from 64 points,
1500 steps of Adam at 0.003, 300 networks side by side for each start. Counted are those whose
output is the same for all points, before and after the training; a share of p % of 300 has a
standard error of sqrt(p (100 - p) / 300) points.
"""

from itertools import pairwise

import numpy as np
from _common import numpy_of, run, table

import kerastricks as kt

HIDDEN, WIDTH = 9, 2


def drawn(initializer, networks, biased):
    """Kernels (networks, in, out) and biases (networks, 1, out), a draw for all networks."""
    kernels, biases = [], []
    sizes = [1] + [WIDTH] * HIDDEN + [1]
    for into, out in pairwise(sizes):
        kernel = numpy_of(initializer((into, networks * out))).astype("float64")
        kernels.append(kernel.reshape(into, networks, out).transpose(1, 0, 2).copy())
        bias = numpy_of(initializer((networks * out,))) if biased else np.zeros(networks * out)
        biases.append(bias.astype("float64").reshape(networks, 1, out).copy())
    return kernels, biases


def forward(x, kernels, biases):
    hidden = [np.broadcast_to(x, (len(kernels[0]), *x.shape))]
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        hidden.append(np.maximum(hidden[-1] @ kernel + bias, 0))
    return hidden, hidden[-1] @ kernels[-1] + biases[-1]


def gradients(x, y, kernels, biases):
    hidden, output = forward(x, kernels, biases)
    behind, found = (output - y) / len(x), []
    for layer in reversed(range(len(kernels))):
        found.append((hidden[layer].transpose(0, 2, 1) @ behind, behind.sum(1, keepdims=True)))
        behind = behind @ kernels[layer].transpose(0, 2, 1) * (hidden[layer] > 0)
    by_layer = found[::-1]
    return [pair[0] for pair in by_layer] + [pair[1] for pair in by_layer]


def constant(x, kernels, biases):
    """The share of networks that answer the same to everything, in percent."""
    output = forward(x, kernels, biases)[1]
    return 100 * np.mean(np.ptp(output, axis=(1, 2)) < 1e-6)


def main(quick: bool = False) -> None:
    """Prints the shares before and after."""
    networks, steps = (10, 5) if quick else (300, 1500)
    x = np.linspace(-np.sqrt(3), np.sqrt(3), 64)[:, None]
    y = np.abs(x)
    rows = []
    for name, initializer, biased in (
        ("He(), biases 0", kt.initializers.He(seed=0), False),
        ("RandomizedAsymmetric(bias=True)", kt.initializers.RandomizedAsymmetric(True, 0), True),
    ):
        kernels, biases = drawn(initializer, networks, biased)
        born = constant(x, kernels, biases)
        weights = kernels + biases
        means = [np.zeros_like(w) for w in weights]
        squares = [np.zeros_like(w) for w in weights]
        for step in range(1, steps + 1):
            for w, g, m, v in zip(
                weights, gradients(x, y, kernels, biases), means, squares, strict=True
            ):
                m += 0.1 * (g - m)
                v += 0.001 * (g**2 - v)
                w -= 0.003 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-7)
        rows.append((name, f"{born:.1f}", f"{constant(x, kernels, biases):.1f}"))
    table(("start", "constant at the start, %", "after training, %"), rows)


if __name__ == "__main__":
    run(main)
