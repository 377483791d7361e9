"""Rectifiers beside the ReLU: a small CNN on few digits, as Xu et al. (2015) compare them.

    python benchmarks/tricks/rectifiers.py

Two convolutions and a dense layer, 200 training digits, the same steps for all; each seed draws
the digits, the weights and the batches. All start with the gain of their own slope. The rows of
RandomizedLeakyReLU are one training, tested with three slopes.
"""

import math
from collections import defaultdict

import keras
import numpy as np
from _common import digits, error, numpy_of, restart, run, spread, table, train

import kerastricks as kt

TRUE_MEAN = math.log(8 / 3) / 5
RANDOM_SQUARE = (1 / 64 + 1 / 24 + 1 / 9) / 3

KINDS = {
    "ReLU": (keras.layers.ReLU, 0.0),
    "LeakyReLU(0.01)": (lambda: kt.layers.LeakyReLU(0.01), 0.01),
    "VeryLeakyReLU()": (kt.layers.VeryLeakyReLU, 1 / 5.5),
    "LeakyReLU(0.3)": (kt.layers.LeakyReLU, 0.3),
    "PReLU(shared_axes)": (kt.layers.PReLU, 0.25),
    "RandomizedLeakyReLU()": (kt.layers.RandomizedLeakyReLU, math.sqrt(RANDOM_SQUARE)),
}


def network(kind):
    layer, slope = KINDS[kind]

    def rectifier(axes):
        return layer(shared_axes=axes) if layer is kt.layers.PReLU else layer()

    def start(slope=slope):
        return kt.initializers.He(slope)

    first = kt.initializers.LeCun()  # images come out of no rectifier
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", kernel_initializer=first),
            rectifier([1, 2]),
            keras.layers.Conv2D(32, 3, padding="same", kernel_initializer=start()),
            rectifier([1, 2]),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(64, kernel_initializer=start()),
            rectifier(None),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    return model


def main(quick: bool = False) -> None:
    """Prints test errors, training errors, and the slopes that PReLU learned."""
    seeds, steps = (range(2), 5) if quick else (range(5), 250)
    wrong, learned = defaultdict(list), []
    for kind in KINDS:
        model = network(kind)
        for seed in seeds:
            x, y, x_test, y_test = digits(seed, 200, flat=False)
            restart(model, seed)
            train(model, x, y, steps, seed)
            wrong[kind].append((error(model, x, y), error(model, x_test, y_test)))
            if kind.startswith("PReLU"):
                slopes = [numpy_of(w).mean() for w in model.weights if w.name == "alpha"]
                learned.append(slopes)
            if kind.startswith("Randomized"):
                rest = zip(*tested_otherwise(model, x_test, y_test), strict=True)
                for name, value in rest:
                    wrong[name].append((math.nan, value))
    rows, relu = [], np.array(wrong["ReLU"])[:, 1]
    for kind, pairs in wrong.items():
        training, test = np.array(pairs).T
        fitted = "" if np.isnan(training).any() else spread(training)
        rows.append((kind, fitted, spread(test), spread(test - relu)))
    table(("activation", "training error, %", "test error, %", "minus the ReLU's"), rows)
    print("PReLU's slopes, layer by layer:", ", ".join(spread(s) for s in np.array(learned).T))


def tested_otherwise(model, x, y):
    """Names and errors of the same weights with the two other test slopes that are in use."""
    slopes = {'... test_slope="paper", 0.182': 1 / 5.5, "... the true mean, 0.196": TRUE_MEAN}
    errors = []
    for slope in slopes.values():

        def tested(layer, slope=slope):
            if isinstance(layer, kt.layers.RandomizedLeakyReLU):
                return kt.layers.LeakyReLU(slope, name=layer.name)
            return layer.__class__.from_config(layer.get_config())

        other = keras.models.clone_model(model, clone_function=tested)
        other.set_weights([w for w in model.get_weights() if w.dtype.kind == "f"])
        errors.append(error(other, x, y))
    return list(slopes), errors


if __name__ == "__main__":
    run(main)
