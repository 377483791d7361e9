"""Each layer has its optimizer."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

if not hasattr(keras.optimizers, "MultiOptimizer"):

    def test_an_old_keras_is_named():
        with pytest.raises(AttributeError, match=f"Keras {keras.__version__} does not have"):
            tfa.optimizers.MultiOptimizer  # noqa: B018

    pytest.skip("this Keras has no MultiOptimizer", allow_module_level=True)


def make_model(units=3):
    layers = [keras.layers.Dense(1, use_bias=False, name=f"l{n}") for n in range(units)]
    model = keras.Sequential([keras.Input((1,)), *layers])
    model.set_weights([np.ones((1, 1))] * units)
    return model


def step(optimizer, model):
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.ones((1, 1)) for _ in model.trainable_variables])
    return [float(w[0, 0]) for w in model.get_weights()]


def test_each_layer_goes_its_way_and_the_rest_stands_still():
    model = make_model()
    optimizer = tfa.optimizers.MultiOptimizer(
        [
            (keras.optimizers.SGD(0.5), model.layers[0]),
            (keras.optimizers.SGD(0.25), model.layers[1:2]),
        ]
    )
    assert step(optimizer, model) == [0.5, 0.75, 1.0]


@pytest.mark.compiling
def test_in_fit_and_from_a_file(tmp_path):
    x = np.ones((8, 1), "float32")

    def compiled():
        model = make_model(2)
        pairs = [
            (keras.optimizers.Adam(0.1), model.layers[0]),
            (keras.optimizers.SGD(0.1), model.layers[1]),
        ]
        model.compile(tfa.optimizers.MultiOptimizer(pairs), "mse")
        return model

    whole, part = compiled(), compiled()
    whole.fit(x, 0 * x, batch_size=4, epochs=2, shuffle=False, verbose=0)
    part.fit(x, 0 * x, batch_size=4, epochs=1, shuffle=False, verbose=0)
    part.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.fit(x, 0 * x, batch_size=4, epochs=1, shuffle=False, verbose=0)
    rates = [float(optimizer.learning_rate) for optimizer in loaded.optimizer.optimizers]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0])
    np.testing.assert_allclose(loaded.get_weights(), whole.get_weights(), rtol=1e-6)


def test_layers_of_one_name_in_two_models():
    inner = [make_model(1), make_model(1)]
    model = keras.Sequential([keras.Input((1,)), *inner])
    pairs = [(keras.optimizers.SGD(0.5), inner[0]), (keras.optimizers.SGD(0.25), inner[1])]
    assert step(tfa.optimizers.MultiOptimizer(pairs), model) == [0.5, 0.75]


def test_what_is_refused():
    model = make_model()
    sgd = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="either"):
        tfa.optimizers.MultiOptimizer()
    with pytest.raises(ValueError, match="no weights yet"):
        tfa.optimizers.MultiOptimizer([(sgd, keras.layers.Dense(1))])
    with pytest.raises(ValueError, match="two optimizers"):
        tfa.optimizers.MultiOptimizer([(sgd, model), (sgd, model.layers[0])])
