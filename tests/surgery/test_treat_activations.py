"""Remedies for activations, normalization and dropout, by the law that makes each one."""

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis import Finding

L = keras.layers
RANDOM = np.random.default_rng(0)


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


def test_the_like_of_a_sick_layer_are_exchanged_and_outputs_and_gates_are_not(finding, healed):
    x = keras.Input((4,))
    h = L.Dense(8, "sigmoid", name="sick")(x)
    h = L.Dense(8, "sigmoid", name="like")(h)
    gate = L.Dense(8, "sigmoid", name="gate")(h)
    h = L.Multiply()([L.Dense(8, "tanh", name="other")(h), gate])
    model = keras.Model(x, L.Dense(1, "sigmoid", name="head")(h))
    model.compile("sgd", "binary_crossentropy")
    treated, _ = healed(model, finding("saturated_units", "sick"))
    names = {n: treated.get_layer(n).activation.__name__ for n in ("sick", "like", "gate", "other")}
    assert names == {"sick": "leaky_relu", "like": "leaky_relu", "gate": "sigmoid", "other": "tanh"}
    assert treated.get_layer("head").activation is keras.activations.sigmoid


def test_of_layers_that_no_graph_shows_those_named_are_exchanged_and_the_others_told(healed):
    class Deep(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.hidden = [L.Dense(8, "sigmoid", name=f"hidden_{i}") for i in range(8)]
            self.head = L.Dense(1, name="head")

        def call(self, x):
            for layer in self.hidden:
                x = layer(x)
            return self.head(x)

    model = Deep(name="net")
    model.compile("sgd", "mse")
    model(np.ones((1, 4)))
    found = Finding("vanishing_gradients", "net/hidden_0", "critical", 0, "message", "remedy")
    treated, trials = healed(model, found)
    names = [layer.activation.__name__ for layer in treated.hidden]
    assert names == ["leaky_relu"] + ["sigmoid"] * 7
    (told,) = (trial for trial in trials if not trial.kept and "hidden_1" in trial.remedy)
    assert "may be a gate's" in told.remedy


def two_heads_in_one():
    x = keras.Input((4,))
    h = L.Dense(8, "sigmoid", name="sick")(x)
    return x, L.Concatenate()([L.Dense(1, "sigmoid", name=name)(h) for name in ("a", "b")])


def upsampled_head():
    x = keras.Input((8, 8, 3))
    h = L.Conv2D(4, 3, strides=2, activation="sigmoid", name="sick")(x)
    return x, L.UpSampling2D()(L.Conv2D(1, 1, activation="sigmoid", name="a")(h))


def head_of_each_step():
    x = keras.Input((5, 4))
    h = L.Dense(4, "sigmoid", name="sick")(x)
    return x, L.TimeDistributed(L.Dense(1, "sigmoid"), name="a")(h)


def reshaped_gate():
    x = keras.Input((8, 8, 3))
    h = L.Dense(2, "sigmoid", name="sick")(L.GlobalAveragePooling2D()(x))
    gate = L.Reshape((1, 1, 3))(L.Dense(3, "sigmoid", name="a")(h))
    return x, L.Dense(1)(L.GlobalAveragePooling2D()(L.Multiply()([x, gate])))


def gate_of_an_operation():
    x = keras.Input((4,))
    h = L.Dense(4, "sigmoid", name="sick")(x)
    return x, L.Dense(1)(x * L.Dense(4, "sigmoid", name="a")(h))


def nested_heads():
    x, y = keras.Input((4,)), keras.Input((4,))
    h = L.Dense(8, "sigmoid", name="sick")(x)
    heads = [L.Dense(1, "sigmoid", name=name)(h) for name in ("a", "b")]
    return y, keras.Model(x, heads, name="inner")(y)


def gate_in_a_nested_model():
    x, y = keras.Input((4,)), keras.Input((4,))
    h = L.Dense(8, "sigmoid", name="sick")(x)
    gate = keras.Model(x, L.Dense(4, "sigmoid", name="a")(h), name="inner")(y)
    return y, L.Dense(1)(L.Multiply()([y, L.Dropout(0.1)(gate)]))


@pytest.mark.parametrize(
    "build",
    [
        two_heads_in_one,
        upsampled_head,
        head_of_each_step,
        reshaped_gate,
        gate_of_an_operation,
        nested_heads,
        gate_in_a_nested_model,
    ],
)
def test_what_reaches_an_output_or_a_product_without_a_kernel_keeps_its_activation(
    finding, healed, build
):
    model = keras.Model(*build())
    model.compile("sgd", "mse")
    treated, _ = healed(model, finding("saturated_units", "sick"))
    layers = {layer.name: layer for layer in treated.layers}
    if "inner" in layers:
        layers |= {layer.name: layer for layer in layers["inner"].layers}
    assert layers["sick"].activation is keras.activations.leaky_relu
    for name in {"a", "b"} & layers.keys():
        kept = getattr(layers[name], "layer", layers[name])
        assert kept.activation is keras.activations.sigmoid


def test_a_gate_that_is_saturated_itself_stays_one(finding, healed):
    x = keras.Input((4,))
    gate = L.Dense(4, "sigmoid", name="gate")(x)
    model = keras.Model(x, L.Dense(1)(L.Multiply()([x, gate])))
    model.compile("sgd", "mse")
    treated, _ = healed(model, finding("saturated_units", "gate"))
    assert treated.get_layer("gate").activation is keras.activations.sigmoid


class WithoutConfig(L.Layer):
    """Its activation is not in its config."""

    def __init__(self, units, **arguments):
        super().__init__(**arguments)
        self.units = units
        self.activation = keras.activations.relu

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(shape[-1], self.units), name="kernel", initializer="glorot_uniform"
        )

    def call(self, inputs):
        return self.activation(keras.ops.matmul(inputs, self.kernel))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_a_layer_that_cannot_be_changed_leaves_the_others_to_be(finding, healed, stack):
    model = stack(WithoutConfig(8, name="own"), L.Dense(8, "relu", name="other"), L.Dense(1))
    treated, _ = healed(model, finding("dying_units", "net/other"))
    assert treated.get_layer("other").activation is keras.activations.leaky_relu
    assert treated.get_layer("own").activation is keras.activations.relu


def test_an_activation_that_is_a_layer_is_exchanged_too(finding, healed, path, stack):
    model = stack(L.Dense(8, name="kernel"), L.ReLU(name="relu"), L.Dense(1, name="head"))
    treated, _ = healed(model, finding("dying_units", path(model, "relu")))
    assert treated.get_layer("relu").activation is keras.activations.leaky_relu
    assert type(treated.get_layer("kernel").kernel_initializer) is kt.initializers.Xavier


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_deep_networks_keep_the_size_of_each_signal(finding, healed, plain, activation):
    """With orthogonal weights of gain sqrt(2 / (1 + a^2)) a symmetric signal keeps its norm."""
    model = plain(20, activation)
    treated, _ = healed(model, finding("vanishing_gradients", "net/hidden_0"))
    assert treated.optimizer.clipnorm == 1.0
    for number in range(1, 20):
        layer = treated.get_layer(f"hidden_{number}")
        assert layer.activation is keras.activations.linear
        slope = treated.get_layer(f"hidden_{number}_activation").negative_slope
        kernel = array(layer.kernel)
        squares = kernel.T @ kernel * (1 + slope**2) / 2
        np.testing.assert_allclose(squares, np.eye(16), atol=1e-5)


@pytest.mark.parametrize("as_layer", [False, True])
def test_deep_networks_hold_orthogonal_inputs_apart(finding, healed, stack, plain, as_layer):
    """The correlation 0 is mapped to 0.2 by the slope of all layers, here rounded to 0.01.

    A hundredth of the slope changes the correlation by 0.01, by its numerical derivative.
    """
    if as_layer:
        pairs = [(L.Dense(16), L.ReLU(name=f"relu_{i}")) for i in range(12)]
        model = stack(*(layer for pair in pairs for layer in pair), L.Dense(1))
        place, depth = "relu_0", 12
    else:
        model, place, depth = plain(30, "tanh"), "net/hidden_0", 30
    treated, _ = healed(model, finding("dying_units" if as_layer else "poor_initialization", place))
    slopes = {each.negative_slope for each in treated.layers if isinstance(each, L.LeakyReLU)}
    (slope,) = slopes
    correlation = 0.0
    for _ in range(depth):
        correlation = kt.theory.correlation_map(correlation, slope)
    assert correlation == pytest.approx(0.2, abs=0.01)


def test_a_slope_for_the_depth_and_slow_steps_are_none_with_shortcuts(finding, healed):
    x = h = keras.Input((16,))
    for number in range(9):
        h = L.Add()([h, L.Dense(16, "tanh", name=f"hidden_{number}")(h)])
    model = keras.Model(x, L.Dense(1)(h))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    treated, _ = healed(model, finding("vanishing_gradients", "hidden_0"))
    assert treated.get_layer("hidden_0").activation is keras.activations.leaky_relu
    assert float(treated.optimizer.learning_rate) == pytest.approx(0.1)


def test_a_slope_for_the_depth_is_none_behind_a_normalization(finding, healed, stack):
    blocks = [(L.Dense(16), L.BatchNormalization(), L.ReLU(name=f"relu_{i}")) for i in range(9)]
    model = stack(*(layer for block in blocks for layer in block), L.Dense(1))
    treated, _ = healed(model, finding("dying_units", "relu_0"))
    assert treated.get_layer("relu_0").activation is keras.activations.leaky_relu


def test_deep_networks_of_other_activations_are_normalized_between_kernel_and_activation(
    finding, healed, plain
):
    model = plain(10, "gelu")
    treated, _ = healed(model, finding("vanishing_gradients", "net/hidden_0"))
    kinds = [type(layer).__name__ for layer in treated.layers]
    assert kinds[:3] == ["Dense", "BatchNormalization", "Activation"]
    assert kinds.count("BatchNormalization") == 10
    assert treated.get_layer("hidden_0").activation is keras.activations.linear
    x = RANDOM.normal(size=(256, 4))
    normalized = keras.Model(treated.inputs[0], treated.layers[1].output)(x, training=True)
    np.testing.assert_allclose(array(normalized).mean(axis=0), 0, atol=1e-5)


def test_what_is_normalized_already_is_not_normalized_twice(finding, healed, stack):
    blocks = [[L.Dense(8), L.BatchNormalization(), L.Activation("gelu")] for _ in range(10)]
    model = stack(*(layer for block in blocks for layer in block), L.Dense(1))
    treated, _ = healed(model, finding("vanishing_gradients", model.layers[0].path))
    kinds = [type(layer).__name__ for layer in treated.layers]
    assert kinds.count("BatchNormalization") == 10


@pytest.mark.parametrize("condition", ["non_finite", "exploding_gradients", "poor_initialization"])
def test_what_outgrows_its_input_is_exchanged(finding, healed, stack, condition):
    """Of an input of -10 or 10, leaky_relu makes one of at most that size."""
    layers = [L.Dense(8, "exponential", name="a"), L.Dense(8), L.LeakyReLU(3.0, name="b")]
    model = stack(*layers, L.Dense(8), L.LeakyReLU(0.3, name="sound"), L.Dense(1, "exponential"))
    treated, _ = healed(model, finding(condition, "net/a"))
    for name in ("a", "b"):
        activation = treated.get_layer(name).activation
        assert np.abs(array(activation(np.array([-10.0, 10.0])))).max() <= 10
    assert treated.get_layer("sound").negative_slope == pytest.approx(0.3)
    assert treated.layers[-1].activation is keras.activations.exponential


def test_softmax_between_kernels_is_exchanged_and_attention_is_not(finding, healed):
    x = keras.Input((5, 4))
    scores = L.Softmax(name="attention")(L.Dense(5)(x))
    h = L.Dense(8, "softmax", name="sick")(L.Flatten()(L.Dot((1, 1))([scores, x])))
    model = keras.Model(x, L.Dense(3, "softmax", name="head")(h))
    model.compile("sgd", "mse")
    treated, _ = healed(model, finding("constant_output", "head"))
    assert treated.get_layer("sick").activation is keras.activations.leaky_relu
    assert type(treated.get_layer("attention")) is L.Softmax
    assert treated.get_layer("head").activation is keras.activations.softmax


def test_a_linear_model_becomes_nonlinear_in_each_hidden_layer(finding, healed, stack):
    layers = [L.Dense(8, name="a"), L.Dense(8, name="b"), L.BatchNormalization(), L.Dense(1)]
    paths = ["net/a", "net/b"]
    treated, _ = healed(
        stack(*layers), finding("no_nonlinearity", linear_hidden_layers=paths, hidden_layers=2)
    )
    x = RANDOM.normal(size=(64, 4))
    for number, layer in enumerate(treated.layers):
        if isinstance(layer, L.BatchNormalization):
            behind = treated.layers[number + 1]
            assert behind.activation is keras.activations.relu
    assert treated.get_layer("a").activation is keras.activations.relu
    assert not np.allclose(array(treated(x)) + array(treated(-x)), 2 * array(treated(0 * x)))


def test_dropout_goes_behind_the_last_batch_normalization(finding, healed, path, stack):
    model = stack(
        L.Dense(8, "relu"),
        L.Dropout(0.4, name="dropout"),
        L.Dense(8),
        L.BatchNormalization(name="normalization"),
        L.ReLU(),
        L.Dense(1, name="head"),
    )
    treated, _ = healed(
        model,
        finding("dropout_variance_shift", "net/normalization", dropout=path(model, "dropout")),
    )
    kinds = [type(layer).__name__ for layer in treated.layers]
    assert kinds == ["Dense", "Dense", "BatchNormalization", "ReLU", "Dropout", "Dense"]
    assert treated.layers[-2].rate == 0.4


@pytest.mark.parametrize("layer", [L.BatchNormalization, kt.layers.BatchNormalization])
def test_averages_are_those_of_the_batch_after_one_step(finding, healed, stack, layer):
    model = stack(L.Dense(8), layer(momentum=0.9999, name="normalization"), L.Dense(1))
    treated, _ = healed(model, finding("stale_batch_statistics", "net/normalization"))
    x = RANDOM.normal(2.0, 3.0, size=(128, 4)).astype("float32")
    seen = array(treated.layers[0](x))
    treated.fit(x, x[:, :1], batch_size=128, verbose=0)
    normalization = treated.get_layer("normalization")
    # Means of 128 numbers of size 10: float32 rounding.
    np.testing.assert_allclose(array(normalization.moving_mean), seen.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(array(normalization.moving_variance), seen.var(axis=0), rtol=1e-4)
