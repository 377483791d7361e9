"""A model whose gradient is 1, so that the course of its weights can be worked out by hand."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa


@keras.saving.register_keras_serializable("tests.addons")
def mean_of_outputs(targets, outputs):
    return keras.ops.mean(outputs, axis=-1)


@pytest.fixture
def averaged_model():
    """averaged_model(decay, **arguments of compile): weights fall by 1 in each batch."""

    def make(decay=0.5, **arguments):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        model.set_weights([np.zeros((1, 1))])
        optimizer = tfa.optimizers.MovingAverage(keras.optimizers.SGD(1.0), decay)
        model.compile(optimizer, mean_of_outputs, **arguments)
        return model

    return make


@pytest.fixture
def train():
    """train(model, batches, callback)"""

    def run(model, batches, callback, **arguments):
        x = np.ones((2 * batches, 1), "float32")
        arguments = {"verbose": 0, "shuffle": False, **arguments}
        return model.fit(x, x, batch_size=2, callbacks=[callback], **arguments)

    return run
