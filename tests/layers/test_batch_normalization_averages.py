"""How the moving averages move: their rates, the count of batches, files, virtual batches."""

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


# --- The count of batches ------------------------------------------------------------------------


def model_with(layer, size=3):
    return keras.Sequential([keras.Input((size,)), layer])


def count(layer):
    return int(array(layer.batch_counter.generator.state)[1])


@pytest.mark.parametrize("average", AVERAGES)
def test_weights_are_those_of_keras(average):
    layer, theirs = kt.layers.BatchNormalization(average=average), keras.layers.BatchNormalization()
    for one in (layer, theirs):
        one.build((None, 3))
    assert [w.name for w in layer.weights] == [w.name for w in theirs.weights]
    assert len(layer.trainable_variables) == len(theirs.trainable_variables)


@pytest.mark.parametrize("average", ["debiased", "cumulative"])
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_training_goes_on_from_a_file_as_if_there_were_none(average, suffix, tmp_path):
    def new():
        return model_with(kt.layers.BatchNormalization(alpha=0.3, average=average))

    model = new()
    for step in range(3):
        model(batch(step), training=True)
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        again = keras.saving.load_model(path)
    else:
        model.save_weights(path)
        again = new()
        again.load_weights(path)
    assert count(again.layers[0]) == 3
    for one in (model, again):
        one(batch(3), training=True)
    for now, expected in zip(averages(again.layers[0]), averages(model.layers[0]), strict=True):
        np.testing.assert_array_equal(now, expected)


def test_a_file_from_keras_starts_the_count_over(tmp_path):
    theirs = model_with(keras.layers.BatchNormalization())
    theirs(batch(), training=True)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours = model_with(kt.layers.BatchNormalization(average="debiased"))
    ours(batch(1), training=True)
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert count(ours.layers[0]) == 0
    np.testing.assert_allclose(array(ours(batch())), array(theirs(batch())), **FLOAT32)
    ours(batch(2), training=True)
    expected = statistics(ours.layers[0], batch(2))
    np.testing.assert_array_equal(averages(ours.layers[0]), expected)


def test_a_file_goes_to_keras(tmp_path):
    ours = model_with(kt.layers.BatchNormalization(average="cumulative"))
    ours(batch(), training=True)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs = model_with(keras.layers.BatchNormalization())
    theirs.load_weights(tmp_path / "ours.weights.h5")
    for moved, expected in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(moved, expected)


def test_set_weights_leaves_the_count():
    layer = kt.layers.BatchNormalization(average="cumulative")
    for step in range(3):
        layer(batch(step), training=True)
    layer.set_weights(layer.get_weights())
    assert count(layer) == 3


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("jit_compile", [True, False])
def test_fit(average, jit_compile):
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with an inductor that not every machine can run")
    layer = kt.layers.BatchNormalization(alpha=0.25, average=average)
    model = model_with(layer)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse", jit_compile=jit_compile)
    x = batch(shape=(24, 3))
    model.fit(x, x, batch_size=8, epochs=2, shuffle=False, verbose=0)
    twin = kt.layers.BatchNormalization(alpha=0.25, average=average)
    for part in 2 * np.split(x, 3):
        twin(part, training=True)
    for moved, expected in zip(averages(layer), averages(twin), strict=True):
        np.testing.assert_allclose(moved, expected, **FLOAT32)
    if average != "exponential":
        assert count(layer) == 6


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("frozen", [True, False])
def test_inference_counts_nothing(average, frozen):
    layer = kt.layers.BatchNormalization(average=average)
    layer(batch(), training=True)
    layer.trainable = not frozen
    before = [array(v) for v in layer.variables]
    layer(batch(1), training=frozen)
    for variable, expected in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(array(variable), expected)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("virtual", [None, 2])
@pytest.mark.parametrize("how", ["empty", "masked"])
def test_a_batch_without_entries_leaves_no_trace(average, virtual, how):
    layer = kt.layers.BatchNormalization(average=average, virtual_batch_size=virtual)
    layer(batch(shape=(4, 5, 3)), training=True)
    before = [array(v) for v in layer.variables]
    if how == "empty":
        y = layer(np.zeros((0, 5, 3), "float32"), training=True)
        assert tuple(y.shape) == (0, 5, 3)
    else:
        y = layer(batch(shape=(4, 5, 3)), training=True, mask=np.zeros((4, 5), bool))
        assert np.isfinite(array(y)).all()
    for variable, expected in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(array(variable), expected)


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


# --- Virtual batches -----------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("unbiased", [False, True])
def test_virtual_batches_are_layers_of_their_own(axis, masked, unbiased):
    x = batch(shape=(6, 4, 3))
    mask = np.random.default_rng(1).random((6, 4)) < 0.7 if masked else None
    layer = kt.layers.BatchNormalization(
        axis, alpha=0.25, virtual_batch_size=2, unbiased_variance=unbiased
    )
    y = array(layer(x, training=True, mask=mask))
    parts = []
    for start in (0, 2, 4):
        alone = kt.layers.BatchNormalization(axis, alpha=1.0, unbiased_variance=unbiased)
        part = slice(start, start + 2)
        part_mask = mask if mask is None else mask[part]
        np.testing.assert_allclose(
            y[part], array(alone(x[part], training=True, mask=part_mask)), **FLOAT32
        )
        parts.append(averages(alone))
    mean, variance = np.mean(parts, 0)
    np.testing.assert_allclose(averages(layer)[0], 0.25 * mean, **FLOAT32)
    np.testing.assert_allclose(averages(layer)[1], 0.75 + 0.25 * variance, **FLOAT32)


def test_groups_without_entries_do_not_count():
    x = batch(shape=(4, 5, 3))
    mask = np.ones((4, 5), bool)
    mask[:2] = False
    layer = kt.layers.BatchNormalization(alpha=1.0, virtual_batch_size=2)
    layer(x, training=True, mask=mask)
    np.testing.assert_allclose(averages(layer)[0], x[2:].mean((0, 1)), **FLOAT32)


def test_one_virtual_batch_is_the_batch():
    x = batch(shape=(4, 5, 3))
    layer, plain = (
        kt.layers.BatchNormalization(virtual_batch_size=size, average="debiased")
        for size in (4, None)
    )
    np.testing.assert_allclose(
        array(layer(x, training=True)), array(plain(x, training=True)), **FLOAT32
    )
    np.testing.assert_allclose(averages(layer), averages(plain), **FLOAT32)


def test_inference_divides_by_the_variance_of_training():
    # Between the groups lies a difference that no group's variance holds.
    x = batch(shape=(8, 3))
    x[4:] += 100.0
    layer = kt.layers.BatchNormalization(alpha=1.0, virtual_batch_size=4)
    layer(x, training=True)
    inside = (x[:4].var(0) + x[4:].var(0)) / 2
    np.testing.assert_allclose(averages(layer)[1], inside, rtol=1e-4)


@pytest.mark.parametrize("samples", [7, 1])
def test_a_batch_that_is_no_multiple_is_refused(samples):
    layer = kt.layers.BatchNormalization(virtual_batch_size=2)
    with pytest.raises(ValueError, match=rf"multiple of virtual_batch_size=2.*batch of {samples}"):
        layer(batch(shape=(samples, 3)), training=True)
    layer(batch(shape=(samples, 3)), training=False)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_batch_of_unknown_size_is_refused_when_it_runs(jit_compile):
    model = model_with(kt.layers.BatchNormalization(virtual_batch_size=4))
    model.compile(optimizer="sgd", loss="mse", jit_compile=jit_compile)
    if jit_compile and keras.backend.backend() == "torch":
        pytest.skip("torch compiles with an inductor that not every machine can run")
    x = batch(shape=(16, 3))
    model.fit(x, x, batch_size=8, verbose=0)
    # XLA leaves assertions out; TensorFlow then complains of the shape that the groups lack.
    lost = jit_compile and keras.backend.backend() == "tensorflow"
    with pytest.raises(Exception, match="[Rr]eshape" if lost else "virtual_batch_size=4"):
        model.fit(x, x, batch_size=10, verbose=0)


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


# --- Refusals and converters ---------------------------------------------------------------------


def test_converters():
    make = kt.layers.BatchNormalization
    assert make.from_keras_momentum(0.9, axis=1).alpha == 0.1
    assert make.from_torch_momentum(0.1, axis=1).alpha == 0.1
    assert make.from_torch_momentum(0.1, axis=1).axis == 1
    assert make.from_torch_momentum(0.1).average == "exponential"
    assert make.from_torch_momentum(None).average == "cumulative"
    with pytest.raises(ValueError, match="alpha"):
        make.from_torch_momentum(0)
    with pytest.raises(ValueError, match="momentum"):
        make.from_keras_momentum(1)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_equals_torch_in_its_convention(momentum):
    torch = pytest.importorskip("torch")
    ours = kt.layers.BatchNormalization.from_torch_momentum(
        momentum, axis=1, epsilon=1e-5, unbiased_variance=True
    )
    theirs = torch.nn.BatchNorm2d(3, momentum=momentum, device="cpu")
    for step in range(3):
        x = batch(step, (4, 3, 2, 2))
        y = theirs(torch.tensor(x, device="cpu")).detach().numpy()
        np.testing.assert_allclose(array(ours(x, training=True)), y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(averages(ours)[0], theirs.running_mean.numpy(), **FLOAT32)
    np.testing.assert_allclose(averages(ours)[1], theirs.running_var.numpy(), **FLOAT32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"average": "mean"}, r"`average` must be.*Received: average='mean'"),
        ({"virtual_batch_size": 0}, r"must be a positive integer.*virtual_batch_size=0"),
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kt.layers.BatchNormalization(**arguments)


@pytest.mark.parametrize("size", [2.0, True, "2"])
def test_a_size_is_an_integer(size):
    with pytest.raises(TypeError, match=r"`virtual_batch_size` must be a positive integer.*type"):
        kt.layers.BatchNormalization(virtual_batch_size=size)


@pytest.mark.parametrize(
    "argument", [{"average": "debiased"}, {"unbiased_variance": True}, {"virtual_batch_size": 2}]
)
def test_renorm_excludes_them(argument):
    if "renorm" not in keras.layers.BatchNormalization().get_config():
        pytest.skip("this Keras has no renorm")
    name = next(iter(argument))
    with pytest.raises(ValueError, match=rf"renorm=True.*Received: {name}="):
        kt.layers.BatchNormalization(renorm=True, **argument)


def test_synchronized_excludes_virtual_batches():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow synchronizes")
    with pytest.raises(ValueError, match=r"synchronized=True.*virtual_batch_size=2"):
        kt.layers.BatchNormalization(synchronized=True, virtual_batch_size=2)


@pytest.mark.parametrize("average", AVERAGES)
def test_config(average):
    layer = kt.layers.BatchNormalization(
        average=average, alpha=0.3, unbiased_variance=True, virtual_batch_size=8
    )
    again = kt.layers.BatchNormalization.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.average, again.unbiased_variance, again.virtual_batch_size) == (average, True, 8)
