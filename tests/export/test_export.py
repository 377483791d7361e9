"""Exported models predict what the model predicts: docs/export.md has the table."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastricks as kt

SPEC = importlib.util.spec_from_file_location("exporting", Path(__file__).with_name("exporting.py"))
exporting = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(exporting)

K, L = kt.augment, kt.layers
FORMATS, LAYERS, TOLERANCE = exporting.FORMATS, exporting.LAYERS, exporting.TOLERANCE
AUGMENTS, DRAWS, RANDOM = exporting.AUGMENTS, exporting.DRAWS, exporting.RANDOM
IMAGE, VECTOR = exporting.IMAGE, exporting.VECTOR
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
}[exporting.BACKEND]
"""What of the table in docs/export.md is not "yes", and by what that is known."""
VOLUMES = [name for name, _ in EXCEPTIONS if name.endswith("3D")]


def predicts_the_same(model, form, folder, **arguments):
    x = exporting.samples(model.input_shape[1:])
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
    path = Path(__file__).parents[2] / "docs" / "export.md"
    if not path.exists():
        pytest.skip("the pages are not there")
    return path.read_text(encoding="utf-8")


def test_the_page_has_the_tables(page):
    everything, of_other_backends = page.split("## JAX and torch")
    columns = {
        "tensorflow": ("SavedModel", "LiteRT", "ONNX"),
        "jax": ("SavedModel", "ONNX", None),
        "torch": (None, None, "ONNX"),
    }[exporting.BACKEND]
    table = everything if exporting.BACKEND == "tensorflow" else of_other_backends
    told = {
        (name, form): cell.strip()
        for name, cells in re.findall(r"^\| `([\w.]+)` \|(.*)\|$", table, re.M)
        for form, cell in zip(columns, cells.split("|"), strict=True)
        if form
    }
    names = LAYERS if exporting.BACKEND == "tensorflow" else RANDOM
    assert told.keys() == {(name, form) for name in names for form in FORMATS}
    draws = {(DRAWS, "SavedModel")} if exporting.BACKEND == "tensorflow" else set()
    assert {key for key, cell in told.items() if cell != "yes"} == EXCEPTIONS.keys() | draws


@pytest.mark.skipif(
    keras.__version__.startswith("3.10."), reason="opens one input as a list, and exports that"
)
@pytest.mark.parametrize("form", FORMATS)
def test_every_layer_of_a_model_out_of_a_file_predicts_the_same(form, tmp_path):
    names = [name for name in LAYERS if name not in RANDOM and (name, form) not in EXCEPTIONS]
    model, ends = exporting.together(names)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    x = exporting.samples(IMAGE)
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    exported = FORMATS[form](model, tmp_path)
    for count in (len(x), 1):  # the size of the batch stays open
        found = np.split(exported(x[:count]), ends, axis=1)
        wanted = np.split(expected[:count], ends, axis=1)
        for name, got, want in zip(names, found, wanted, strict=True):
            np.testing.assert_allclose(got, want, **TOLERANCE, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in FORMATS if (AUGMENTS, form) not in EXCEPTIONS])
def test_a_pipeline_augments_nothing_where_the_table_says_yes(form, tmp_path):
    predicts_the_same(exporting.model_of(AUGMENTS), form, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), EXCEPTIONS)
def test_what_does_not_go_fails_as_the_page_says(name, form, tmp_path):
    with pytest.raises(Exception, match=EXCEPTIONS[name, form]):
        predicts_the_same(exporting.model_of(name), form, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_masked_logits_stay_masked_and_impossible_ones_nan(form, tmp_path):
    model = exporting.model_of("addons.layers.Sparsemax")
    x = np.array([[-np.inf, 0, 0.5, -np.inf, 0, -3], [np.nan, 0, 1, 2, 3, 4]], "float32")
    expected = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(expected[0], [0, 1 / 6, 2 / 3, 0, 1 / 6, 0], atol=1e-6)
    np.testing.assert_allclose(FORMATS[form](model, tmp_path)(x), expected, **TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("name", VOLUMES)
def test_pooling_of_volumes_predicts_the_same_without_the_delegate(name, tmp_path):
    predicts_the_same(exporting.model_of(name), "LiteRT", tmp_path, delegate=False)


@pytest.mark.slow
@exporting.on_tensorflow
def test_monte_carlo_dropout_draws_anew_in_a_saved_model(tmp_path):
    exported = exporting.SavedModel(exporting.model_of(DRAWS), tmp_path)
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
    x = keras.layers.Conv2D(4, 3)(exporting.pipeline()(inputs))
    x = keras.layers.Flatten()(L.MonteCarloDropout(0.3)(x))
    model = exporting.settled(keras.Model(inputs, keras.layers.Dense(2)(x)))
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
    return kt.surgery.fold_batch_norm(
        exporting.settled(keras.Sequential([keras.Input(IMAGE), *rows]))
    )


@pytest.fixture(scope="module")
def treated():
    hidden = [keras.layers.Dense(16, "sigmoid") for _ in range(8)]
    model = keras.Sequential([keras.Input(VECTOR), *hidden, keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = 100 * exporting.samples(VECTOR, 256) + 300
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
@exporting.on_tensorflow
def test_onnx_makes_inputs_of_what_normalization_subtracts(tmp_path):
    model = keras.Sequential([keras.Input(VECTOR), keras.layers.Normalization(mean=1, variance=4)])
    model(exporting.samples(VECTOR))
    exported = exporting.ONNX(model, tmp_path)
    assert len(exported.session.get_inputs()) == 3


@pytest.mark.slow
@exporting.on_tensorflow
def test_a_treated_model_predicts_the_same_in_onnx_by_way_of_a_saved_model(treated, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = str(tmp_path / "model.onnx")
    x = exporting.samples(VECTOR)
    expected = exporting.SavedModel(treated, tmp_path)(x)
    convert = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(tmp_path / "saved")]
    subprocess.run([*convert, "--output", path], check=True, capture_output=True)
    session = runtime.InferenceSession(path)
    (given,) = session.get_inputs()
    np.testing.assert_allclose(session.run(None, {given.name: x})[0], expected, **TOLERANCE)


@pytest.mark.slow
@exporting.on_tensorflow
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning")
def test_the_programs_of_the_page_run(page, tmp_path, monkeypatch):
    for module in ("ai_edge_litert", "onnxruntime", "tf2onnx"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "__main__"}
    for program in re.findall(r"^```py\n(.*?)^```$", page, re.M | re.S):
        exec(program, space)
    copy, x = space["copy"], exporting.samples(VECTOR)
    assert copy.layers[0].compute_dtype == "float32"
    np.testing.assert_allclose(exporting.LiteRT(copy, tmp_path)(x), copy(x), **TOLERANCE)
    np.testing.assert_allclose(copy(x), space["mixed"](x), rtol=2**-8, atol=2**-8)
