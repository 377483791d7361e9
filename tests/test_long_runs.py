"""However long a run and however large a model, what the doctor remembers has a limit."""

import pickle
from dataclasses import replace

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis import examination as examining
from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.examination import MEMORY, WINDOW, Examination, outlined, size_of
from kerastricks.diagnosis.observation import LayerStatistics, Observation, WeightStatistics
from kerastricks.diagnosis.rules._window import LOOK_BACK
from kerastricks.diagnosis.timeline import MAXIMUM_POINTS, MAXIMUM_ROWS

RELU = Activation("relu", rectifier=True)


def observation(step, *, layers=2, units=10):
    """A look at a network of whose units every other is dead after the first eight looks."""
    random = np.random.default_rng(step)
    events = np.full(units, 0.5)
    gradients = random.uniform(0.5, 1.0, units)
    if step >= 8:
        events[::2] = gradients[::2] = 0

    def vector():
        return random.uniform(0.5, 1.0, units)

    return Observation(
        step=step,
        loss=1.0,
        input_nonfinite=0,
        at_start=step == 0,
        layers=tuple(
            LayerStatistics(
                f"l{n}", RELU, False, f"l{n}", 64, 64, vector(), vector(), events.copy(), 0
            )
            for n in range(layers)
        ),
        weights=tuple(
            WeightStatistics(
                f"l{n}/kernel", f"l{n}", True, units, 3.0, 0.3, 0.003, 0,
                gradients.copy(), np.stack([vector(), vector()]), vector(),
            )
            for n in range(layers)
        ),
    )  # fmt: skip


def held(examination):
    """Bytes of what an examination keeps, each array once."""
    return len(pickle.dumps((examination._first, examination._window, examination._timeline)))


def examined(count, rules=None, **parts):
    examination = Examination({} if rules is None else rules)
    for step in range(count):
        examination.add(observation(step, **parts))
    return examination


@pytest.mark.compiling
@pytest.mark.parametrize("parts", [{"layers": 4, "units": 2000}, {"layers": 60, "units": 100}])
def test_what_is_kept_of_large_models_has_a_limit(parts):
    whole = size_of(observation(0, **parts))
    assert WINDOW * whole > MEMORY
    units = parts["layers"] * parts["units"]
    # A byte a unit of older looks; of every moment four of a unit that is drawn, and three numbers
    # and their names of a layer.
    drawn = 4 * MAXIMUM_ROWS + 300 * parts["layers"]
    limit = (LOOK_BACK + 1) * whole + 200 * (units + 300 * parts["layers"] + drawn)
    kept = held(examined(200, **parts))
    assert kept < limit < 0.7 * 200 * whole


def test_small_models_are_kept_whole():
    examination = examined(600)
    assert [seen.step for seen in examination._window] == list(range(600 - WINDOW, 600))
    assert all(seen.weights[0].unit_gradient is not None for seen in examination._window)


def test_the_first_and_the_newest_observations_are_kept_whole(monkeypatch):
    monkeypatch.setattr(examining, "MEMORY", 0)
    seen = []
    examined(100, {"watching": lambda window: seen.append(window) or []})
    for window in seen:
        whole = [each.step for each in window if each.weights[0].unit_gradient is not None]
        assert whole == [0, *range(max(1, len(window) - LOOK_BACK), len(window))][: len(window)]


@pytest.mark.compiling
def test_rules_judge_large_models_as_they_judge_small_ones(monkeypatch):
    def found():
        examination = examined(200, kt.diagnosis.rules.RULES)
        return examination.report({}).to_dict()

    whole = found()
    assert any(finding["condition"] == "dying_units" for finding in whole["findings"])
    monkeypatch.setattr(examining, "MEMORY", 0)
    assert found() == whole


def test_an_outline_knows_which_units_fired():
    seen = observation(9)
    nan = replace(seen.layers[0], events=np.array([0.0, np.nan, 0.5]))
    for layer in (seen.layers[0], nan):
        (outline,) = outlined(replace(seen, layers=(layer,))).layers
        np.testing.assert_array_equal(outline.active == 0, layer.active == 0)


@pytest.mark.slow
def test_long_runs_end_with_a_short_report(tmp_path):
    pytest.importorskip("matplotlib")
    x = np.random.default_rng(0).normal(size=(1600, 8)).astype("float32")
    sizes = {}
    doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1)

    class Course(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch in (9, 49):
                page = tmp_path / f"{epoch}.html"
                doctor.report.to_html(page)
                sizes[epoch] = held(doctor._examination), page.stat().st_size

    hidden = [keras.layers.Dense(16, activation="relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, x[:, :1], batch_size=16, epochs=50, verbose=0, callbacks=[doctor, Course()])
    assert len(doctor.report.timeline.moments) <= MAXIMUM_POINTS
    (early, early_page), (late, late_page) = sizes[9], sizes[49]
    # 1,000 and 5,000 steps; moments are halved as they come, and epochs are a few numbers each.
    assert late < 1.5 * early
    assert late_page < 1.5 * early_page
