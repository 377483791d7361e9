"""What each remedy changes in the layers of a model, by the law that makes it one."""

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis import Finding, Report
from kerastricks.surgery import treat

L = keras.layers
RANDOM = np.random.default_rng(0)


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


def finding(condition, layer=None, **evidence):
    return Finding(condition, layer, "critical", 0, "message", "Do it yourself.", evidence)


def healed(model, *findings, pool=None, **arguments):
    report = Report(list(findings)) if pool is None else Report(list(findings), pool=pool)
    return treat(model, report, return_trials=True, verbose=0, **arguments)


def path(model, name):
    """Layers without weights have no path of their own."""
    return model.get_layer(name).path or name


def stack(*layers, width=4, loss="mse", **arguments):
    model = keras.Sequential([keras.Input((width,)), *layers], name="net")
    model.compile(**{"optimizer": "sgd", "loss": loss, **arguments})
    return model


def plain(depth, activation, **arguments):
    hidden = [L.Dense(16, activation, name=f"hidden_{i}", **arguments) for i in range(depth)]
    return stack(*hidden, L.Dense(1, name="head"))


# --- Initializers --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "selu"])
def test_a_suited_start_of_a_shallow_network_keeps_the_size_of_linear_signals(activation):
    """Var(kernel) = 2 / (fan_in + fan_out), Xavier's and here also LeCun's, is 1 / 256.

    The standard deviation of 256 x 256 normal weights is off by 1 / sqrt(2 * 65536) = 0.3 %.
    """
    layers = [L.Dense(256, activation, name=f"hidden_{i}") for i in range(2)]
    for layer in layers:
        layer.kernel_initializer = keras.initializers.RandomNormal(stddev=3.0)
    model = stack(*layers, L.Dense(1), width=256)
    treated, _ = healed(model, finding("poor_initialization", "net/hidden_1"))
    kernel = array(treated.get_layer("hidden_1").kernel)
    gain = np.sqrt(256) * kernel.std()
    assert gain == pytest.approx(1.0, rel=5 * 0.003)


def test_biases_that_kill_start_at_zero():
    model = plain(2, "relu", bias_initializer=keras.initializers.Constant(-5.0))
    treated, _ = healed(model, finding("dying_units", "net/hidden_0"))
    assert not array(treated.get_layer("hidden_0").bias).any()
    assert not array(treated.get_layer("hidden_1").bias).any()


def test_where_the_start_is_to_blame_tanh_stays_and_its_weights_do_not():
    wide = keras.initializers.RandomNormal(stddev=5.0)
    model = plain(3, "tanh", kernel_initializer=wide)
    treated, _ = healed(model, finding("saturated_units", "net/hidden_0"))
    assert treated.get_layer("hidden_0").activation is keras.activations.tanh
    assert array(treated.get_layer("hidden_1").kernel).std() < 1


def test_what_is_only_explained_heals_with_its_cause():
    cause = finding("unnormalized_inputs", "net/hidden_0")
    effect = Finding("dying_units", "net/hidden_1", "critical", 0, "m", "r", {}, cause)
    _, trials = healed(plain(2, "relu"), cause, effect)
    assert {trial.condition for trial in trials} == {"unnormalized_inputs"}


def test_equal_units_outlast_what_explains_them():
    first = finding("symmetric_units", "net/hidden_0")
    second = Finding("symmetric_units", "net/hidden_1", "critical", 0, "m", "r", {}, first)
    treated, _ = healed(plain(2, "relu", kernel_initializer="ones"), first, second)
    for name in ("hidden_0", "hidden_1"):
        assert len(np.unique(array(treated.get_layer(name).kernel)[0])) == 16


def ones(shape, dtype=None):
    return keras.ops.ones(shape, dtype)


def test_an_initializer_that_is_a_plain_function_is_called_as_it_is():
    """The ones of a 4 x 16 kernel have no deviation: they are off."""
    model = plain(1, "relu", kernel_initializer=ones)
    treated, _ = healed(model, finding("dying_units", "net/hidden_0"))
    assert array(treated.get_layer("hidden_0").kernel).std() > 0


@pytest.mark.parametrize(
    "layer",
    [
        L.Bidirectional(L.LSTM(4, kernel_initializer="zeros"), name="recurrent"),
        L.RNN(L.LSTMCell(4, kernel_initializer="zeros"), name="recurrent"),
    ],
    ids=["wrapper", "cell"],
)
def test_initializers_that_stay_are_told(layer):
    model = keras.Sequential([keras.Input((5, 4)), layer, L.Dense(1, name="head")], name="net")
    model.compile("sgd", "mse")
    _, trials = healed(model, finding("symmetric_units", path(model, "recurrent")))
    assert [trial.kept for trial in trials] == [True, False]
    assert "recurrent" not in trials[0].remedy
    assert "initializers of recurrent" in trials[1].remedy


# --- Layers that are not trained -----------------------------------------------------------------


@pytest.mark.parametrize("activation_as_layer", [False, True])
def test_frozen_layers_stay_as_they_are(activation_as_layer):
    if activation_as_layer:
        frozen = [L.Dense(8, name="pre", trainable=False), L.ReLU(name="relu")]
    else:
        body = [keras.Input((4,)), L.Dense(8, "relu"), L.Dense(8, "relu")]
        frozen = [keras.Sequential(body, name="body")]
        frozen[0].trainable = False
    model = stack(*frozen, L.Dense(8, "relu", name="mine"), L.Dense(1, name="head"))
    treated, _ = healed(model, finding("dying_units", "net/mine"))
    assert treated.get_layer("mine").activation is keras.activations.leaky_relu
    x = RANDOM.normal(size=(16, 4))
    for old, new in zip(model.layers[: len(frozen)], treated.layers, strict=False):
        x, expected = new(x), old(x)
        np.testing.assert_array_equal(array(x), array(expected))


@pytest.mark.parametrize(
    ("condition", "evidence"),
    [
        ("dying_units", {}),
        ("stale_batch_statistics", {}),
        ("unreachable_targets", {"healthy_activation": "linear"}),
    ],
)
def test_what_is_found_in_a_frozen_layer_is_told(condition, evidence):
    model = stack(
        L.Dense(8, "relu", name="dying_units", trainable=False),
        L.BatchNormalization(name="stale_batch_statistics", trainable=False),
        L.Dense(1, "tanh", name="unreachable_targets", trainable=False),
    )
    treated, (trial,) = healed(model, finding(condition, f"net/{condition}", **evidence))
    assert not trial.kept
    assert f"trainable=False stay as they are: {condition}" in trial.remedy
    assert [type(layer) for layer in treated.layers] == [type(layer) for layer in model.layers]
    assert treated.layers[-1].activation is keras.activations.tanh


# --- Activations and normalization ---------------------------------------------------------------


def test_the_like_of_a_sick_layer_are_exchanged_and_outputs_and_gates_are_not():
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
def test_what_reaches_an_output_or_a_product_without_a_kernel_keeps_its_activation(build):
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


def test_a_gate_that_is_saturated_itself_stays_one():
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


def test_a_layer_that_cannot_be_changed_leaves_the_others_to_be():
    model = stack(WithoutConfig(8, name="own"), L.Dense(8, "relu", name="other"), L.Dense(1))
    treated, _ = healed(model, finding("dying_units", "net/other"))
    assert treated.get_layer("other").activation is keras.activations.leaky_relu
    assert treated.get_layer("own").activation is keras.activations.relu


def test_an_activation_that_is_a_layer_is_exchanged_too():
    model = stack(L.Dense(8, name="kernel"), L.ReLU(name="relu"), L.Dense(1, name="head"))
    treated, _ = healed(model, finding("dying_units", path(model, "relu")))
    assert treated.get_layer("relu").activation is keras.activations.leaky_relu
    assert type(treated.get_layer("kernel").kernel_initializer) is kt.initializers.Xavier


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_deep_networks_keep_the_size_of_each_signal(activation):
    """With orthogonal weights of gain sqrt(2 / (1 + a^2)) a symmetric signal keeps its norm."""
    model = plain(20, activation)
    treated, _ = healed(model, finding("vanishing_gradients", "net/hidden_0"))
    assert treated.optimizer.clipnorm == 1.0
    for number in range(1, 20):
        layer = treated.get_layer(f"hidden_{number}")
        assert layer.activation is keras.activations.leaky_relu
        kernel = array(layer.kernel)
        squares = kernel.T @ kernel * (1 + 0.2**2) / 2
        np.testing.assert_allclose(squares, np.eye(16), atol=1e-5)


def test_deep_networks_of_other_activations_are_normalized_between_kernel_and_activation():
    model = plain(10, "gelu")
    treated, _ = healed(model, finding("vanishing_gradients", "net/hidden_0"))
    kinds = [type(layer).__name__ for layer in treated.layers]
    assert kinds[:3] == ["Dense", "BatchNormalization", "Activation"]
    assert kinds.count("BatchNormalization") == 10
    assert treated.get_layer("hidden_0").activation is keras.activations.linear
    x = RANDOM.normal(size=(256, 4))
    normalized = keras.Model(treated.inputs[0], treated.layers[1].output)(x, training=True)
    np.testing.assert_allclose(array(normalized).mean(axis=0), 0, atol=1e-5)


def test_what_is_normalized_already_is_not_normalized_twice():
    blocks = [[L.Dense(8), L.BatchNormalization(), L.Activation("gelu")] for _ in range(10)]
    model = stack(*(layer for block in blocks for layer in block), L.Dense(1))
    treated, _ = healed(model, finding("vanishing_gradients", model.layers[0].path))
    kinds = [type(layer).__name__ for layer in treated.layers]
    assert kinds.count("BatchNormalization") == 10


def test_a_linear_model_becomes_nonlinear_in_each_hidden_layer():
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


def test_dropout_goes_behind_the_last_batch_normalization():
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
def test_averages_are_those_of_the_batch_after_one_step(layer):
    model = stack(L.Dense(8), layer(momentum=0.9999, name="normalization"), L.Dense(1))
    treated, _ = healed(model, finding("stale_batch_statistics", "net/normalization"))
    x = RANDOM.normal(2.0, 3.0, size=(128, 4)).astype("float32")
    seen = array(treated.layers[0](x))
    treated.fit(x, x[:, :1], batch_size=128, verbose=0)
    normalization = treated.get_layer("normalization")
    # Means of 128 numbers of size 10: float32 rounding.
    np.testing.assert_allclose(array(normalization.moving_mean), seen.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(array(normalization.moving_variance), seen.var(axis=0), rtol=1e-4)


# --- The learning rate ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "condition", "factor", "rate"),
    [
        (keras.optimizers.SGD(10.0), "learning_rate_too_high", 1e-2, 0.1),
        (keras.optimizers.SGD(10.0), "learning_rate_too_high", 1e-3, 0.05),
        (keras.optimizers.SGD(10.0, momentum=0.9), "learning_rate_too_high", 1e-3, 0.01),
        (keras.optimizers.Adam(0.5), "learning_rate_too_high", 1e-1, 3e-3),
        (keras.optimizers.Adam(1e-7), "learning_rate_too_low", 1e3, 1e-3),
        (keras.optimizers.SGD(1e-3), "learning_rate_too_low", 1e2, 0.1),
        # Below what is usual already, and measured to be too high.
        (keras.optimizers.SGD(1e-3), "learning_rate_too_high", 1e-2, 1e-4),
        (keras.optimizers.Adam(1e-4), "learning_rate_too_high", 0.5, 5e-5),
        (keras.optimizers.Adafactor(1e-7), "learning_rate_too_low", 1e3, 1e-4),
    ],
)
def test_the_learning_rate_is_divided_and_held_to_what_is_usual(optimizer, condition, factor, rate):
    model = stack(L.Dense(1), optimizer=optimizer)
    treated, _ = healed(model, finding(condition, healthy_learning_rate_times=factor))
    assert float(treated.optimizer.learning_rate) == pytest.approx(rate, rel=1e-3)


def test_there_is_no_multiple_of_a_learning_rate_of_zero():
    model = stack(L.Dense(1), optimizer=keras.optimizers.SGD(0.0))
    found = finding("learning_rate_too_low", healthy_learning_rate_times=1e3)
    _, (trial,) = healed(model, found)
    assert not trial.kept
    assert "learning rate is 0" in trial.remedy


def test_gradients_that_are_clipped_are_not_clipped_twice():
    model = stack(L.Dense(1), optimizer=keras.optimizers.SGD(10.0, global_clipnorm=5.0))
    treated, _ = healed(model, finding("learning_rate_too_high", healthy_learning_rate_times=1e-2))
    assert treated.optimizer.clipnorm is None
    assert treated.optimizer.global_clipnorm == 5.0


@pytest.mark.parametrize(
    ("schedule", "scaled"),
    [
        (
            keras.optimizers.schedules.CosineDecay(0.0, 90, 0.1, warmup_target=2.0, warmup_steps=9),
            lambda c: (c["initial_learning_rate"], c["warmup_target"], c["alpha"]) == (0, 0.2, 0.1),
        ),
        (
            keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [2.0, 1.0, 0.5]),
            lambda c: np.allclose(c["values"], [0.2, 0.1, 0.05]) and c["boundaries"] == [3, 6],
        ),
        (
            keras.optimizers.schedules.PolynomialDecay(2.0, 9, 0.2, power=2.0),
            lambda c: np.allclose((c["end_learning_rate"], c["power"]), (0.02, 2.0)),
        ),
    ],
)
def test_schedules_keep_their_course(schedule, scaled):
    model = stack(L.Dense(1), optimizer=keras.optimizers.SGD(schedule))
    treated, _ = healed(model, finding("learning_rate_too_high", healthy_learning_rate_times=0.1))
    config = treated.optimizer.get_config()["learning_rate"]["config"]
    assert scaled(config), config


# --- Kinds of models -----------------------------------------------------------------------------


def test_layers_within_nested_models_are_found_and_changed():
    body = keras.Sequential([keras.Input((4,)), L.Dense(8, "relu", name="inner")], name="body")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1, name="head")(body(x)), name="net")
    model.compile("sgd", "mse")
    path = body.get_layer("inner").path
    data = 1e3 * RANDOM.normal(size=(64, 4)) + 1e4, np.ones((64, 1))
    pool = kt.checkup(model, *data).pool
    (inputs,) = pool.inputs
    treated, _ = healed(
        model, finding("dying_units", path), finding("unnormalized_inputs", inputs), pool=pool
    )
    kinds = [type(layer).__name__ for layer in treated.get_layer("body").layers]
    assert kinds == ["Normalization", "Dense"]
    inner = treated.get_layer("body").get_layer("inner")
    assert inner.activation is keras.activations.leaky_relu


class Subclassed(keras.Model):
    def __init__(self, activations=("relu", None)):
        super().__init__(name="own")
        self.activations = activations
        hidden, head = activations
        self.hidden = L.Dense(8, hidden, name="hidden", kernel_initializer="zeros")
        self.head = L.Dense(1, head, name="head")

    def call(self, inputs):
        return self.head(self.hidden(inputs))

    def get_config(self):
        return {"activations": self.activations}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def test_a_subclassed_model_gets_what_needs_no_new_layers_and_the_rest_is_told():
    model = Subclassed()
    model.compile(keras.optimizers.SGD(50.0), "mse")
    x = 1e4 + 1e3 * RANDOM.normal(size=(64, 4)).astype("float32")
    report = kt.checkup(model, x, np.ones((64, 1)))
    hidden = model.hidden.path
    treated, trials = healed(
        model,
        finding("symmetric_units", hidden),
        finding("dying_units", hidden),
        finding("learning_rate_too_high", healthy_learning_rate_times=1e-3),
        *(f for f in report.findings if f.condition == "unnormalized_inputs"),
        pool=report.pool,
    )
    assert array(treated.hidden.kernel).std() > 0
    assert treated.hidden.activation is keras.activations.leaky_relu
    assert float(treated.optimizer.learning_rate) == pytest.approx(0.05)
    (left,) = (trial for trial in trials if trial.condition == "unnormalized_inputs")
    assert not left.kept
    assert "Only the code" in left.remedy
    treated.fit(x, np.ones((64, 1)), verbose=0)


@pytest.mark.parametrize("sick", ["hidden", "head"])
def test_the_last_layer_of_a_subclassed_model_keeps_its_activation(sick):
    model = Subclassed(("sigmoid", "sigmoid"))
    model.compile("sgd", "mse")
    model(np.ones((2, 4)))
    treated, _ = healed(model, finding("saturated_units", getattr(model, sick).path))
    assert treated.head.activation is keras.activations.sigmoid
    exchanged = treated.hidden.activation is keras.activations.leaky_relu
    assert exchanged == (sick == "hidden")


def test_a_condition_whose_remedies_are_done_for_another_is_told():
    _, trials = healed(
        plain(2, "tanh"),
        finding("vanishing_gradients", "net/hidden_0"),
        finding("poor_initialization", "net/hidden_0"),
    )
    (trial,) = (trial for trial in trials if trial.condition == "poor_initialization")
    assert not trial.kept
    assert trial.remedy == "What helps is part of the remedies for vanishing_gradients."


def test_a_finding_without_a_remedy_is_told():
    _, (trial,) = healed(plain(1, "relu"), finding("overfitting"))
    assert not trial.kept
    assert trial.remedy.endswith("Do it yourself.")
