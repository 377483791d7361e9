"""What the doctor costs: wall-clock ratio of `fit` with and without it.

    KERAS_BACKEND=tensorflow python benchmarks/diagnosis_cost.py          # or jax, torch
    KERAS_BACKEND=tensorflow python benchmarks/diagnosis_cost.py --jit    # with XLA
    KERAS_BACKEND=tensorflow python benchmarks/diagnosis_cost.py --memory

All kinds of run train side by side in one process, each a model and a `fit` of its own, and take
turns of a few steps: what else the machine does slows neighboring turns alike. A run's clock, by
which the doctor keeps its budget too, stands still in the turns of the others. The first steps hold
the compilations and the dense start. After them, each turn's ratio is its time over that of the
turn of the run without any of them; the table in Markdown has medians and quartiles.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

import kerastricks as kt
from kerastricks.diagnosis import watch

BATCH = 64
TURN = 50
"""Steps after which the next run has its turn."""
WARM_UP = 200
"""Steps that are not counted."""
EPOCH = WARM_UP if keras.backend.backend() == "tensorflow" else TURN
"""Steps of an epoch. TensorFlow takes long to begin one. JAX and torch run a callback that is told
of steps, and that they need not wait for, in another thread: there turns change with epochs."""
PLAIN = "nothing"


class Clock(threading.local):
    """The time of this thread, without that in which others had their turn."""

    waited = 0.0

    def perf_counter(self):
        """Seconds, from an arbitrary start."""
        return time.perf_counter() - self.waited


CLOCK = Clock()


class Turns:
    """Let threads go on one at a time, in a fixed order."""

    def __init__(self, players):
        self.players = list(players)
        self.changed = threading.Condition()

    def wait_for(self, player):
        """Wait until it is a player's turn."""
        started = time.perf_counter()
        with self.changed:
            self.changed.wait_for(lambda: self.players[0] == player)
        CLOCK.waited += time.perf_counter() - started

    def hand_on(self, player, *, leave=False):
        """Let the next one go on; a player may leave for good."""
        with self.changed:
            self.players.remove(player)
            if not leave:
                self.players.append(player)
            self.changed.notify_all()


class Turn(keras.callbacks.Callback):
    """Hand on after so many steps, and note the seconds that they took.

    What Keras does between two epochs belongs to the turn that ends there.
    """

    async_safe = True

    def __init__(self, turns, player):
        super().__init__()
        self.turns = turns
        self.player = player
        self.made = 0
        self.seconds = []

    def on_train_begin(self, logs=None):
        """Start the watch."""
        self.started = CLOCK.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        """Hand on where an epoch is a turn."""
        if epoch and EPOCH == TURN:
            self.hand_on()

    def on_train_batch_begin(self, batch, logs=None):
        """Hand on where an epoch is many turns."""
        if self.made and EPOCH > TURN and self.made % TURN == 0:
            self.hand_on()
        self.made += 1

    def on_train_end(self, logs=None):
        """Note the last turn."""
        self.note()

    def hand_on(self):
        """Stop the watch until the next turn."""
        self.note()
        self.turns.hand_on(self.player)
        self.turns.wait_for(self.player)

    def note(self):
        """Note what has passed since the last time."""
        now = CLOCK.perf_counter()
        self.seconds.append(now - self.started)
        self.started = now


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
            self.held.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


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


def doctor(**arguments):
    return kt.callbacks.TrainingDoctor(verbose=0, **arguments)


def watchers(folder):
    """Callbacks of each kind of run; the others are held against the one that has none."""
    kinds = {PLAIN: [], "doctor": [doctor()], "doctor, every step": [doctor(every=1)]}
    if keras.backend.backend() == "tensorflow":  # its summaries are TensorFlow's
        tensorboard = keras.callbacks.TensorBoard(folder, histogram_freq=1)
        kinds["TensorBoard(histogram_freq=1)"] = [tensorboard]
    return kinds


def fit(build, callbacks, options, *, steps, epochs, batch=BATCH, shape=(32, 32, 3)):
    random = np.random.default_rng(0)
    x = random.normal(size=(batch * steps, *shape)).astype("float32")
    y = random.integers(0, 10, len(x))
    keras.utils.set_random_seed(0)
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = "auto" if keras.backend.backend() == "jax" else options.jit
    model.compile("adam", loss, jit_compile=jit)
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=callbacks)


def side_by_side(build, options):
    """Seconds of each turn of each kind of run."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = watchers(folder)
        turns = Turns(kinds)
        clocks = {kind: Turn(turns, kind) for kind in kinds}
        failures = []

        def run(kind):
            turns.wait_for(kind)
            try:
                fit(
                    build,
                    [*kinds[kind], clocks[kind]],
                    options,
                    steps=EPOCH,
                    epochs=(WARM_UP + options.steps) // EPOCH,
                )
            except Exception as error:
                failures.append(error)
            finally:
                turns.hand_on(kind, leave=True)

        threads = [threading.Thread(target=run, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    keras.utils.clear_session()
    return {kind: np.array(clock.seconds) for kind, clock in clocks.items()}


def costs(options):
    print("| model | ms a step | watched by | ratio | quartiles | first 200 steps |")
    print("|---|---|---|---|---|---|", flush=True)
    for build in (MODELS[name] for name in options.models):
        seconds = side_by_side(build, options)
        plain = seconds.pop(PLAIN)
        start = WARM_UP // TURN
        for kind, each in seconds.items():
            low, middle, high = np.quantile(each[start:] / plain[start:], [0.25, 0.5, 0.75])
            print(
                f"| {build.__name__} | {1e3 * np.median(plain[start:]) / TURN:.2f} | {kind} "
                f"| {middle:.3f} | {low:.2f} to {high:.2f} "
                f"| {(each - plain)[:start].sum():+.1f} s |",
                flush=True,
            )


def memory(options):
    run = {"steps": 500, "epochs": 20, "batch": 8, "shape": (8,)}
    print("| watched by | MiB after 2,000 steps | after 10,000 |")
    print("|---|---|---|", flush=True)
    for watcher, watching in {PLAIN: [], "doctor, every step": [doctor(every=1)]}.items():
        held = Memory((2_000, 10_000))
        fit(small, [*watching, held], options, **run)
        print(f"| {watcher} | {held.held[0]:.0f} | {held.held[1]:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800, help="counted, by 200 (default 800)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--jit", action="store_true", help="compile with XLA")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of time")
    options = parser.parse_args()
    if options.steps < WARM_UP or options.steps % WARM_UP:
        parser.error(f"--steps must be a multiple of {WARM_UP}, not {options.steps}")
    watch.time = CLOCK
    xla = ", XLA" if options.jit else ""
    backend = keras.backend.backend()
    turns = "" if options.memory else f"; {options.steps // TURN} turns of {TURN} steps"
    print(f"Keras {keras.__version__}, {backend}{xla}{turns}\n")
    memory(options) if options.memory else costs(options)


if __name__ == "__main__":
    main()
