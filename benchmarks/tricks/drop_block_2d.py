"""Blocks or single entries: DropBlock2D beside dropout in a small CNN, on few digits.

    python benchmarks/tricks/drop_block_2d.py

First the share of a large map that DropBlock2D silences, beside its formula. Then three convolutions
of 32 channels on 8 x 8 digits with a drop layer behind the second and the third; 200 training
digits, 400 steps of Adam. Five seeds, which also draw the digits.
"""

import keras
import numpy as np
from _common import digits, error, numpy_of, restart, run, spread, table, train

import kerastricks as kt

KINDS = {
    "nothing": None,
    "Dropout(0.1)": lambda: kt.layers.Dropout(0.1),
    "Dropout(0.3)": lambda: kt.layers.Dropout(0.3),
    "DropBlock2D(0.1, 3)": lambda: kt.layers.DropBlock2D(0.1, 3),
    "DropBlock2D(0.3, 3)": lambda: kt.layers.DropBlock2D(0.3, 3),
}


def network(kind):
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for number in range(3):
        start = kt.initializers.He() if number else kt.initializers.LeCun()
        convolution = keras.layers.Conv2D(32, 3, padding="same", kernel_initializer=start)
        model.add(convolution)
        model.add(keras.layers.ReLU())
        if number and KINDS[kind]:
            model.add(KINDS[kind]())
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    return model


def shares(rate, size, side):
    """Share of zeros in the middle of a map, and by the formula."""
    layer = kt.layers.DropBlock2D(rate, size, seed=0)
    maps = numpy_of(layer(np.ones((64, side, side, 8), "float32"), training=True))
    gamma = rate * side**2 / (size**2 * (side - size + 1) ** 2)
    middle = maps[:, size:-size, size:-size]
    return np.mean(middle == 0), 1 - (1 - gamma) ** (size**2)


def main(quick: bool = False) -> None:
    """Prints shares and errors."""
    seeds, steps = (range(2), 5) if quick else (range(5), 400)
    for rate in (0.1, 0.3):
        measured, theory = shares(rate, 7, 28)
        print(f"rate {rate}, blocks of 7 in 28 x 28: {theory:.4f} by formula, {measured:.4f}")
    rows, without = [], None
    for kind in list(KINDS)[::3] if quick else KINDS:
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
