import keras
import numpy as np
import pytest

import kerastricks as kt


def classifier(x, classes=3, **head):
    layers = [keras.Input(x.shape[1:]), keras.layers.Dense(16, "relu")]
    head = {"activation": "softmax", **head}
    model = keras.Sequential([*layers, keras.layers.Dense(classes, **head)])
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(256, 8)).astype("float32")


@pytest.fixture
def y(x):
    return (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def values(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def test_a_healthy_model_is_healthy(x, y):
    report = kt.checkup(classifier(x), x, y)
    assert report.healthy, report.summary()
    assert report.observed


def test_nothing_is_trained(x, y):
    model = classifier(x)
    model.fit(x, y, epochs=1, verbose=0)
    history, before = model.history, values(model)
    kt.checkup(model, x, y)
    for was, now in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(was, now)
    assert model.history is history


def test_training_afterwards_is_training_without_it(x, y):
    def trained(examined):
        keras.utils.set_random_seed(0)
        model = classifier(x)
        if examined:
            kt.checkup(model, x, y)
        keras.utils.set_random_seed(0)
        return model.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]

    assert trained(True) == trained(False)


def test_a_model_that_is_not_built_yet(x, y):
    model = keras.Sequential([keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    assert kt.checkup(model, x, y).healthy
    assert (
        int(
            model.optimizer.iterations.numpy()
            if hasattr(model.optimizer.iterations, "numpy")
            else model.optimizer.iterations
        )
        == 0
    )


def test_a_data_set_gives_its_first_batch(x, y):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return x[:64] * 1000, y[:64]

    report = kt.checkup(classifier(x), Batches())
    assert report.root_causes[0].condition == "unnormalized_inputs"


@pytest.mark.filterwarnings("ignore:.*You are using a softmax over axis")
def test_what_is_wrong_from_the_start_is_named(x, y):
    def conditions(model, x, y):
        return {finding.condition for finding in kt.checkup(model, x, y).findings}

    assert "unnormalized_inputs" in conditions(classifier(x), 1000 * x, y)
    assert "constant_output" in conditions(classifier(x, classes=1), x, 0 * y)
    assert "loss_mismatch" in conditions(classifier(x, activation=None), x, y)
    same = classifier(x)
    for layer in same.layers:
        layer.kernel.assign(np.full(layer.kernel.shape, 0.1, "float32"))
    assert "symmetric_units" in conditions(same, x, y)
    regression = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    regression.compile("adam", "mse")
    assert "unnormalized_targets" in conditions(regression, x, 200 + 80 * x[:, 0])


def test_a_deep_sigmoid_network_is_sick_at_one_look(x, y):
    deep = [keras.layers.Dense(16, "sigmoid", kernel_initializer="zeros") for _ in range(8)]
    for layer in deep:
        layer.kernel_initializer = keras.initializers.RandomNormal(stddev=0.03)
    model = keras.Sequential([keras.Input((8,)), *deep, keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    report = kt.checkup(model, x, y)
    assert {f.condition for f in report.findings} >= {"poor_initialization", "vanishing_gradients"}
    roots = [f.condition for f in report.root_causes if f.severity != "note"]
    assert roots == ["poor_initialization"]


def test_bad_calls_are_refused(x, y):
    with pytest.raises(ValueError, match="uncompiled"):
        kt.checkup(keras.Sequential([keras.layers.Dense(3)]), x, y)
    with pytest.raises(ValueError, match="at least one example"):
        kt.checkup(classifier(x), x[:0], y[:0])
