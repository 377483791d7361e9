"""Unit variance behind every kernel: what a twenty-layer network makes of three starts.

    python benchmarks/tricks/lsuv.py

Twenty dense layers of 64 units and no normalization, on the handwritten digits. For each activation
and start: the variance of what comes out of the first and of the last hidden kernel, before any
training, and the test error after 300 steps of Adam. Three seeds.
"""

import keras
import numpy as np
from _common import SEEDS, digits, error, numpy_of, restart, run, spread, table, train

import kerastricks as kt

DEPTH = 20
STEPS = 300
STARTS = {
    "Keras' default, Glorot": keras.initializers.GlorotUniform,
    "He": kt.initializers.He,
    "LSUV": None,
}


def network(activation, depth, steps):
    """A deep chain, and a view of what its hidden kernels put out."""
    tensor = inputs = keras.Input((64,))
    sums = []
    for _ in range(depth):
        tensor = keras.layers.Dense(64)(tensor)
        sums.append(tensor)
        tensor = keras.layers.Activation(activation)(tensor)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(tensor))
    model.compile(
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        steps_per_execution=min(steps, 20),
    )
    return model, keras.Model(inputs, [sums[0], sums[-1]])


def start(model, name, x, seed):
    """Kernels as the start has them, biases of zero."""
    restart(model, seed)
    if STARTS[name] is None:
        kt.surgery.lsuv(model, x[:256], seed=seed, verbose=0)
        return
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for number, layer in enumerate(dense):
        initializer = STARTS[name](seed=1000 * seed + number)
        layer.kernel.assign(initializer(layer.kernel.shape))


def main(quick=False):
    """Prints variances at the start, and errors after training."""
    seeds, steps, depth = (SEEDS[:1], 2, 3) if quick else (SEEDS, STEPS, DEPTH)
    rows = []
    for activation in ("relu",) if quick else ("relu", "tanh", "silu"):
        model, view = network(activation, depth, steps)
        for name in STARTS:
            first, last, wrong = [], [], []
            for seed in seeds:
                x, y, x_test, y_test = digits(seed)
                start(model, name, x, seed)
                for kept, sums in zip((first, last), view(x[:256]), strict=True):
                    kept.append(float(numpy_of(sums).var()))
                train(model, x, y, steps, seed)
                wrong.append(error(model, x_test, y_test))
            variances = (f"{np.mean(kept):.2g}" for kept in (first, last))
            rows.append([activation, name, *variances, spread(wrong, 1)])
    table(["activation", "start", "variance, layer 1", f"layer {depth}", "test error (%)"], rows)


if __name__ == "__main__":
    run(main)
