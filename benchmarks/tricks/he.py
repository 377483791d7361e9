"""He beside Xavier, thirty layers deep: Figure 3 of He et al. (2015), on digits.

    python benchmarks/tricks/he.py

Thirty layers of ReLU, 64 units each, without normalization or shortcuts. First the deviation of
the sums of the thirtieth layer at the start, over that of the first, beside the theory; then the
training loss and the test error after 600 steps of gradient descent with momentum, at the better
of the rates 0.003 and 0.03 for each start (by the mean training loss of the seeds).
"""

import keras
import numpy as np
from _common import SEEDS, digits, error, numpy_of, restart, run, spread, table, train

import kerastricks as kt

DEPTH, WIDTH = 30, 64
STARTS = {"He": kt.initializers.He, "Xavier": kt.initializers.Xavier}


def network(start):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(DEPTH):
        model.add(keras.layers.Dense(WIDTH, kernel_initializer=start()))
        model.add(keras.layers.ReLU())
    model.add(keras.layers.Dense(10, "softmax", kernel_initializer=kt.initializers.LeCun()))
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def sizes(model, x):
    """Root mean square of the sums of the first and of the last hidden layer."""
    sums = [layer.output for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    ends = keras.Model(model.inputs[0], [sums[0], sums[DEPTH - 1]])(x)
    return [float(np.sqrt(np.mean(numpy_of(z) ** 2))) for z in ends]


def main(quick: bool = False) -> None:
    """Prints signal, loss and error of both starts."""
    seeds, steps = (SEEDS[:1], 5) if quick else (SEEDS, 600)
    rates = (0.01,) if quick else (0.003, 0.03)
    rows = []
    for name, start in STARTS.items():
        model = network(start)
        kept, best = [], None
        for rate in rates:
            losses, wrong = [], []
            for seed in seeds:
                x, y, x_test, y_test = digits(seed)
                restart(model, seed)
                model.optimizer.learning_rate = rate
                if rate == rates[0]:
                    first, last = sizes(model, x)
                    kept.append(last / first)
                train(model, x, y, steps, seed)
                losses.append(model.evaluate(x, y, len(x), verbose=0))
                wrong.append(error(model, x_test, y_test))
            if best is None or np.mean(losses) < np.mean(best[1]):
                best = rate, losses, wrong
        scheme = name.lower()
        variances = kt.theory.variance_through_depth([WIDTH] * (DEPTH + 1), scheme, "relu")
        theory = np.sqrt(variances[-1] / variances[0])
        rows.append(
            (
                name,
                f"{theory:.1e}",
                ", ".join(f"{value:.1e}" for value in kept),
                best[0],
                spread(best[1]),
                spread(best[2], 1),
            )
        )
    header = ("start", "signal left, theory", "measured", "rate", "training loss", "test error, %")
    table(header, rows)


if __name__ == "__main__":
    run(main)
