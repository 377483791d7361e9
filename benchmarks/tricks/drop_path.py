"""Stochastic depth in a residual network of ten blocks, on few digits.

    python benchmarks/tricks/drop_path.py

Each block adds Dense(64), batch normalization and a ReLU, then Dense(64) and batch normalization,
to what comes in. 300 training digits, 300 steps of Adam; the rates grow linearly to the last
block's, as in Huang et al. (2016). Five seeds, which also draw the digits.
"""

import keras
import numpy as np
from _common import digits, error, restart, run, spread, table, train

import kerastricks as kt

BLOCKS = 10


def network(rate, blocks):
    def normalized(tensor):
        start = kt.initializers.He()
        tensor = keras.layers.Dense(64, use_bias=False, kernel_initializer=start)(tensor)
        return kt.layers.BatchNormalization(alpha=0.1)(tensor)

    tensor = inputs = keras.Input((64,))
    for block in range(1, blocks + 1):
        branch = normalized(keras.layers.ReLU()(normalized(tensor)))
        if rate:
            branch = kt.layers.DropPath(rate * block / blocks)(branch)
        tensor = keras.layers.Add()([tensor, branch])
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(tensor))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


def main(quick: bool = False) -> None:
    """Prints training and test errors with and without."""
    seeds, steps, blocks = (range(2), 5, 2) if quick else (range(5), 300, BLOCKS)
    rows, without = [], None
    for rate in (0.0, 0.5):
        model = network(rate, blocks)
        training, test = [], []
        for seed in seeds:
            x, y, x_test, y_test = digits(seed, 300)
            restart(model, seed)
            train(model, x, y, steps, seed)
            training.append(error(model, x, y))
            test.append(error(model, x_test, y_test))
        without = np.array(test) if without is None else without
        rows.append((rate, spread(training), spread(test), spread(test - without)))
    table(("last rate", "training error, %", "test error, %", "minus that without"), rows)


if __name__ == "__main__":
    run(main)
