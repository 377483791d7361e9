"""NaN at whatever layer and step: named first, at its step, at the layer where it arose."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(32, 6)).astype("float32")
Y = X[:, :1]
DEPTH = 5
CASES = [
    (int(layer), int(step))
    for layer, step in zip(
        RANDOM.permutation(DEPTH),
        RANDOM.integers(0, 60, DEPTH),
        strict=True,
    )
]
"""Layers and steps, drawn once."""


def network(breaking):
    keras.utils.set_random_seed(0)
    hidden = [breaking.Breaking(8, "tanh", name=f"layer{i}") for i in range(DEPTH)]
    model = keras.Sequential([layers.Input((6,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def output(model, layer):
    model.layers[layer].factor.assign(np.nan)


def weights(model, layer):
    kernel = np.array(model.layers[layer].kernel)
    kernel[0, 0] = np.inf if layer % 2 else np.nan
    model.layers[layer].kernel.assign(kernel)


@pytest.mark.compiling
@pytest.mark.parametrize("fault", [output, weights])
def test_it_is_named_at_its_layer_and_its_step(fault, breaking):
    model = network(breaking)
    start = model.get_weights()
    doctor = kt.callbacks.TrainingDoctor(verbose=0, every=1)
    for layer, step in CASES:
        model.set_weights(start)
        at = breaking.At(step, lambda model, layer=layer: fault(model, layer))
        epochs = step // 4 + 1
        model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=[at, doctor])
        (found,) = [f for f in doctor.report.root_causes if f.condition == "non_finite"]
        path = model.layers[layer].path
        assert (found.layer, found.onset) == (path, step), (layer, step)
        if fault is output:  # tanh lets an infinite weight through to its gradient alone
            assert found.evidence["place"] == f"the output of {path}"
