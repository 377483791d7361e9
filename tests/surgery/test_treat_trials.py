"""Remedies tried on copies: those that help stay, and what was measured is told."""

import random
import tracemalloc

import keras
import numpy as np
import pytest

from kerastricks.diagnosis import Finding, Report
from kerastricks.surgery import Trial, treat
from kerastricks.surgery._anatomy import Anatomy
from kerastricks.surgery._bench import Bench
from kerastricks.surgery._compile_changes import CompileChanges
from kerastricks.surgery._edits import Edits, operate
from kerastricks.surgery._remedies._case import Treatment

pytestmark = pytest.mark.slow  # each test compiles and fits several models

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
    assert isinstance(trial, Trial)
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


@pytest.mark.parametrize("critical", [True, False])
def test_what_makes_no_difference_yet_is_kept_against_what_is_critical(critical):
    anatomy = Anatomy(net(0.1))
    bench = Bench((X, Y), 20, lambda edits: operate(anatomy, edits, reinitialize=True))
    same = Edits(compile=CompileChanges(learning_rate=1.0))
    treatment = Treatment("dying_units", None, "remedy", same, critical=critical)
    _, (trial,) = bench.try_out([treatment])
    assert trial.after == trial.before
    assert trial.kept == critical
    reason = "as good within 1 % so far" if critical else "the loss fell not at all"
    assert trial.reason.startswith(reason)


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
    printed = " ".join(capsys.readouterr().out.split())
    assert "nothing to remedy, the model is a copy with the same weights" in printed
    assert "anew" not in printed


@pytest.mark.parametrize("reinitialize", [True, False])
def test_that_weights_start_anew_is_said(capsys, reinitialize):
    treat(net(1e-6), Report([fast()]), reinitialize=reinitialize)
    assert ("start anew" in capsys.readouterr().out) == reinitialize


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

    class Copy(keras.Model):
        def fit(self, batches, **arguments):
            assert not arguments["shuffle"]
            seen.append([batches[number] for number in range(len(batches))])

        def evaluate(self, x, y, **_):
            held_out.append((x, y))
            return {"loss": 1.0}

    def copy(edits):
        model = Copy()
        model.compile()
        return model

    numbers = np.arange(100)
    bench = Bench((numbers, {"a": numbers, "b": 2 * numbers}), 7, copy)
    bench.try_out([Treatment("dying_units", None, "remedy", Edits())])
    (first, other), (looks, again) = seen, held_out
    assert [len(x) for x, _ in first] == [32] * 7
    rows, same = (np.concatenate([x for x, _ in batches]) for batches in (first, other))
    np.testing.assert_array_equal(rows, same)
    np.testing.assert_array_equal(looks[0], again[0])
    assert len(looks[0]) == 20
    assert not set(rows) & set(looks[0])
    assert set(rows) | set(looks[0]) == set(numbers)
    np.testing.assert_array_equal(first[0][1]["b"], 2 * first[0][0])


def test_rows_are_not_gathered_before_they_are_needed():
    """Ten thousand batches of three rows are 120 MB."""
    data = (np.zeros((4, 1024), "float32"), np.zeros((4, 1), "float32"))
    tracemalloc.start()
    try:
        Bench(data, 10_000, lambda edits: None)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_an_edit_that_changes_nothing_changes_no_loss():
    keras.utils.set_random_seed(0)
    i = keras.Input((4,))
    lagging = L.BatchNormalization(center=False, scale=False)
    hidden = L.Dropout(0.1)(lagging(L.Dense(8, "tanh", name="hidden")(i)))
    model = keras.Model(i, L.Dense(1, name="head")(L.Dense(8, "relu")(hidden)))
    model.compile("adam", "mse")
    anatomy = Anatomy(model)
    head = model.get_layer("head")
    nothing = Edits(configs={id(head): {"activation": "linear"}})
    bench = Bench((X, Y), 20, lambda edits: operate(anatomy, edits, reinitialize=True))
    _, (trial,) = bench.try_out([Treatment("dying_units", None, "remedy", nothing)])
    assert trial.before == trial.after
    assert not trial.kept


def test_a_layer_draws_the_same_whatever_is_done_to_others():
    model = keras.Sequential(
        [keras.Input((4,)), *(L.Dense(4, "tanh", name=name) for name in "abc")]
    )
    model.compile("sgd", "mse")
    anatomy = Anatomy(model)
    a, b, c = (id(layer) for layer in model.layers)

    def kernel(name, edits, reinitialize=True):
        keras.utils.set_random_seed(5)
        made = operate(anatomy, edits, reinitialize=reinitialize)
        return np.array(keras.ops.convert_to_numpy(made.get_layer(name).kernel))

    others = Edits(
        starts=frozenset([a]), normalized=frozenset([a]), before={b: (lambda: L.Dense(4),)}
    )
    np.testing.assert_array_equal(kernel("c", Edits()), kernel("c", others))
    anew = Edits(starts=frozenset([c]))
    np.testing.assert_array_equal(kernel("c", anew), kernel("c", others | anew))
    assert not np.array_equal(kernel("b", Edits()), kernel("c", Edits()))


@keras.saving.register_keras_serializable("test_treat_trials")
class Refusing(keras.metrics.Mean):
    """Made for other data."""

    def update_state(self, y, p, sample_weight=None):
        raise ValueError("Not these.")


def test_metrics_are_no_part_of_a_trial():
    model = net(1e-6)
    model.compile(keras.optimizers.SGD(1e-6), "mse", metrics=[Refusing(name="refusing")])
    treated, (trial,) = tried(model, fast())
    assert trial.kept
    assert "refusing" in str(treated.get_compile_config()["metrics"])


def test_weights_of_losses_count_in_a_trial():
    i = keras.Input((4,))
    model = keras.Model(i, [L.Dense(1, name="a")(i), L.Dense(1, name="b")(i)])
    model.compile(keras.optimizers.SGD(1e-6), ["mse", "mse"], loss_weights=(1.0, 100.0))
    _, (trial,) = tried(model, fast(10), data=(X, [Y, 10 * Y]))
    assert trial.before > 100 * 50 * np.var(Y)


def test_what_raises_in_a_trial_is_told():
    def make(edits):
        raise ValueError("No place for it.")

    bench = Bench((X, Y), 1, make)
    edits, (trial,) = bench.try_out([Treatment("dying_units", None, "remedy", Edits())])
    assert not trial.kept
    assert trial.after is None
    assert trial.reason == "could not be tried: ValueError: No place for it."
    assert edits == Edits()


def test_after_one_that_raises_the_next_is_tried():
    anatomy = Anatomy(net(1e-6))

    def make(edits):
        if edits.compile.clipnorm:
            raise ValueError("No place for it.")
        return operate(anatomy, edits, reinitialize=True)

    raising = Edits(compile=CompileChanges(clipnorm=1.0))
    helping = Edits(compile=CompileChanges(learning_rate=1e5))
    treatments = [Treatment("dying_units", None, "remedy", edits) for edits in (raising, helping)]
    edits, (first, second) = Bench((X, Y), 100, make).try_out(treatments)
    assert (first.kept, second.kept) == (False, True)
    assert edits == helping


def test_copies_start_alike():
    kernels = []

    def make(edits):
        model = net(0.1)
        kernels.append(np.array(keras.ops.convert_to_numpy(model.layers[0].kernel)))
        return model

    bench = Bench((X, Y), 1, make)
    bench.try_out([Treatment("dying_units", None, "remedy", Edits())])
    np.testing.assert_array_equal(*kernels)


def slowed(condition, factor, **more):
    edits = Edits(compile=CompileChanges(learning_rate=factor, **more))
    return Treatment(condition, None, f"{condition} by {factor}", edits)


def test_what_is_part_of_a_rejected_remedy_is_tried_by_itself():
    """A thousandth of the rate learns nothing, with gradients clipped or not; clipping harms none.

    The loss of the second, of the rate as it is, stays that of no remedy, up to the clipping.
    """
    anatomy = Anatomy(net(0.1))
    bench = Bench((X, Y), 50, lambda edits: operate(anatomy, edits, reinitialize=True))
    both = slowed("dying_units", 1e-4, clipnorm=1.0)
    one = Treatment("saturated_units", None, "part", Edits(compile=CompileChanges(clipnorm=1.0)))
    _, (first, second) = bench.try_out([both, one])
    assert not first.kept
    assert second.after is not None
    assert second.after < 0.5 * first.after


def test_of_two_faults_that_hide_each_other_both_are_healed():
    """Without one of the two the loss is that of no learning, without both it is far less."""
    losses = {(1.0, None): 1.0, (10.0, None): 1.0, (1.0, 2.0): 1.0, (10.0, 2.0): 0.1}

    class Copy(keras.Model):
        def __init__(self, changes):
            super().__init__()
            self.key = changes.learning_rate, changes.clipnorm
            self.compile()

        def fit(self, *_, **__): ...

        def evaluate(self, *_, **__):
            return {"loss": losses[self.key]}

    bench = Bench((X, Y), 1, lambda edits: Copy(edits.compile))
    rate = slowed("learning_rate_too_low", 10.0)
    norm = Treatment("dying_units", None, "remedy", Edits(compile=CompileChanges(clipnorm=2.0)))
    edits, trials = bench.try_out([rate, norm])
    assert [(t.before, t.after, t.kept) for t in trials] == [(1.0, 0.1, True)] * 2
    assert (edits.compile.learning_rate, edits.compile.clipnorm) == (10.0, 2.0)
    losses[10.0, 2.0] = 1.0
    edits, trials = bench.try_out([rate, norm])
    assert [trial.kept for trial in trials] == [False] * 2
    assert edits == Edits()


def test_what_is_part_of_a_kept_remedy_is_told_to_be_done():
    anatomy = Anatomy(net(1e-6))
    bench = Bench((X, Y), 100, lambda edits: operate(anatomy, edits, reinitialize=True))
    _, (first, second) = bench.try_out([slowed("dying_units", 1e5), slowed("non_finite", 1e3)])
    assert first.kept
    assert not second.kept
    assert (second.before, second.after) == (None, None)
    assert second.reason == "what it changes is changed for dying_units"
