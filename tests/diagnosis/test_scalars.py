import sys
from collections import defaultdict

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis.scalars import ScalarWriter


def scalars(folder):
    """What TensorBoard itself reads from a folder: for each tag its (step, value) pairs."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    read = defaultdict(list)
    for file in sorted(folder.iterdir()):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                read[value.tag].append((event.step, float(make_ndarray(value.tensor))))
    return dict(read)


def test_numbers_of_an_observation(make, tmp_path):
    layers = [
        make.layer("a", events=np.r_[np.zeros(3), np.full(7, 0.5)], scale=2.0),
        make.layer("b", activation=make.tanh, events=0.25),
    ]
    weights = [make.kernel("a", norm=2.0, update=0.01, gradient=3.0)]
    writer = ScalarWriter(tmp_path / "logs")
    writer.add(make.observation(layers=layers, weights=weights, loss=0.5), step=7, findings=2)
    writer.close()
    read = scalars(tmp_path / "logs")
    assert all([step for step, _ in points] == [7] for points in read.values())
    values = {tag: points[0][1] for tag, points in read.items()}
    assert values["doctor/loss"] == 0.5
    assert values["doctor/findings"] == 2
    assert values["doctor/silent_units"] == pytest.approx(0.3)
    assert values["scale/a"] == pytest.approx(2.0)
    assert values["silent_units/a"] == pytest.approx(0.3)
    assert values["saturation/b"] == pytest.approx(0.25)
    assert values[f"gradient_norm/{weights[0].path}"] == 3.0
    assert values[f"update_ratio/{weights[0].path}"] == pytest.approx(0.005)


def test_what_there_is_not_is_not_written(make, tmp_path):
    writer = ScalarWriter(tmp_path)
    writer.add(make.observation(layers=[], weights=[]), step=0, findings=0)
    writer.close()
    assert scalars(tmp_path).keys() <= {"doctor/loss", "doctor/findings"}


@pytest.mark.compiling
def test_two_fits_follow_each_other(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu", name="hidden")])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(64, 4))
    doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1, log_dir=tmp_path)
    for _ in range(2):
        model.fit(x, x[:, :3], batch_size=16, verbose=0, callbacks=[doctor])
    written = scalars(tmp_path)
    scales = [tag for tag in written if tag.startswith("scale/")]
    assert scales
    assert all(tag.endswith("hidden") for tag in scales)
    assert [step for step, _ in written[scales[0]]] == list(range(8))


def test_a_run_that_breaks_off_is_written(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(32, 4))
    doctor = kt.callbacks.TrainingDoctor(verbose=0, log_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, x[:, :3], batch_size=16, epochs=2, verbose=0, callbacks=[doctor, Break()])
    assert [step for step, _ in scalars(tmp_path)["doctor/loss"]] == [0, 1]


def test_without_tensorboard_the_doctor_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(ImportError, match=r"pip install 'kerastricks\[tensorboard\]'"):
        kt.callbacks.TrainingDoctor(log_dir=tmp_path)
