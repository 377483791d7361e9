"""What the random initializers share beyond the laws of all, which are in tests/conformance."""

import json
import math
from functools import partial

import keras
import numpy as np
import pytest

import kerastricks as kt

SHAPE = (60, 50)


def array(value):
    return keras.ops.convert_to_numpy(value)


def differ(one, other):
    """Whether two draws are different ones: a few values may coincide, as floats are countable."""
    return np.mean(one != other) > 0.9


def first_draw(initializer, shape=SHAPE):
    return array(initializer(shape, dtype="float32"))


# --- Distributions and scales --------------------------------------------------------------------


def test_uniform_and_truncated_normal_are_bounded_and_normal_is_not():
    stddev = math.sqrt(2 / sum(SHAPE))
    assert np.abs(first_draw(kt.initializers.Xavier("uniform", 0))).max() <= math.sqrt(3) * stddev
    cut = 2 * stddev / kt.theory.TRUNCATED_NORMAL_STDDEV
    drawn = np.abs(first_draw(kt.initializers.Xavier("truncated_normal", 0))).max()
    assert 0.95 * cut < drawn <= cut * (1 + 1e-6)
    assert np.abs(first_draw(kt.initializers.Xavier("normal", 0))).max() > 1.2 * cut


def test_he_shrinks_with_the_slope():
    relu, leaky = (first_draw(kt.initializers.He(slope, seed=4)) for slope in (0.0, 0.3))
    np.testing.assert_allclose(leaky, relu / math.sqrt(1 + 0.3**2), rtol=1e-5)


def test_he_keeps_the_signal_through_thirty_rectified_layers():
    # The mean over 64 samples of the squared activations stays near that of the input, where
    # Xavier's halves in each layer, to 2^-30.
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 256)).astype("float32")
    scales = {}
    for initializer in (kt.initializers.He(seed=0), kt.initializers.Xavier(seed=0)):
        signal = x
        for _ in range(30):
            signal = np.maximum(signal @ first_draw(initializer, (256, 256)), 0)
        scales[type(initializer)] = np.mean(signal**2) / np.mean(x**2)
    # Per layer the squared norm of one sample varies by 5 / width; correlated over samples.
    spread = 5 * math.sqrt(30 * 5 / 256)
    assert abs(math.log(2 * scales[kt.initializers.He])) < spread
    assert scales[kt.initializers.Xavier] < 2.0**-20


# --- Draws ---------------------------------------------------------------------------------------


def test_neighboring_seeds_share_no_draw():
    draws = []
    for seed in (0, 1, 2):
        initializer = kt.initializers.He(seed=seed)
        draws += [first_draw(initializer) for _ in range(3)]
    for i, one in enumerate(draws):
        for other in draws[:i]:
            correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
            assert abs(correlation) < 5 / math.sqrt(one.size)


@pytest.mark.parametrize("seed", [-1, 0, 2**31 - 1, 2**31, 2**32, 2**40])
def test_any_integer_is_a_seed(seed):
    initializer = kt.initializers.ScaledNormal(seed=seed)
    one, two = first_draw(initializer), first_draw(initializer)
    assert differ(one, two)
    np.testing.assert_array_equal(one, first_draw(kt.initializers.ScaledNormal(seed=seed)))
    assert differ(one, first_draw(kt.initializers.ScaledNormal(seed=1)))


@pytest.mark.parametrize("convert", [np.int64, np.uint8, np.asarray])
def test_integers_of_every_type_are_seeds(convert):
    initializer = kt.initializers.ScaledNormal(seed=convert(3))
    assert type(initializer.seed) is int
    assert json.loads(json.dumps(initializer.get_config()))["seed"] == 3
    np.testing.assert_array_equal(
        first_draw(initializer), first_draw(kt.initializers.ScaledNormal(seed=3))
    )


def shared_initializer_model(initializer):
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(8, kernel_initializer=initializer),
            keras.layers.Dense(8, kernel_initializer=initializer),
        ]
    )


def kernels_of(model):
    return [array(layer.kernel.value) for layer in model.layers]


def test_a_model_with_a_shared_instance():
    first, second = kernels_of(shared_initializer_model(kt.initializers.He(seed=3)))
    assert differ(first, second)
    again = kernels_of(shared_initializer_model(kt.initializers.He(seed=3)))
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])


class Deferred(keras.Model):
    """A model that makes its weights while Keras traces its call: on JAX in a stateless scope."""

    def __init__(self, initializer):
        super().__init__()
        self.hidden = keras.layers.Dense(8, kernel_initializer=initializer)
        self.inner = keras.Sequential([keras.layers.Dense(8, kernel_initializer=initializer)])

    def call(self, inputs):
        return self.inner(self.hidden(inputs))


@pytest.mark.parametrize("jit_compile", [False, "auto"])
def test_a_deferred_model_with_a_shared_instance(jit_compile):
    def kernels():
        model = Deferred(kt.initializers.He(seed=3))
        model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse", jit_compile=jit_compile)
        x = np.ones((4, 8), "float32")
        model.fit(x, x, verbose=0)
        return [array(w.value) for w in model.trainable_weights if w.name == "kernel"]

    first, second = kernels()
    assert first.shape == second.shape == (8, 8)
    assert differ(first, second)
    assert np.isfinite([first, second]).all()
    again = kernels()
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])


def test_clone_model_starts_over():
    initializer = kt.initializers.He(seed=3)
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(8, kernel_initializer=initializer)]
    )
    clone = keras.models.clone_model(model)
    np.testing.assert_array_equal(clone.get_weights()[0], model.get_weights()[0])


def test_clone_model_gives_copies_of_a_shared_instance():
    # What the documentation of `seed` warns of: Keras hands initializers no sign of being copies.
    model = shared_initializer_model(kt.initializers.He(seed=3))
    np.testing.assert_array_equal(*kernels_of(keras.models.clone_model(model)))
    model = shared_initializer_model(kt.initializers.He())
    assert differ(*kernels_of(keras.models.clone_model(model)))


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [kt.initializers.Xavier, kt.initializers.He, kt.initializers.LeCun]
)
def test_distribution_must_be_known(make):
    with pytest.raises(ValueError, match=r'"normal", "uniform".*Received: distribution=\'gauss\''):
        make(distribution="gauss")


@pytest.mark.parametrize(
    "seed", [1.5, "1", True, np.float32(1), np.True_, np.array([1, 2]), {"seed": 1}]
)
def test_seed_must_be_an_integer(seed):
    with pytest.raises(
        TypeError, match=r"`seed` must be an integer or None. Received: seed=(.|\n)*not needed"
    ):
        kt.initializers.Xavier(seed=seed)


@pytest.mark.parametrize("slope", [math.nan, math.inf])
def test_slope_must_be_finite(slope):
    with pytest.raises(ValueError, match=r"`negative_slope` must be a number"):
        kt.initializers.He(slope)


@pytest.mark.parametrize("stddev", [0, -0.03, math.nan, math.inf])
def test_stddev_must_be_positive(stddev):
    with pytest.raises(ValueError, match=r"`stddev` must be a number above 0.*Zeros"):
        kt.initializers.ScaledNormal(stddev)


def test_numbers_must_be_numbers():
    with pytest.raises(TypeError, match=r"`stddev` must be a number.*of type str"):
        kt.initializers.ScaledNormal("0.03")
    with pytest.raises(TypeError, match=r"`negative_slope` must be a number.*of type NoneType"):
        kt.initializers.He(None)


every_kernel = pytest.mark.parametrize(
    "make",
    [
        kt.initializers.Xavier,
        kt.initializers.He,
        kt.initializers.LeCun,
        kt.initializers.Orthogonal,
        kt.initializers.RandomizedAsymmetric,
        partial(kt.initializers.ForActivation, "relu"),
    ],
    ids=["Xavier", "He", "LeCun", "Orthogonal", "RandomizedAsymmetric", "ForActivation"],
)


@every_kernel
def test_kernel_must_be_known(make):
    with pytest.raises(ValueError, match=r'`kernel` must be "convolution".*Received: kernel=\'x\''):
        make(kernel="x")
    with pytest.raises(TypeError, match=r"`kernel` must be .*Received: kernel=3 \(of type int"):
        make(kernel=3)


@every_kernel
def test_shape_must_fit_the_kernel(make):
    with pytest.raises(ValueError, match=r"`shape` must have 3 axes, 'cde'"):
        make(kernel="abc,cde->abde")((4, 4))


def test_groups_are_checked_when_made():
    with pytest.raises(ValueError, match=r"`groups` must be a whole number above 0"):
        kt.initializers.Xavier(groups=0)
    with pytest.raises(ValueError, match=r"`groups` may exceed 1 only"):
        kt.initializers.Xavier(kernel="depthwise", groups=2)
