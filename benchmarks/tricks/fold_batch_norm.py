"""How much faster a network is without its batch normalizations, and how far from the same.

    python benchmarks/tricks/fold_batch_norm.py

Eight times convolution, batch normalization and ReLU, 32 channels on 32 x 32 images, with averages
and gains as a training leaves them (drawn at random here). Latency in a graph of TensorFlow without
XLA, and with it; medians of rounds in which both models take turns. Three seeds of weights for the
difference of the outputs.
"""

import time

import keras
import numpy as np
import tensorflow as tf
from _common import SEEDS, numpy_of, run, table

import kerastricks as kt

BLOCKS = 8


def network(seed, blocks):
    """Convolutions with normalizations that have seen something."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for _ in range(blocks):
        model.add(keras.layers.Conv2D(32, 3, padding="same", use_bias=False))
        model.add(normalization := kt.layers.BatchNormalization())
        model.add(keras.layers.ReLU())
        shape = normalization.gamma.shape
        normalization.gamma.assign(random.uniform(0.5, 1.5, shape))
        normalization.beta.assign(random.normal(0, 0.3, shape))
        normalization.moving_mean.assign(random.normal(0, 0.3, shape))
        normalization.moving_variance.assign(random.uniform(0.2, 2, shape))
    return model


def milliseconds(model, folded, x, jit, rounds, repeats):
    """Median milliseconds of a call of each, in turn."""
    calls = [
        tf.function(lambda z, m=m: m(z, training=False), jit_compile=jit) for m in (model, folded)
    ]
    for call in calls:
        call(x)
    found = [[], []]
    for _ in range(rounds):
        for times, call in zip(found, calls, strict=True):
            started = time.perf_counter()
            for _ in range(repeats):
                call(x).numpy()
            times.append(1000 * (time.perf_counter() - started) / repeats)
    return [float(np.median(times)) for times in found]


def main(quick=False):
    """Prints the difference of outputs, and latencies."""
    seeds, blocks, rounds = (SEEDS[:1], 2, 1) if quick else (SEEDS, BLOCKS, 15)
    apart = []
    for seed in seeds:
        model = network(seed, blocks)
        folded = kt.surgery.fold_batch_norm(model)
        x = np.random.default_rng(seed).normal(size=(32, 32, 32, 3)).astype("float32")
        before, after = (numpy_of(m(x, training=False)) for m in (model, folded))
        apart.append(float(np.abs(before - after).max() / np.abs(before).max()))
    print(f"layers: {len(model.layers)} -> {len(folded.layers)}")
    print(f"largest difference, as a share of the largest output: {max(apart):.1e}\n")
    rows = []
    for batch in (1, 32):
        images = tf.constant(x[:batch])
        for jit in (False, True):
            times = milliseconds(model, folded, images, jit, rounds, 8 if batch == 1 else 2)
            ratio = times[0] / times[1]
            rows.append(
                [batch, "XLA" if jit else "graph", *(f"{t:.2f}" for t in times), f"{ratio:.2f}"]
            )
    table(["batch", "", "ms, as trained", "ms, folded", "ratio"], rows)


if __name__ == "__main__":
    run(main)
