import math

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.layers._complement import complement

FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def batch(seed=0, shape=(16, 3)):
    generator = np.random.default_rng(seed)
    return generator.normal(2.0, 3.0, size=shape).astype("float32")


def assert_same_weights(layer, other):
    for weight, expected in zip(layer.weights, other.weights, strict=True):
        np.testing.assert_allclose(array(weight), array(expected), **FLOAT32)


# --- The formula ---------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-3, 0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("axis", [-1, 1])
def test_one_training_step(alpha, axis):
    x = batch(shape=(8, 4, 5))
    layer = kt.layers.BatchNormalization(axis, alpha=alpha, epsilon=1e-3)
    layer.build(x.shape)
    size = x.shape[axis]
    gamma, beta, mean, variance = (
        np.linspace(start, start + 1, size, dtype="float32") for start in (0.5, -1.0, 3.0, 2.0)
    )
    layer.set_weights([gamma, beta, mean, variance])

    y = array(layer(x, training=True))

    others = tuple(a for a in range(3) if a != axis % 3)
    wide = x.astype("float64")
    batch_mean, batch_variance = wide.mean(others), wide.var(others)
    column = [1, 1, 1]
    column[axis] = size
    normalized = (wide - batch_mean.reshape(column)) / np.sqrt(
        batch_variance.reshape(column) + 1e-3
    )
    np.testing.assert_allclose(
        y, gamma.reshape(column) * normalized + beta.reshape(column), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        array(layer.moving_mean), alpha * batch_mean + (1 - alpha) * mean, **FLOAT32
    )
    np.testing.assert_allclose(
        array(layer.moving_variance), alpha * batch_variance + (1 - alpha) * variance, **FLOAT32
    )


def test_inference_uses_the_averages_and_leaves_them():
    x = batch()
    layer = kt.layers.BatchNormalization(epsilon=0.5)
    layer.build(x.shape)
    weights = [np.float32([2, 3, 4]), np.float32([1, 0, -1]), np.float32([1, 2, 3]), np.ones(3)]
    layer.set_weights(weights)
    gamma, beta, mean, variance = weights
    expected = gamma * (x - mean) / np.sqrt(variance + 0.5) + beta
    np.testing.assert_allclose(array(layer(x, training=False)), expected, **FLOAT32)
    for weight, before in zip(layer.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)


@pytest.mark.parametrize(("alpha", "steps"), [(0.01, 100), (0.1, 7), (0.5, 3), (1.0, 1)])
def test_share_of_the_start_that_is_left(alpha, steps):
    # Every batch has mean 4 and variance 1, so the mean grows from 0 to 4 and the variance stays.
    x = np.float32([[3.0], [5.0]])
    layer = kt.layers.BatchNormalization(alpha=alpha)
    for _ in range(steps):
        layer(x, training=True)
    # Each step rounds a few times, by half a unit in the last place each.
    tolerance = 4 * steps * float(np.finfo("float32").eps)
    left = (1 - alpha) ** steps
    assert float(layer.moving_mean[0]) == pytest.approx(4 * (1 - left), rel=tolerance)
    assert float(layer.moving_variance[0]) == pytest.approx(1.0, rel=tolerance)


def test_golden_share_after_a_hundred_batches():
    layer = kt.layers.BatchNormalization()
    for _ in range(100):
        layer(np.float32([[0.0], [2.0]]), training=True)
    assert 1 - float(layer.moving_mean[0]) == pytest.approx(0.366, abs=5e-4)  # 0.99^100


def test_alpha_one_keeps_the_last_batch_only():
    x = batch()
    layer = kt.layers.BatchNormalization(alpha=1)
    layer(batch(seed=1), training=True)
    layer(x, training=True)
    np.testing.assert_allclose(array(layer.moving_mean), x.mean(0), **FLOAT32)
    np.testing.assert_allclose(array(layer.moving_variance), x.var(0), **FLOAT32)


# --- Against Keras -------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"center": False}, {"scale": False, "epsilon": 1e-5}, {"gamma_initializer": "zeros"}],
    ids=str,
)
def test_equals_keras_step_for_step(alpha, arguments):
    ours = kt.layers.BatchNormalization(alpha=alpha, **arguments)
    keras_layer = keras.layers.BatchNormalization(momentum=1 - alpha, **arguments)
    for step in range(4):
        x = batch(seed=step, shape=(4, 3, 2))
        for training in (True, False):
            np.testing.assert_allclose(
                array(ours(x, training=training)),
                array(keras_layer(x, training=training)),
                **FLOAT32,
            )
        assert_same_weights(ours, keras_layer)


def test_renorm_equals_keras():
    arguments = {"renorm": True, "renorm_clipping": {"rmax": 2.0, "dmax": 1.0}}
    try:
        keras_layer = keras.layers.BatchNormalization(momentum=0.9, **arguments)
    except ValueError:
        pytest.skip("this Keras has no renorm")
    ours = kt.layers.BatchNormalization(alpha=0.1, **arguments)
    for step in range(3):
        x = batch(seed=step)
        np.testing.assert_allclose(
            array(ours(x, training=True)), array(keras_layer(x, training=True)), **FLOAT32
        )
        assert_same_weights(ours, keras_layer)


def test_weights_move_both_ways():
    x = batch()
    ours = kt.layers.BatchNormalization(alpha=0.3)
    ours(x, training=True)
    theirs = keras.layers.BatchNormalization()
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(array(theirs(x)), array(ours(x)), **FLOAT32)

    theirs(batch(seed=1), training=True)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(array(ours(x)), array(theirs(x)), **FLOAT32)


def test_weight_files_move_both_ways(tmp_path):
    def model(layer):
        return keras.Sequential([keras.Input((3,)), layer])

    x = batch()
    ours = model(kt.layers.BatchNormalization(alpha=0.3))
    theirs = model(keras.layers.BatchNormalization())
    ours(x, training=True)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    assert_same_weights(theirs, ours)
    np.testing.assert_allclose(array(theirs(x)), array(ours(x)), **FLOAT32)


def test_masked_entries_do_not_count():
    x = batch(shape=(4, 5, 3))
    mask = np.arange(5)[None, :] < np.array([1, 3, 5, 2])[:, None]
    layer = kt.layers.BatchNormalization(alpha=1.0)
    layer(np.where(mask[..., None], x, 1e6).astype("float32"), training=True, mask=mask)
    np.testing.assert_allclose(array(layer.moving_mean), x[mask].mean(0), rtol=1e-4)
    np.testing.assert_allclose(array(layer.moving_variance), x[mask].var(0), rtol=1e-4)


def test_a_frozen_layer_infers_and_keeps_its_averages():
    x = batch()
    layer = kt.layers.BatchNormalization(alpha=0.5)
    layer(x, training=True)
    layer.trainable = False
    before = layer.get_weights()
    np.testing.assert_array_equal(array(layer(x, training=True)), array(layer(x, training=False)))
    for weight, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_fit_moves_the_averages():
    x = batch(shape=(32, 3))
    model = keras.Sequential([keras.Input((3,)), kt.layers.BatchNormalization(alpha=0.25)])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    model.fit(x, x, batch_size=32, epochs=2, verbose=0)
    moved = 1 - 0.75**2
    np.testing.assert_allclose(array(model.layers[0].moving_mean), moved * x.mean(0), rtol=1e-4)


# --- The two names -------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1e-6, 0.001, 0.01, 0.1, 0.3, 1.0])
def test_alpha_and_momentum_say_the_same(alpha):
    by_alpha = kt.layers.BatchNormalization(alpha=alpha)
    by_momentum = kt.layers.BatchNormalization(momentum=complement(alpha))
    assert by_alpha.alpha == by_momentum.alpha == alpha
    assert by_alpha.momentum == by_momentum.momentum
    assert by_alpha.get_config()["alpha"] == alpha
    assert "momentum" not in by_alpha.get_config()


def test_default_is_that_of_keras():
    ours, theirs = kt.layers.BatchNormalization(), keras.layers.BatchNormalization()
    assert ours.alpha == 0.01
    assert (ours.momentum, ours.epsilon, ours.axis) == (0.99, theirs.epsilon, theirs.axis)
    assert theirs.momentum == 0.99


def test_setting_momentum_sets_alpha():
    layer = kt.layers.BatchNormalization()
    layer.momentum = 0.5
    assert layer.alpha == 0.5
    layer(np.float32([[0.0], [4.0]]), training=True)
    assert float(layer.moving_mean[0]) == 1.0


def test_both_names_are_refused():
    with pytest.raises(
        ValueError, match=r"only one may be given. Received: alpha=0.01, momentum=0.99"
    ):
        kt.layers.BatchNormalization(alpha=0.01, momentum=0.99)


@pytest.mark.parametrize("alpha", [0, -0.1, 1.5, math.nan, math.inf])
def test_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(
        ValueError, match=r"`alpha` must be a number in \(0, 1\].*Received: alpha=.*trainable=False"
    ):
        kt.layers.BatchNormalization(alpha=alpha)


def test_alpha_can_be_set_and_is_checked():
    layer = kt.layers.BatchNormalization()
    layer.alpha = 0.25
    assert layer.momentum == 0.75
    with pytest.raises(ValueError, match=r"`alpha` must be a number in \(0, 1\]"):
        layer.alpha = 5
    assert layer.alpha == 0.25


def test_only_torch_calls_the_cumulative_average_none():
    assert kt.layers.BatchNormalization.from_torch_momentum(None).average == "cumulative"
    with pytest.raises(TypeError, match="`momentum` must be a number"):
        kt.layers.BatchNormalization.from_keras_momentum(None)


@pytest.mark.parametrize("momentum", [1, -0.1, 1.5, math.nan])
def test_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match=r"`momentum` must be a number in \[0, 1\)"):
        kt.layers.BatchNormalization(momentum=momentum)


@pytest.mark.parametrize("epsilon", [-1e-3, math.nan, math.inf])
def test_epsilon_out_of_range_is_refused(epsilon):
    with pytest.raises(ValueError, match=r"`epsilon` must be a number in \[0, inf\)"):
        kt.layers.BatchNormalization(epsilon=epsilon)


@pytest.mark.parametrize("argument", ["alpha", "momentum", "epsilon"])
def test_numbers_must_be_numbers(argument):
    with pytest.raises(TypeError, match=rf"`{argument}` must be a number.*of type str"):
        kt.layers.BatchNormalization(**{argument: "0.1"})


def test_the_momentum_of_a_swapped_import_is_not_read_as_alpha():
    with pytest.raises(TypeError, match="positional"):
        kt.layers.BatchNormalization(-1, 0.99)


def test_an_averaging_factor_is_no_axis():
    with pytest.raises(TypeError, match=r"`axis` must be an integer.*write `alpha=0.1`"):
        kt.layers.BatchNormalization(0.1)
