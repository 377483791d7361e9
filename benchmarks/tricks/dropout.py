"""Test error against the share that is kept: Figure 9 of Srivastava et al. (2014), on few digits.

    python benchmarks/tricks/dropout.py

Two hidden layers of 256 ReLUs, 200 training digits, 400 steps of Adam, five seeds that also draw
the digits. "n fixed" in the paper's words: the width stays, whatever the share.
"""

import keras
import numpy as np
from _common import digits, error, restart, run, spread, table, train

import kerastricks as kt

KEEPS = (0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)


def network(keep):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        model.add(keras.layers.Dense(256, "relu", kernel_initializer=kt.initializers.He()))
        model.add(kt.layers.Dropout(keep=keep))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


def main(quick: bool = False) -> None:
    """Prints test errors, and their difference from those without dropout, seed by seed."""
    seeds, steps = (range(2), 5) if quick else (range(5), 400)
    wrong = {}
    for keep in KEEPS[-2:] if quick else KEEPS:
        model = network(keep)
        wrong[keep] = []
        for seed in seeds:
            x, y, x_test, y_test = digits(seed, 200)
            restart(model, seed)
            train(model, x, y, steps, seed)
            wrong[keep].append(error(model, x_test, y_test))
    without = np.array(wrong[1.0])
    rows = [(keep, spread(errors), spread(errors - without)) for keep, errors in wrong.items()]
    table(("keep", "test error, %", "minus that without dropout"), rows)


if __name__ == "__main__":
    run(main)
