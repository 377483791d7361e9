"""Exported models predict what the model predicts: docs/export.md has the table."""

import importlib.util
import inspect
import math
import re
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastricks as kt
import kerastricks.addons as tfa

A, K, L = tfa.layers, kt.augment, kt.layers
BACKEND = keras.backend.backend()
VECTOR, IMAGE = (6,), (6, 8, 4)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""Of float32: other kernels, and batch norm folded into other layers, round otherwise."""


def pipeline():
    return K.Pipeline(
        [K.RandomFlip("horizontal"), K.RandomRotation(15), K.ColorJitter(0.2, hue=0.1)],
        value_range=(-4, 4),
        output_dtype="float32",
    )


def wrapped(wrapper, **arguments):
    return wrapper(keras.layers.Conv2D(3, 2, activation="relu"), **arguments)


LAYERS = {
    "layers.BatchNormalization": (L.BatchNormalization, IMAGE),
    "layers.Dropout": (partial(L.Dropout, 0.3), VECTOR),
    "layers.DropBlock2D": (partial(L.DropBlock2D, 0.3, block_size=3), IMAGE),
    "layers.DropPath": (partial(L.DropPath, 0.3), IMAGE),
    "layers.LeakyReLU": (L.LeakyReLU, VECTOR),
    "layers.MonteCarloDropout": (partial(L.MonteCarloDropout, 0.3, seed=1), (200,)),
    "layers.PReLU": (partial(L.PReLU, shared_axes=[1, 2]), IMAGE),
    "layers.RandomizedLeakyReLU": (L.RandomizedLeakyReLU, VECTOR),
    "layers.TailoredReLU": (partial(L.TailoredReLU, 50), VECTOR),
    "layers.VeryLeakyReLU": (L.VeryLeakyReLU, VECTOR),
    "augment.Pipeline": (pipeline, (6, 8, 3)),
    "addons.layers.AdaptiveAveragePooling1D": (partial(A.AdaptiveAveragePooling1D, 2), (6, 3)),
    "addons.layers.AdaptiveAveragePooling2D": (partial(A.AdaptiveAveragePooling2D, 2), IMAGE),
    "addons.layers.AdaptiveAveragePooling3D": (
        partial(A.AdaptiveAveragePooling3D, 2),
        (4, 2, 2, 3),
    ),
    "addons.layers.AdaptiveMaxPooling1D": (partial(A.AdaptiveMaxPooling1D, 2), (6, 3)),
    "addons.layers.AdaptiveMaxPooling2D": (partial(A.AdaptiveMaxPooling2D, 2), IMAGE),
    "addons.layers.AdaptiveMaxPooling3D": (partial(A.AdaptiveMaxPooling3D, 2), (4, 2, 2, 3)),
    "addons.layers.FilterResponseNormalization": (A.FilterResponseNormalization, IMAGE),
    "addons.layers.GELU": (A.GELU, VECTOR),
    "addons.layers.GroupNormalization": (partial(A.GroupNormalization, 2), IMAGE),
    "addons.layers.InstanceNormalization": (A.InstanceNormalization, IMAGE),
    "addons.layers.Maxout": (partial(A.Maxout, 2), IMAGE),
    "addons.layers.NoisyDense": (partial(A.NoisyDense, 3), VECTOR),
    "addons.layers.PolynomialCrossing": (A.PolynomialCrossing, VECTOR),
    "addons.layers.Snake": (A.Snake, VECTOR),
    "addons.layers.Sparsemax": (A.Sparsemax, VECTOR),
    "addons.layers.SpatialPyramidPooling2D": (partial(A.SpatialPyramidPooling2D, [1, 2]), IMAGE),
    "addons.layers.SpectralNormalization": (partial(wrapped, A.SpectralNormalization), IMAGE),
    "addons.layers.StochasticDepth": (A.StochasticDepth, IMAGE),
    "addons.layers.TLU": (partial(A.TLU, affine=True), IMAGE),
    "addons.layers.WeightNormalization": (
        partial(wrapped, A.WeightNormalization, data_init=False),
        IMAGE,
    ),
}
PAIRS = ("addons.layers.PolynomialCrossing", "addons.layers.StochasticDepth")
AUGMENTS = "augment.Pipeline"
DRAWS = "layers.MonteCarloDropout"
"""Draws random numbers at inference, so that two calls of it never agree."""
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="is so on TensorFlow")


def samples(shape, number=5):
    return np.random.default_rng(0).normal(size=(number, *shape)).astype("float32")


def called(name, inputs):
    layer = LAYERS[name][0]()
    return layer([inputs, inputs] if name in PAIRS else inputs)


def settled(model):
    """The model with weights as a training would leave them, none zero or one."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        if "float" in weight.dtype and not weight.path.endswith("sn_u"):
            weight.assign(random.uniform(0.3, 0.9, weight.shape))
    return model


def model_of(name):
    inputs = keras.Input(LAYERS[name][1])
    return settled(keras.Model(inputs, called(name, inputs)))


def written(model, path, **arguments):
    """The path, to which the model has been exported."""
    with warnings.catch_warnings():
        # JAX, torch and tf2onnx go through what others have deprecated.
        if BACKEND != "tensorflow" or arguments.get("format") == "onnx":
            warnings.simplefilter("ignore")
        model.export(str(path), verbose=False, **arguments)
    return str(path)


class SavedModel:
    """Files of TensorFlow, run by TensorFlow."""

    def __init__(self, model, folder):
        tf = pytest.importorskip("tensorflow")
        self.loaded = tf.saved_model.load(written(model, folder / "saved"))

    def __call__(self, x):
        return np.asarray(self.loaded.serve(x))


class LiteRT:
    """A file of LiteRT, run by it without TensorFlow's own operations."""

    def __init__(self, model, folder, delegate=True):
        interpreter = pytest.importorskip("ai_edge_litert.interpreter")
        path = written(model, folder / "model.tflite", format="litert")
        kinds = interpreter.OpResolverType
        kind = kinds.AUTO if delegate else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self.interpreter = interpreter.Interpreter(path, experimental_op_resolver_type=kind)

    def __call__(self, x):
        (given,) = self.interpreter.get_input_details()
        (result,) = self.interpreter.get_output_details()
        self.interpreter.resize_tensor_input(given["index"], x.shape)
        self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(given["index"], x)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(result["index"])


class ONNX:
    """An ONNX file, run by ONNX Runtime."""

    def __init__(self, model, folder):
        runtime = pytest.importorskip("onnxruntime")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # They go through what numpy has deprecated.
            pytest.importorskip(EXPORTERS[BACKEND])
        path = written(model, folder / "model.onnx", format="onnx")
        self.session = runtime.InferenceSession(path)

    def __call__(self, x):
        (given,) = self.session.get_inputs()
        return self.session.run(None, {given.name: x})[0]


EXPORTERS = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnx"}
"""What Keras leaves the writing of ONNX files to."""
FORMATS = {
    "tensorflow": {"SavedModel": SavedModel, "LiteRT": LiteRT, "ONNX": ONNX},
    "jax": {"SavedModel": SavedModel, "ONNX": ONNX},
    "torch": {"ONNX": ONNX},
}[BACKEND]
EXCEPTIONS = {
    "tensorflow": {
        (DRAWS, "LiteRT"): "Select TensorFlow op",
        (DRAWS, "ONNX"): "StatelessRandomUniform",
        ("addons.layers.AdaptiveAveragePooling3D", "LiteRT"): "XNNPackDelegate",
        ("addons.layers.AdaptiveMaxPooling3D", "LiteRT"): "XNNPackDelegate",
        (AUGMENTS, "SavedModel"): "Not equal to tolerance",
        (AUGMENTS, "ONNX"): "Op",
    },
    "jax": {
        (DRAWS, "SavedModel"): "symbolic dimensions",
        (DRAWS, "ONNX"): "symbolic dimensions",
        (AUGMENTS, "SavedModel"): "Not equal to tolerance",
    },
    "torch": {
        (DRAWS, "ONNX"): "aten::view",
        (AUGMENTS, "ONNX"): "bitwise_xor",
    },
}[BACKEND]
"""What of the table in docs/export.md is not "yes", and by what that is known."""
RANDOM = {DRAWS, AUGMENTS}
VOLUMES = [name for name, _ in EXCEPTIONS if name.endswith("3D")]


def predicts_the_same(model, form, folder, **arguments):
    x = samples(model.input_shape[1:])
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    exported = FORMATS[form](model, folder, **arguments)
    for count in (len(x), 1):  # the size of the batch stays open
        np.testing.assert_allclose(exported(x[:count]), expected[:count], **TOLERANCE)


def public_layers(package, prefix=""):
    """The names of all layers that the package shows, in the rooms that it shows."""
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.ismodule(value):
            yield from public_layers(value, f"{prefix}{name}.")
        elif inspect.isclass(value) and issubclass(value, keras.layers.Layer):
            yield prefix + name


def test_every_public_layer_is_in_the_table():
    assert set(LAYERS) == set(public_layers(kt))


@pytest.fixture
def page():
    path = Path(__file__).parents[1] / "docs" / "export.md"
    if not path.exists():
        pytest.skip("the pages are not there")
    return path.read_text(encoding="utf-8")


def test_the_page_has_the_tables(page):
    everything, of_other_backends = page.split("## JAX and torch")
    columns = {
        "tensorflow": ("SavedModel", "LiteRT", "ONNX"),
        "jax": ("SavedModel", "ONNX", None),
        "torch": (None, None, "ONNX"),
    }[BACKEND]
    table = everything if BACKEND == "tensorflow" else of_other_backends
    told = {
        (name, form): cell.strip()
        for name, cells in re.findall(r"^\| `([\w.]+)` \|(.*)\|$", table, re.M)
        for form, cell in zip(columns, cells.split("|"), strict=True)
        if form
    }
    names = LAYERS if BACKEND == "tensorflow" else RANDOM
    assert told.keys() == {(name, form) for name in names for form in FORMATS}
    draws = {(DRAWS, "SavedModel")} if BACKEND == "tensorflow" else set()
    assert {key for key, cell in told.items() if cell != "yes"} == EXCEPTIONS.keys() | draws


def together(names):
    """A model that gives, by name, what each of the layers makes of one image."""
    inputs = keras.Input(IMAGE)
    vector = keras.layers.GlobalAveragePooling2D()(inputs)

    def shaped(shape):
        if shape == IMAGE:
            return inputs
        return keras.layers.Reshape(shape)(keras.layers.Dense(math.prod(shape))(vector))

    parts = [keras.layers.Flatten()(called(name, shaped(LAYERS[name][1]))) for name in names]
    outputs = keras.layers.Concatenate()(parts)
    return settled(keras.Model(inputs, outputs)), np.cumsum([x.shape[1] for x in parts])[:-1]


@pytest.mark.skipif(
    keras.__version__.startswith("3.10."), reason="opens one input as a list, and exports that"
)
@pytest.mark.parametrize("form", FORMATS)
def test_every_layer_of_a_model_out_of_a_file_predicts_the_same(form, tmp_path):
    names = [name for name in LAYERS if name not in RANDOM and (name, form) not in EXCEPTIONS]
    model, ends = together(names)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    x = samples(IMAGE)
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    exported = FORMATS[form](model, tmp_path)
    for count in (len(x), 1):  # the size of the batch stays open
        found = np.split(exported(x[:count]), ends, axis=1)
        wanted = np.split(expected[:count], ends, axis=1)
        for name, got, want in zip(names, found, wanted, strict=True):
            np.testing.assert_allclose(got, want, **TOLERANCE, err_msg=name)


@pytest.fixture
def halves():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.slow
@on_tensorflow
@pytest.mark.parametrize("form", ["SavedModel", "ONNX"])
def test_mixed_precision_predicts_the_same_within_its_rounding(form, halves, tmp_path):
    names = [name for name in LAYERS if name not in RANDOM]
    model, ends = together(names)
    assert model.output.dtype == "float16"
    x = samples(IMAGE)
    expected = keras.ops.convert_to_numpy(model(x, training=False)).astype("float32")
    found = np.asarray(FORMATS[form](model, tmp_path)(x), "float32")
    # A layer, and what shapes its inputs, round to 11 bits four times.
    few = {"rtol": 4 * 2**-11, "atol": 4 * 2**-11}
    parts = (np.split(array, ends, axis=1) for array in (found, expected))
    for name, got, want in zip(names, *parts, strict=True):
        np.testing.assert_allclose(got, want, **few, err_msg=name)


@pytest.mark.slow
@on_tensorflow
def test_onnx_mixes_up_the_types_of_bfloat16(tmp_path):
    layer = keras.layers.Dense(3, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input(VECTOR), layer])
    model(samples(VECTOR))
    with pytest.raises(Exception, match="Type Error"):
        ONNX(model, tmp_path)


@pytest.mark.slow
@on_tensorflow
@pytest.mark.parametrize("layer", [partial(keras.layers.Dense, 3), L.LeakyReLU])
def test_litert_refuses_mixed_precision_of_keras_own_layers_too(layer, halves, tmp_path):
    model = keras.Sequential([keras.Input(VECTOR), layer()])
    with pytest.raises(RuntimeError, match="Select TensorFlow op"):
        LiteRT(model, tmp_path)(samples(VECTOR))


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMATS if (AUGMENTS, form) not in EXCEPTIONS])
def test_a_pipeline_augments_nothing_where_the_table_says_yes(form, tmp_path):
    predicts_the_same(model_of(AUGMENTS), form, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), EXCEPTIONS)
def test_what_does_not_go_fails_as_the_page_says(name, form, tmp_path):
    with pytest.raises(Exception, match=EXCEPTIONS[name, form]):
        predicts_the_same(model_of(name), form, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_masked_logits_stay_masked_and_impossible_ones_nan(form, tmp_path):
    model = model_of("addons.layers.Sparsemax")
    x = np.array([[-np.inf, 0, 0.5, -np.inf, 0, -3], [np.nan, 0, 1, 2, 3, 4]], "float32")
    expected = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(expected[0], [0, 1 / 6, 2 / 3, 0, 1 / 6, 0], atol=1e-6)
    np.testing.assert_allclose(FORMATS[form](model, tmp_path)(x), expected, **TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", VOLUMES)
def test_pooling_of_volumes_predicts_the_same_without_the_delegate(name, tmp_path):
    predicts_the_same(model_of(name), "LiteRT", tmp_path, delegate=False)


@pytest.mark.slow
@on_tensorflow
def test_monte_carlo_dropout_draws_anew_in_a_saved_model(tmp_path):
    exported = SavedModel(model_of(DRAWS), tmp_path)
    x = np.ones((50, *LAYERS[DRAWS][1]), "float32")
    first, second = exported(x), exported(x)
    assert (first != second).any()
    np.testing.assert_allclose(np.unique(first), [0, 1 / 0.7], rtol=1e-5)
    # Five standard errors of a share of 0.3 in 10,000 draws.
    assert abs(np.mean(first == 0) - 0.3) < 5 * np.sqrt(0.3 * 0.7 / first.size)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_what_draws_is_taken_out_and_predicts_the_same(form, tmp_path):
    inputs = keras.Input((6, 8, 3))
    x = keras.layers.Conv2D(4, 3)(pipeline()(inputs))
    x = keras.layers.Flatten()(L.MonteCarloDropout(0.3)(x))
    model = settled(keras.Model(inputs, keras.layers.Dense(2)(x)))
    quiet = kt.surgery.replace_layers(
        model,
        {
            K.Pipeline: lambda old: keras.layers.Identity(),
            L.MonteCarloDropout: lambda old: L.Dropout(old.rate),
        },
    )
    predicts_the_same(quiet, form, tmp_path)


def folded():
    rows = [keras.layers.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.LeakyReLU()]
    rows += [keras.layers.Flatten(), keras.layers.Dense(3)]
    return kt.surgery.fold_batch_norm(settled(keras.Sequential([keras.Input(IMAGE), *rows])))


@pytest.fixture(scope="module")
def treated():
    hidden = [keras.layers.Dense(16, "sigmoid") for _ in range(8)]
    model = keras.Sequential([keras.Input(VECTOR), *hidden, keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = 100 * samples(VECTOR, 256) + 300
    y = np.argmax(x[:, :3], axis=1)
    better = kt.surgery.treat(model, kt.checkup(model, x, y), verbose=0)
    assert better is not model
    return better


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_a_folded_model_predicts_the_same(form, tmp_path):
    predicts_the_same(folded(), form, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "ONNX"])
def test_a_treated_model_predicts_the_same(form, treated, tmp_path):
    predicts_the_same(treated, form, tmp_path)


@pytest.mark.slow
@on_tensorflow
def test_onnx_makes_inputs_of_what_normalization_subtracts(tmp_path):
    model = keras.Sequential([keras.Input(VECTOR), keras.layers.Normalization(mean=1, variance=4)])
    model(samples(VECTOR))
    exported = ONNX(model, tmp_path)
    assert len(exported.session.get_inputs()) == 3


@pytest.mark.slow
@on_tensorflow
def test_a_treated_model_predicts_the_same_in_onnx_by_way_of_a_saved_model(treated, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = str(tmp_path / "model.onnx")
    x = samples(VECTOR)
    expected = SavedModel(treated, tmp_path)(x)
    convert = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(tmp_path / "saved")]
    subprocess.run([*convert, "--output", path], check=True, capture_output=True)
    session = runtime.InferenceSession(path)
    (given,) = session.get_inputs()
    np.testing.assert_allclose(session.run(None, {given.name: x})[0], expected, **TOLERANCE)


@pytest.mark.slow
@on_tensorflow
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning")
def test_the_programs_of_the_page_run(page, tmp_path, monkeypatch):
    for module in ("ai_edge_litert", "onnxruntime", "tf2onnx"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "__main__"}
    for program in re.findall(r"^```py\n(.*?)^```$", page, re.M | re.S):
        exec(program, space)
    copy, x = space["copy"], samples(VECTOR)
    assert copy.layers[0].compute_dtype == "float32"
    np.testing.assert_allclose(LiteRT(copy, tmp_path)(x), copy(x), **TOLERANCE)
    np.testing.assert_allclose(copy(x), space["mixed"](x), rtol=2**-8, atol=2**-8)
