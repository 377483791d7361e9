"""What the doctor costs: wall-clock ratio of `fit` with and without it.

    KERAS_BACKEND=tensorflow python benchmarks/diagnosis_cost.py          # or jax, torch
    KERAS_BACKEND=tensorflow python benchmarks/diagnosis_cost.py --jit    # with XLA
    KERAS_BACKEND=tensorflow python benchmarks/diagnosis_cost.py --memory

The kinds of run take turns in one process, on models that are compiled anew for each run, and are
held against the run without any of them in the same round. The first epoch holds the compilations
and the dense start; the ratios are those of the median epoch after it. Prints a table in Markdown.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import keras
import numpy as np
from keras import layers

import kerastricks as kt

BATCH = 64


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


class Memory(keras.callbacks.Callback):
    """MiB that the process holds after some of the steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.held = []
        self.made = 0

    def on_train_batch_end(self, batch, logs=None):
        """Read it when it is time."""
        self.made += 1
        if self.made in self.steps:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            self.held.append(pages * 4096 / 2**20)


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


def lstm():
    rows = [keras.Input((32, 32, 3)), layers.Reshape((32, 96))]
    return keras.Sequential([*rows, layers.LSTM(64), layers.Dense(10)])


MODELS = {model.__name__: model for model in (mlp, residual_cnn, lstm)}


def small():
    hidden = [layers.Dense(16, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(10)])


def tensorboard():
    with tempfile.TemporaryDirectory() as folder:
        yield keras.callbacks.TensorBoard(folder, histogram_freq=1)


def doctor(**arguments):
    yield kt.callbacks.TrainingDoctor(verbose=0, **arguments)


WATCHERS = {
    "doctor": doctor,
    "doctor, every step": lambda: doctor(every=1),
    "TensorBoard(histogram_freq=1)": tensorboard,
}


def fit(build, callbacks, options, *, steps=None, epochs=None, batch=BATCH, shape=(32, 32, 3)):
    random = np.random.default_rng(0)
    x = random.normal(size=(batch * (steps or options.steps), *shape)).astype("float32")
    y = random.integers(0, 10, len(x))
    keras.utils.set_random_seed(0)
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = "auto" if keras.backend.backend() == "jax" else options.jit
    model.compile("adam", loss, jit_compile=jit)
    times = EpochTimes()
    epochs = epochs or options.epochs
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[*callbacks, times])
    keras.utils.clear_session()
    return times.seconds


def costs(options):
    print("| model | ms a step | watched by | ratio | of the rounds | first epoch |")
    print("|---|---|---|---|---|---|", flush=True)
    for build in (MODELS[name] for name in options.models):
        plain_steps = []
        ratios, first = ({watcher: [] for watcher in WATCHERS} for _ in range(2))
        for _ in range(options.rounds):
            plain = fit(build, [], options)
            plain_steps.append(1e3 * median(plain[1:]) / options.steps)
            for watcher, make in WATCHERS.items():
                try:
                    for callback in make():
                        watched = fit(build, [callback], options)
                except ImportError:
                    continue
                ratios[watcher].append(median(watched[1:]) / median(plain[1:]))
                first[watcher].append(watched[0] - plain[0])
        for watcher in (watcher for watcher in WATCHERS if ratios[watcher]):
            low, high = min(ratios[watcher]), max(ratios[watcher])
            print(
                f"| {build.__name__} | {median(plain_steps):.2f} | {watcher} "
                f"| {median(ratios[watcher]):.3f} | {low:.2f} to {high:.2f} "
                f"| {median(first[watcher]):+.1f} s |",
                flush=True,
            )


def memory(options):
    run = {"steps": 500, "epochs": 20, "batch": 8, "shape": (8,)}
    print("| watched by | MiB after 2,000 steps | after 10,000 |")
    print("|---|---|---|", flush=True)
    for watcher, watching in {
        "nothing": [],
        "doctor, every step": WATCHERS["doctor, every step"](),
    }.items():
        held = Memory((2_000, 10_000))
        fit(small, [*watching, held], options, **run)
        print(f"| {watcher} | {held.held[0]:.0f} | {held.held[1]:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="steps an epoch (default 200)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs a run (default 4)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--jit", action="store_true", help="compile with XLA")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of time")
    options = parser.parse_args()
    xla = ", XLA" if options.jit else ""
    backend = keras.backend.backend()
    print(f"Keras {keras.__version__}, {backend}{xla}; medians of {options.rounds} rounds\n")
    memory(options) if options.memory else costs(options)


if __name__ == "__main__":
    main()
