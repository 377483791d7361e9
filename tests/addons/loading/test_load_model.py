import keras
import numpy as np
import pytest

import kerastricks.addons as tfa
from kerastricks.addons._loading.training import compile_arguments

pytestmark = pytest.mark.filterwarnings(
    # An optimizer that has taken no step has nothing to be restored.
    "ignore:Skipping variable loading for optimizer:UserWarning",
    # With Keras 3.10 the first compiled predictions of many small models are many.
    "ignore:.*triggered tf.function retracing.*",
)
FILES = ["tiny.h5", "tiny.keras", "tiny_functional.h5", "tiny_functional.keras"]


def answers(model, x):
    """Predictions without compiling the model's graph."""
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.every_variant
@pytest.mark.parametrize("file", FILES)
def test_an_old_model_predicts_what_it_predicted(file, old_models, known_answers):
    x, y = known_answers(file.partition(".")[0])
    model = tfa.load_model(old_models / file)
    np.testing.assert_allclose(answers(model, x), y, atol=1e-5)


# What Keras 3.10 saves of a functional model with one input, it reads as one with a list of one.
@pytest.mark.compiling
@pytest.mark.filterwarnings("ignore:(?s).*structure of `inputs` doesn't match:UserWarning")
@pytest.mark.parametrize("file", ["tiny.keras", "tiny_functional.h5"])
def test_an_old_model_trains_on_and_is_saved_as_a_new_one(
    file, old_models, known_answers, tmp_path
):
    x, y = known_answers(file.partition(".")[0])
    model = tfa.load_model(old_models / file)
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.fit(x, y + 1, epochs=2, verbose=0)
    after = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    assert not any(np.array_equal(b, a) for b, a in zip(before, after, strict=True))
    np.testing.assert_allclose(model.predict(x, verbose=0), answers(model, x), atol=1e-5)
    model.save(tmp_path / "new.keras")
    again = keras.models.load_model(tmp_path / "new.keras")
    np.testing.assert_allclose(answers(again, x), answers(model, x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_it_is_compiled_as_it_was(suffix, old_models, known_answers):
    model = tfa.load_model(old_models / f"tiny.{suffix}")
    assert isinstance(model.optimizer, tfa.optimizers.RectifiedAdam)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    x, y = known_answers("tiny")
    logs = model.evaluate(x, y, return_dict=True, verbose=0)
    assert list(logs) == ["loss", "mae"]
    assert logs["loss"] == pytest.approx(0, abs=1e-9)
    adam = tfa.load_model(old_models / f"tiny_functional.{suffix}").optimizer
    assert isinstance(adam, keras.optimizers.Adam)


def test_it_is_not_compiled_when_not_asked_for(old_models):
    assert not tfa.load_model(old_models / "tiny.keras", compile=False).compiled


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_one_warning_tells_why_a_model_is_not_compiled(suffix, old_models, edited, known_answers):
    def edit(text):
        return text.replace('"loss": "mse"', '"loss": "Addons>triplet_hard_loss"')

    path = edited(old_models / f"tiny.{suffix}", edit)
    with pytest.warns(UserWarning, match="not compiled: .*triplet_hard_loss.*") as caught:
        model = tfa.load_model(path)
    assert len(caught) == 1
    x, y = known_answers("tiny")
    np.testing.assert_allclose(answers(model, x), y, atol=1e-5)


def test_what_keras_3_wrote_is_left_to_keras(tmp_path):
    model = keras.Sequential([keras.Input((3,)), tfa.layers.TLU()])
    model.save(tmp_path / "new.keras")
    with pytest.raises(ValueError, match=r"Keras 3 wrote it: open it by keras.models.load_model"):
        tfa.load_model(str(tmp_path / "new.keras"))


def test_keras_own_loader_is_served_and_nothing_is_registered(old_models, known_answers):
    assert [n for n in keras.saving.get_custom_objects() if n.startswith("Addons>")] == []
    objects = tfa.custom_objects()
    assert objects["Addons>Maxout"] is tfa.layers.Maxout
    assert objects["Addons>mish"] is tfa.activations.mish
    objects.clear()
    model = keras.models.load_model(
        old_models / "tiny.h5", custom_objects=tfa.custom_objects(), compile=False
    )
    x, y = known_answers("tiny")
    np.testing.assert_allclose(answers(model, x), y, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"keras.src.engine.functional"', '"tf_keras.src.engine.functional"'),
        ('"keras.src.engine.functional"', '"keras.engine.functional"'),
        ('"dtype": "float32"', '"dtype": {"class_name": "Policy", "config": {"name": "float32"}}'),
        (
            '{"module": "builtins", "class_name": "function", "config": "Addons>lisht", '
            '"registered_name": "function"}',
            '"Addons>lisht"',
        ),
    ],
)
def test_configs_of_other_versions_mean_the_same(old, new, old_models, edited, known_answers):
    path = edited(old_models / "tiny_functional.keras", lambda text: text.replace(old, new))
    x, y = known_answers("tiny_functional")
    np.testing.assert_allclose(answers(tfa.load_model(path, compile=False), x), y, atol=1e-5)


def layer(name, /, **config):
    return {"module": "keras.layers", "class_name": name, "config": config}


def test_hard_sigmoid_is_keras_2s(keras_file):
    path = keras_file([layer("Activation", name="a", activation="hard_sigmoid", dtype="float32")])
    y = answers(tfa.load_model(path), np.array([[-3, -1, 0, 1]], "float32"))
    np.testing.assert_allclose(y, [[0, 0.3, 0.5, 0.7]], atol=1e-6)


def test_arguments_that_changed_nothing_are_left_out(keras_file):
    dense = layer("Dense", name="dense", units=2, use_bias=False, groups=1, dynamic=False)
    path = keras_file([dense], {"layers/dense/vars/0": np.ones((4, 2), "float32")})
    np.testing.assert_array_equal(
        answers(tfa.load_model(path), np.ones((1, 4), "float32")), [[4, 4]]
    )


def test_separable_convolutions_lose_their_base_class_kernel(keras_file):
    reshape = layer("Reshape", name="reshape", target_shape=[4, 1])
    unused = {"kernel_initializer": "zeros", "kernel_regularizer": None, "kernel_constraint": None}
    convolution = layer("SeparableConv1D", name="s", filters=2, kernel_size=1, **unused)
    shapes = [(1, 1, 1), (1, 1, 2), (2,)]
    weights = {f"layers/separable_conv1d/vars/{n}": np.ones(s) for n, s in enumerate(shapes)}
    model = tfa.load_model(keras_file([reshape, convolution], weights))
    assert answers(model, np.ones((1, 4), "float32")).tolist() == [[[2, 2]] * 4]


def test_cells_in_a_list_find_their_weights(keras_file):
    cells = [layer("SimpleRNNCell", name=f"cell_{n}", units=n + 1, use_bias=False) for n in (0, 1)]
    stacked = layer("StackedRNNCells", name="cells", cells=cells)
    shapes = {"": [(1, 1), (1, 1)], "_1": [(1, 2), (2, 2)]}
    weights = {
        f"layers/rnn/cell/cells/simple_rnn_cell{number}/vars/{n}": np.full(shape, n)
        for number, kernels in shapes.items()
        for n, shape in enumerate(kernels)
    }
    reshape = layer("Reshape", name="reshape", target_shape=[4, 1])
    model = tfa.load_model(keras_file([reshape, layer("RNN", name="rnn", cell=stacked)], weights))
    assert [keras.ops.convert_to_numpy(v).mean() for v in model.weights] == [0, 1, 0, 1]


@pytest.mark.parametrize("metrics", [[["mae"], [None]], [["mae"], None]])
def test_schedules_without_a_name_and_outputs_without_metrics(metrics):
    rate = {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.0, "name": None}
    schedule = {"class_name": "CosineDecay", "config": rate}
    optimizer = {"class_name": "SGD", "config": {"learning_rate": schedule}}
    training = {"optimizer_config": optimizer, "loss": ["mse", None], "metrics": metrics}
    arguments = compile_arguments(training, {})
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(arguments["optimizer"])
    assert float(arguments["optimizer"].learning_rate) == pytest.approx(0.1)
    assert arguments["loss"] == ["mse", None]
    assert arguments["metrics"] == [["mae"], []]


@keras.saving.register_keras_serializable(package="tests")
class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def test_classes_of_the_user_are_made_when_given(keras_file):
    entry = {"module": "mine", "class_name": "Doubled", "registered_name": "Mine>Doubled"}
    path = keras_file([{**entry, "config": {"name": "doubled"}}])
    with pytest.raises(ValueError, match=r"Mine>Doubled \(named 'doubled'\), which is not known"):
        tfa.load_model(path)
    model = tfa.load_model(path, custom_objects={"Mine>Doubled": Doubled})
    np.testing.assert_array_equal(answers(model, np.ones((1, 4), "float32")), [[2, 2, 2, 2]])
