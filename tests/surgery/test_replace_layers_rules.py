"""Which layers a rule meets, what takes their place, and which rules are refused."""

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks import surgery

L = keras.layers


def leaky(layer):
    return kt.layers.LeakyReLU(0.2, name=layer.name)


def inputs(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def array(value):
    return np.array(keras.ops.convert_to_numpy(value))


def predicted(model, x=None):
    return [array(y) for y in keras.tree.flatten(model(inputs(5, 4) if x is None else x))]


def sequential():
    return keras.Sequential(
        [keras.Input((4,)), L.Dense(4), L.ReLU(name="relu"), L.Dense(2)], name="net"
    )


# --- Rules ---------------------------------------------------------------------------------------


def test_classes_match_exactly_so_that_a_swap_has_nothing_more_to_do():
    model = keras.Sequential([keras.Input((4,)), L.Dense(4), L.BatchNormalization(momentum=0.9)])
    rules = {L.BatchNormalization: kt.layers.BatchNormalization}
    new = surgery.replace_layers(model, rules)
    assert type(new.layers[1]) is kt.layers.BatchNormalization
    assert new.layers[1].alpha == 0.1
    with pytest.raises(ValueError, match="BatchNormalization matches no layer"):
        surgery.replace_layers(new, rules)


@pytest.mark.parametrize(
    "layer",
    [
        kt.layers.BatchNormalization(alpha=0.3, axis=1, scale=False),
        kt.layers.Dropout(keep=0.8, seed=3),
        kt.layers.LeakyReLU(0.2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_our_layers_become_those_of_keras_where_they_compute_the_same(layer):
    kind = type(layer).__base__
    model = keras.Sequential([keras.Input((4,)), layer])
    model.set_weights([inputs(*weight.shape) ** 2 for weight in model.weights])
    new = surgery.replace_layers(model, {type(layer): kind})
    assert type(new.layers[0]) is kind
    for training in [False] if layer.name.startswith("dropout") else [False, True]:
        for one in (new, model):
            one(inputs(5, 4), training=training)
        np.testing.assert_allclose(predicted(new)[0], predicted(model)[0], rtol=1e-5, atol=1e-6)
    back = surgery.replace_layers(new, {kind: type(layer)})
    assert back.layers[0].get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("layer", "kind", "lost"),
    [
        (kt.layers.BatchNormalization(average="debiased"), L.BatchNormalization, "average='deb"),
        (kt.layers.BatchNormalization(virtual_batch_size=2), L.BatchNormalization, "virtual.*=2"),
        (kt.layers.Dropout(0.2, scaling="classic"), L.Dropout, "scaling='classic'"),
        (L.LSTM(2), L.GRU, "unit_forget_bias=True"),
    ],
    ids=["average", "virtual batch", "scaling", "forget bias"],
)
def test_what_a_class_has_no_place_for_is_an_error_that_names_it(layer, kind, lost):
    shape = (3, 4) if kind is L.GRU else (4,)
    model = keras.Sequential([keras.Input(shape), layer])
    with pytest.raises(ValueError, match=rf"no place for: {lost}.*write a function.*lambda old"):
        surgery.replace_layers(model, {type(layer): kind})


def test_weights_are_taken_over_where_names_and_shapes_are_equal():
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization(), L.Dense(4)])
    model.set_weights([inputs(*weight.shape) ** 2 for weight in model.weights])
    new = surgery.replace_layers(
        model,
        {
            L.BatchNormalization: kt.layers.BatchNormalization,
            L.Dense: lambda old: L.Dense(old.units, name="other_" + old.name),
        },
    )
    for value, expected in zip(new.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_other_shapes_or_names_start_afresh():
    model = keras.Sequential([keras.Input((4,)), L.Dense(4, name="a"), L.Dense(2, name="b")])
    for new_layer in (
        lambda old: L.Dense(3, kernel_initializer="ones"),
        lambda old: L.Dense(2, use_bias=False, kernel_initializer="ones"),
    ):
        new = surgery.replace_layers(model, {"b": new_layer})
        assert (array(new.layers[1].kernel) == 1).all()
        np.testing.assert_array_equal(array(new.layers[0].kernel), array(model.layers[0].kernel))


def test_a_layer_that_comes_built_keeps_its_weights():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="a")])

    def pretrained(old):
        layer = L.Dense(2, kernel_initializer="ones")
        layer.build((None, 4))
        return layer

    new = surgery.replace_layers(model, {"a": pretrained})
    assert (array(new.layers[0].kernel) == 1).all()


def test_frozen_layers_are_replaced_by_frozen_layers():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="a"), L.Dense(2, name="b")])
    model.get_layer("a").trainable = False
    new = surgery.replace_layers(model, {L.Dense: lambda old: L.Dense(2, name=old.name)})
    assert [layer.trainable for layer in new.layers] == [False, True]


def test_a_layer_that_two_owners_hold_stays_one():
    class Holder(L.Layer):
        def __init__(self, dense=None, **kwargs):
            super().__init__(**kwargs)
            self.dense = dense or L.Dense(4)

        def call(self, x):
            return self.dense(x)

        def get_config(self):
            return super().get_config()  # without `dense`

    dense = L.Dense(4)
    x = keras.Input((4,))
    model = keras.Model(x, Holder(dense)(L.ReLU()(dense(x))))
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert new.count_params() == model.count_params() == 20


@pytest.mark.parametrize("wrapper", [L.TimeDistributed, L.SpectralNormalization])
def test_what_a_wrapper_wraps_is_replaced_and_stays_shared(wrapper):
    dense, x = L.Dense(4, name="dense"), keras.Input((3, 4))
    wrapped = wrapper(dense, name="wrapper")
    model = keras.Model(x, L.ReLU()(wrapped(dense(x)) + dense(x)))
    for weight in model.weights:
        weight.assign(inputs(*weight.shape))
    data = inputs(5, 3, 4)
    new = surgery.replace_layers(model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0)})
    assert len(new.weights) == len(model.weights)
    assert new.get_layer("wrapper").layer is new.get_layer("dense")
    for value, expected in zip(new.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(predicted(new, data)[0], predicted(model, data)[0])
    negated = surgery.replace_layers(
        model, {"dense": lambda old: L.Dense(4, activation=keras.ops.negative, name=old.name)}
    )
    assert negated.get_layer("wrapper").layer is negated.get_layer("dense")
    negative, h = lambda h: -dense(h), data
    expected = array(keras.ops.relu(negative(negative(h)) + negative(h)))
    np.testing.assert_allclose(predicted(negated, data)[0], expected, rtol=1e-5, atol=1e-5)


def test_weights_that_are_shared_where_nobody_sees_it_are_an_error():
    cell, x = L.LSTMCell(3), keras.Input((3, 4))
    h = L.RNN(cell, name="one")(x) + L.RNN(cell, name="other")(x)
    model = keras.Model(x, L.ReLU()(h))
    with pytest.raises(ValueError, match=r"'one' \(RNN\), 'other' \(RNN\) share the weight"):
        surgery.replace_layers(model, {L.ReLU: leaky})
    new = surgery.replace_layers(model, {L.RNN: lambda old: L.LSTM(3, name=old.name)})
    assert len(new.weights) == 2 * len(model.weights) == 6


def test_an_output_keeps_its_name_whatever_its_new_layer_is_called():
    x = keras.Input((4,))
    model = keras.Model(x, [L.Dense(2, name="a")(x), L.ReLU(name="b")(x)])
    model.compile("sgd", loss={"a": "mse", "b": "mae"}, run_eagerly=True)
    new = surgery.replace_layers(model, {L.ReLU: lambda old: L.ELU(), "a": lambda old: L.Dense(2)})
    assert new.output_names == ["a", "b"]
    targets = {"a": np.ones((5, 2)), "b": np.ones((5, 4))}
    assert np.isfinite(new.fit(inputs(5, 4), targets, verbose=0).history["loss"]).all()


def test_layers_are_inserted_as_the_docstring_shows():
    model = keras.Sequential([keras.Input((4,)), L.Dense(4, name="in"), L.Dense(2)])

    def and_more(old):
        copy = type(old).from_config(old.get_config())
        return keras.Sequential([copy, L.Dropout(0.1)], name=old.name)

    new = surgery.replace_layers(model, {"in": and_more})
    np.testing.assert_array_equal(predicted(new)[0], predicted(model)[0])
    own, others = ({id(weight) for weight in one.weights} for one in (new, model))
    assert not own & others


def test_arguments_of_calls_that_the_new_layer_lacks_are_dropped():
    x = keras.Input((4,))
    model = keras.Model(x, L.BatchNormalization()(L.Dense(4)(x), training=False))
    new = surgery.replace_layers(model, {L.BatchNormalization: lambda old: L.ReLU()})
    assert (predicted(new)[0] >= 0).all()


def test_activations_that_are_arguments_as_the_docstring_shows():
    def to_leaky(layer):
        return L.Dense.from_config({**layer.get_config(), "activation": "leaky_relu"})

    model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation="relu")])
    new = surgery.replace_layers(model, {L.Dense: to_leaky})
    assert new.layers[0].activation is keras.activations.leaky_relu
    np.testing.assert_array_equal(array(new.layers[0].kernel), array(model.layers[0].kernel))


# --- Errors --------------------------------------------------------------------------------------


def test_a_rule_that_matches_nothing_says_what_there_is():
    with pytest.raises(
        ValueError, match=r"rule 'nose' matches no layer.*'relu' \(ReLU\).*whole name"
    ):
        surgery.replace_layers(sequential(), {"nose": leaky})


def test_shapes_that_no_longer_fit_name_the_layer():
    rules = {"relu": lambda old: L.Dense(7, name="wider")}
    model = sequential()
    last = model.layers[-1].name
    with pytest.raises(ValueError, match=rf"weights of layer '{last}' \(Dense\) no longer fit.*7"):
        surgery.replace_layers(model, rules)
    x = keras.Input((4,))
    h = L.ReLU(name="relu")(x)
    graph = keras.Model(x, L.Add(name="sum")([x, h]))
    with pytest.raises(ValueError, match=r"'sum' \(Add\) does not accept inputs of shape .*7"):
        surgery.replace_layers(graph, rules)


def test_a_model_of_nothing_is_the_identity():
    model = keras.Sequential([keras.Input((4,)), L.ReLU(), L.ReLU(name="last")])
    new = surgery.replace_layers(model, {L.ReLU: lambda old: None})
    assert [layer.name for layer in new.layers] == ["last"]
    np.testing.assert_array_equal(predicted(new)[0], inputs(5, 4))


def test_layers_with_several_inputs_cannot_be_removed():
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(2)(L.Add(name="sum")([x, x])))
    with pytest.raises(ValueError, match=r"'sum' cannot be removed.*single tensor"):
        surgery.replace_layers(model, {L.Add: lambda old: None})


def test_replacements_must_be_new_layers():
    model = keras.Sequential([keras.Input((4,)), L.ReLU(), L.ReLU()])
    one = L.Softmax()
    for factory in (lambda old: old, lambda old: one):
        with pytest.raises(ValueError, match=r"must be a new layer.*in use already"):
            surgery.replace_layers(model, {L.ReLU: factory})
    within = keras.Sequential([one])
    for factory in (
        lambda old: keras.Sequential([old, L.Dropout(0.1)]),
        lambda old: keras.Sequential([within, L.Dropout(0.1)]),
    ):
        with pytest.raises(ValueError, match=r"must be a new layer.*in use already.*from_config"):
            surgery.replace_layers(model, {L.ReLU: factory})
    recurrent = keras.Sequential([keras.Input((3, 4)), L.RNN(L.GRUCell(2))])
    with pytest.raises(ValueError, match=r"in use already.*kernel"):
        surgery.replace_layers(recurrent, {L.RNN: lambda old: L.RNN(old.cell)})
    with pytest.raises(TypeError, match=r"must be a layer, or None.*of type str"):
        surgery.replace_layers(model, {L.ReLU: lambda old: "relu"})


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({}, "dictionary with at least one rule"),
        ([(L.ReLU, leaky)], "dictionary with at least one rule"),
        ({3: leaky}, "layer class, a layer's name or a predicate.*of type int"),
        ({L.ReLU: L.ReLU()}, "could only stand in one place"),
        ({L.ReLU: dict}, "must be a layer class or a function"),
        ({L.ReLU: None}, "must be a layer class or a function"),
    ],
)
def test_rules_must_be_rules(rules, message):
    with pytest.raises(TypeError, match=message):
        surgery.replace_layers(sequential(), rules)


def test_only_models_are_operated_on():
    with pytest.raises(TypeError, match=r"must be a keras\.Model.*Dense"):
        surgery.replace_layers(L.Dense(2), {L.ReLU: leaky})
