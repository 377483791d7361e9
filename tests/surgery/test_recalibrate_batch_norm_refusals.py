"""What cannot be recalibrated is refused, and failures leave the model as it was."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerastricks as kt
from kerastricks.surgery import recalibrate_batch_norm

RANDOM = np.random.default_rng(0)
VECTORS = (3 + 2 * RANDOM.normal(size=(60, 5))).astype("float32")
SINGLE = {"rtol": 1e-5, "atol": 1e-5}  # sums of some hundred numbers of size 10


def array(value):
    return np.array(ops.convert_to_numpy(value))


def statistics(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def assert_statistics(layer, x, axes=0):
    x = np.asarray(x, dtype=float)
    mean, variance = statistics(layer)
    np.testing.assert_allclose(mean, x.mean(axes), **SINGLE)
    np.testing.assert_allclose(variance, x.var(axes), **SINGLE)


def sequential(kind):
    parts = [layers.Dense(8), kind(), layers.ReLU(), layers.Dense(8), kind(), layers.Dense(2)]
    return keras.Sequential([keras.Input((5,)), *parts])


def test_layers_that_do_not_run_keep_theirs_and_cannot_be_all(untouched):
    class Model(keras.Model):
        def __init__(self, ran):
            super().__init__()
            self.ran, self.idle = ran, layers.BatchNormalization()

        def call(self, x, training=None):
            return self.idle(self.ran(x)) if training else self.ran(x)

    for ran in (layers.BatchNormalization(), layers.Dense(5)):
        model = Model(ran)
        model(VECTORS, training=True)
        if isinstance(ran, layers.BatchNormalization):
            with untouched(model, but=[ran.moving_mean, ran.moving_variance]):
                recalibrate_batch_norm(model, VECTORS, verbose=0)
            assert_statistics(ran, VECTORS)
        else:
            with untouched(model), pytest.raises(ValueError, match="runs none of its batch norm"):
                recalibrate_batch_norm(model, VECTORS, verbose=0)


def nan_in_the_data():
    yield (VECTORS[:20],)
    yield (np.full((20, 5), np.nan, "float32"),)


def interrupted():
    yield (VECTORS[:20],)
    yield (VECTORS[:20],)
    raise KeyboardInterrupt


def failing():
    yield (VECTORS[:20],)
    yield (np.zeros((20, 4), "float32"),)


# An interrupted `predict` of Keras 3.10 has its callbacks collected in their own thread.
@pytest.mark.compiling
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("dataset", "error", "match"),
    [
        (nan_in_the_data, ValueError, r"layer '.*first' has a mean or variance that is not finite"),
        (interrupted, BaseException, None),
        (failing, Exception, None),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failure_leaves_the_model_as_it_was(dataset, error, match, untouched):
    parts = [layers.BatchNormalization(name="first"), layers.Dropout(0.5), layers.Dense(2)]
    model = keras.Sequential([keras.Input((5,)), *parts, layers.BatchNormalization()])
    model.compile("sgd", "mse")
    model.fit(VECTORS, VECTORS[:, :2], verbose=0)
    with untouched(model), pytest.raises(error, match=match):
        recalibrate_batch_norm(model, dataset(), verbose=0)
    model.fit(VECTORS, VECTORS[:, :2], verbose=0)


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        (layers.BatchNormalization(), TypeError, "`model` must be a keras.Model"),
        (keras.Sequential([layers.BatchNormalization()]), ValueError, "is not built"),
        (keras.Sequential([keras.Input((5,)), layers.Dense(2)]), ValueError, "has no batch norm"),
        (
            keras.Sequential([keras.Input((5,)), layers.BatchNormalization(trainable=False)]),
            ValueError,
            r"is frozen \(trainable=False\)",
        ),
    ],
)
def test_models_it_cannot_help_are_refused(model, error, match):
    with pytest.raises(error, match=match):
        recalibrate_batch_norm(model, VECTORS, verbose=0)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"steps": 0}, ValueError), ({"steps": 1.5}, TypeError), ({"batch_size": 0}, ValueError)],
)
def test_arguments_are_checked(change, error):
    model = keras.Sequential([keras.Input((5,)), layers.BatchNormalization()])
    with pytest.raises(error, match=f"`{next(iter(change))}` must be an integer"):
        recalibrate_batch_norm(model, VECTORS, **change)


def test_data_without_samples_are_refused(without_samples, untouched):
    model = sequential(kt.layers.BatchNormalization)
    with untouched(model), pytest.raises(ValueError, match=r"at least one (sample|batch)"):
        recalibrate_batch_norm(model, without_samples(VECTORS), verbose=0)
