"""How the moving averages move: their rates, Bessel's correction, replicas."""

import math
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerastricks as kt

EPS = float(np.finfo("float32").eps)
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}
AVERAGES = ["exponential", "debiased", "cumulative"]


def array(value):
    return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(value))


def batch(seed=0, shape=(16, 3)):
    return np.random.default_rng(seed).normal(2.0, 3.0, size=shape).astype("float32")


def averages(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def statistics(layer, x, **call_arguments):
    """The statistics of one batch to the last bit: an alpha of 1 keeps nothing else."""
    config = {**layer.get_config(), "alpha": 1.0, "average": "exponential"}
    twin = type(layer).from_config(config)
    twin(x, training=True, **call_arguments)
    return averages(twin)


# --- Rates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", ["debiased", "cumulative"])
@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("start", ["zeros", "ones", math.nan])
def test_the_first_batch_is_the_average_to_the_last_bit(average, alpha, start):
    start = start if isinstance(start, str) else keras.initializers.Constant(start)
    layer = kt.layers.BatchNormalization(
        alpha=alpha,
        average=average,
        moving_mean_initializer=start,
        moving_variance_initializer=start,
    )
    layer(batch(), training=True)
    for average_, expected in zip(averages(layer), statistics(layer, batch()), strict=True):
        assert np.isfinite(expected).all()
        np.testing.assert_array_equal(average_, expected)


@pytest.mark.parametrize("average", ["debiased", "cumulative"])
@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.3, 1.0])
def test_constant_on_constants(average, alpha):
    layer = kt.layers.BatchNormalization(alpha=alpha, average=average)
    layer(batch(), training=True)
    after_one = averages(layer)
    for _ in range(6):
        layer(batch(), training=True)
    for now, then in zip(averages(layer), after_one, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("alpha", [1e-6, 0.01, 0.3])
def test_debiased_is_exponential_over_its_total_weight(alpha):
    layer = kt.layers.BatchNormalization(alpha=alpha, average="debiased")
    hidden = np.zeros(3)
    for step in range(1, 8):
        x = batch(step)
        layer(x, training=True)
        hidden = alpha * x.astype("float64").mean(0) + (1 - alpha) * hidden
        weight = -math.expm1(step * math.log1p(-alpha))
        # Means near 2 of entries of a standard deviation of 3; a few roundings for each step.
        np.testing.assert_allclose(
            averages(layer)[0], hidden / weight, atol=10 * EPS * 4 * (step + 1)
        )


def test_cumulative_is_the_mean_over_all_batches():
    layer = kt.layers.BatchNormalization(average="cumulative")
    batches = [batch(seed) for seed in range(9)]
    for x in batches:
        layer(x, training=True)
    mean, variance = averages(layer)
    np.testing.assert_allclose(mean, np.mean([x.mean(0) for x in batches], 0), **FLOAT32)
    np.testing.assert_allclose(variance, np.mean([x.var(0) for x in batches], 0), **FLOAT32)


def test_debiased_forgets_like_exponential_in_the_end():
    layers = [kt.layers.BatchNormalization(alpha=0.5, average=a) for a in AVERAGES[:2]]
    for step in range(30):  # 2^-30 of the start is left
        for layer in layers:
            layer(batch(step), training=True)
    for one, other in zip(*map(averages, layers), strict=True):
        np.testing.assert_allclose(one, other, rtol=20 * EPS)


@pytest.mark.parametrize("average", AVERAGES)
def test_alpha_one_forgets_even_nan(average):
    layer = kt.layers.BatchNormalization(alpha=1, average=average)
    layer(np.full((4, 3), np.nan, "float32"), training=True)
    assert np.isnan(averages(layer)[0]).all()
    layer(batch(), training=True)
    forgets = average != "cumulative"
    assert np.isfinite(averages(layer)[0]).all() == forgets


# --- Bessel's correction -------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("masked", [False, True])
def test_unbiased_variance_divides_by_one_less(axis, masked):
    x = batch(shape=(4, 5, 3))
    mask = np.random.default_rng(1).random((4, 5)) < 0.6 if masked else None
    layer = kt.layers.BatchNormalization(axis, alpha=1.0, unbiased_variance=True)
    plain = kt.layers.BatchNormalization(axis, alpha=1.0)
    y, y_plain = (array(one(x, training=True, mask=mask)) for one in (layer, plain))
    np.testing.assert_array_equal(y, y_plain)  # the outputs take the biased variance
    kept = np.ones((4, 5, 1), bool) if mask is None else mask[..., None]
    wide = np.ma.array(x.astype("float64"), mask=~np.broadcast_to(kept, x.shape))
    others = tuple(a for a in range(3) if a != axis % 3)
    np.testing.assert_allclose(averages(layer)[1], wide.var(others, ddof=1), **FLOAT32)
    np.testing.assert_allclose(averages(plain)[1], wide.var(others), **FLOAT32)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("arguments", [{}, {"mask": np.array([True])}], ids=["plain", "masked"])
def test_a_single_entry_has_variance_zero(unbiased, arguments):
    layer = kt.layers.BatchNormalization(
        alpha=1.0, unbiased_variance=unbiased, beta_initializer="ones"
    )
    y = layer(np.float32([[3.0, -7.0]]), training=True, **arguments)
    # Up to a few roundings of 7 / sqrt(epsilon).
    np.testing.assert_allclose(array(y), [[1.0, 1.0]], atol=4 * EPS * 7 / 1e-3**0.5)
    np.testing.assert_array_equal(averages(layer)[0], [3.0, -7.0])
    np.testing.assert_array_equal(averages(layer)[1], [0.0, 0.0])


# --- Replicas ------------------------------------------------------------------------------------

# Two processors in one, which TensorFlow must hear of before it starts: a process of its own.
REPLICAS = """
import keras, numpy as np, tensorflow as tf
import kerastricks as kt

processor, = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, two)
strategy = tf.distribute.MirroredStrategy(
    ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
)
x = np.random.default_rng(0).normal(2.0, 3.0, size=(2, 2, 8, 3)).astype("float32")
x[:, 1] += 5.0
# Step, replica, sample, channel. Whether replicas average their averages is Keras' affair, which
# changed: those that do not synchronize see the same.
alike = np.repeat(x[:, :1], 2, 1)
for arguments, x, mean, variance in (
    ({"average": "cumulative"}, alike, alike.mean((0, 1, 2)), alike.var(2).mean((0, 1))),
    (
        {"average": "debiased", "alpha": 0.5},
        alike,
        alike.mean((1, 2)).T @ [1 / 3, 2 / 3],
        alike.var(2).mean(1).T @ [1 / 3, 2 / 3],
    ),
    (
        {"synchronized": True, "alpha": 1.0, "unbiased_variance": True},
        x,
        x[1].mean((0, 1)),
        x[1].var((0, 1), ddof=1),
    ),
):
    x = x.reshape(32, 3)
    with strategy.scope():
        layer = kt.layers.BatchNormalization(**arguments)
        model = keras.Sequential([keras.Input((3,)), layer])
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
    data = tf.data.Dataset.from_tensor_slices((x, x)).batch(16, drop_remainder=True)
    model.fit(data, verbose=0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-4)
"""


@pytest.mark.slow
def test_replicas():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a matter of TensorFlow's strategies")
    run = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
