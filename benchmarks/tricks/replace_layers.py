"""What is kept when the layers of somebody else's network are exchanged.

    python benchmarks/tricks/replace_layers.py

MobileNetV2 (width 0.35, images of 96 x 96, random weights, without the classifier) as
`keras.applications` builds it. For each rule: how many layers were exchanged, how many of the
weights of the new model are those of the old one bit for bit, how far the outputs are apart, and
the seconds that it took.
"""

import time

import keras
import numpy as np
from _common import numpy_of, run, table

import kerastricks as kt

NATIVE, OURS = keras.layers.BatchNormalization, kt.layers.BatchNormalization


def network(quick):
    """A network of many layers."""
    keras.utils.set_random_seed(0)
    if not quick:
        return keras.applications.MobileNetV2(
            (96, 96, 3), alpha=0.35, weights=None, include_top=False, pooling="avg"
        )
    layers = [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


def main(quick=False):
    """Prints a row for each rule."""
    model = network(quick)
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
    before, weights = numpy_of(model(x, training=False)), model.get_weights()
    rules = {
        "`BatchNormalization` -> ours": [{NATIVE: OURS}],
        "and back": [{NATIVE: OURS}, {OURS: NATIVE}],
        "`ReLU` -> `LeakyReLU(0.1)`": [
            {keras.layers.ReLU: lambda old: kt.layers.LeakyReLU(0.1, name=old.name)}
        ],
    }
    rows = []
    for name, steps in rules.items():
        started, new = time.perf_counter(), model
        for rule in steps:
            new = kt.surgery.replace_layers(new, rule)
        seconds = time.perf_counter() - started
        (which,) = steps[0]
        exchanged = sum(type(layer) is which for layer in model.layers)
        same = sum(np.array_equal(a, b) for a, b in zip(weights, new.get_weights(), strict=True))
        apart = np.abs(numpy_of(new(x, training=False)) - before).max() / np.abs(before).max()
        rows.append(
            [
                name,
                f"{exchanged} of {len(model.layers)}",
                f"{same} of {len(weights)}",
                f"{apart:.1e}",
                f"{seconds:.1f}",
            ]
        )
    table(["rule", "layers", "equal weights", "outputs apart, relative", "seconds"], rows)


if __name__ == "__main__":
    run(main)
