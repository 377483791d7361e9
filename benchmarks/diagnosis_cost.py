"""What the doctor costs: wall-clock ratio of `fit` with and without it.

    python benchmarks/diagnosis_cost.py

The two kinds of run alternate in one process, on models that are compiled anew for each run; the
first epoch, which holds the compilations and the dense start, is timed apart from the rest.
"""

import argparse
import time
from statistics import median

import keras
import numpy as np
from keras import layers

import kerastricks as kt


class EpochTimes(keras.callbacks.Callback):
    """Seconds that each epoch took."""

    async_safe = True

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        """Start the watch."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Stop it."""
        self.seconds.append(time.perf_counter() - self.started)


def mlp():
    hidden = [layers.Dense(128, activation="relu") for _ in range(4)]
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), *hidden, layers.Dense(10)])


def residual_cnn():
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same")(inputs)
    for _ in range(3):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.add([x, layers.Conv2D(16, 3, padding="same")(y)])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    return keras.Model(inputs, layers.Dense(10)(x))


def fit(build, callbacks, steps, epochs):
    random = np.random.default_rng(0)
    x = random.normal(size=(64 * steps, 32, 32, 3)).astype("float32")
    y = random.integers(0, 10, 64 * steps)
    keras.utils.set_random_seed(0)
    model = build()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    times = EpochTimes()
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0, callbacks=[*callbacks, times])
    return times.seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="steps an epoch (default 200)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs a run (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of runs (default 3)")
    options = parser.parse_args()
    print(
        f"Keras {keras.__version__}, {keras.backend.backend()}; medians of {options.rounds} pairs"
    )
    print(f"{'model':14}{'doctor':16}{'ms a step':>10}{'first epoch':>13}{'later epochs':>14}")
    for build in (mlp, residual_cnn):
        for name, make in (
            ("default", lambda: [kt.callbacks.TrainingDoctor(verbose=0)]),
            ("every step", lambda: [kt.callbacks.TrainingDoctor(verbose=0, every=1)]),
        ):
            first, later, plain_step = [], [], []
            for _ in range(options.rounds):
                plain = fit(build, [], options.steps, options.epochs)
                watched = fit(build, make(), options.steps, options.epochs)
                first.append(watched[0] - plain[0])
                later.append(sum(watched[1:]) / sum(plain[1:]))
                plain_step.append(1e3 * sum(plain[1:]) / (options.steps * (options.epochs - 1)))
            print(
                f"{build.__name__:14}{name:16}{median(plain_step):10.2f}"
                f"{median(first):+11.2f} s{median(later):14.3f}"
            )


if __name__ == "__main__":
    main()
