"""Remedies tried on copies: those that help stay, and what was measured is told."""

import random

import keras
import numpy as np
import pytest

from kerastricks.diagnosis import Finding, Report
from kerastricks.surgery import treat
from kerastricks.surgery._anatomy import Anatomy
from kerastricks.surgery._compile_changes import CompileChanges
from kerastricks.surgery._edits import Edits, operate
from kerastricks.surgery._remedies._case import Treatment
from kerastricks.surgery._trials import Bench

L = keras.layers
X = np.random.default_rng(0).normal(size=(400, 4)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5], [0.0]], "float32")


def net(learning_rate, initializer="glorot_uniform"):
    hidden = L.Dense(8, "relu", name="hidden", kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((4,)), hidden, L.Dense(1, name="head")], name="net")
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model


def finding(condition, layer=None, **evidence):
    return Finding(condition, layer, "critical", 0, "message", "Do it yourself.", evidence)


def tried(model, *findings, data=(X, Y), **arguments):
    return treat(
        model, Report(list(findings)), data=data, return_trials=True, verbose=0, **arguments
    )


def slow(factor=1e-3):
    return finding("learning_rate_too_high", healthy_learning_rate_times=factor)


def fast(factor=1e5):
    return finding("learning_rate_too_low", healthy_learning_rate_times=factor)


def test_what_helps_is_kept_with_what_was_measured():
    model, (trial,) = tried(net(1e-6), fast())
    assert trial.kept
    assert trial.after < 0.5 * trial.before
    assert trial.before == pytest.approx(np.var(Y), rel=1.0)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


def test_what_does_not_help_is_not_kept():
    anatomy = Anatomy(net(0.1))
    bench = Bench((X, Y), 100, lambda edits: operate(anatomy, edits, reinitialize=True))
    harm = Edits(compile=CompileChanges(learning_rate=1e-4))
    edits, (trial,) = bench.try_out([Treatment("dying_units", None, "remedy", harm)])
    assert not trial.kept
    assert trial.after > 2 * trial.before
    assert edits == Edits()


def test_what_was_kept_stays_in_for_the_next():
    symmetric = finding("symmetric_units", "net/hidden")
    # The output's bias alone can learn the mean.
    model, trials = tried(net(1e-6, "zeros"), fast(), symmetric, data=(X, Y + 3))
    assert [trial.condition for trial in trials] == ["learning_rate_too_low", "symmetric_units"]
    assert trials[1].before == trials[0].after
    assert all(trial.kept for trial in trials)
    assert type(model.get_layer("hidden").kernel_initializer).__name__ == "Xavier"


def test_a_finite_loss_is_better_than_none():
    _, (trial,) = tried(net(1e6), slow(1e-8))
    assert trial.before == np.inf
    assert trial.kept


def test_what_poses_the_task_is_kept_untried():
    mismatch = finding("unreachable_targets", "net/head", healthy_activation="tanh")
    _, trials = tried(net(1e-6), fast(), mismatch)
    (necessary,) = (trial for trial in trials if trial.condition == "unreachable_targets")
    assert (necessary.before, necessary.after, necessary.kept) == (None, None, True)
    assert "necessary" in necessary.reason


def test_what_cannot_be_done_is_told():
    _, (trial,) = tried(net(0.1), finding("overfitting"))
    assert not trial.kept
    assert "Do it yourself." in trial.remedy
    assert "cannot" in trial.reason


@pytest.mark.parametrize("arguments", [{"data": (X, Y), "steps": 30}, {}])
def test_the_table_names_all_that_was_done_and_all_that_was_not(capsys, arguments):
    treat(net(1e-6), Report([fast(), finding("overfitting")]), **arguments)
    printed = " ".join(capsys.readouterr().out.split())
    assert "learning_rate_too_low" in printed
    assert "overfitting" in printed
    assert "yes" in printed
    assert "no," in printed
    assert ("before" in printed) == bool(arguments)


def test_silence(capsys):
    treat(net(1e-6), Report([fast(), finding("overfitting")]), verbose=0)
    assert capsys.readouterr().out == ""


def test_nothing_to_remedy_is_said(capsys):
    treat(net(0.1), Report())
    assert "nothing to remedy" in capsys.readouterr().out


def test_the_treated_model_is_not_trained():
    model, _ = tried(net(1e-6), fast())
    assert int(model.optimizer.iterations) == 0


def test_the_original_is_only_read(untouched):
    model = net(1e-6)
    model.fit(X, Y, verbose=0)
    with untouched(model):
        tried(model, fast(), slow(), steps=2)


def test_trials_leave_the_series_of_random_numbers_as_one_draw_does():
    def after(arguments):
        keras.utils.set_random_seed(3)
        treat(net(1e-6), Report([fast()]), verbose=0, **arguments)
        return random.random()

    assert after({"data": (X, Y), "steps": 1}) == after({"data": (X, Y), "steps": 9})


def test_copies_see_the_same_batches_and_others_are_held_out():
    seen, held_out = [], []

    class Copy:
        def fit(self, x, y, **arguments):
            assert not arguments["shuffle"]
            seen.append((x, y))

        def evaluate(self, x, y, **_):
            held_out.append((x, y))
            return {"loss": 1.0}

    numbers = np.arange(100)
    bench = Bench((numbers, {"a": numbers, "b": 2 * numbers}), 7, lambda edits: Copy())
    bench.try_out([Treatment("dying_units", None, "remedy", Edits())])
    (first, other), (looks, again) = seen, held_out
    np.testing.assert_array_equal(first[0], other[0])
    np.testing.assert_array_equal(looks[0], again[0])
    assert len(first[0]) == 7 * 32
    assert len(looks[0]) == 20
    assert not set(first[0]) & set(looks[0])
    assert set(first[0]) | set(looks[0]) == set(numbers)
    np.testing.assert_array_equal(first[1]["b"], 2 * first[0])


def test_copies_start_alike():
    kernels = []

    def make(edits):
        model = net(0.1)
        kernels.append(np.array(keras.ops.convert_to_numpy(model.layers[0].kernel)))
        return model

    bench = Bench((X, Y), 1, make)
    bench.try_out([Treatment("dying_units", None, "remedy", Edits())])
    np.testing.assert_array_equal(*kernels)
