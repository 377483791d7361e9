"""Steps to a given accuracy with and without batch normalization, as in Ioffe and Szegedy (2015).

    python benchmarks/tricks/batch_normalization.py

Their first experiment: three hidden layers of 100 sigmoids, small random weights, batches of 60,
plain gradient descent; here on 8 x 8 digits, at several learning rates. Counted are the steps
until 90 % of the 450 test digits are right, normalized by the batch's own averages (alpha = 0.1),
looked at every 20 steps, 3000 at most.
"""

import keras
import numpy as np
from _common import SEEDS, digits, error, restart, run, table

import kerastricks as kt

STEPS, EVERY = 3000, 20


def network(normalized):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(3):
        start = kt.initializers.ScaledNormal(0.1)
        model.add(keras.layers.Dense(100, use_bias=not normalized, kernel_initializer=start))
        if normalized:
            model.add(kt.layers.BatchNormalization(alpha=0.1))
        model.add(keras.layers.Activation("sigmoid"))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


class Until(keras.callbacks.Callback):
    """Stops at the first look at which 90 % of the test digits are right."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.steps = x, y, None

    def on_train_batch_end(self, batch, logs=None):
        """Looks, every few steps."""
        if (batch + 1) % EVERY == 0 and error(self.model, self.x, self.y) <= 10:
            self.steps = batch + 1
            self.model.stop_training = True
            raise _Reached


class _Reached(Exception):  # noqa: N818 - it ends an epoch, which `stop_training` does not
    """Enough are right."""


def steps_needed(model, rate, seed, most):
    x, y, x_test, y_test = digits(seed)
    restart(model, seed)
    model.optimizer.learning_rate = rate
    watch = Until(x_test, y_test)
    chosen = np.random.default_rng(seed).integers(len(x), size=60 * most)
    try:
        model.fit(x[chosen], y[chosen], 60, shuffle=False, verbose=0, callbacks=[watch])
    except _Reached:
        return watch.steps
    return None


def main(quick: bool = False) -> None:
    """Prints the steps of each network, rate and seed."""
    seeds, most = (SEEDS[:1], 20) if quick else (SEEDS, STEPS)
    rates = (0.5,) if quick else (0.1, 0.5, 2.0, 8.0)
    rows = []
    for name, normalized in (("plain", False), ("batch normalization", True)):
        model = network(normalized)
        for rate in rates:
            steps = [steps_needed(model, rate, seed, most) for seed in seeds]
            rows.append((name, rate, ", ".join("never" if s is None else str(s) for s in steps)))
    table(("network", "rate", "steps to 90 %, seed by seed"), rows)


if __name__ == "__main__":
    run(main)
