"""What holds for every kind of model, and for what is shared or nested in it."""

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


def state(model):
    """Everything of a model that surgery could disturb."""
    values = [array(variable) for variable in model.variables]
    compiled = None
    if model.compiled:
        values += [array(variable) for variable in model.optimizer.variables]
        compiled = (id(model.optimizer), id(model.loss), [id(m) for m in model.metrics])
    layers = [(id(x), x.name, x.trainable, x.built) for x in model._flatten_layers()]
    nodes = [len(x._inbound_nodes) for x in model._flatten_layers()]
    return compiled, layers, nodes, values


def assert_same_state(one, other):
    assert one[:-1] == other[:-1]
    for value, expected in zip(one[-1], other[-1], strict=True):
        np.testing.assert_array_equal(value, expected)


class Block(L.Layer):
    """A layer somebody wrote, with layers in an attribute, a list and a dictionary."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = L.Dense(units, name="first")
        self.activations = [L.ReLU(name="relu_1"), L.ReLU(name="relu_2")]
        self.more = {"second": L.Dense(units, name="second")}

    def call(self, x):
        h = self.activations[0](self.first(x))
        return x + self.activations[1](self.more["second"](h))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Net(keras.Model):
    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.block = Block(units, name="block")
        self.relu = L.ReLU(name="relu")
        self.head = L.Dense(2, name="head")

    def call(self, x):
        return self.head(self.relu(self.block(self.relu(x))))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def sequential():
    return keras.Sequential(
        [keras.Input((4,)), L.Dense(4), L.ReLU(name="relu"), L.Dense(2)], name="net"
    )


def built_later():
    model = keras.Sequential([L.Dense(4), L.ReLU(name="relu"), L.Dense(2)], name="net")
    model(inputs(5, 4))
    return model


def functional():
    relu = L.ReLU(name="shared")
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4), L.ReLU(name="inner_relu")], name="in")
    x = keras.Input((4,), name="x")
    h = inner(relu(L.Dense(4)(x)))
    h = relu(h) + inner(h)
    h = Block(4, name="block")(h)
    return keras.Model(x, {"a": L.Dense(2, name="a")(h), "b": L.ReLU(name="b")(h)}, name="net")


def subclassed():
    model = Net(name="net")
    model(inputs(5, 4))
    return model


MODELS = {
    "sequential": sequential,
    "built later": built_later,
    "functional": functional,
    "subclassed": subclassed,
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=list(MODELS))


def relus(model):
    return [x for x in model._flatten_layers() if isinstance(x, L.ReLU)]


# --- The laws, on every kind of model ------------------------------------------------------------


@every_model
def test_every_match_is_replaced_and_nothing_else(make):
    model = make()
    names = sorted(relu.name for relu in relus(model))
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert type(new) is type(model)
    assert new.name == model.name
    assert relus(new) == []
    found = [x for x in new._flatten_layers() if isinstance(x, kt.layers.LeakyReLU)]
    assert sorted(layer.name for layer in found) == names
    described = [
        sorted((type(x).__name__, x.name) for x in m._flatten_layers() if x.weights)
        for m in (new, model)
    ]
    assert described[0] == described[1]


@every_model
def test_a_replacement_that_computes_the_same_changes_nothing(make):
    model = make()
    new = surgery.replace_layers(
        model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0, name=old.name)}
    )
    for y, expected in zip(predicted(new), predicted(model), strict=True):
        np.testing.assert_array_equal(y, expected)


@every_model
def test_training_goes_on_as_if_nothing_had_happened(make, compiled):
    """Weights, the optimizer's memory, its step count, the loss: all come along."""
    model, x, targets = compiled(make)
    new = surgery.replace_layers(
        model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0, name=old.name)}
    )
    for _ in range(2):
        for one in (new, model):
            one.train_on_batch(x, targets)
    for y, expected in zip(predicted(new), predicted(model), strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    assert int(new.optimizer.iterations) == 4


@every_model
def test_the_original_stays_as_it_was(make, compiled):
    model, x, targets = compiled(make)
    before = state(model)
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    new.train_on_batch(x, targets)
    assert_same_state(state(model), before)


@every_model
def test_a_failure_leaves_the_original_as_it_was(make, compiled):
    model, _, _ = compiled(make)
    before = state(model)
    with pytest.raises(ValueError, match="as it was"):
        surgery.replace_layers(model, {L.ReLU: lambda old: L.Reshape((2, 2), name=old.name)})
    assert_same_state(state(model), before)


@every_model
def test_removed_layers_are_the_identity(make):
    model = make()
    new = surgery.replace_layers(model, {L.ReLU: lambda old: None})
    linear = surgery.replace_layers(
        model, {L.ReLU: lambda old: L.Activation("linear", name=old.name)}
    )
    assert relus(new) == []
    for y, expected in zip(predicted(new), predicted(linear), strict=True):
        np.testing.assert_array_equal(y, expected)


@every_model
def test_flags_stay_where_they_were(make):
    model = make()
    for layer in model._flatten_layers():
        if isinstance(layer, L.Dense) and layer.name != "head":
            layer.trainable = False
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    flags = [
        sorted((x.name, x.trainable) for x in m._flatten_layers() if isinstance(x, L.Dense))
        for m in (new, model)
    ]
    assert flags[0] == flags[1]


# --- What is shared or nested in it --------------------------------------------------------------


def test_the_first_rule_that_matches_decides():
    rules = {
        "inner_relu": lambda old: L.ELU(name=old.name),
        lambda layer: layer.name.startswith("relu"): lambda old: L.Softmax(name=old.name),
        L.ReLU: leaky,
    }
    new = surgery.replace_layers(functional(), rules)
    kinds = {x.name: type(x) for x in new._flatten_layers()}
    assert kinds["inner_relu"] is L.ELU
    assert kinds["relu_1"] is kinds["relu_2"] is L.Softmax
    assert kinds["shared"] is kinds["b"] is kt.layers.LeakyReLU


def test_shared_layers_and_models_are_replaced_once_and_stay_shared():
    made = []

    def counted(old):
        made.append(old.name)
        return leaky(old)

    model = functional()
    new = surgery.replace_layers(model, {L.ReLU: counted})
    assert sorted(made) == ["b", "inner_relu", "relu_1", "relu_2", "shared"]
    assert len(new.layers) == len(model.layers)
    assert new.count_params() == model.count_params()


def test_a_nested_model_can_be_replaced_as_a_whole():
    new = surgery.replace_layers(
        functional(), {"in": lambda old: L.Dense(4, name="dense_for_in"), L.ReLU: leaky}
    )
    assert "in" not in [layer.name for layer in new.layers]
