"""Surgery on models of drawn layers, with drawn rules and data.

A clear error that leaves the model as it was, or a model that computes what it promises, from
itself and from a file.
"""

import importlib.util
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import layers

import kerastricks as kt

SPEC = importlib.util.spec_from_file_location("arguments", Path(__file__).with_name("arguments.py"))
arguments = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(arguments)
amounts, numbers = arguments.amounts, arguments.numbers

PARTS = {
    "dense": lambda: layers.Dense(4),
    "tanh": lambda: layers.Dense(4, "tanh", kernel_initializer="random_normal"),
    "convolution": lambda: layers.Conv2D(3, 2, padding="same", use_bias=False),
    "depthwise": lambda: layers.DepthwiseConv2D(2, padding="same"),
    "normalization": lambda: layers.BatchNormalization(momentum=0.5),
    "ours": lambda: kt.layers.BatchNormalization(average="debiased"),
    "unscaled": lambda: layers.BatchNormalization(scale=False, center=False),
    "relu": lambda: layers.ReLU(),
    "leaky": lambda: layers.LeakyReLU(0.3),
    "dropout": lambda: layers.Dropout(0.4),
    "path": lambda: kt.layers.DropPath(0.3),
    "nested": lambda: keras.Sequential([layers.Dense(4), layers.BatchNormalization()]),
    "frozen": lambda: layers.Dense(4, trainable=False),
    "dead": lambda: layers.Dense(4, kernel_initializer="zeros"),
    "pool": lambda: layers.GlobalAveragePooling2D(),
}
SHAPES = [(6,), (4, 4, 3)]


def build(drawn):
    """A sequential model of such parts, or one whose parts are summed with what goes into them."""
    names, shape, branches = drawn
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    x = layers.Dense(4)(inputs) if branches else inputs
    for name in names:
        y = PARTS[name]()(x)
        x = layers.Add()([x, y]) if branches and y.shape == x.shape else y
    model = keras.Model(inputs, layers.Dense(2, "softmax")(layers.Flatten()(x)))
    for weight in model.weights:
        if "moving" in weight.name:
            weight.assign(np.random.default_rng(1).uniform(0.5, 2, weight.shape))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


MODELS = st.tuples(
    st.lists(st.sampled_from(list(PARTS)), min_size=1, max_size=5),
    st.sampled_from(SHAPES),
    st.booleans(),
)


def data(model, samples=32):
    return np.random.default_rng(2).normal(size=(samples, *model.input_shape[1:])).astype("float32")


def answer(model, x):
    y = numbers(model(x, training=False))
    assert np.isfinite(y).all()
    assert y.shape == (len(x), 2)
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-4)
    return y


@pytest.fixture
def operated(attempted, tmp_path):
    """What surgery makes of a drawn model; the model must be as it was where it is only read."""

    def operated(drawn, operate, *, in_place=False):
        try:
            model = build(drawn)
        except ValueError:  # of parts that do not go together
            return None
        x = data(model)
        before, weights = answer(model, x), model.get_weights()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is left as it is
            made = attempted(lambda: operate(model, x))
        if made is None or not in_place:
            for was, now in zip(weights, model.get_weights(), strict=True):
                np.testing.assert_array_equal(now, was)
            np.testing.assert_array_equal(answer(model, x), before)
        if made is None:
            return None
        if isinstance(made, keras.Model):
            after = answer(made, x)
            made.save(tmp_path / "model.keras")
            again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
            np.testing.assert_allclose(answer(again, x), after, rtol=1e-4, atol=1e-6)
            return x, before, after, weights, made
        return x, before, made

    return operated


def is_hidden(layer):
    return type(layer) is layers.Dense and layer.units == 4


RULES = {
    "leaky": (layers.ReLU, lambda old: kt.layers.LeakyReLU(0.1, name=old.name), False),
    "same": (layers.LeakyReLU, kt.layers.LeakyReLU, True),
    "ours": (layers.BatchNormalization, kt.layers.BatchNormalization, True),
    "theirs": (kt.layers.BatchNormalization, layers.BatchNormalization, True),
    "away": (lambda layer: isinstance(layer, layers.Dropout), lambda old: None, True),
    "dropout": (layers.Dropout, kt.layers.Dropout, True),
    "wider": (is_hidden, lambda old: layers.Dense(5), False),
    "itself": (lambda layer: is_hidden(layer), lambda old: old, False),
    "nothing": (lambda layer: is_hidden(layer) and layer.trainable, lambda old: None, False),
    "no layer": (layers.Dense, lambda old: "nonsense", False),
    "name": ("dense", layers.Dense, True),
    "nobody": ("nonsense", layers.Dense, True),
    "odd": (3, layers.Dense, True),
    "class": (layers.Dense, int, True),
}

FITTING = [
    *(("relu", "leaky"), ("leaky", "same"), ("normalization", "ours"), ("ours", "theirs")),
    *(("dropout", "away"), ("dropout", "dropout"), ("dense", "wider"), ("dense", "nothing")),
]


@amounts(6, 150)
def test_replace_layers(examples, fuzz, operated, count):
    def hold(drawn):
        model, names = drawn
        rules = {RULES[name][0]: RULES[name][1] for name in names}
        made = operated(model, lambda model, x: kt.surgery.replace_layers(model, rules))
        if made is None:
            return
        _, before, after, _, new = made
        if all(RULES[name][2] for name in names):  # what stands there now computes the same
            np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
        which = RULES[min(names)][0]
        if len(names) == 1 and isinstance(which, type):
            assert which not in {type(layer) for layer in new.layers}
        count("right")

    any_rules = st.sets(st.sampled_from(list(RULES)), min_size=1, max_size=2)
    # A part at the end, and a rule that finds it.
    fitting = st.builds(
        lambda model, fit: (([*model[0], fit[0]], *model[1:]), {fit[1]}),
        MODELS,
        st.sampled_from(FITTING),
    )
    fuzz(fitting | fitting | st.tuples(MODELS, any_rules), examples, hold)


@amounts(4, 100)
def test_fold_batch_norm(examples, fuzz, operated, count):
    def hold(drawn):
        made = operated(drawn, lambda model, x: kt.surgery.fold_batch_norm(model))
        if made is not None:
            _, before, after, _, _ = made
            np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
            count("right")

    pairs = st.tuples(
        st.sampled_from(["dense", "depthwise"]),
        st.sampled_from(["normalization", "ours", "unscaled"]),
    )
    # At the end of each is something to fold.
    models = st.builds(lambda model, pair: ([*model[0], *pair], *model[1:]), MODELS, pairs)
    fuzz(models, examples, hold)


NUMBERS = arguments.SHARE | arguments.ODD
COUNTS = st.integers(1, 9) | arguments.ODD


@amounts(5, 80)
def test_recalibrate_batch_norm(examples, fuzz, operated, count):
    def hold(drawn):
        model, given = drawn

        def operate(model, x):
            return kt.surgery.recalibrate_batch_norm(model, x, verbose=0, **given)

        made = operated(model, operate, in_place=True)
        if made is not None:
            *_, weights, new = made
            for was, now in zip(weights, new.weights, strict=True):
                if "moving" not in now.name:
                    np.testing.assert_array_equal(numbers(now), was)
                elif "variance" in now.name:
                    assert (numbers(now) >= 0).all()
            count("right")

    given = st.fixed_dictionaries({}, optional={"steps": COUNTS, "batch_size": COUNTS})
    fuzz(st.tuples(MODELS, given), examples, hold)


@amounts(5, 80)
def test_lsuv(examples, fuzz, operated, count, capsys):
    def hold(drawn):
        model, given = drawn

        def operate(model, x):
            return kt.surgery.lsuv(model, x, **given)

        made = operated(model, operate, in_place=True)
        if made is not None:
            *_, weights, new = made
            for was, now in zip(weights, new.weights, strict=True):
                if "kernel" not in now.name:
                    np.testing.assert_array_equal(numbers(now), was)
            assert capsys.readouterr().out.replace("\n", "").isprintable()
            count("right")

    given = {
        "orthonormal": st.booleans(),
        "tolerance": NUMBERS,
        "max_iterations": COUNTS,
        "seed": st.none() | st.integers(0, 9) | arguments.ODD,
        "verbose": st.sampled_from([0, 1]),
    }
    fuzz(st.tuples(MODELS, st.fixed_dictionaries({}, optional=given)), examples, hold)


@amounts(5, 80)
def test_predict_with_uncertainty(examples, fuzz, operated, count):
    def hold(drawn):
        model, given = drawn

        def operate(model, x):
            return kt.surgery.predict_with_uncertainty(model, x, verbose=0, **given)

        made = operated(model, operate)
        if made is not None:
            x, _, found = made
            for each in (found.mean, found.standard_deviation):
                assert np.shape(each) == (len(x), 2)
                assert np.isfinite(each).all()
            assert (np.asarray(found.standard_deviation) >= 0).all()
            if found.entropy is not None:
                assert np.isfinite(found.entropy).all()
                assert (found.mutual_information >= -1e-5).all()
                assert (found.mutual_information <= found.entropy + 1e-5).all()
            count("right")

    given = {
        "passes": st.integers(2, 5) | arguments.ODD,
        "binary": st.booleans(),
        "batch_size": COUNTS,
        "seed": st.none() | st.integers(0, 9) | arguments.ODD,
    }
    fuzz(st.tuples(MODELS, st.fixed_dictionaries({}, optional=given)), examples, hold)


@amounts(1, 40)
def test_checkup_and_treat(examples, fuzz, operated, attempted, count):
    def hold(drawn):
        model, scale, shift = drawn

        def operate(model, x):
            y = np.arange(len(x)) % 2
            report = kt.checkup(model, scale * x + shift, y)
            assert report.summary().replace("\n", "").isprintable()
            return kt.surgery.treat(model, report, verbose=0)

        if operated(model, operate) is not None:
            count("right")

    scales = st.sampled_from([1.0, 0.0, 1e-6, 300.0])
    fuzz(st.tuples(MODELS, scales, st.sampled_from([0, 100.0])), examples, hold)
