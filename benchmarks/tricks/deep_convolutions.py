"""Fifty plain convolutions: delta-orthogonal and Dirac kernels beside random ones, on digits.

    python benchmarks/tricks/deep_convolutions.py

A convolution of stride 2 on 8 x 8 digits, then fifty of 16 channels, 3 x 3, stride 1, on maps of
4 x 4, and a dense layer; no normalization, no shortcuts. Gradient descent with momentum, 150
steps at the better of two rates (by the mean training loss of the three seeds). "norm left" is
that of the maps behind the fiftieth convolution over that behind the first one, at the start.
"""

import keras
import numpy as np
from _common import SEEDS, digits, error, numpy_of, restart, run, spread, table, train

import kerastricks as kt

KINDS = {
    "tanh, LeCun": ("tanh", kt.initializers.LeCun),
    "tanh, DeltaOrthogonal": ("tanh", kt.initializers.DeltaOrthogonal),
    "ReLU, He": ("relu", kt.initializers.He),
    "ReLU, Dirac": ("relu", kt.initializers.Dirac),
}


def network(kind, depth):
    activation, start = KINDS[kind]
    model = keras.Sequential([keras.Input((8, 8, 1))])
    first = kt.initializers.LeCun()
    model.add(keras.layers.Conv2D(16, 2, 2, activation=activation, kernel_initializer=first))
    for _ in range(depth):
        model.add(
            keras.layers.Conv2D(
                16, 3, padding="same", activation=activation, kernel_initializer=start()
            )
        )
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(10, "softmax"))
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, global_clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def norm_left(model, x):
    ends = keras.Model(model.inputs[0], [model.layers[0].output, model.layers[-3].output])(x)
    first, last = (np.linalg.norm(numpy_of(maps)) for maps in ends)
    return last / first


def main(quick: bool = False) -> None:
    """Prints norms, losses and errors."""
    seeds, steps, depth = (SEEDS[:1], 3, 4) if quick else (SEEDS, 150, 50)
    rates = (0.01,) if quick else (0.01, 0.03)
    rows = []
    for kind in list(KINDS)[1:2] if quick else KINDS:
        model = network(kind, depth)
        kept, best = [], None
        for rate in rates:
            losses, wrong = [], []
            for seed in seeds:
                x, y, x_test, y_test = digits(seed, flat=False)
                restart(model, seed)
                model.optimizer.learning_rate = rate
                if rate == rates[0]:
                    kept.append(norm_left(model, x[:128]))
                train(model, x, y, steps, seed)
                losses.append(model.evaluate(x, y, len(x), verbose=0))
                wrong.append(error(model, x_test, y_test))
            if best is None or np.mean(losses) < np.mean(best[1]):
                best = rate, losses, wrong
        left = ", ".join(f"{value:.2g}" for value in kept)
        rows.append((kind, left, best[0], spread(best[1]), spread(best[2], 1)))
    table(("network", "norm left", "rate", "training loss", "test error, %"), rows)


if __name__ == "__main__":
    run(main)
