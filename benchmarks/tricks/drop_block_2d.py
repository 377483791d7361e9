"""Blocks or single entries: DropBlock2D beside dropout in a small CNN, on few digits.

    python benchmarks/tricks/drop_block_2d.py

First the share of a map that blocks of 7 silence, beside the formula. Then three convolutions of
16 channels on 8 x 8 digits with a drop layer behind the second and the third; 200 training
digits, 300 steps of Adam. Five seeds, which also draw the digits.
"""

import keras
import numpy as np
from _common import digits, error, numpy_of, restart, run, spread, table, train

import kerastricks as kt

KINDS = {
    "nothing": None,
    "Dropout(0.2)": lambda: kt.layers.Dropout(0.2),
    "DropBlock2D(0.2, 3)": lambda: kt.layers.DropBlock2D(0.2, 3),
}


def network(kind):
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for number in range(3):
        start = kt.initializers.He() if number else kt.initializers.LeCun()
        convolution = keras.layers.Conv2D(16, 3, padding="same", kernel_initializer=start)
        model.add(convolution)
        model.add(keras.layers.ReLU())
        if number and KINDS[kind]:
            model.add(KINDS[kind]())
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    return model


def shares(rate, size, side):
    """Shares of zeros in a map's middle and in all of it, both by the formula and measured."""
    layer = kt.layers.DropBlock2D(rate, size, seed=0)
    dropped = numpy_of(layer(np.ones((512, side, side, 8), "float32"), training=True)) == 0
    gamma = rate * side**2 / (size**2 * (side - size + 1) ** 2)
    corners = np.convolve(np.ones(side - size + 1), np.ones(size))  # blocks that cover a row
    theory = 1 - (1 - gamma) ** np.outer(corners, corners)
    middle = slice(size, -size)
    return (
        theory[middle, middle].mean(),
        dropped[:, middle, middle].mean(),
        theory.mean(),
        dropped.mean(),
    )


def main(quick: bool = False) -> None:
    """Prints shares and errors."""
    seeds, steps = (range(2), 5) if quick else (range(5), 300)
    rows = []
    for rate, side in ((0.1, 28), (0.1, 112), (0.3, 28)):
        if not quick or side < 100:
            rows.append((rate, side, *(f"{share:.3f}" for share in shares(rate, 7, side))))
    table(("rate", "side", "middle, formula", "measured", "whole map, formula", "measured"), rows)
    print()
    rows, without = [], None
    for kind in list(KINDS)[::2] if quick else KINDS:
        model = network(kind)
        training, test = [], []
        for seed in seeds:
            x, y, x_test, y_test = digits(seed, 200, flat=False)
            restart(model, seed)
            train(model, x, y, steps, seed)
            training.append(error(model, x, y))
            test.append(error(model, x_test, y_test))
        without = np.array(test) if without is None else without
        rows.append((kind, spread(training), spread(test), spread(test - without)))
    table(("dropped", "training error, %", "test error, %", "minus that without"), rows)


if __name__ == "__main__":
    run(main)
