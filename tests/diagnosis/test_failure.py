"""A training that is broken off: its own exception, a report of what was seen, a clean model."""

import time
import traceback
import zipfile

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerastricks as kt
from kerastricks.callbacks import GradientMonitor, TrainingDoctor

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(96, 6)).astype("float32")
Y = RANDOM.integers(0, 3, 96)


class Fragile(layers.Layer):
    """Raises when it is told to, with the function of that name as the innermost frame."""

    error = None

    def call(self, inputs):
        if self.error is not None:
            self.give_in()
        return inputs * 1.0

    def give_in(self):
        raise self.error("had enough")


class At(keras.callbacks.Callback):
    """Does something when a method of callbacks is called for the n-th time."""

    def __init__(self, action, method="on_train_batch_begin", n=0):
        super().__init__()
        self.left = n

        def act(*arguments, **logs):
            self.left -= 1
            if self.left < 0:
                action()

        setattr(self, method, act)


def raising(error):
    def action():
        raise error("from outside")

    return action


def network(*between, units=3):
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(8, "relu")
    return keras.Sequential([keras.Input((6,)), hidden, *between, layers.Dense(units)])


def compiled(*between, loss=None, **arguments):
    model = network(*between)
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], **arguments)
    return model


def broken(model, *callbacks, error=Exception, data=(X, Y), **arguments):
    """What a `fit` raises: type, message, innermost function."""
    arguments = {"batch_size": 16, "shuffle": False, "verbose": 0, **arguments}
    try:
        model.fit(*data, callbacks=list(callbacks), **arguments)
    except error as raised:
        innermost = traceback.extract_tb(raised.__traceback__)[-1]
        return type(raised), str(raised), innermost.name
    pytest.fail("nothing was raised")


@pytest.mark.compiling
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_layer_that_raises_in_a_step_leaves_its_error_and_a_report(error, assert_clean):
    def run(*callbacks):
        fragile = Fragile(name="fragile")
        model = compiled(fragile, run_eagerly=True)
        arm = At(lambda: setattr(fragile, "error", error), n=3)
        return model, broken(model, *callbacks, arm, error=BaseException)

    doctor = TrainingDoctor(verbose=0, every=1)
    (_, plain), (model, watched) = run(), run(doctor)
    assert watched == plain
    assert watched[2] == "give_in"
    assert_clean(model)
    report = doctor.report
    assert [moment.step for moment in report.timeline.moments] == [0, 1, 2]
    # Who presses Ctrl-C waits for no look at the data; else the layer raises in the look as well.
    looked = {"the data of training step 3"} if error is RuntimeError else set()
    assert report.unobserved.keys() == {"training step 3"} | looked
    assert error.__name__ in report.unobserved["training step 3"]
    assert "had enough" in report.summary()
    assert not report.findings


@pytest.mark.compiling
def test_nobody_who_presses_ctrl_c_waits_for_another_forward_pass(monkeypatch):
    from kerastricks.diagnosis import failure

    looks = []
    monkeypatch.setattr(failure, "seen_after_failure", lambda *given: looks.append(given))
    for error, count in ((KeyboardInterrupt, 0), (RuntimeError, 1)):
        fragile = Fragile()
        model = compiled(fragile, run_eagerly=True)
        arm = At(lambda f=fragile, e=error: setattr(f, "error", e), n=1)
        broken(model, TrainingDoctor(verbose=0), arm, error=BaseException)
        assert len(looks) == count
    # Nor does who watches for nothing that the data could tell.
    fragile = Fragile()
    model = compiled(fragile, run_eagerly=True)
    arm = At(lambda: setattr(fragile, "error", RuntimeError), n=1)
    broken(model, GradientMonitor(verbose=0), arm)
    assert len(looks) == 1


@pytest.mark.compiling
def test_a_loss_that_raises_in_the_first_step_is_told(capsys, assert_clean):
    def refuse(y_true, y_pred):
        if armed:
            raise RuntimeError("no such loss")
        return ops.mean(ops.square(y_pred), axis=-1)

    armed = False
    model = compiled(loss=refuse)
    doctor = TrainingDoctor()

    def arm():
        nonlocal armed
        armed = True

    assert broken(model, doctor, At(arm, "on_train_begin"))[2] == "refuse"
    assert_clean(model)
    fact = "training step 0: raised RuntimeError: no such loss"
    assert doctor.report.summary() == f"Nothing was observed.\nNot observed: {fact}."
    assert capsys.readouterr().out.count(fact) == 1


WAYS = [(False, 16), (False, 96), *([(True, 16)] if BACKEND == "tensorflow" else [])]


@pytest.mark.compiling
@pytest.mark.parametrize(("jit_compile", "batch_size"), WAYS)
def test_labels_out_of_range_are_named_though_the_step_raises(jit_compile, batch_size):
    """On JAX, and under XLA, nothing raises; then a training step shows them."""
    doctor = TrainingDoctor(verbose=0)
    model = compiled(jit_compile=jit_compile)
    try:
        model.fit(X, Y + 1, batch_size=batch_size, verbose=0, callbacks=[doctor])
    except Exception:
        assert BACKEND != "jax"
        assert "training step 0" in doctor.report.unobserved
    else:
        assert BACKEND == "jax" or jit_compile
    found = {finding.condition: finding for finding in doctor.report.findings}
    assert found["unreachable_targets"].onset == 0
    assert found["unreachable_targets"].evidence["maximum"] == 3
    assert found["unreachable_targets"].layer.endswith(model.layers[-1].name)


@pytest.mark.compiling
@pytest.mark.skipif(BACKEND == "jax", reason="nothing raises there")
@pytest.mark.parametrize("shuffle", [False, True])
def test_one_label_out_of_range_is_named_at_its_step(shuffle):
    """The next batch has none: on TensorFlow all of the arrays' targets are looked at."""
    labels = Y.copy()
    labels[40] = -1
    doctor = TrainingDoctor(verbose=0, every=1)
    broken(compiled(), doctor, data=(X, labels), shuffle=shuffle)
    (finding,) = (f for f in doctor.report.findings if f.condition == "unreachable_targets")
    steps = len(doctor.report.timeline.moments)
    assert finding.onset == steps == (steps if shuffle else 2)
    assert finding.evidence["minimum"] == -1


@pytest.mark.parametrize("at", [1, 6])
def test_no_batch_is_asked_of_the_users_data_after_a_failure(at):
    """Not the next, which may be slow to come, nor the first again after the last."""

    class Counted(keras.utils.PyDataset):
        asked = 0

        def __len__(self):
            return 6

        def __getitem__(self, index):
            type(self).asked += 1
            labels = Y[16 * index :][:16] + (3 if index == at - 1 else 0)
            return X[16 * index :][:16], labels

    def asked(*callbacks):
        Counted.asked = 0
        model = compiled(run_eagerly=True)
        try:
            model.fit(Counted(), shuffle=False, verbose=0, callbacks=list(callbacks))
        except Exception:
            assert BACKEND != "jax"
        return Counted.asked

    doctor = TrainingDoctor(verbose=0)
    plain = asked()
    assert asked(doctor) <= max(plain, 6)
    found = [finding.condition for finding in doctor.report.findings]
    if BACKEND == "tensorflow":
        (reason,) = (r for p, r in doctor.report.unobserved.items() if p.startswith("the data"))
        assert "not asked for another" in reason
    else:
        assert "unreachable_targets" in found


def test_where_memory_ran_out_there_is_no_further_forward_pass(monkeypatch):
    from kerastricks.diagnosis import failure

    looks = []
    monkeypatch.setattr(failure, "seen_after_failure", lambda *given: looks.append(given))
    fragile = Fragile()
    model = compiled(fragile, run_eagerly=True)
    arm = At(lambda: setattr(fragile, "error", MemoryError), n=1)
    broken(model, TrainingDoctor(verbose=0), arm)
    assert looks == []


@pytest.mark.compiling
def test_looking_at_the_batch_of_a_failed_step_changes_nothing():
    """Not even the seeds of layers that draw at inference as well."""

    def after(*callbacks):
        armed = []

        def loss(y_true, y_pred):
            if armed:
                raise RuntimeError("had enough")
            return ops.mean(ops.square(y_pred), axis=-1)

        between = [layers.BatchNormalization(), kt.layers.MonteCarloDropout(0.5)]
        model = compiled(*between, loss=loss, run_eagerly=True)
        broken(model, *callbacks, At(lambda: armed.append(True), n=2))
        return [np.array(ops.convert_to_numpy(variable)) for variable in model.variables]

    for plain, watched in zip(after(), after(TrainingDoctor(verbose=0)), strict=True):
        np.testing.assert_array_equal(plain, watched)


def wait_until_clean(model):
    """Keras may be calling the other callbacks in a thread, and hold their list so long."""
    for _ in range(500):
        if "Probe" not in repr(model.train_function):
            return
        time.sleep(0.01)


OUTSIDE = {
    "another callback's start": ("on_train_begin", 0, 0, ValueError),
    "a batch's start": ("on_train_batch_begin", 2, 2, KeyboardInterrupt),
    "a batch's end": ("on_train_batch_end", 1, 2, KeyboardInterrupt),
    "a validation": ("on_test_batch_end", 0, 6, KeyboardInterrupt),
    "an epoch's end": ("on_epoch_end", 0, 6, ValueError),
}


@pytest.mark.compiling
@pytest.mark.parametrize("where", OUTSIDE)
def test_what_is_raised_outside_of_a_step_leaves_a_clean_model_at_once(where, assert_clean):
    method, n, steps, error = OUTSIDE[where]
    doctor = TrainingDoctor(verbose=0, every=1)
    model = compiled()
    at = At(raising(error), method, n)
    validation = (X[:8], Y[:8]) if method == "on_test_batch_end" else None
    caught = broken(model, doctor, at, error=BaseException, validation_data=validation)
    assert caught == (error, "from outside", "action")
    wait_until_clean(model)
    assert_clean(model)
    report = doctor.report
    assert len(report.timeline.moments) == steps
    assert f"after {steps} steps" in report.unobserved["the rest of the training"]


@pytest.mark.compiling
def test_while_the_exception_is_at_hand_the_report_cleans_up(assert_clean):
    """As in a notebook, which keeps the last exception and all that it passed."""
    doctor = TrainingDoctor(verbose=0)
    model = compiled()
    stop = At(raising(KeyboardInterrupt), "on_train_batch_end", 1)
    with pytest.raises(KeyboardInterrupt) as caught:
        model.fit(X, Y, batch_size=16, verbose=0, callbacks=[doctor, stop])
    assert "after 2 steps" in doctor.report.summary()
    assert caught.value.__traceback__ is not None
    assert_clean(model)


@pytest.mark.compiling
def test_a_report_that_is_asked_for_in_the_midst_of_a_fit_ends_nothing():
    doctor = TrainingDoctor(verbose=0, every=1)
    asked = []
    ask = At(lambda: asked.append(doctor.report.unobserved.copy()), "on_train_batch_end")
    compiled().fit(X, Y, batch_size=16, verbose=0, callbacks=[ask, doctor])
    assert asked == [{}] * 6
    assert len(doctor.report.timeline.moments) == 6
    assert doctor.report.unobserved == {}


@pytest.mark.compiling
def test_a_list_of_callbacks_that_the_user_holds_is_no_fit(assert_clean):
    doctor = TrainingDoctor(verbose=0)
    model = compiled()
    stop = At(raising(KeyboardInterrupt), "on_train_batch_end", 1)
    callbacks = keras.callbacks.CallbackList([doctor, stop], add_history=True, model=model)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=16, verbose=0, callbacks=callbacks)
    assert "after 2 steps" in doctor.report.summary()
    assert callbacks.callbacks[0] is doctor
    assert_clean(model)


@pytest.mark.compiling
@pytest.mark.parametrize("method", ["on_train_begin", "on_train_batch_begin", "on_epoch_end"])
def test_a_step_of_a_callbacks_own_is_none_of_the_fit(method, assert_clean):
    """It is trained as ever, and the doctor's watch goes on."""

    def run(*callbacks):
        model = compiled()
        own = keras.callbacks.LambdaCallback()
        setattr(own, method, lambda *given, **logs: own.model.train_on_batch(X[:16], Y[:16]))
        data = {"batch_size": 16, "shuffle": False, "epochs": 2, "verbose": 0}
        history = model.fit(X, Y, callbacks=[*callbacks, own], **data).history
        return model, history["loss"]

    doctor = TrainingDoctor(verbose=0, every=1)
    (plain, expected), (model, losses) = run(), run(doctor)
    assert [moment.step for moment in doctor.report.timeline.moments] == list(range(12))
    assert doctor.report.unobserved == {}
    assert_clean(model)
    # Two compiled functions may add in another order: float32 eps, times up to 24 steps of Adam.
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for one, other in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def batches(error):
    for i in range(4):
        yield X[16 * i :][:16], Y[16 * i :][:16]
    raise error("the data ran out")


@pytest.mark.compiling
def test_data_that_raise_leave_a_clean_model_and_a_report(assert_clean):
    doctor = TrainingDoctor(verbose=0, every=1)
    model = compiled()
    _, message, _ = broken(model, doctor, data=(batches(OSError),), batch_size=None)
    assert "the data ran out" in message
    wait_until_clean(model)
    assert_clean(model)
    assert [moment.step for moment in doctor.report.timeline.moments] == [0, 1, 2, 3]
    reasons = list(doctor.report.unobserved.values())
    # On torch `fit` asks for the data, elsewhere the step does.
    assert all("not asked for another" in each for each in reasons[1:])
    assert len(reasons) == (1 if BACKEND == "torch" else 2)


@pytest.mark.compiling
def test_after_an_exception_a_model_is_fitted_and_saved_as_ever(tmp_path, assert_clean):
    def kept(name, *callbacks):
        model = compiled()
        stop = At(raising(KeyboardInterrupt), "on_train_batch_end", 2)
        broken(model, *callbacks, stop, error=KeyboardInterrupt)
        first = set(vars(model))
        history = model.fit(X, Y, shuffle=False, verbose=0, callbacks=list(callbacks)).history
        model.save(tmp_path / f"{name}.keras")
        with zipfile.ZipFile(tmp_path / f"{name}.keras") as archive:
            return model, first, history, archive.namelist()

    doctor = TrainingDoctor(verbose=0, every=1)
    (plain, *expected), (model, *watched) = kept("plain"), kept("watched", doctor)
    assert watched == expected
    assert_clean(model)
    for one, other in zip(plain.get_weights(), model.get_weights(), strict=True):
        # Two compiled functions may add in another order: float32 eps, times 9 steps of Adam.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert doctor.report.unobserved == {}
    assert len(doctor.report.timeline.moments) == 3


@pytest.mark.compiling
def test_files_are_whole_after_an_exception(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    doctor = TrainingDoctor(verbose=0, every=1, log_dir=tmp_path)
    stop = At(raising(KeyboardInterrupt), "on_train_batch_end", 3)
    model = compiled()
    broken(model, doctor, stop, error=KeyboardInterrupt)
    assert "Probe" not in repr(model.train_function)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert len(events.Tensors("doctor/findings")) == 4
