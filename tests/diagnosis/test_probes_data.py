"""What the probe sees of inputs, outputs, targets, averages and structure."""

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(2.0, 3.0, size=(64, 6)).astype("float32")


@pytest.fixture
def first(listening):
    """The first observation of one step of a model's `fit`."""

    def first(model, x, y, loss="mse", optimizer="sgd"):
        keras.utils.set_random_seed(0)
        model.compile(optimizer, loss)
        doctor = kt.callbacks.TrainingDoctor(verbose=0)
        spy = listening(doctor)
        model.fit(x, y, batch_size=len(keras.tree.flatten(x)[0]), verbose=0, callbacks=[doctor])
        assert not doctor.report.unobserved
        return spy.seen[0]

    return first


def test_columns_of_inputs_predictions_and_targets_are_those_of_numpy(first, x):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2, kernel_initializer="zeros")])
    y = np.stack([x[:, 0] > 2, 5 * x[:, 1]], axis=1).astype("float32")
    seen = first(model, x, y)
    (given,), (output,) = seen.inputs, seen.outputs
    for columns, data in ((given.data, x), (output.target, y), (output.prediction, 0 * y)):
        assert (columns.samples, columns.columns) == data.shape
        np.testing.assert_allclose(columns.mean, data.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(columns.variance, data.var(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(columns.minimum, data.min(0))
        np.testing.assert_array_equal(columns.maximum, data.max(0))
        assert columns.whole == pytest.approx(np.mean(data == np.round(data)))
        sums = data.sum(1)
        assert columns.sums == pytest.approx((sums.min(), sums.max()), rel=1e-5)
    assert given.path == output.path
    assert output.known
    assert output.activation is None
    assert output.loss == kt.diagnosis.Loss("mean_squared_error")


@pytest.mark.compiling
def test_what_a_first_kernel_gets_is_seen_behind_a_scaling_layer(first, x):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Rescaling(0.01),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(1),
        ]
    )
    (given,) = first(model, x, x[:, :1]).inputs
    assert given.path == model.layers[1].path
    assert given.normalization == model.layers[2].path
    np.testing.assert_allclose(given.data.mean, 0.01 * x.mean(0), rtol=1e-5)


@pytest.mark.compiling
def test_every_input_that_leads_to_a_kernel_is_seen(first, x):
    a, b = keras.Input((3,)), keras.Input((3,))
    joined = layers.concatenate([layers.Dense(4, "relu")(a), layers.Dense(4, "relu")(b)])
    model = keras.Model([a, b], layers.Dense(1)(joined))
    seen = first(model, [x[:, :3], 100 * x[:, 3:]], x[:, :1])
    sizes = sorted(given.data.size for given in seen.inputs)
    assert len(sizes) == 2
    assert sizes[1] == pytest.approx(100 * sizes[0], rel=0.3)


def test_tokens_have_no_scale(first):
    tokens = np.random.default_rng(0).integers(0, 50, (32, 7))
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(50, 4),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    assert first(model, tokens, tokens[:, :1].astype("float32")).inputs == ()


@pytest.mark.parametrize(
    ("ending", "activation", "known"),
    [
        ([layers.Dense(3, "softmax")], "softmax", True),
        ([layers.Dense(3), layers.Softmax()], "softmax", True),
        ([layers.Dense(3, "sigmoid"), layers.Dropout(0.0), layers.Reshape((3,))], "sigmoid", True),
        ([layers.Dense(3)], None, True),
        ([layers.Dense(3, "relu"), layers.Rescaling(2.0)], None, False),
    ],
)
def test_with_what_an_output_ends(first, x, ending, activation, known):
    ending = [type(layer).from_config(layer.get_config()) for layer in ending]
    model = keras.Sequential([keras.Input((6,)), *ending])
    (output,) = first(model, x, np.zeros((64, 3)), "mse").outputs
    assert output.known == known
    assert (output.activation.name if output.activation else None) == activation


@pytest.mark.parametrize(
    ("loss", "name", "from_logits"),
    [
        ("mae", "mean_absolute_error", False),
        (keras.losses.MeanSquaredError(), "mean_squared_error", False),
        (keras.losses.BinaryCrossentropy(from_logits=True), "binary_crossentropy", True),
        (keras.losses.KLDivergence(), "kl_divergence", False),
        (keras.losses.binary_crossentropy, "binary_crossentropy", False),
        (lambda y, p: keras.ops.mean(p), "<lambda>", False),
    ],
)
def test_a_loss_is_named_as_keras_functions_are(first, x, loss, name, from_logits):
    head = layers.Dense(1, None if from_logits else "sigmoid")
    model = keras.Sequential([keras.Input((6,)), head])
    (output,) = first(model, x, x[:, :1] > 0, loss).outputs
    assert output.loss == kt.diagnosis.Loss(name, from_logits)


@pytest.mark.compiling
def test_outputs_by_name_are_paired_with_their_targets_and_losses(first, x):
    inputs = keras.Input((6,))
    heads = {
        "b": layers.Dense(1, name="b")(inputs),
        "a": layers.Dense(2, "softmax", name="a")(inputs),
    }
    model = keras.Model(inputs, heads)
    y = {"a": np.tile([0.0, 1.0], (64, 1)), "b": 7 * x[:, :1]}
    seen = first(model, x, y, {"a": "categorical_crossentropy", "b": "mse"})
    outputs = {output.path: output for output in seen.outputs}
    assert outputs["a"].loss.name == "categorical_crossentropy"
    assert outputs["a"].activation.name == "softmax"
    np.testing.assert_allclose(outputs["b"].target.mean, 7 * x[:, :1].mean(0), rtol=1e-5)
    assert outputs["b"].loss.name == "mean_squared_error"


@pytest.mark.compiling
@pytest.mark.parametrize("kind", [layers.BatchNormalization, kt.layers.BatchNormalization])
def test_averages_are_seen_beside_the_batch(first, x, kind):
    model = keras.Sequential([keras.Input((6,)), kind(momentum=0.75), layers.Dense(1)])
    (seen,) = first(model, x, x[:, :1]).normalizations
    assert seen.alpha == pytest.approx(0.25)
    np.testing.assert_allclose(seen.batch_mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(seen.batch_variance, x.var(0), rtol=1e-5)
    np.testing.assert_allclose(seen.moving_mean, 0.25 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(seen.moving_variance, 0.75 + 0.25 * x.var(0), rtol=1e-4)


def test_frozen_averages_are_left_alone(first, x):
    frozen = layers.BatchNormalization(trainable=False)
    model = keras.Sequential([keras.Input((6,)), frozen, layers.Dense(1)])
    assert first(model, x, x[:, :1]).normalizations == ()


def test_what_runs_in_inference_mode_is_left_alone(first, x):
    """Fine-tuning: the averages of the base are used, and do not move."""

    class FineTuned(keras.Model):
        def __init__(self):
            super().__init__()
            entry = keras.Input((6,))
            normalized = layers.BatchNormalization()(layers.Dropout(0.5)(entry))
            self.base, self.head = keras.Model(entry, normalized), layers.Dense(1)

        def call(self, x):
            return self.head(self.base(x, training=False))

    seen = first(FineTuned(), x, x[:, :1])
    assert seen.normalizations == ()
    assert seen.dropouts == ()


def test_a_normalization_with_a_mask_is_left_alone(first):
    tokens = np.random.default_rng(0).integers(0, 5, (32, 7))
    embedding = layers.Embedding(50, 4, mask_zero=True)
    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            embedding,
            layers.BatchNormalization(),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    assert first(model, tokens, tokens[:, :1].astype("float32")).normalizations == ()


def test_dropout_that_stays_on_shifts_nothing(first, x):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            kt.layers.MonteCarloDropout(0.5),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )
    assert first(model, x, x[:, :1]).dropouts == ()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="sparse tensors of TensorFlow")
def test_sparse_inputs_are_passed_over(first, x):
    import tensorflow as tf

    inputs = keras.Input((6,), sparse=True)
    model = keras.Model(inputs, layers.Dense(1)(layers.Dense(4, "relu")(inputs)))
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensors((tf.sparse.from_dense(x), x[:, :1]))
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    model.fit(data, verbose=0, shuffle=False, callbacks=[doctor])
    assert doctor.report.observed
    assert doctor.report.unobserved == {}


@pytest.mark.compiling
def test_targets_by_name_belong_to_outputs_in_a_list(first, x):
    inputs = keras.Input((6,))
    heads = [layers.Dense(1, name="z")(inputs), layers.Dense(2, name="a")(inputs)]
    seen = first(
        keras.Model(inputs, heads), x, {"a": x[:, :2], "z": 9 * x[:, :1]}, {"a": "mse", "z": "mae"}
    )
    targets = {output.path: output.target for output in seen.outputs}
    np.testing.assert_allclose(targets["z"].mean, 9 * x[:, :1].mean(0), rtol=1e-5)
    np.testing.assert_allclose(targets["a"].mean, x[:, :2].mean(0), rtol=1e-5)


@pytest.mark.compiling
def test_dropout_in_front_of_a_normalization_is_seen(first, x):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dropout(0.4),
            layers.Dense(5),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Dense(1),
        ]
    )
    (seen,) = first(model, x, x[:, :1]).dropouts
    assert (seen.path, seen.rate) == (model.layers[0].name, 0.4)
    assert (seen.normalization, seen.between) == (model.layers[2].path, (model.layers[1].path,))
    np.testing.assert_allclose(seen.mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(seen.variance, x.var(0), rtol=1e-5)


class TestLinear:
    def paths(self, first, x, *stack):
        model = keras.Sequential([keras.Input((6,)), *stack])
        return first(model, x, np.zeros((64, 2))).linear

    @pytest.mark.compiling
    def test_a_stack_of_linear_layers(self, first, x):
        hidden = layers.Dense(4)
        found = self.paths(
            first, x, hidden, layers.BatchNormalization(), layers.Dense(2, "softmax")
        )
        assert found == (hidden.path,)

    @pytest.mark.compiling
    def test_a_leaky_relu_of_slope_one_is_no_nonlinearity(self, first, x):
        assert self.paths(first, x, layers.Dense(4), layers.LeakyReLU(1.0), layers.Dense(2))
        assert not self.paths(first, x, layers.Dense(4), layers.LeakyReLU(0.9), layers.Dense(2))

    def test_one_layer_is_no_stack(self, first, x):
        assert self.paths(first, x, layers.Dense(2, "sigmoid")) == ()

    @pytest.mark.parametrize("nonlinear", [layers.ReLU, layers.LayerNormalization, layers.Softmax])
    def test_a_nonlinearity_anywhere(self, first, x, nonlinear):
        assert self.paths(first, x, layers.Dense(4), nonlinear(), layers.Dense(2)) == ()

    def test_an_operation_that_is_no_layer(self, first, x):
        inputs = keras.Input((6,))
        hidden = keras.ops.relu(layers.Dense(4)(inputs))
        model = keras.Model(inputs, layers.Dense(2)(hidden))
        assert first(model, x, np.zeros((64, 2))).linear == ()

    @pytest.mark.compiling
    def test_a_nested_model_is_opened(self, first, x):
        inner = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
        assert len(self.paths(first, x, inner, layers.Dense(2))) == 1
        inner = keras.Sequential([keras.Input((6,)), layers.Dense(4, "relu")])
        assert self.paths(first, x, inner, layers.Dense(2)) == ()

    @pytest.mark.compiling
    def test_a_subclass_may_do_anything(self, first, x):
        class Subclass(keras.Model):
            def __init__(self):
                super().__init__()
                self.hidden, self.head = layers.Dense(4), layers.Dense(2)

            def call(self, x):
                return self.head(keras.ops.relu(self.hidden(x)))

        assert first(Subclass(), x, np.zeros((64, 2))).linear == ()
