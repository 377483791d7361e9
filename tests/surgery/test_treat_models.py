"""Remedies in models of all kinds: nested, subclassed, with layers that are not trained."""

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.diagnosis import Finding

L = keras.layers
RANDOM = np.random.default_rng(0)


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


@pytest.mark.parametrize("activation_as_layer", [False, True])
def test_frozen_layers_stay_as_they_are(finding, healed, stack, activation_as_layer):
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
def test_what_is_found_in_a_frozen_layer_is_told(finding, healed, stack, condition, evidence):
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


@pytest.mark.compiling
def test_layers_within_nested_models_are_found_and_changed(finding, healed):
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


@pytest.mark.compiling
def test_a_subclassed_model_gets_what_needs_no_new_layers_and_the_rest_is_told(finding, healed):
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
def test_the_last_layer_of_a_subclassed_model_keeps_its_activation(finding, healed, sick):
    model = Subclassed(("sigmoid", "sigmoid"))
    model.compile("sgd", "mse")
    model(np.ones((2, 4)))
    treated, _ = healed(model, finding("saturated_units", getattr(model, sick).path))
    assert treated.head.activation is keras.activations.sigmoid
    exchanged = treated.hidden.activation is keras.activations.leaky_relu
    assert exchanged == (sick == "hidden")


def test_a_condition_whose_remedies_are_done_for_another_is_told(finding, healed, plain):
    _, trials = healed(
        plain(2, "tanh"),
        finding("vanishing_gradients", "net/hidden_0"),
        finding("poor_initialization", "net/hidden_0"),
    )
    (trial,) = (trial for trial in trials if trial.condition == "poor_initialization")
    assert not trial.kept
    assert trial.reason == "what it changes is changed for vanishing_gradients"


def test_a_finding_without_a_remedy_is_told(finding, healed, plain):
    _, (trial,) = healed(plain(1, "relu"), finding("overfitting"))
    assert not trial.kept
    assert trial.remedy.endswith("Do it yourself.")


@pytest.mark.parametrize(("depth", "treated_too"), [(3, False), (10, True)])
def test_in_a_deep_network_vanishing_gradients_outlast_what_explains_them(
    finding, healed, plain, depth, treated_too
):
    cause = finding("unnormalized_inputs", "net/hidden_0")
    effect = Finding("vanishing_gradients", "net/hidden_1", "critical", 0, "m", "r", {}, cause)
    _, trials = healed(plain(depth, "sigmoid"), cause, effect)
    assert ("vanishing_gradients" in {trial.condition for trial in trials}) == treated_too


def test_an_output_within_a_wrapper_is_exchanged(finding, healed):
    model = keras.Sequential(
        [keras.Input((5, 6)), L.TimeDistributed(L.Dense(1, "sigmoid"), name="head")], name="net"
    )
    model.compile("sgd", "mse")
    found = finding("unreachable_targets", model.layers[-1].path, healthy_activation="linear")
    treated, (trial,) = healed(model, found)
    assert trial.kept
    assert treated.get_layer("head").layer.activation is keras.activations.linear


def test_an_output_that_somebody_wrote_is_not_told_to_have_changed(finding, healed, path, stack):
    wrote = L.Lambda(keras.ops.tanh, output_shape=(16,), name="head")
    model = stack(L.Dense(16, "relu"), wrote)
    found = finding("unreachable_targets", path(model, "head"), healthy_activation="linear")
    _, (trial,) = healed(model, found)
    assert not trial.kept
