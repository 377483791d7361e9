import keras
import numpy as np
import pytest
from keras import layers, ops

from kerastricks.surgery import lsuv

TOLERANCE = 0.02
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(128, 12)).astype("float32")
IMAGES = RANDOM.normal(size=(16, 8, 8, 4)).astype("float32")
SEQUENCES = RANDOM.normal(size=(32, 10, 6)).astype("float32")


class Spy:
    """An activation that measures what comes into it."""

    def __init__(self, activation=keras.activations.relu):
        self.activation = activation
        self.variances = []

    def __call__(self, z):
        if not keras.utils.is_keras_tensor(z):
            self.variances.append(array(ops.cast(z, "float32")).astype(float).var())
        return self.activation(z)

    def assert_unit_on(self, model, batch, calls):
        self.variances.clear()
        model(batch, training=False)
        assert len(self.variances) == calls
        # lsuv measures in single precision, this in double.
        np.testing.assert_allclose(self.variances, 1, atol=TOLERANCE + 1e-4)


def array(value):
    return np.array(ops.convert_to_numpy(value))


@pytest.mark.parametrize("orthonormal", [True, False])
@pytest.mark.parametrize(
    ("make", "batch"),
    [
        (lambda a: layers.Dense(7, a), VECTORS),
        (lambda a: layers.EinsumDense("abc,cde->abde", (None, 3, 5), activation=a), SEQUENCES),
        (lambda a: layers.Conv1D(5, 3, activation=a), SEQUENCES),
        (lambda a: layers.Conv2D(6, 3, strides=2, groups=2, activation=a), IMAGES),
        (lambda a: layers.Conv2DTranspose(5, 3, strides=2, activation=a), IMAGES),
        (lambda a: layers.DepthwiseConv2D(3, depth_multiplier=2, activation=a), IMAGES),
        (lambda a: layers.SeparableConv2D(5, 3, activation=a), IMAGES),
    ],
    ids=["dense", "einsum", "conv1d", "grouped", "transposed", "depthwise", "separable"],
)
def test_every_kind_of_kernel_gives_unit_variance(make, batch, orthonormal):
    spy = Spy()
    model = keras.Sequential([make(spy)])
    lsuv(model, 5 * batch, orthonormal=orthonormal, verbose=0)
    spy.assert_unit_on(model, 5 * batch, calls=1)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "softplus"])
def test_a_deep_stack_has_unit_variance_in_every_layer(activation):
    spy = Spy(keras.activations.get(activation))
    model = keras.Sequential([layers.Dense(32, spy) for _ in range(20)])
    assert lsuv(model, VECTORS, verbose=0) is model
    spy.assert_unit_on(model, VECTORS, calls=20)


def functional(spy):
    inputs = {"a": keras.Input((12,), name="a"), "b": keras.Input((12,), name="b")}
    nested = keras.Sequential([layers.Dense(12, spy), layers.Dropout(0.5), layers.Dense(12, spy)])
    x = nested(inputs["a"])
    x = layers.Add()([x, layers.Dense(12, spy)(inputs["b"])])
    return keras.Model(inputs, layers.Dense(3, spy)(x)), {"a": VECTORS, "b": 3 * VECTORS}


def subclassed(spy):
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = {"inner": [layers.Dense(9, spy), layers.Dense(12, spy)]}

        def call(self, x):
            first, second = self.parts["inner"]
            return x + second(first(x))

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [Block(), Block()]

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    return Model(), VECTORS


@pytest.mark.parametrize("make", [functional, subclassed])
def test_any_topology_built_or_not(make):
    spy = Spy()
    model, batch = make(spy)
    lsuv(model, batch, verbose=0)
    spy.assert_unit_on(model, batch, calls=4)


def test_attention_has_its_projections_scaled():
    inputs = keras.Input((10, 6))
    attention = layers.MultiHeadAttention(2, 4)
    model = keras.Model(inputs, attention(inputs, inputs))
    lsuv(model, SEQUENCES, verbose=0)
    np.testing.assert_allclose(array(model(SEQUENCES)).var(), 1, atol=TOLERANCE)


def test_a_shared_layer_is_scaled_at_its_first_call():
    shared, a, b = layers.Dense(8), keras.Input((12,)), keras.Input((12,))
    model = keras.Model([a, b], [shared(a), shared(b)])
    lsuv(model, [VECTORS, 2 * VECTORS], verbose=0)
    first, second = (array(y).var() for y in model([VECTORS, 2 * VECTORS]))
    assert min(abs(first - 1), abs(second - 1)) < TOLERANCE
    np.testing.assert_allclose(second / first, 4, rtol=1e-4)


def test_an_activation_that_is_a_layer_is_passed_by_and_stays():
    leaky = layers.LeakyReLU(0.1)
    model = keras.Sequential([layers.Dense(8, activation=leaky), layers.Dense(8)])
    lsuv(model, VECTORS, verbose=0)
    dense = model.layers[0]
    z = VECTORS @ array(dense.kernel)
    np.testing.assert_allclose(z.var(), 1, atol=TOLERANCE)
    np.testing.assert_allclose(array(dense(VECTORS)), np.where(z < 0, 0.1 * z, z), atol=1e-5)


def test_batch_normalization_acts_as_in_the_first_training_step(untouched):
    spy = Spy()
    model = keras.Sequential(
        [keras.Input((12,)), layers.BatchNormalization(), layers.Dense(8, spy)]
    )
    with untouched(model, but=[model.layers[1].kernel]):
        lsuv(model, 100 + 10 * VECTORS, verbose=0)
    spy.variances.clear()
    model(100 + 10 * VECTORS, training=True)
    np.testing.assert_allclose(spy.variances, 1, atol=TOLERANCE + 1e-4)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(dtype):
    spy = Spy()
    model = keras.Sequential([layers.Dense(32, spy, dtype=dtype) for _ in range(4)])
    lsuv(model, VECTORS, verbose=0)
    spy.assert_unit_on(model, VECTORS, calls=4)
    kernel = array(model.layers[0].kernel)
    assert (kernel != kernel.astype("float16")).any()  # kept in single precision


def test_without_orthonormal_a_kernel_keeps_its_direction():
    model = keras.Sequential([keras.Input((12,)), layers.Dense(8)])
    before = array(model.layers[0].kernel)
    lsuv(model, VECTORS, orthonormal=False, verbose=0)
    ratio = array(model.layers[0].kernel) / before
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-5)
    assert ratio.mean() > 0


def test_zeros_are_kept_only_without_orthonormal():
    model = keras.Sequential([layers.Dense(8), layers.Dense(8, kernel_initializer="zeros")])
    lsuv(model, VECTORS, orthonormal=False, verbose=0)
    assert not array(model.layers[1].kernel).any()
    lsuv(model, VECTORS, verbose=0)
    np.testing.assert_allclose(array(model(VECTORS)).var(), 1, atol=TOLERANCE)


def test_seed():
    model = keras.Sequential([layers.Dense(8), layers.Dense(8)])
    kernels = [array(lsuv(model, VECTORS, seed=s, verbose=0).layers[1].kernel) for s in (3, 3, 4)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()


def test_a_bias_counts():
    bias = keras.initializers.RandomNormal(stddev=0.5, seed=0)
    model = keras.Sequential([layers.Dense(50, bias_initializer=bias)])
    lsuv(model, VECTORS, verbose=0)
    np.testing.assert_allclose(array(model(VECTORS)).var(), 1, atol=TOLERANCE)


@pytest.mark.compiling
def test_nothing_but_kernels_changes_in_a_compiled_model(untouched):
    kernels = [layers.Dense(12, "relu"), layers.Dense(3)]
    frozen = layers.Dense(12, trainable=False)
    model = keras.Sequential(
        [keras.Input((12,)), kernels[0], layers.Dropout(0.5), frozen, kernels[1]]
    )
    model.compile("adam", "mse")
    model.fit(VECTORS, VECTORS[:, :3], epochs=1, verbose=0)
    model.predict(VECTORS, verbose=0)
    optimizer = model.optimizer
    with untouched(model, but=[layer.kernel for layer in kernels]):
        lsuv(model, VECTORS, verbose=0)
    assert model.optimizer is optimizer
    # The compiled function computes with the new kernels.
    hidden = np.maximum(VECTORS @ array(kernels[0].kernel) + array(kernels[0].bias), 0)
    hidden = hidden @ array(frozen.kernel) + array(frozen.bias)
    expected = hidden @ array(kernels[1].kernel) + array(kernels[1].bias)
    np.testing.assert_allclose(model.predict(VECTORS, verbose=0), expected, atol=1e-4)
    model.fit(VECTORS, VECTORS[:, :3], epochs=1, verbose=0)


def test_recurrent_layers_and_wrappers_are_left_alone(untouched):
    model = keras.Sequential(
        [
            keras.Input((10, 6)),
            layers.TimeDistributed(layers.Dense(6)),
            layers.Bidirectional(layers.GRU(4)),
            layers.Dense(3),
        ]
    )
    with untouched(model, but=[model.layers[-1].kernel]):
        lsuv(model, SEQUENCES, verbose=0)
    np.testing.assert_allclose(array(model(SEQUENCES)).var(), 1, atol=TOLERANCE)


@pytest.mark.filterwarnings("ignore:`build..` was called on layer:UserWarning")  # of such a model
def test_what_never_runs_is_left_alone():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.ran, self.unbuilt = layers.Dense(8), layers.Dense(8)

        def call(self, x):
            return self.ran(x)

    model = lsuv(Model(), VECTORS, verbose=0)
    np.testing.assert_allclose(array(model(VECTORS)).var(), 1, atol=TOLERANCE)
    assert not model.unbuilt.built


def test_a_spoilt_kernel_is_replaced():
    model = keras.Sequential([keras.Input((12,)), layers.Dense(8)])
    model.layers[0].kernel.assign(np.full((12, 8), np.nan))
    lsuv(model, VECTORS, verbose=0)
    np.testing.assert_allclose(array(model(VECTORS)).var(), 1, atol=TOLERANCE)


def test_infinity_that_a_softmax_takes_away_is_no_harm():
    inputs = keras.Input((12,))
    scores = layers.Dense(8)(inputs)
    masked = ops.where(ops.arange(8) < 5, scores, -np.inf)
    model = keras.Model(inputs, layers.Dense(3, name="last")(layers.Softmax()(masked)))
    lsuv(model, VECTORS, verbose=0)
    np.testing.assert_allclose(array(model(VECTORS)).var(), 1, atol=TOLERANCE)


def test_it_says_what_it_does(capsys):
    model = keras.Sequential([keras.Input((12,)), layers.Dense(8, name="one"), layers.Dense(8)])
    model.layers[0].kernel.assign(2 * array(model.layers[0].kernel))
    variance = array(model.layers[0](VECTORS)).var()
    lsuv(model, VECTORS, orthonormal=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("lsuv: ")
    assert lines[0].endswith(f"one: variance {variance:.4g} -> 1")
    lsuv(model, VECTORS, verbose=0)
    assert capsys.readouterr().out == ""
