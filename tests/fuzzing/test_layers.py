"""Every layer with arguments drawn from its signature.

A clear error, or what is built computes finite numbers of the shape and dtype that it says, comes
back from its config and from a file, and gives the same there.
"""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
from hypothesis import strategies as st

import kerastricks as kt
import kerastricks.addons as tfa

SPEC = importlib.util.spec_from_file_location("arguments", Path(__file__).with_name("arguments.py"))
arguments = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(arguments)
amounts, drawn_from, numbers = arguments.amounts, arguments.drawn_from, arguments.numbers

LAYERS = [getattr(room, name) for room in (kt.layers, tfa.layers) for name in room.__all__]
OF_TWO = (tfa.layers.PolynomialCrossing, tfa.layers.StochasticDepth)
"""Layers that are called on two tensors."""
SHAPES = [(2, 6, 6, 3), (2, 6, 6, 3), (2, 5), (3, 6, 4), (2, 4, 4, 4, 2), (1, 1), (0, 4)]
SCALES = st.sampled_from([1, 1, 1, 0, 1e-6, 1e4])
POLICIES = st.sampled_from(["float32", "float32", "mixed_bfloat16", "float64"])


def made(given):
    """Arguments with the layers that their words stand for."""
    inner = {
        "{dense}": lambda: keras.layers.Dense(3),
        "{convolution}": lambda: keras.layers.Conv2D(2, 2),
    }
    return {
        name: inner[value]() if isinstance(value, str) and value in inner else value
        for name, value in given.items()
    }


def data(shape, scale=1):
    return (scale * np.random.default_rng(0).normal(size=shape)).astype("float32")


@amounts(40, 600)
def test_layers(examples, fuzz, attempted, count):
    def hold(drawn):
        kind, given, shape, scale, policy = drawn
        x, shapes = data(shape, scale), shape
        if kind in OF_TWO:
            x, shapes = [x, x], [shape, shape]
        layer = attempted(lambda: kind(**made(given), dtype=policy))
        if layer is None:
            return
        y = attempted(lambda: layer(x, training=True))
        if y is None:
            return
        told = f"{kind.__name__}(**{given}, dtype={policy!r}) of {scale} * {shape}"
        assert np.isfinite(numbers(y)).all(), f"{told} gives numbers that are none in training"
        y = layer(x, training=False)
        # What is around another layer gives what that one gives.
        computes = layer.layer if isinstance(layer, keras.layers.Wrapper) else layer
        assert keras.backend.standardize_dtype(y.dtype) == computes.compute_dtype, told
        y = numbers(y)
        assert np.isfinite(y).all(), f"{told} gives numbers that are none"
        assert tuple(layer.compute_output_shape(shapes)) == y.shape, told
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
        again = keras.saving.deserialize_keras_object(config)
        again(x, training=False)
        # In a file a tuple is a list.
        configs = [json.dumps(each.get_config(), sort_keys=True) for each in (again, layer)]
        assert configs[0] == configs[1], told
        again.set_weights(layer.get_weights())
        if type(layer) is not kt.layers.MonteCarloDropout:
            np.testing.assert_allclose(
                numbers(again(x, training=False)), y, rtol=1e-5, atol=1e-6, err_msg=told
            )
        count("right", kind)

    kinds = LAYERS if examples > 10 * len(LAYERS) else ()

    def drawn(some):
        return drawn_from(some, st.sampled_from(SHAPES), SCALES, POLICIES)

    fuzz(drawn(LAYERS), examples, hold, kinds, drawn)


@amounts(5, 40)
def test_layers_in_files(examples, fuzz, attempted, count, tmp_path):
    def hold(drawn):
        kind, given, shape = drawn
        x, inputs = data(shape), keras.Input(shape[1:])
        model = attempted(lambda: keras.Model(inputs, kind(**made(given))(inputs)))
        if model is None:
            return
        y = attempted(lambda: model(x, training=False))
        if y is None:
            return
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        y, z = numbers(y), numbers(again(x, training=False))
        assert np.isfinite(y).all()
        assert y.shape[1:] == tuple(model.output_shape)[1:]
        if kind is not kt.layers.MonteCarloDropout:
            np.testing.assert_allclose(z, y, rtol=1e-5, atol=1e-6)
        count("right", kind)

    fuzz(drawn_from(LAYERS, st.sampled_from(SHAPES[:5])), examples, hold)
