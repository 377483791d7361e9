"""What stands in the terminal while a network is trained."""

import math
import re

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(256, 8)).astype("float32")


@pytest.fixture
def printed(capsys):
    """Trains a network of copies, with Keras' progress bar, and returns what was printed."""

    def printed(monitor, **arguments):
        keras.utils.set_random_seed(0)
        copies = [layers.Dense(8, "tanh", kernel_initializer="zeros") for _ in range(2)]
        model = keras.Sequential([layers.Input((8,)), *copies, layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(X, X[:, :1], batch_size=16, verbose=1, callbacks=[monitor], **arguments)
        return capsys.readouterr().out

    return printed


def test_a_terminal_gets_colors_and_a_file_does_not(capsys, monkeypatch):
    def printed():
        broken = kt.diagnosis.Observation(0, math.nan, input_nonfinite=0, layers=(), weights=())
        kt.callbacks.TrainingDoctor().observe(broken)
        return capsys.readouterr().out

    plain = printed()
    monkeypatch.setenv("FORCE_COLOR", "1")
    colored = printed()
    assert "non_finite" in plain
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in colored  # bold and red
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain


@pytest.mark.compiling
def test_what_is_said_begins_on_a_line_of_its_own_beside_the_progress_bar(printed):
    text = printed(kt.callbacks.TrainingDoctor(), epochs=2)
    # What overwrites the bar in a terminal returns the carriage, or goes back: such are ends too.
    lines = re.split(r"[\r\n]|\x08+", text)
    said = [line for line in lines if "TrainingDoctor" in line]
    assert said
    assert all(line.startswith("TrainingDoctor: ") for line in said)
    assert "16/16" in text.rsplit("TrainingDoctor", 1)[1]  # the bar goes on to its end


@pytest.mark.compiling
def test_a_root_that_is_found_after_its_symptoms_says_so(capsys):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(32, "relu") for _ in range(2)]
    model = keras.Sequential([layers.Input((8,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(3.0, clipnorm=30.0), "mse")
    doctor = kt.callbacks.TrainingDoctor()
    model.fit(X, X[:, :1], batch_size=16, epochs=4, verbose=0, callbacks=[doctor])
    said = capsys.readouterr().out
    first, *later = said.split("TrainingDoctor: ")[1:]
    assert first.startswith("exploding_gradients")
    (root,) = (text for text in later if text.startswith("learning_rate_too_high"))
    assert "It explains exploding_gradients" in root
    assert "told before." in root


@pytest.mark.compiling
def test_a_monitor_for_one_concern_does_not_call_all_else_healthy(printed):
    monitor = kt.callbacks.SaturationMonitor()
    assert "SaturationMonitor" not in printed(monitor)
    assert monitor.report.summary() == "Looked for saturated_units alone: none found."
    assert monitor.report.to_dict()["conditions"] == ["saturated_units"]
    page = monitor.report._repr_html_()
    assert "nothing found</span>" in page
    assert "Looked for saturated_units alone." in page
    assert "healthy</span>" not in page
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    printed(doctor)
    assert "alone" not in doctor.report.summary()
    assert "alone" not in doctor.report._repr_html_()


@pytest.mark.compiling
@pytest.mark.parametrize("verbose", [0, 1])
def test_the_default_of_keras_batch_normalization_is_healthy_and_nothing_is_said(verbose, capsys):
    """In the first validations its averages still hold their start; at the end they do not."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(32),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    doctor = kt.callbacks.TrainingDoctor(verbose=verbose)
    x = (X + 3 * np.sign(X[:1])) / 3  # of variance 1 / 9: the start of 1 is far off
    y = X[:, :1] + X[:, 1:2]
    model.fit(x, y, batch_size=16, epochs=40, verbose=0, validation_split=0.25, callbacks=[doctor])
    assert doctor.report.healthy, doctor.report.summary()
    assert capsys.readouterr().out == ""
