"""Tailored rectifiers: the correlation behind 50, 100 and 200 layers, and 100 layers in training.

    python benchmarks/tricks/tailored_relu.py

First the cosine of two inputs that start orthogonal, behind so many random layers of 256 units
with orthogonal kernels, ten networks each, beside the theory. Then plain chains of 100 layers of
64 units on digits, without shortcuts and normalization: 400 steps of gradient descent with
momentum.
"""

import keras
import numpy as np
from _common import SEEDS, digits, error, numpy_of, restart, run, spread, table, train

import kerastricks as kt


def cosine(depth, slope, width):
    """Between two inputs that start orthogonal, behind a random network."""
    pair = np.eye(2, width, dtype="float32")
    start = kt.initializers.Orthogonal()
    for _ in range(depth):
        pair = pair @ numpy_of(start((width, width)))
        pair = np.where(pair > 0, pair, slope * pair)
        pair /= np.linalg.norm(pair[0])
    return float(pair[0] @ pair[1] / np.prod(np.linalg.norm(pair, axis=1)))


def network(tailored, depth):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(depth):
        start = kt.initializers.Orthogonal() if tailored else kt.initializers.He()
        model.add(keras.layers.Dense(64, kernel_initializer=start))
        model.add(kt.layers.TailoredReLU(depth) if tailored else keras.layers.ReLU())
    model.add(keras.layers.Dense(10, "softmax"))
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def of_mean_square_one(x):
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True))


def main(quick: bool = False) -> None:
    """Prints cosines, then training losses and test errors."""
    depths, networks, width = ((50,), 2, 32) if quick else ((50, 100, 200), 10, 256)
    seeds, steps, deep = (SEEDS[:1], 5, 20) if quick else (SEEDS, 400, 100)
    keras.utils.set_random_seed(0)
    rows = []
    for depth in depths:
        for name, slope in (("ReLU", 0.0), ("tailored", kt.theory.tailored_slope(depth, 0.9))):
            theory = kt.theory.correlation_through_depth(depth, slope)[-1]
            measured = [cosine(depth, slope, width) for _ in range(networks)]
            rows.append((depth, name, f"{slope:.4f}", f"{theory:.4f}", spread(measured, 3)))
    table(("layers", "rectifier", "slope", "cosine, theory", "measured"), rows)
    rows = []
    for name, tailored in (("ReLU, He", False), ("TailoredReLU, Orthogonal", True)):
        model = network(tailored, deep)
        losses, wrong = [], []
        for seed in seeds:
            x, y, x_test, y_test = digits(seed)
            x, x_test = of_mean_square_one(x), of_mean_square_one(x_test)
            restart(model, seed)
            train(model, x, y, steps, seed)
            losses.append(model.evaluate(x, y, len(x), verbose=0))
            wrong.append(error(model, x_test, y_test))
        rows.append((name, spread(losses), spread(wrong, 1)))
    print()
    table((f"{deep} layers", "training loss", "test error, %"), rows)


if __name__ == "__main__":
    run(main)
