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


@pytest.mark.compiling
def test_a_healthy_model_is_healthy(x, y):
    report = kt.checkup(classifier(x), x, y)
    assert report.healthy, report.summary()
    assert report.observed


@pytest.mark.compiling
def test_nothing_is_trained(x, y):
    model = classifier(x)
    model.fit(x, y, epochs=1, verbose=0)
    history, before = model.history, values(model)
    kt.checkup(model, x, y)
    for was, now in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(was, now)
    assert model.history is history


@pytest.mark.compiling
def test_training_afterwards_is_training_without_it(x, y):
    def trained(examined):
        keras.utils.set_random_seed(0)
        model = classifier(x)
        if examined:
            kt.checkup(model, x, y)
        keras.utils.set_random_seed(0)
        return model.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]

    assert trained(True) == trained(False)


@pytest.mark.compiling
def test_a_model_that_is_not_built_yet(x, y):
    model = keras.Sequential([keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    assert kt.checkup(model, x, y).healthy
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations.value)) == 0


def test_random_seeds_are_put_back(x, y):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5, seed=3)])
    model.add(keras.layers.Dense(3, "softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert any("seed" in variable.path for variable in model.variables)
    before = values(model)
    kt.checkup(model, x, y)
    for was, now in zip(before, values(model), strict=False):
        np.testing.assert_array_equal(was, now)


@pytest.mark.compiling
def test_labels_that_are_no_class_are_found_though_the_loss_may_fail_on_them(x, y):
    model = classifier(x)
    before = values(model)[: len(model.variables)]
    report = kt.checkup(model, x, y + 1)  # 1 to 3, of 3 classes
    assert report.root_causes[0].condition == "unreachable_targets"
    for was, now in zip(before, values(model), strict=False):
        np.testing.assert_array_equal(was, now)


@pytest.mark.compiling
def test_labels_that_are_no_class_of_one_of_two_outputs(x, y):
    inputs = keras.Input((8,))
    outputs = [keras.layers.Dense(3, "softmax", name=name)(inputs) for name in "ab"]
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    report = kt.checkup(model, x, [y, y - 1])
    assert [f.layer for f in report.findings if f.condition == "unreachable_targets"] == ["b"]


class Failing(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise RuntimeError("no such file")


@pytest.mark.compiling
def test_after_an_exception_the_model_is_as_it_was(x, y, assert_clean):
    model = classifier(x)
    before = values(model)
    with pytest.raises(Exception, match="no such file"):
        kt.checkup(model, Failing())
    for was, now in zip(before, values(model), strict=False):
        np.testing.assert_array_equal(was, now)
    assert_clean(model)
    assert "history" not in vars(model)
    assert model.fit(x, y, verbose=0).history["loss"]


def test_an_optimizer_of_the_models_own_is_put_back(x):
    class Own(keras.Sequential):
        def compile(self, own, **arguments):
            super().compile(optimizer="sgd", loss="mse", **arguments)
            self.own = own

        def compute_loss(self, *args, **kwargs):
            loss = super().compute_loss(*args, **kwargs)
            if keras.backend.backend() != "jax":
                self.own.iterations.assign_add(1)
            return loss

    model = Own([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam())
    kt.checkup(model, x, x[:, :1])
    assert int(keras.ops.convert_to_numpy(model.own.iterations.value)) == 0


def test_a_layer_that_is_silent_as_a_whole_is_named_in_few_examples(x, y):
    dead = keras.layers.Dense(32, "relu", bias_initializer=keras.initializers.Constant(-30))
    model = keras.Sequential([keras.Input((x.shape[1],)), dead, keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    report = kt.checkup(model, x[:200], y[:200])
    assert "dying_units" in {finding.condition for finding in report.root_causes}


def test_a_first_loss_far_above_chance_is_noted_with_both_numbers():
    x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    head = keras.layers.Dense(10, bias_initializer=keras.initializers.Constant([50.0] + [0] * 9))
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu"), head])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    report = kt.checkup(model, x, np.arange(256) % 10)
    (found,) = (f for f in report.findings if f.condition == "poor_initialization")
    assert found.severity == "note"
    assert found.evidence["first_loss"] > 30
    assert found.evidence["loss_of_a_constant_answer"] == pytest.approx(np.log(10))


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_a_head_that_gives_no_probabilities_is_named_whatever_it_gives_first(activation):
    x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    head = keras.layers.Dense(1, activation, kernel_initializer=keras.initializers.Constant(1e-3))
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu"), head])
    model.compile("adam", "binary_crossentropy")
    report = kt.checkup(model, x, (x[:, 0] > 0).astype("float32"))
    assert "loss_mismatch" in {finding.condition for finding in report.findings}


@pytest.mark.compiling
@pytest.mark.parametrize("value", [np.inf, 3.4e38])
def test_a_remedy_for_infinite_inputs_leaves_nothing_to_find(value):
    x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
    y = x[:, :1].copy()
    x[3, 2] = value
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu")])
    model.add(keras.layers.Dense(1))
    model.compile("adam", "mse")
    report = kt.checkup(model, x, y)
    root = report.root_causes[0]
    if np.isinf(value):
        assert root.condition == "non_finite"
        typed = root.remedy.split("in the data: ")[1].rstrip(".")
        given = {"np": np, "x": x}
        exec(typed, given)
        assert kt.checkup(model, given["x"], y).healthy
    else:
        assert "unnormalized_inputs" in {finding.condition for finding in report.findings}
        assert report.sick


@pytest.mark.compiling
def test_a_head_that_starts_at_zero_is_healthy(x, y):
    layers = [keras.layers.Dense(16, "relu", kernel_initializer="he_normal") for _ in range(2)]
    head = keras.layers.Dense(3, "softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((8,)), *layers, head])
    model.compile("adam", "sparse_categorical_crossentropy")
    report = kt.checkup(model, x, y)
    assert report.healthy, report.summary()


class Reconstruction(keras.layers.Layer):
    """Adds the loss of an autoencoder."""

    def call(self, inputs):
        x, decoded = inputs
        self.add_loss(keras.ops.mean(keras.ops.square(x - decoded)))
        return decoded


def test_arrays_without_targets_are_cut_too(x):
    inputs = keras.Input((8,))
    decoded = keras.layers.Dense(8)(keras.layers.Dense(4, "relu")(inputs))
    model = keras.Model(inputs, Reconstruction()([inputs, decoded]))
    model.compile("adam")
    sizes = []

    original = model.fit

    def fit(**arguments):
        sizes.append(arguments["x"].shape[0])
        return original(**arguments)

    model.__dict__["fit"] = fit
    assert kt.checkup(model, x, batch_size=64).observed
    assert sizes == [64]


@pytest.mark.compiling
def test_targets_by_name_belong_to_their_outputs(x, y):
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(16, "relu")(inputs)
    heads = [
        keras.layers.Dense(1, name="price")(hidden),
        keras.layers.Dense(3, "softmax", name="kind")(hidden),
    ]
    model = keras.Model(inputs, heads)
    losses = {"price": "mse", "kind": "sparse_categorical_crossentropy"}
    model.compile("adam", losses)
    targets = {"price": x[:, :1], "kind": y}
    report = kt.checkup(model, x, targets)
    assert report.healthy, report.summary()


@pytest.mark.compiling
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


@pytest.mark.compiling
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
    with pytest.raises(ValueError, match=r"takes arrays.*np\.asarray"):
        kt.checkup(classifier(x), x.tolist(), y)
    with pytest.raises(ValueError, match=r"batch_size.*Received"):
        kt.checkup(classifier(x), x, y, batch_size=0)


@pytest.mark.compiling
def test_labels_in_a_list_are_taken(x, y):
    assert kt.checkup(classifier(x), x, y.tolist()).healthy
