"""Models that are hard to copy."""

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


def relus(model):
    return [x for x in model._flatten_layers() if isinstance(x, L.ReLU)]


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
