"""Cases for the callbacks: what is saved, when training stops, what is shown."""

import contextlib
import functools
import io
import tempfile
from pathlib import Path

import keras
import numpy as np

inner = keras.optimizers.legacy if keras.__version__.startswith("2") else keras.optimizers
CASES = {}
"""Case -> a function of the module `tensorflow_addons`, or ours, that gives an array."""


def network():
    random = np.random.RandomState(1)
    model = keras.Sequential(
        [keras.layers.InputLayer((5,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)]
    )
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    return model


def make_model(optimizer):
    model = network()
    model.compile(optimizer, "mse")
    return model


def fit(model, callbacks, epochs=4):
    """Trains for 4 batches an epoch; the validation loss falls, then rises."""
    random = np.random.RandomState(2)
    x = random.normal(size=(40, 5)).astype("float32")
    y = np.sin(x.sum(1, keepdims=True)).astype("float32")
    return model.fit(
        x,
        y,
        batch_size=10,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        validation_data=(x[:7], y[:7] + 0.5),
        callbacks=callbacks,
    )


def flat(weights):
    return np.concatenate([np.ravel(w) for w in weights])


def checkpoint(make, update, arguments, tfa):
    """The names and weights of the files, and the weights of the model at the end."""
    with tempfile.TemporaryDirectory() as folder:
        only = arguments.get("save_weights_only", False)
        name = "{epoch:02d}" + (".weights.h5" if only else ".keras")
        callback = tfa.callbacks.AverageModelCheckpoint(update, f"{folder}/{name}", **arguments)
        model = make_model(make(tfa))
        fit(model, [callback])
        rows = [flat(model.get_weights())]
        for path in sorted(Path(folder).iterdir()):
            saved = network()
            if only:
                saved.load_weights(str(path))
            else:
                saved = keras.models.load_model(str(path), compile=False)
            rows.append([float(path.name[:2])] * 3 + list(flat(saved.get_weights())))
    return np.concatenate(rows)


AVERAGES = {
    "moving": lambda tfa: tfa.optimizers.MovingAverage(inner.SGD(0.1), 0.8),
    "swa": lambda tfa: tfa.optimizers.SWA(inner.Adam(0.1), 2, 3),
}
SAVED = {
    "": {},
    "weights": {"save_weights_only": True},
    "best": {"save_best_only": True},
    "best weights": {"save_best_only": True, "save_weights_only": True},
    "best max": {"save_best_only": True, "mode": "max"},
    "best loss": {"save_best_only": True, "monitor": "loss", "mode": "min"},
}
for average, make in AVERAGES.items():
    for update in (True, False):
        for saved, arguments in SAVED.items():
            CASES[f"checkpoint {average} {update} {saved}"] = functools.partial(
                checkpoint, make, update, arguments
            )


def stopping(seconds, verbose, tfa):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        history = fit(make_model("sgd"), [tfa.callbacks.TimeStopping(seconds, verbose)])
    return np.array([output.getvalue(), str(len(history.epoch))])


for seconds in (0, 3600):
    for verbose in (0, 1):
        CASES[f"time {seconds} {verbose}"] = functools.partial(stopping, seconds, verbose)


def bars(arguments, evaluate, tfa):
    """What stands in the bars when they are done, without the parts that depend on time."""
    formats = {
        "overall_bar_format": "{desc} {n_fmt}/{total_fmt}",
        "epoch_bar_format": "{n_fmt}/{total_fmt} - {desc}",
    }
    callback = tfa.callbacks.TQDMProgressBar(**{**formats, **arguments})
    # Weights whose metrics are the same to many digits everywhere.
    model = make_model(inner.SGD(0.0))
    output, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
        if evaluate:
            x = np.ones((8, 5), "float32")
            model.evaluate(x, x[:, :1], batch_size=4, verbose=0, callbacks=[callback])
        else:
            fit(model, [callback], epochs=2)
    lines = [line.split("\r")[-1].strip() for line in error.getvalue().split("\n")]
    # What ends in a way up, or is not the last of the bar for all epochs, is not done yet, and
    # when it is drawn depends on time.
    lines = [line for line in lines if line and not line.endswith("\x1b[A")]
    done = [line for line in lines if not line.startswith("Training") or "2/2" in line]
    return np.array([output.getvalue(), *done])


SHOWN = {
    "": {},
    "format": {"metrics_format": "{name}={value:.2f}", "metrics_separator": "|"},
    "no epochs": {"show_epoch_progress": False},
    "no overall": {"show_overall_progress": False},
    "neither": {"show_overall_progress": False, "show_epoch_progress": False},
}
for text, arguments in SHOWN.items():
    for evaluate in (False, True):
        CASES[f"bars {text} {evaluate}"] = functools.partial(bars, arguments, evaluate)


def compute(tfa):
    """The cases' arrays, with the given TensorFlow Addons."""
    return {name: function(tfa) for name, function in CASES.items()}
