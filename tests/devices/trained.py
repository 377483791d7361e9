"""Two small trainings that the scripts of this folder run on one device and on several."""

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

import kerastricks as kt

RTOL = 1e-3
"""Sums of float32 over two halves, in another order than over one; and what 24 steps make of it."""
STEPS, BATCH = 12, 32
JOINTLY = keras.backend.backend() == "tensorflow"
"""On JAX there is one batch, divided among devices by XLA: Keras refuses `synchronized` there."""


def data(scale=1.0):
    random = np.random.default_rng(0)
    x = random.normal(size=(STEPS * BATCH, 6)).astype("float32")
    y = (x[:, :1] * x[:, 1:2] > 0).astype("float32")
    return scale * x, y


def healthy():
    """Every layer whose result does not hang on random numbers, and a joint normalization."""
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, kernel_initializer=kt.initializers.He(0.2, seed=1)),
            kt.layers.BatchNormalization(alpha=0.1, synchronized=JOINTLY, unbiased_variance=True),
            kt.layers.LeakyReLU(0.2),
            keras.layers.Dense(16, kernel_initializer=kt.initializers.Orthogonal(seed=2)),
            kt.layers.BatchNormalization(average="debiased", synchronized=JOINTLY),
            kt.layers.PReLU(),
            keras.layers.Dense(16, kernel_initializer=kt.initializers.He(seed=3)),
            kt.layers.TailoredReLU(depth=24),
            keras.layers.Dense(16, kernel_initializer=kt.initializers.He(seed=4)),
            kt.layers.VeryLeakyReLU(),
            kt.layers.Dropout(0.0),
            keras.layers.Dense(1, "sigmoid", kernel_initializer=kt.initializers.Xavier(seed=5)),
        ],
        name="healthy",
    )


def sick():
    """Data out of scale, sigmoids through depth, units that are silent, and equal ones."""
    glorot = keras.initializers.GlorotUniform

    def hidden(n):
        return keras.layers.Dense(16, "sigmoid", kernel_initializer=glorot(n), name=f"hidden{n}")

    below = keras.initializers.Constant(-1e3)
    silent = keras.layers.Dense(
        8, "relu", kernel_initializer=glorot(9), bias_initializer=below, name="silent"
    )
    equal = keras.layers.Dense(8, "tanh", kernel_initializer="zeros", name="equal")
    inputs = keras.Input((6,))
    x = inputs
    for n in range(6):
        x = hidden(n)(x)
    x = keras.layers.Concatenate()([x, silent(inputs), equal(inputs)])
    head = keras.layers.Dense(1, "sigmoid", kernel_initializer=glorot(10), name="head")
    return keras.Model(inputs, head(x), name="sick")


CASES = {"healthy": healthy, "sick": sick}


class Doctor(kt.callbacks.TrainingDoctor):
    """Keeps what it is told."""

    def __init__(self, **arguments):
        super().__init__(every=1, **arguments)
        self.seen = []

    def observe(self, observation):
        self.seen.append(observation)
        super().observe(observation)


def trained(build, scope=nullcontext, data=data):
    """Weights, history, findings, what is printed, and observations of a training."""
    x, y = data(40.0 if build is sick else 1.0)
    keras.utils.set_random_seed(0)
    with scope():
        model = build()
        model.compile(keras.optimizers.SGD(0.01), "binary_crossentropy")
    doctor = Doctor()
    fit = {"batch_size": BATCH, "epochs": 2, "shuffle": False, "verbose": 0}
    with redirect_stdout(StringIO()) as told:
        history = model.fit(x, y, callbacks=[doctor], **fit).history
    return {
        "weights": [np.asarray(weight) for weight in model.get_weights()],
        "loss": history["loss"],
        "findings": findings(doctor.report),
        "told": [line for line in told.getvalue().splitlines() if line.startswith("Doctor:")],
        "unobserved": doctor.report.unobserved,
        "seen": [flat(each) for each in doctor.seen],
    }


class StopError(Exception):
    pass


class Stop(keras.callbacks.Callback):
    """Breaks a training off in its second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.steps == STEPS + STEPS // 2:
            raise StopError
        self.steps += 1

    def on_train_begin(self, logs=None):
        self.steps = 0


def assert_resumes(scope):
    """A training that is broken off on several devices, and goes on there, has the whole report."""

    def report(folder, callbacks):
        x, y = data(40.0)
        keras.utils.set_random_seed(0)
        with scope():
            model = sick()
            model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "binary_crossentropy")
        doctor = kt.callbacks.TrainingDoctor(
            every=1, budget=1e9, verbose=0, backup_dir=Path(folder) / "doctor"
        )
        callbacks = [doctor, keras.callbacks.BackupAndRestore(Path(folder) / "model"), *callbacks]
        fit = {"batch_size": BATCH, "epochs": 3, "shuffle": False, "verbose": 0}
        with suppress(StopError):
            model.fit(x, y, callbacks=callbacks, **fit)
        return doctor.report

    with TemporaryDirectory() as whole, TemporaryDirectory() as broken_off:
        expected = report(whole, []).to_dict()
        assert report(broken_off, [Stop()]).to_dict() != expected
        assert report(broken_off, []).to_dict() == expected
        assert expected["findings"]


def findings(report):
    return [(each.condition, each.layer, each.onset) for each in report.findings]


def flat(seen, path=""):
    """The numbers of an observation, by their places in it."""
    if dataclasses.is_dataclass(seen):
        parts = [(each.name, getattr(seen, each.name)) for each in dataclasses.fields(seen)]
    elif isinstance(seen, Sequence) and not isinstance(seen, str):
        parts = list(enumerate(seen))
    elif isinstance(seen, int | float | np.ndarray | np.number):
        return {path: np.asarray(seen, "float64")}
    else:
        return {}
    return {name: each for key, part in parts for name, each in flat(part, f"{path}/{key}").items()}


def assert_alike(one, several):
    """The same within rounding: weights, losses, statistics; the same findings and onsets."""
    assert several["findings"] == one["findings"]
    assert several["told"] == one["told"]
    assert several["unobserved"] == one["unobserved"]
    np.testing.assert_allclose(several["loss"], one["loss"], rtol=RTOL)
    for a, b in zip(one["weights"], several["weights"], strict=True):
        np.testing.assert_allclose(b, a, atol=RTOL * max(np.abs(a).max(), 1e-2))
    assert len(one["seen"]) == 2 * STEPS
    assert_same_looks(one["seen"], several["seen"])


def assert_same_looks(one, several):
    for step, (a, b) in enumerate(zip(one, several, strict=True)):
        assert list(a) == list(b)
        for name in a:
            scale = np.abs(a[name]).max(initial=5e-3)
            told = f"{name} at step {step}"
            np.testing.assert_allclose(b[name], a[name], atol=RTOL * scale, err_msg=told)
