"""What breaks off a fit, or within the probe, leaves no trace."""

import keras
import numpy as np
import pytest
from keras import layers

from kerastricks.callbacks import TrainingDoctor


def deferred():
    """Not built before `fit`."""
    flatten, hidden = layers.Flatten(), layers.Dense(6, activation="relu")
    return keras.Sequential([flatten, hidden, layers.Dense(5, activation="softmax")])


@pytest.mark.compiling
def test_a_fit_that_another_callback_broke_off_leaves_nothing_for_the_next(
    images, labels, assert_clean
):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    keras.utils.set_random_seed(0)
    model = deferred()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    doctor = TrainingDoctor(verbose=0, every=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(images, labels, verbose=0, callbacks=[doctor, Interrupt()])
    model.fit(images, labels, verbose=0)
    assert len(doctor.report.timeline.moments) == 1
    assert_clean(model)


@pytest.mark.compiling
@pytest.mark.parametrize("where", ["train_begin", "step", "callback"])
def test_after_an_exception_the_model_can_be_fitted_again(where, images, labels, assert_clean):
    class Interrupt(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            if where == "train_begin":
                raise KeyboardInterrupt

        def on_train_batch_end(self, batch, logs=None):
            if where == "callback" and batch == 1:
                raise KeyboardInterrupt

    def broken_batches():
        yield images[:32], labels[:32]
        raise RuntimeError("the data ran out")

    keras.utils.set_random_seed(0)
    model = deferred()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    data = (broken_batches(),) if where == "step" else (images, labels)
    interrupted = [TrainingDoctor(verbose=0), Interrupt()]
    error, message = (Exception, "ran out") if where == "step" else (KeyboardInterrupt, None)
    with pytest.raises(error, match=message):
        model.fit(*data, shuffle=False, verbose=0, callbacks=interrupted)
    doctor = TrainingDoctor(verbose=0, every=1)
    model.fit(images, labels, batch_size=32, epochs=2, verbose=0, callbacks=[doctor])
    assert len(doctor.report.timeline.moments) == 6
    assert_clean(model)


@pytest.mark.compiling
def test_a_rule_or_tap_that_fails_does_not_reach_the_training(monkeypatch, trained):
    from kerastricks.diagnosis import statistics

    def fail(*arguments):
        raise RuntimeError("no statistics today")

    monkeypatch.setattr(statistics, "kernel_vectors", fail)
    doctor = TrainingDoctor(verbose=0)
    _, history = trained(deferred, doctor)
    assert np.isfinite(history["loss"]).all()
    assert "no statistics today" in " ".join(doctor.report.unobserved.values())


@pytest.mark.compiling
def test_the_first_reason_is_the_one_that_is_told(monkeypatch, trained):
    from kerastricks.diagnosis import statistics

    def fail(*arguments):
        raise RuntimeError("no columns today")

    doctor = TrainingDoctor(verbose=0)
    monkeypatch.setattr(statistics, "column_vector", fail)
    trained(deferred, doctor)
    assert "no columns today" in doctor.report.unobserved["the loss"]


@pytest.mark.parametrize("floatx", ["float16", "float64"])
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")  # JAX makes it float32
def test_models_of_another_precision_are_seen_whole(floatx, images, labels):
    keras.config.set_floatx(floatx)
    try:
        model = deferred()
        model.compile("sgd", "sparse_categorical_crossentropy")
        doctor = TrainingDoctor(verbose=0, every=1)
        model.fit(images.astype(floatx), labels, verbose=0, callbacks=[doctor])
        assert doctor.report.unobserved == {}
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_frozen_model_has_no_gradients_and_no_more_is_said(images, labels):
    model = deferred()
    model.trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    doctor = TrainingDoctor(verbose=0, every=1)
    model.fit(images, labels, verbose=0, callbacks=[doctor])
    assert doctor.report.unobserved == {"the gradients": "the model has no trainable weights"}


class Spoilt(layers.Conv2D):
    """A convolution one of whose positions is NaN."""

    spot = 0

    def call(self, inputs):
        outputs = super().call(inputs)
        spots = np.zeros(outputs.shape[1:], "float32")
        spots.reshape(-1, self.filters)[self.spot, 0] = np.nan
        return outputs + keras.ops.convert_to_tensor(spots)


@pytest.mark.compiling
@pytest.mark.parametrize("spot", [0, 517, 1023])
def test_a_single_nan_in_a_large_feature_map_is_found_where_it_arises(spot):
    x = np.random.default_rng(0).normal(size=(32, 32, 32, 1)).astype("float32")
    convolutions = [
        layers.Conv2D(2, 3, padding="same", name="before"),
        Spoilt(2, 3, padding="same", name="spoilt"),
        layers.Conv2D(2, 3, padding="same", name="behind"),
    ]
    convolutions[1].spot = spot
    head = [layers.GlobalAveragePooling2D(), layers.Dense(1)]
    model = keras.Sequential([keras.Input((32, 32, 1)), *convolutions, *head])
    model.compile("sgd", "mse")
    doctor = TrainingDoctor(verbose=0)
    model.fit(x, x[:, 0, 0], batch_size=32, verbose=0, callbacks=[doctor])
    (finding,) = [f for f in doctor.report.findings if f.condition == "non_finite"]
    assert finding.layer.endswith("spoilt")


def test_a_model_that_cannot_be_tapped_is_trained_all_the_same(images, assert_clean):
    class Own(keras.Sequential):
        def make_train_function(self, force=False):
            if force:
                raise RuntimeError("only once")
            super().make_train_function()

    model = Own([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(3)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    doctor = TrainingDoctor(verbose=0)
    history = model.fit(images, np.zeros((70, 3)), verbose=0, callbacks=[doctor]).history
    assert np.isfinite(history["loss"]).all()
    assert "only once" in doctor.report.summary()
    assert_clean(model)


@pytest.mark.compiling
def test_a_look_that_cannot_be_read_does_not_reach_the_training(monkeypatch, trained):
    from kerastricks.diagnosis.carrier import Carrier

    def fail(*given, **named):
        raise RuntimeError("unreadable")

    monkeypatch.setattr(Carrier, "take", fail)
    doctor = TrainingDoctor(verbose=0, every=1)
    _, history = trained(deferred, doctor)
    assert np.isfinite(history["loss"]).all()
    reason = doctor.report.unobserved["the numbers of a step"]
    assert reason == "could not be read at step 0: RuntimeError: unreadable"


class Particular(layers.Dense):
    """Raises in the n-th step that finds a function in the place of its own, and from there on."""

    patience, found = 0, 0

    def call(self, inputs):
        if "call" in self.__dict__ and "train_step" in self.__dict__["model"].__dict__:
            self.found += 1
            if self.found > self.patience:
                raise TypeError("this is not my call")
        return super().call(inputs)


def particular(patience=0):
    layer = Particular(6, activation="relu")
    layer.patience = patience
    before = [layers.Flatten(), layers.BatchNormalization(), layers.Dropout(0.2, seed=1)]
    model = keras.Sequential([*before, layer, layers.Dense(5, activation="softmax")])
    layer.__dict__["model"] = model  # past Keras' tracking
    return model


@pytest.mark.compiling
@pytest.mark.skipif(
    keras.backend.backend() == "torch",
    reason="runs its steps as they are",
)
@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_what_cannot_be_traced_under_observation_is_trained_as_without(
    steps_per_execution, trained, assert_clean, capsys
):
    compiled = {"steps_per_execution": steps_per_execution}
    plain, expected = trained(particular, compile_arguments=compiled)
    doctor = TrainingDoctor(every=1)
    model, history = trained(particular, doctor, compile_arguments=compiled)
    assert history == expected
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    reason = doctor.report.unobserved["the steps from 0 on"]
    assert "raised TypeError" in reason
    assert "this is not my call" in reason
    assert "the steps from 0 on: are made unobserved" in capsys.readouterr().out
    assert not doctor.report.timeline.moments
    assert_clean(model)


@pytest.mark.parametrize("patience", [1, 2])
def test_what_raises_in_an_eager_step_is_raised(patience, trained, assert_clean):
    """It may have changed weights by then, and nobody could tell."""
    eager = {"compile_arguments": {"run_eagerly": True}}
    doctor, model = TrainingDoctor(verbose=0, every=1), particular(patience)
    with pytest.raises(TypeError, match="this is not my call"):
        trained(lambda: model, doctor, **eager)
    assert f"training step {patience}" in doctor.report.unobserved
    assert len(doctor.report.timeline.moments) == patience
    assert_clean(model)


def test_what_raises_without_observation_too_is_told_as_its_own(images, assert_clean):
    class Broken(keras.Sequential):
        def train_step(self, *arguments):
            raise TypeError("broken")

    model = Broken([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(5)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    doctor = TrainingDoctor(verbose=0)
    with pytest.raises(TypeError, match="broken"):
        model.fit(images, np.zeros((70, 5)), verbose=0, callbacks=[doctor])
    assert "raised TypeError: broken" in doctor.report.unobserved["training step 0"]
    assert not any(place.startswith("the steps from ") for place in doctor.report.unobserved)
    assert_clean(model)
