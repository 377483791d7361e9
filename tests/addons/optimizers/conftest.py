"""A model whose gradient is 1, so that the course of its weights can be worked out by hand."""

import keras
import numpy as np
import pytest


def make_model(optimizer, **arguments):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.zeros((2, 1))])
    model.compile(optimizer, mean_output, **arguments)
    return model


@keras.saving.register_keras_serializable("tests.addons")
def mean_output(targets, outputs):
    return keras.ops.mean(outputs, axis=-1)


@pytest.fixture
def linear_model():
    """linear_model(optimizer, **arguments of compile)."""
    return make_model


@pytest.fixture
def train():
    """train(model, batches): weights fall by the learning rate in each batch."""

    def run(model, batches, **arguments):
        x = np.ones((4 * batches, 2), "float32")
        return model.fit(x, x[:, :1], batch_size=4, verbose=0, shuffle=False, **arguments)

    return run


@pytest.fixture
def weight():
    """weight(model): its weights, which are all the same number."""

    def value(model):
        values = np.unique(model.get_weights()[0])
        assert len(values) == 1
        return float(values[0])

    return value


@pytest.fixture
def average(weight):
    """average(model): the average of its weights, which are put back."""

    def value(model):
        weights = model.get_weights()
        optimizer = model.optimizer
        getattr(optimizer, "inner_optimizer", optimizer).assign_average_vars(
            model.trainable_weights
        )
        result = weight(model)
        model.set_weights(weights)
        return result

    return value
