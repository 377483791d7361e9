"""Deep linear networks from Gaussian and from orthogonal weights, as in Saxe et al. (2013).

    python benchmarks/tricks/orthogonal.py

Layers of 32 units between the 32 whitened principal components of the digits and ten outputs, all
linear, the squared error of the labels, gradient descent on all of the data. First the largest
over the smallest singular value of the product of the hidden layers at the start; then the steps
until 95 % of what a linear model can learn is learned, at the best of nine rates, for three
seeds.
"""

import numpy as np
from _common import SEEDS, digits, numpy_of, run, table

import kerastricks as kt

WIDTH, MOST = 32, 400
RATES = tuple(2.0**power for power in range(-9, 0))


def data():
    """Correlations of whitened inputs with the labels; those of the inputs are 1."""
    x, y, _, _ = digits(0)
    x = x - x.mean(axis=0)
    components = np.linalg.svd(x, full_matrices=False)[0][:, :WIDTH] * np.sqrt(len(x))
    targets = np.eye(10)[y] - np.eye(10)[y].mean(axis=0)
    return components.T @ targets / len(x), np.mean(np.sum(targets**2, axis=1))


def drawn(start, depth, seed):
    initializer = start(seed=seed)
    sizes = [(WIDTH, WIDTH)] * (depth - 1) + [(WIDTH, 10)]
    return [numpy_of(initializer(shape)).astype("float64") for shape in sizes]


def product(kernels):
    total = np.eye(kernels[0].shape[0])
    for kernel in kernels:
        total = total @ kernel
    return total


def steps_needed(kernels, rate, wanted, power):
    """Steps of gradient descent on |x product - y|^2 / 2 until 95 % of what can be had is had."""
    kernels = [kernel.copy() for kernel in kernels]
    best = power - np.sum(wanted**2)  # what a linear model leaves
    for step in range(MOST):
        before = [np.eye(WIDTH)]
        for kernel in kernels:
            before.append(before[-1] @ kernel)
        loss = power - 2 * np.sum(before[-1] * wanted) + np.sum(before[-1] ** 2)
        if loss <= best + 0.05 * (power - best):
            return step
        if not loss < 100 * power:
            return None
        behind = before[-1] - wanted
        for layer in reversed(range(len(kernels))):
            gradient = before[layer].T @ behind
            behind = behind @ kernels[layer].T
            kernels[layer] -= rate * gradient
    return None


def main(quick: bool = False) -> None:
    """Prints spectra and steps."""
    seeds, depths, rates = (SEEDS[:1], (4,), (0.1,)) if quick else (SEEDS, (4, 16, 64), RATES)
    wanted, power = data()
    rows = []
    for depth in depths:
        for name, start in (
            ("Gaussian, LeCun()", kt.initializers.LeCun),
            ("Orthogonal()", kt.initializers.Orthogonal),
        ):
            spectra, steps = [], []
            for seed in seeds:
                kernels = drawn(start, depth, seed)
                singular = np.linalg.svd(product(kernels[:-1]), compute_uv=False)
                spectra.append(singular[0] / singular[-1])
                tried = [steps_needed(kernels, rate, wanted, power) for rate in rates]
                steps.append(min((s for s in tried if s is not None), default=None))
            rows.append(
                (
                    depth,
                    name,
                    f"{np.median(spectra):.2g}" if np.median(spectra) < 1e15 else "over 1e15",
                    ", ".join(f"over {MOST}" if s is None else str(s) for s in steps),
                )
            )
    table(("layers", "start", "largest over smallest singular value", "steps"), rows)


if __name__ == "__main__":
    run(main)
