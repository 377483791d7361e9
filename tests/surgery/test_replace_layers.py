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


def compiled(make):
    keras.utils.set_random_seed(3)
    model = make()
    model.compile(keras.optimizers.Adam(0.02), loss="mse", run_eagerly=True)
    x = inputs(5, 4)
    targets = keras.tree.map_structure(lambda y: np.ones(y.shape), model(x))
    for _ in range(2):
        model.train_on_batch(x, targets)
    return model, x, targets


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
def test_training_goes_on_as_if_nothing_had_happened(make):
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
def test_the_original_stays_as_it_was(make):
    model, x, targets = compiled(make)
    before = state(model)
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    new.train_on_batch(x, targets)
    assert_same_state(state(model), before)


@every_model
def test_a_failure_leaves_the_original_as_it_was(make):
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


# --- Models that are hard to copy ----------------------------------------------------------------


def test_what_is_not_registered_is_copied_all_the_same():
    def squared(x):
        return x * x

    class Cut(keras.regularizers.Regularizer):
        def __call__(self, x):
            return 0.0

        def get_config(self):
            return {}

    x = keras.Input((4,))
    h = L.Dense(4, activation=squared, kernel_regularizer=Cut())(x)
    h = L.ReLU()(L.Lambda(lambda h: 2 * h, output_shape=(4,))(h))
    model = keras.Model(x, L.Dense(2, activation=lambda h: h + 1)(h))
    new = surgery.replace_layers(model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0)})
    np.testing.assert_array_equal(predicted(new)[0], predicted(model)[0])


def test_state_that_is_no_weight_comes_along():
    normalization = L.Normalization(name="normalization")
    normalization.adapt(inputs(5, 4) * 3 + 1)
    model = keras.Sequential([keras.Input((4,)), normalization, L.ReLU()])
    new = surgery.replace_layers(model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0)})
    np.testing.assert_array_equal(predicted(new)[0], predicted(model)[0])


def test_our_layers_are_copied_whole():
    layer = kt.layers.BatchNormalization(average="cumulative")
    model = keras.Sequential([keras.Input((4,)), layer, L.ReLU()])
    for scale in (1, 2):
        model(inputs(5, 4) * scale, training=True)
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    for one in (new, model):  # the third step of a mean over all
        one(inputs(5, 4) * 9, training=True)
    for value, expected in zip(new.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_vocabularies_come_along():
    pytest.importorskip("tensorflow", reason="Keras' lookups run on it, whatever the backend")
    lookup = L.IntegerLookup()
    lookup.adapt(np.array([7, 7, 3]))
    model = keras.Sequential([keras.Input((2,), dtype="int64"), lookup, L.Embedding(3, 2)])
    new = surgery.replace_layers(model, {L.Embedding: lambda old: None})
    assert new.layers[0].get_vocabulary() == lookup.get_vocabulary() == [-1, 7, 3]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch's dropout ignores the seed")
def test_random_numbers_go_on_where_they_were():
    model = keras.Sequential([keras.Input((4,)), L.Dropout(0.5, seed=1), L.ReLU()])
    model(inputs(5, 4), training=True)
    new = surgery.replace_layers(model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0)})
    drawn = [array(m(inputs(5, 4), training=True)) for m in (new, model)]
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_inputs_keep_names_structure_and_types():
    x = {"a": keras.Input((4,), name="a"), "b": keras.Input((), dtype="int32", name="b")}
    model = keras.Model(x, L.ReLU()(L.Dense(2)(x["a"]) + L.Embedding(3, 2)(x["b"])))
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert new.input.keys() == model.input.keys()
    assert [(t.name, t.dtype, t.shape) for t in new.inputs] == [
        (t.name, t.dtype, t.shape) for t in model.inputs
    ]


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_policies_stay(policy):
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(4, dtype=policy), L.ReLU(), L.Dense(2, dtype="float32")]
    )
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert [x.dtype_policy.name for x in new.layers[::2]] == [policy, "float32"]
    for weight, expected in zip(new.weights, model.weights, strict=True):
        assert weight.dtype == expected.dtype
        np.testing.assert_array_equal(
            array(weight).astype("float32"), array(expected).astype("float32")
        )


def test_a_sequential_model_that_is_not_built_stays_so():
    new = surgery.replace_layers(keras.Sequential([L.Dense(2), L.ReLU()]), {L.ReLU: leaky})
    assert not new.built
    assert predicted(new)[0].shape == (5, 2)


def test_classes_that_lay_out_their_own_graph_are_told_the_way_out():
    class Laid(keras.Model):
        def __init__(self, units=2):
            x = keras.Input((4,))
            super().__init__(x, L.ReLU()(L.Dense(units)(x)))

    model = Laid()
    with pytest.raises(ValueError, match=r"Laid lays its.*keras\.Model\(model\.inputs"):
        surgery.replace_layers(model, {L.ReLU: leaky})
    new = surgery.replace_layers(keras.Model(model.inputs, model.outputs), {L.ReLU: leaky})
    assert relus(new) == []


def test_layers_created_in_build_cannot_be_exchanged():
    class Late(L.Layer):
        def build(self, input_shape):
            self.relu = L.ReLU(name="late")

        def call(self, x):
            return self.relu(x)

    model = keras.Sequential([keras.Input((4,)), Late(name="owner"), L.Softmax()])
    with pytest.raises(ValueError, match=r"'late' \(ReLU\) cannot be exchanged: 'owner' \(Late\)"):
        surgery.replace_layers(model, {L.ReLU: leaky})
    new = surgery.replace_layers(model, {L.Softmax: lambda old: None})
    assert (predicted(new)[0] >= 0).all()


def test_layers_without_a_config_are_named():
    class Closed(L.Layer):
        def __init__(self, function):
            super().__init__(name="closed")
            self.function = function

        def call(self, x):
            return self.function(x)

    model = keras.Sequential([keras.Input((4,)), Closed(lambda x: x), L.ReLU()])
    with pytest.raises(ValueError, match=r"'closed' of class Closed cannot be copied.*get_config"):
        surgery.replace_layers(model, {L.ReLU: leaky})


# --- The compile state ---------------------------------------------------------------------------


def test_options_losses_and_metrics_stay():
    def loss(y, p):
        return keras.ops.mean((y - p) ** 2, axis=-1)

    class Bias(keras.metrics.Mean):
        def update_state(self, y, p, sample_weight=None):
            super().update_state(p - y)

    x = keras.Input((4,))
    h = L.ReLU()(L.Dense(2)(x))
    model = keras.Model(x, [L.Dense(1, name="a")(h), L.Dense(1, name="b")(h)])
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
        loss={"a": loss, "b": "mae"},
        loss_weights={"a": 1.0, "b": 0.5},
        metrics={"a": ["mse", Bias(name="bias")]},
        weighted_metrics={"b": ["mse"]},
        run_eagerly=True,
        steps_per_execution=1 if keras.backend.backend() == "torch" else 2,
    )
    data = inputs(8, 4), {"a": np.ones((8, 1)), "b": np.ones((8, 1))}
    model.fit(*data, verbose=0)
    new = surgery.replace_layers(
        model, {L.ReLU: lambda old: L.LeakyReLU(negative_slope=0.0, name=old.name)}
    )
    assert new.run_eagerly
    assert new.steps_per_execution == model.steps_per_execution
    assert new.optimizer.get_config() == model.optimizer.get_config()
    results = [m.fit(*data, verbose=0).history for m in (new, model)]
    assert results[0].keys() == results[1].keys() >= {"a_bias", "a_mse", "b_mse"}
    for name, values in results[0].items():
        np.testing.assert_allclose(values, results[1][name], rtol=1e-6)


def test_an_uncompiled_model_stays_uncompiled():
    assert not surgery.replace_layers(sequential(), {L.ReLU: leaky}).compiled


def test_a_compiled_model_that_never_trained():
    model = sequential()
    model.compile("adam", loss="mse", run_eagerly=True)
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert not new.optimizer.built
    new.train_on_batch(inputs(6, 4), np.ones((6, 2)))


def test_the_optimizer_forgets_what_was_exchanged_and_nothing_else():
    model, _, _ = compiled(sequential)
    last = model.layers[-1]
    new = surgery.replace_layers(model, {last.name: lambda old: L.Dense(3, name="head")})
    memory = {v.name: array(v) for v in new.optimizer.variables if "momentum" in v.name}
    assert {name: value.any() for name, value in memory.items() if "head" in name} == {
        name: False for name in memory if "head" in name
    }
    assert sum(value.any() for value in memory.values()) == 2
    assert int(new.optimizer.iterations) == int(model.optimizer.iterations)


def test_a_scaled_optimizer_is_not_scaled_twice():
    model = keras.Sequential([keras.Input((4,)), L.Dense(2), L.ReLU()])
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), loss="mse")
    model.fit(inputs(5, 4), np.ones((5, 2)), verbose=0)
    assert int(model.optimizer.iterations) == 1
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert type(new.optimizer.inner_optimizer) is type(model.optimizer.inner_optimizer)
    assert int(new.optimizer.iterations) == 1


def test_a_compile_of_ones_own_goes_by_its_config():
    class Own(keras.Model):
        def compile(self, temperature):
            super().compile("sgd", loss="mse")
            self.temperature = temperature

        def get_compile_config(self):
            return {"temperature": self.temperature}

        def compile_from_config(self, config):
            self.compile(**config)

    x = keras.Input((4,))
    model = Own(x, L.ReLU()(L.Dense(2)(x)))
    model.compile(temperature=3)
    new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert type(new) is Own
    assert new.compiled
    assert new.temperature == 3


def test_metrics_that_keras_cannot_read_back_are_an_error_with_a_way_out():
    def own_metric(y, p):
        return keras.ops.mean(y - p)

    model = sequential()
    model.compile("sgd", loss="mse", metrics=[own_metric])
    with pytest.raises(ValueError, match=r"register_keras_serializable.*custom_object_scope"):
        surgery.replace_layers(model, {L.ReLU: leaky})
    with keras.saving.custom_object_scope({"own_metric": own_metric}):
        new = surgery.replace_layers(model, {L.ReLU: leaky})
    assert "own_metric" in new.evaluate(inputs(5, 4), np.ones((5, 2)), verbose=0, return_dict=True)


def test_the_result_saves_and_loads(tmp_path):
    model = surgery.replace_layers(compiled(sequential)[0], {L.ReLU: leaky})
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predicted(again)[0], predicted(model)[0])


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
