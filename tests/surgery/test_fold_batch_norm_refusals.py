"""What cannot be folded is left with the reason, or refused."""

import keras
import numpy as np
import pytest

from kerastricks import surgery

L = keras.layers


def normalizations(model):
    return [x for x in model._flatten_layers() if isinstance(x, L.BatchNormalization)]


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers], name="net")


def pair(name="", units=4):
    return [
        L.Dense(units, use_bias=False, name=f"linear{name}"),
        L.BatchNormalization(name=f"norm{name}"),
    ]


def chain(x, *layers):
    for layer in layers:
        x = layer(x)
    return x


def used_elsewhere(x):
    h = L.Dense(4)(x)
    return h + L.BatchNormalization(name="norm")(h)


def is_an_output(x):
    h = L.Dense(4)(x)
    return [h, L.ReLU()(L.BatchNormalization(name="norm")(h))]


def different_followers(x):
    dense = L.Dense(4)
    return L.BatchNormalization(name="norm")(dense(x)) + L.BatchNormalization()(dense(x))


def different_givers(x):
    norm = L.BatchNormalization(name="norm")
    return norm(L.Dense(4)(x)) + norm(L.Dense(4)(x))


class Scaled(L.Dense):
    def call(self, x):
        return super().call(x) ** 2


class Centered(L.BatchNormalization):
    pass


class Block(L.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.linear, self.norm = pair()

    def call(self, x):
        return self.norm(self.linear(x))


class Around(L.Layer):
    """A layer somebody wrote around one that others may hold, too."""

    def __init__(self, part, **kwargs):
        super().__init__(name="around", **kwargs)
        self.part = part

    def call(self, x):
        return self.part(x) * 2

    def get_config(self):
        return {"part": keras.saving.serialize_keras_object(self.part)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["part"]))


class AroundAsModel(Around, keras.Model):
    pass


class Tied(Around):
    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.part.kernel))


def shared_with(owner, index):
    def build(x):
        dense, norm = pair()
        return norm(dense(x)) + owner((dense, norm)[index])(x)

    return build


def tied(x):
    dense, norm = pair()
    return Tied(dense)(norm(dense(x)))


def shared_with_wrapper(index):
    def build(x):
        dense, norm = pair(units=2)
        x = L.Reshape((2, 2))(x)
        return norm(dense(x)) + L.TimeDistributed((dense, norm)[index], name="around")(x)

    return build


def in_training(x):
    dense, norm = pair()
    return norm(dense(x), training=True)


def nested_in_training(x):
    return keras.Sequential([keras.Input((4,)), *pair()])(x, training=True)


LEFT = {
    "behind an activation": (
        lambda x: chain(x, L.Dense(4, activation="relu"), pair()[1]),
        "the activation of 'dense.*' is in between",
    ),
    "behind another layer": (
        lambda x: chain(x, L.ReLU(), pair()[1]),
        r"\(ReLU\) cannot take it in",
    ),
    "first": (lambda x: pair()[1](x), "does not follow one and the same layer"),
    "behind an operation": (lambda x: pair()[1](L.Dense(4)(x) * 2), "does not follow one and"),
    "used elsewhere": (used_elsewhere, "the output of 'dense.*' before it is used elsewhere"),
    "an output": (is_an_output, "the output of 'dense.*' before it is used elsewhere"),
    "different followers": (different_followers, "before it is used elsewhere"),
    "different givers": (different_givers, "does not follow one and the same layer"),
    "another axis": (
        lambda x: L.BatchNormalization(axis=1, name="norm")(L.Dense(4)(L.Reshape((2, 2))(x))),
        "another axis than that of the channels",
    ),
    "another axis of an einsum": (
        lambda x: L.BatchNormalization(axis=1, name="norm")(
            L.EinsumDense("abc,cd->abd", (2, 3))(L.Reshape((2, 2))(x))
        ),
        "does not run over the axis",
    ),
    "training": (in_training, "may be told to normalize with the batch"),
    "nested, training": (nested_in_training, "may be told to normalize with the batch"),
    "subclass of the linear layer": (
        lambda x: chain(x, Scaled(4), pair()[1]),
        r"\(Scaled\) cannot take it in",
    ),
    "subclass of the normalization": (
        lambda x: chain(x, L.Dense(4), Centered(name="norm")),
        "its class Centered",
    ),
    "within a layer": (lambda x: Block()(x), r"does not know what it follows.*\(Block\)"),
    "within a wrapper": (
        lambda x: L.TimeDistributed(pair()[1])(L.Dense(2)(L.Reshape((2, 2))(x))),
        r"does not know what it follows.*\(TimeDistributed\)",
    ),
    "linear layer shared with a layer": (
        shared_with(Around, 0),
        r"'linear' before it is used within 'around' \(Around\), too",
    ),
    "normalization shared with a layer": (
        shared_with(Around, 1),
        r"it is used within 'around' \(Around\), too",
    ),
    "normalization shared with a model": (
        shared_with(AroundAsModel, 1),
        r"it is used within 'around' \(AroundAsModel\), too",
    ),
    "tied": (tied, r"'linear' before it is used within 'around' \(Tied\), too"),
    "linear layer shared with a wrapper": (
        shared_with_wrapper(0),
        r"'linear' before it is used within 'around' \(TimeDistributed\), too",
    ),
    "normalization shared with a wrapper": (
        shared_with_wrapper(1),
        r"it is used within 'around' \(TimeDistributed\), too",
    ),
}


@pytest.mark.parametrize(("build", "reason"), LEFT.values(), ids=list(LEFT))
def test_what_cannot_be_folded_is_left_with_the_reason(build, reason, assert_folded, randomized):
    x = keras.Input((4,))
    alone = keras.Model(x, build(x))
    with pytest.raises(ValueError, match=rf"(?s)no batch norm.*\n- 'norm'.*: .*{reason}"):
        surgery.fold_batch_norm(alone)
    # Beside one that can be folded, it is a warning.
    x = keras.Input((4,))
    model = randomized(keras.Model(x, [build(x), L.ReLU()(chain(x, *pair("_too")))]))
    with pytest.warns(UserWarning, match=rf"(?s)left as they are:.*'norm'.*{reason}"):
        assert_folded(model, (4,), left=len(normalizations(model)) - 1)


def test_nothing_to_fold_is_an_error():
    with pytest.raises(ValueError, match=r"'net' has no batch norm.*it has none at all"):
        surgery.fold_batch_norm(sequential((4,), L.Dense(2)))
    folded = surgery.fold_batch_norm(sequential((4,), *pair()))
    with pytest.raises(ValueError, match="none at all"):
        surgery.fold_batch_norm(folded)


@pytest.mark.parametrize("weight", ["moving_mean", "moving_variance", "gamma", "beta"])
def test_weights_that_are_not_finite_are_an_error_that_names_the_layer(weight):
    model = sequential((4,), *pair("_1"), *pair("_2"))
    getattr(model.get_layer("norm_2"), weight).assign([1, np.nan, 1, 1])
    with pytest.raises(ValueError, match=r"'norm_2' has NaN.*1 of 4 channels.*recalibrate"):
        surgery.fold_batch_norm(model)


def test_models_must_be_built_models():
    with pytest.raises(ValueError, match=r"'net' is not built.*model\.build\(input_shape\)"):
        surgery.fold_batch_norm(keras.Sequential(pair(), name="net"))
    with pytest.raises(TypeError, match=r"must be a keras\.Model.*Dense"):
        surgery.fold_batch_norm(L.Dense(3))
