"""What a question leaves behind: a model as it was, and a compiled function that heeds changes."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerastricks.surgery import predict_with_uncertainty

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(6, 20)).astype("float32")
WEIGHTS = RANDOM.normal(size=(20, 3)).astype("float32")


def array(value):
    return np.array(ops.convert_to_numpy(value))


def model_of(*parts, shape=(20,)):
    return keras.Sequential([keras.Input(shape), *parts])


def linear():
    dense = layers.Dense(3)
    model = model_of(layers.Dropout(0.3), dense)
    dense.set_weights([WEIGHTS, np.arange(3.0)])
    return model


def ask(model, x=X, passes=20, **arguments):
    return predict_with_uncertainty(model, x, passes, **{"verbose": 0, "seed": 1, **arguments})


@pytest.mark.compiling
@pytest.mark.parametrize(
    "how", [{"run_eagerly": True}, {"jit_compile": keras.backend.backend() != "torch"}], ids=str
)
def test_a_compiled_model_stays_as_it_is(how, untouched):
    model = model_of(layers.Dropout(0.5), layers.BatchNormalization(), layers.Dense(3))
    model.compile("adam", "mse", **how)
    model.fit(X, WEIGHTS[:6], verbose=0)
    before = model.predict(X, verbose=0)
    with untouched(model):
        ask(model)
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
    np.testing.assert_array_equal(array(model(X, training=False)), array(model(X)))
    model.fit(X, WEIGHTS[:6], verbose=0)


# An interrupted `predict` of Keras 3.10 has its callbacks collected in their own thread.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failure_leaves_the_model_as_it_was(untouched):
    def interrupted():
        yield (X[:3],)
        yield (X[:3],)
        raise KeyboardInterrupt

    model = linear()
    with untouched(model), pytest.raises(BaseException):  # noqa: B017, PT011
        ask(model, interrupted())
    assert (ask(model).standard_deviation > 0).all()


def test_after_a_failure_it_works_again():
    model = linear()
    before = ask(model).mean
    with pytest.raises(ValueError, match="at least one sample"):
        ask(model, X[:0])
    with pytest.raises(Exception, match="mine"):
        ask(model, broken())
    np.testing.assert_array_equal(ask(model).mean, before)


def broken():
    yield (X[:3],)
    raise RuntimeError("mine")


class Scaled(layers.Layer):
    """Multiplies by a Python number, and notes each time that its code runs."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale, self.inner = scale, layers.Dense(3)
        self.activation = keras.activations.linear

    def call(self, x):
        NOTES.append(self.scale)
        return self.activation(self.scale * self.inner(x))


NOTES = []


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch runs the code each time")
def test_it_is_compiled_once():
    model = model_of(layers.Dropout(0.5), Scaled())
    ask(model)
    NOTES.clear()
    again = [ask(model, X + 1, seed=seed).mean for seed in (2, 3)]
    assert NOTES == []
    assert (again[0] != again[1]).any()
    ask(model, passes=10)
    assert len(NOTES) > 0


def change_weights(model):
    model.layers[1].inner.set_weights([WEIGHTS, np.arange(3.0)])


def swap_a_layer(model):
    model.pop()
    model.add(layers.Dense(3))


def change_a_number(model):
    model.layers[1].scale = 3.0


def change_an_activation(model):
    model.layers[1].activation = ops.exp


def change_a_rate(model):
    model.layers[0].rate = 0.1


def freeze(model):
    model.layers[1].trainable = False


def train(model):
    model.compile("sgd", "mse")
    model.fit(X, X[:, :3], verbose=0)


def load_weights(model):
    model.set_weights([array(weight) + 1 for weight in model.weights])


@pytest.mark.compiling
@pytest.mark.parametrize(
    "change",
    [
        change_weights,
        swap_a_layer,
        change_a_number,
        change_an_activation,
        change_a_rate,
        freeze,
        train,
        load_weights,
    ],
)
def test_what_was_compiled_does_not_outlive_a_change(change):
    """After it, a model that was asked before answers like one that never was."""
    model = model_of(layers.Dropout(0.5), Scaled())
    asked = ask(model)
    change(model)
    result = ask(model)
    if change is not freeze:
        assert (np.abs(result.mean - asked.mean) > 1e-3).any()
    forgotten = model_of(*model.layers)
    np.testing.assert_allclose(result.mean, ask(forgotten).mean, rtol=1e-5, atol=1e-5)


@pytest.mark.compiling
def test_a_model_that_was_asked_is_not_kept_alive():
    model = model_of(layers.Dropout(0.5), Scaled())
    ask(model)
    references = [weakref.ref(part) for part in (model, *model.layers)]
    del model
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
