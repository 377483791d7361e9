import math

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerastricks as kt
from kerastricks.surgery import predict_with_uncertainty

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(6, 20)).astype("float32")
WEIGHTS = RANDOM.normal(size=(20, 3)).astype("float32")


def array(value):
    return np.array(ops.convert_to_numpy(value))


def model_of(*parts, shape=(20,)):
    return keras.Sequential([keras.Input(shape), *parts])


def linear():
    dense = layers.Dense(3)
    model = model_of(layers.Dropout(0.3), dense)
    dense.set_weights([WEIGHTS, np.arange(3.0)])
    return model


def ask(model, x=X, passes=20, **arguments):
    return predict_with_uncertainty(model, x, passes, **{"verbose": 0, "seed": 1, **arguments})


@pytest.mark.parametrize("batch_size", [1, 4096])
def test_dropout_before_a_linear_layer_has_the_moments_of_its_sum(batch_size):
    passes, rate = 3000, 0.3
    result = ask(linear(), passes=passes, batch_size=batch_size)
    x, weights = X.astype(float), WEIGHTS.astype(float)
    variance = rate / (1 - rate) * (x**2 @ weights**2)
    error = np.sqrt(variance / passes)
    assert (np.abs(result.mean - (x @ weights + np.arange(3))) < 5 * error).all()
    # Of a near normal sum: Var(s^2) = 2 sigma^4 / passes, so s is off by sigma / sqrt(2 passes).
    # An excess kurtosis of a Bernoulli sum, at most 1 / rate here, is covered by the factor.
    tolerance = 7 / math.sqrt(2 * passes)
    np.testing.assert_allclose(result.standard_deviation, np.sqrt(variance), rtol=tolerance)
    assert result.entropy is None
    assert result.mutual_information is None


def test_without_drops_the_passes_agree():
    model = model_of(layers.Dropout(0.0), layers.Dense(4, "softmax"))
    result = ask(model)
    np.testing.assert_allclose(result.mean, model.predict(X, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(result.standard_deviation, 0, atol=1e-6)
    np.testing.assert_allclose(result.mutual_information, 0, atol=1e-6)


def test_entropy_is_that_of_the_mean_and_splits_in_two():
    result = ask(model_of(layers.Dropout(0.5), layers.Dense(4, "softmax")))
    p = result.mean.astype(float)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(result.entropy, -(p * np.log(p)).sum(-1), rtol=1e-5)
    assert result.entropy.shape == result.mutual_information.shape == (6,)
    assert (result.mutual_information > 0).all()
    assert (result.mutual_information < result.entropy).all()


def test_passes_that_are_sure_and_disagree_are_all_mutual_information():
    # One input, dropped or doubled: the classes swap with it, and each pass is certain.
    dense = layers.Dense(2, "softmax")
    model = model_of(layers.Dropout(0.5), dense, shape=(1,))
    dense.set_weights([np.array([[200.0, -200.0]]), np.array([-100.0, 100.0])])
    result = ask(model, np.ones((1, 1)), passes=1000)
    share = result.mean[0, 0]
    assert abs(share - 0.5) < 5 * math.sqrt(0.25 / 1000)
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    np.testing.assert_allclose(result.entropy, entropy, rtol=1e-5)
    np.testing.assert_allclose(result.mutual_information, entropy, rtol=1e-5)


@pytest.mark.compiling
def test_events_of_a_sigmoid_need_a_word():
    model = model_of(layers.Dropout(0.5), layers.Dense(2, "sigmoid"))
    assert ask(model).entropy is None
    result = ask(model, binary=True)
    p = result.mean.astype(float)
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    np.testing.assert_allclose(result.entropy, entropy, rtol=1e-4)
    assert (result.mutual_information > 0).all()
    assert (result.mutual_information < result.entropy).all()
    assert ask(linear(), binary=True).entropy is None


def test_batch_normalization_and_noise_stay_in_inference_mode(untouched):
    normalization = layers.BatchNormalization()
    model = model_of(normalization, layers.GaussianNoise(1.0), layers.Dropout(0.0))
    normalization.set_weights([array(w) + 0.5 for w in normalization.weights])
    with untouched(model):
        result = ask(model)
    np.testing.assert_allclose(result.mean, model.predict(X, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(result.standard_deviation, 0, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.GaussianDropout(0.5), (20,)),
        (layers.AlphaDropout(0.5), (20,)),
        (layers.SpatialDropout2D(0.5), (4, 4, 20)),
        (layers.Dropout(0.5, noise_shape=(None, 1)), (20,)),
        (kt.layers.Dropout(keep=0.5, scaling="classic"), (20,)),
        (kt.layers.MonteCarloDropout(0.5), (20,)),
        (kt.layers.DropPath(0.5), (20,)),
        (kt.layers.DropBlock2D(0.5, block_size=2), (4, 4, 20)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_whole_family_is_on(layer, shape):
    x = np.ones((3, *shape), "float32")
    result = ask(model_of(layer, shape=shape), x, passes=50)
    assert result.mean.shape == result.standard_deviation.shape == x.shape
    assert (result.standard_deviation > 0).all()
    assert (result.mean[0] != result.mean[1]).any()  # each sample has masks of its own


def nested():
    class Head(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Dropout(0.5), layers.Dense(2)]

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x

    head = Head()
    inputs = keras.Input((20,))
    outputs = head(keras.Sequential([keras.Input((20,)), layers.Dense(20)])(inputs))
    return keras.Model(inputs, outputs), X


def shared():
    drop, a, b = layers.Dropout(0.5), keras.Input((20,)), keras.Input((20,))
    return keras.Model([a, b], layers.Subtract()([drop(a), drop(b)])), [X, X]


def subclassed():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop, self.dense = layers.Dropout(0.5), layers.Dense(2)

        def call(self, x, training=None):
            return self.dense(self.drop(x["x"], training=training))

    model = Model()
    model({"x": X})
    return model, {"x": X}


def attention():
    inputs = keras.Input((5, 4))
    outputs = layers.MultiHeadAttention(2, 4, dropout=0.5)(inputs, inputs)
    return keras.Model(inputs, outputs), X.reshape(6, 5, 4)


@pytest.mark.parametrize("make", [nested, shared, subclassed, attention])
def test_any_topology(make, untouched):
    model, x = make()
    with untouched(model):
        result = ask(model, x)
    plain = model.predict(x, verbose=0)
    assert result.mean.shape == plain.shape
    assert (result.standard_deviation > 0).all()


def test_outputs_keep_the_structure_of_predict():
    x = keras.Input((20,), name="x")
    y = layers.Dropout(0.5)(x)
    outputs = {
        "scalar": layers.Flatten(data_format="channels_last")(layers.Dense(1)(y)),
        "pair": [layers.Dense(3, "softmax")(y), layers.Reshape((2, 10))(y)],
        "flat": ops.sum(y, axis=-1),
    }
    result = ask(keras.Model({"x": x}, outputs), {"x": X})
    assert result["scalar"].mean.shape == (6, 1)
    assert result["scalar"].entropy is None
    assert result["pair"][0].entropy.shape == (6,)
    assert result["pair"][1].standard_deviation.shape == (6, 2, 10)
    assert result["flat"].mean.shape == (6,)
    assert result["flat"].entropy is None


def test_places_of_a_segmentation_have_an_entropy_each():
    model = model_of(layers.Dropout(0.5), layers.Dense(3, "softmax"), shape=(None, 20))
    result = ask(model, np.stack([X, X]))
    assert result.mean.shape == (2, 6, 3)
    assert result.entropy.shape == result.mutual_information.shape == (2, 6)


def test_datasets_are_taken_batch_by_batch():
    model = linear()
    result = ask(model, ((X[i : i + 2], np.zeros(2)) for i in (0, 2, 4)), passes=3000)
    error = np.sqrt(0.3 / 0.7 * (X**2 @ WEIGHTS**2) / 3000)
    assert (np.abs(result.mean - model.predict(X, verbose=0)) < 5 * error).all()


@pytest.mark.compiling
def test_seed():
    model, other = linear(), linear()
    means = [ask(m, seed=s).mean for m, s in ((model, 1), (model, 1), (other, 1), (model, 2))]
    np.testing.assert_array_equal(means[0], means[1])
    np.testing.assert_array_equal(means[0], means[2])
    assert (means[0] != means[3]).any()


@pytest.mark.compiling
def test_without_a_seed_results_differ_and_follow_the_global_seed():
    model = linear()
    assert (ask(model, seed=None).mean != ask(model, seed=None).mean).any()
    means = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        means.append(ask(model, seed=None).mean)
    np.testing.assert_array_equal(*means)


def test_two_dropouts_draw_apart():
    a = keras.Input((20,))
    model = keras.Model(a, layers.Subtract()([layers.Dropout(0.5)(a), layers.Dropout(0.5)(a)]))
    assert (ask(model).standard_deviation > 0).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_averaged_in_single(policy):
    model = model_of(layers.Dropout(0.5), layers.Dense(4, "softmax", dtype=policy))
    result = ask(model)
    assert result.mean.dtype == result.standard_deviation.dtype == np.float32
    assert result.entropy.shape == (6,)


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        (layers.Dropout(0.5), TypeError, "`model` must be a keras.Model"),
        (keras.Sequential([layers.Dropout(0.5)]), ValueError, "is not built"),
        (model_of(layers.Dense(3)), ValueError, "has no dropout layer"),
        (model_of(layers.GRU(3, dropout=0.5), shape=(4, 5)), ValueError, "has no dropout layer"),
        (model_of(layers.Dropout(0.5, noise_shape=(1, 20))), ValueError, "for all samples"),
        (model_of(kt.layers.DropPath(0.5, per="batch")), ValueError, "for all samples"),
    ],
)
def test_models_without_an_ensemble_are_refused(model, error, match):
    with pytest.raises(error, match=match):
        predict_with_uncertainty(model, X, verbose=0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"passes": 1}, ValueError),
        ({"passes": 2.0}, TypeError),
        ({"batch_size": 0}, ValueError),
        ({"seed": -1}, ValueError),
        ({"seed": "x"}, TypeError),
    ],
)
def test_arguments_are_checked(change, error):
    with pytest.raises(error, match=f"`{next(iter(change))}` must be an integer"):
        ask(linear(), **change)


def test_data_without_samples_are_refused(without_samples, untouched):
    model = linear()
    with untouched(model), pytest.raises(ValueError, match=r"at least one (sample|batch)"):
        ask(model, without_samples(X))
