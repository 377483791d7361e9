import keras
import numpy as np
import pytest

import kerastricks as kt


def array(value):
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("shared_axes", [None, 1, [1, 2], (1, 2, 3)], ids=str)
def test_formula_is_that_of_keras(shared_axes):
    x = np.random.default_rng(0).normal(size=(4, 3, 5, 6)).astype("float32")
    ours, theirs = (
        layers.PReLU(shared_axes=shared_axes, alpha_initializer="glorot_normal")
        for layers in (kt.layers, keras.layers)
    )
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(array(ours(x)), array(theirs(x)), rtol=1e-6)


def test_starts_at_a_quarter_and_keras_at_zero():
    x = np.array([[-4.0, 2.0]], "float32")
    np.testing.assert_array_equal(array(kt.layers.PReLU()(x)), [[-1, 2]])
    np.testing.assert_array_equal(array(keras.layers.PReLU()(x)), [[0, 2]])


def test_a_config_of_keras_keeps_its_initializer():
    layer = kt.layers.PReLU.from_config(keras.layers.PReLU(shared_axes=[1]).get_config())
    layer.build((None, 3, 2))
    np.testing.assert_array_equal(layer.get_weights()[0], np.zeros((1, 2)))


@pytest.mark.parametrize("shared_axes", [-1, [0], (1, -2)], ids=str)
def test_axes_are_counted_from_one(shared_axes):
    with pytest.raises(ValueError, match=r"`shared_axes` must be integers from 1 on.*Received"):
        kt.layers.PReLU(shared_axes=shared_axes)


@pytest.mark.parametrize("shared_axes", [1.0, "1", [True], [[1, 2]]], ids=str)
def test_axes_must_be_integers(shared_axes):
    with pytest.raises(TypeError, match=r"`shared_axes` must be integers from 1 on.*of type"):
        kt.layers.PReLU(shared_axes=shared_axes)


@pytest.mark.parametrize("axis", [4, 7])
def test_axes_must_be_those_of_the_inputs(axis):
    layer = kt.layers.PReLU(shared_axes=[1, axis])
    with pytest.raises(
        ValueError, match=rf"in \[1, 3\].*shared_axes=\[1, {axis}\].*\(2, 3, 4, 5\)"
    ):
        layer.build((2, 3, 4, 5))


@pytest.mark.parametrize("shared_axes", [None, [1], [1, 2]], ids=str)
def test_gradients_are_those_of_the_formula(shared_axes, gradients):
    rng = np.random.default_rng(1)
    x, upstream = (rng.normal(size=(6, 4, 3)).astype("float32") for _ in range(2))
    layer = kt.layers.PReLU(shared_axes=shared_axes)
    layer.build(x.shape)
    weights = keras.ops.convert_to_tensor(upstream)
    by_inputs, by_alpha = gradients(
        lambda x: keras.ops.sum(layer(x) * weights), x, layer.trainable_variables
    )
    np.testing.assert_allclose(by_inputs, np.where(x < 0, 0.25, 1) * upstream, rtol=1e-6)
    axes = (0, *(shared_axes or ()))
    expected = np.sum(np.minimum(x, 0) * upstream, axis=axes, keepdims=True)[0]
    np.testing.assert_allclose(by_alpha, expected, rtol=1e-5, atol=1e-6)


def test_no_regularizer_by_itself():
    layer = kt.layers.PReLU()
    layer(np.ones((1, 2), "float32"))
    assert layer.losses == []
    regularized = kt.layers.PReLU(alpha_regularizer="l2")
    regularized(np.ones((1, 2), "float32"))
    assert len(regularized.losses) == 1


def test_the_optimizer_can_leave_alpha_out_of_weight_decay():
    layer = kt.layers.PReLU()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), layer])
    optimizer = keras.optimizers.AdamW(learning_rate=0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["alpha"])
    model.compile(optimizer, "mse")
    # Positive pre-activations: alpha has no gradient, and only a decay could move it.
    model.layers[0].set_weights([np.ones((3, 3)), np.ones(3)])
    model.fit(np.ones((4, 3)), np.ones((4, 3)), verbose=0)
    np.testing.assert_array_equal(layer.get_weights()[0], 0.25)
