import importlib

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerastricks as kt
from kerastricks.surgery import recalibrate_batch_norm

RANDOM = np.random.default_rng(0)
VECTORS = (3 + 2 * RANDOM.normal(size=(60, 5))).astype("float32")
IMAGES = (RANDOM.normal(size=(12, 4, 6, 3)) * [1, 2, 3] + [0, 5, -5]).astype("float32")
KINDS = [layers.BatchNormalization, kt.layers.BatchNormalization]
SINGLE = {"rtol": 1e-5, "atol": 1e-5}  # sums of some hundred numbers of size 10


def array(value):
    return np.array(ops.convert_to_numpy(value))


def statistics(layer):
    return array(layer.moving_mean), array(layer.moving_variance)


def assert_statistics(layer, x, axes=0):
    x = np.asarray(x, dtype=float)
    mean, variance = statistics(layer)
    np.testing.assert_allclose(mean, x.mean(axes), **SINGLE)
    np.testing.assert_allclose(variance, x.var(axes), **SINGLE)


@pytest.mark.parametrize(
    ("kind", "x", "axis", "axes"),
    [
        (KINDS[0], VECTORS, -1, 0),
        (KINDS[1], VECTORS, -1, 0),
        (KINDS[0], IMAGES, -1, (0, 1, 2)),
        (KINDS[1], IMAGES, 1, (0, 2, 3)),
        (KINDS[0], IMAGES, -2, (0, 1, 3)),
    ],
)
def test_one_batch_gives_its_own_statistics(kind, x, axis, axes, untouched):
    layer = kind(axis)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    momentum = layer.momentum
    with untouched(model, but=[layer.moving_mean, layer.moving_variance]):
        assert recalibrate_batch_norm(model, x, batch_size=100, verbose=0) is model
    assert layer.momentum == momentum
    assert_statistics(layer, x, axes)


@pytest.mark.parametrize("sizes", [(1, 59), (7, 20, 33)])
def test_batches_of_any_sizes_give_the_statistics_of_all_samples(sizes):
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5,)), layer, layers.Dense(2)])
    batches = np.split(VECTORS, np.cumsum(sizes)[:-1])
    recalibrate_batch_norm(model, ((batch,) for batch in batches), verbose=0)
    assert_statistics(layer, VECTORS)


def test_a_large_mean_cancels_nothing():
    x = (1e4 + RANDOM.normal(size=(400, 3))).astype("float32")
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((3,)), layer])
    recalibrate_batch_norm(model, x, verbose=0)
    mean, variance = statistics(layer)
    exact = x.astype(float)
    # Batch means near 1e4 are off by up to 1e4 * 2^-24 * log2(32), which enters squared and, as
    # half an ulp of x, linearly; E[x^2] - E[x]^2 would be off by 1e8 * 2^-24 = 6.
    np.testing.assert_allclose(mean, exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, exact.var(0), rtol=1e-3)


def test_deeper_layers_see_what_they_see_in_training():
    first, second = layers.BatchNormalization(epsilon=0.0), layers.BatchNormalization()
    dense = layers.Dense(4, "relu")
    model = keras.Sequential([keras.Input((5,)), first, dense, second])
    recalibrate_batch_norm(model, VECTORS, batch_size=20, verbose=0)
    batches = np.split(VECTORS.astype(float), 3)
    normal = np.concatenate([(batch - batch.mean(0)) / batch.std(0) for batch in batches])
    assert_statistics(first, VECTORS)
    assert_statistics(second, np.maximum(normal @ array(dense.kernel) + array(dense.bias), 0))


def sequential(kind):
    parts = [layers.Dense(8), kind(), layers.ReLU(), layers.Dense(8), kind(), layers.Dense(2)]
    return keras.Sequential([keras.Input((5,)), *parts])


def functional(kind):
    inputs = keras.Input((5,))
    nested = keras.Sequential([layers.Dense(5), kind()])
    x = layers.Add()([nested(inputs), inputs])
    return keras.Model(inputs, [kind()(x), layers.Dense(2)(x)])


def subclassed(kind):
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Dense(5), kind()]

        def call(self, x):
            y = x
            for part in self.parts:
                y = part(y)
            return x + y

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = {"a": Block(), "b": Block()}

        def call(self, x, training=None):
            return self.blocks["b"](self.blocks["a"](x), training=training)

    model = Model()
    model(VECTORS)
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [sequential, functional, subclassed])
def test_inference_equals_training_on_the_batch_it_was_calibrated_on(make, kind):
    model = make(kind)
    model.compile("sgd", "mse")
    recalibrate_batch_norm(model, VECTORS, batch_size=60, verbose=0)
    inference = keras.tree.map_structure(array, model(VECTORS, training=False))
    training = keras.tree.map_structure(array, model(VECTORS, training=True))
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), inference, training
    )


@pytest.mark.compiling
@pytest.mark.parametrize(
    "how", [{"run_eagerly": True}, {"jit_compile": keras.backend.backend() != "torch"}], ids=str
)
def test_a_compiled_model_keeps_its_state_and_trains_on(how, untouched):
    model = sequential(layers.BatchNormalization)
    model.compile("adam", "mse", **how)
    model.fit(VECTORS, VECTORS[:, :2], epochs=1, verbose=0)
    before = model.predict(VECTORS, verbose=0)
    moving = [v for v in model.non_trainable_variables if "moving" in v.name]
    with untouched(model, but=moving):
        recalibrate_batch_norm(model, VECTORS, verbose=0)
    # The function that was compiled before reads the new statistics.
    after = model.predict(VECTORS, verbose=0)
    assert (after != before).any()
    np.testing.assert_allclose(after, array(model(VECTORS, training=False)), atol=1e-5)
    model.fit(VECTORS, VECTORS[:, :2], epochs=1, verbose=0)


def test_dropout_in_front_is_off_and_draws_nothing(untouched):
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5,)), layers.Dropout(0.5), layer])
    with untouched(model, but=[layer.moving_mean, layer.moving_variance]):
        recalibrate_batch_norm(model, VECTORS, verbose=0)
    assert_statistics(layer, VECTORS)


def test_masked_entries_do_not_count():
    x = RANDOM.normal(size=(40, 7, 3)).astype("float32")
    x[RANDOM.random((40, 7)) < 0.4] = 0
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((7, 3)), layers.Masking(), layer])
    # The first batch is masked altogether.
    data = np.concatenate([np.zeros_like(x[:10]), x])
    recalibrate_batch_norm(model, data, batch_size=10, verbose=0)
    assert_statistics(layer, x[x.any(-1)])


def test_a_shared_layer_gets_the_statistics_of_all_its_inputs():
    layer, a, b = layers.BatchNormalization(), keras.Input((5,)), keras.Input((5,))
    model = keras.Model([a, b], [layer(a), layer(b)])
    recalibrate_batch_norm(model, [VECTORS, 10 - 3 * VECTORS], verbose=0)
    assert_statistics(layer, np.concatenate([VECTORS, 10 - 3 * VECTORS]))


def test_statistics_spoilt_by_infinity_are_mended():
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5,)), layer])
    layer.moving_variance.assign(np.full(5, np.inf))
    recalibrate_batch_norm(model, VECTORS, verbose=0)
    assert_statistics(layer, VECTORS)


def test_mixed_precision():
    layer = layers.BatchNormalization(dtype="mixed_float16")
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, dtype="mixed_float16"), layer])
    recalibrate_batch_norm(model, VECTORS, verbose=0)
    dense = model.layers[0]
    z = VECTORS.astype(float) @ array(dense.kernel) + array(dense.bias)
    mean, variance = statistics(layer)
    # Inputs, kernel and output are rounded to 2^-11 of themselves.
    np.testing.assert_allclose(mean, z.mean(0), atol=3 * 2**-11 * np.abs(z).max())
    np.testing.assert_allclose(variance, z.var(0), rtol=0.02)


def pairs():
    return ((VECTORS[i : i + 20], np.zeros(20)) for i in (0, 20, 40))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return VECTORS[20 * index : 20 * index + 20], np.zeros(20), np.ones(20)


def tf_data():
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.data.Dataset.from_tensor_slices((VECTORS, np.zeros(60))).batch(20)


def data_loader():
    data = pytest.importorskip("torch.utils.data")
    tensors = [importlib.import_module("torch").tensor(x) for x in (VECTORS, np.zeros(60))]
    return data.DataLoader(data.TensorDataset(*tensors), batch_size=20)


@pytest.mark.parametrize(
    "dataset", [lambda: VECTORS, pairs, Batches, tf_data, data_loader], ids=lambda d: d.__name__
)
def test_whatever_predict_takes(dataset):
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5,)), layer])
    recalibrate_batch_norm(model, dataset(), verbose=0)
    assert_statistics(layer, VECTORS)


def test_dict_inputs():
    layer, x = layers.BatchNormalization(), keras.Input((5,), name="x")
    model = keras.Model({"x": x}, {"y": layer(x)})
    recalibrate_batch_norm(model, {"x": VECTORS}, verbose=0)
    assert_statistics(layer, VECTORS)


def test_steps_caps_an_endless_generator():
    layer = layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5,)), layer])

    def endless():
        i = 0
        while True:
            yield (VECTORS[20 * (i % 3) : 20 * (i % 3) + 20],)
            i += 1

    recalibrate_batch_norm(model, endless(), steps=2, verbose=0)
    assert_statistics(layer, VECTORS[:40])


def test_frozen_layers_keep_their_statistics(untouched):
    frozen, free = layers.BatchNormalization(trainable=False), layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5,)), frozen, free])
    with untouched(model, but=[free.moving_mean, free.moving_variance]):
        recalibrate_batch_norm(model, VECTORS, verbose=0)
    assert_statistics(free, VECTORS / np.sqrt(1 + frozen.epsilon))
