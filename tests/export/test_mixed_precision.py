"""In mixed precision: what predicts the same, and what is refused of any layer."""

import importlib.util
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastricks as kt

SPEC = importlib.util.spec_from_file_location("exporting", Path(__file__).with_name("exporting.py"))
exporting = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(exporting)


@pytest.fixture
def halves():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.slow
@exporting.on_tensorflow
@pytest.mark.parametrize("form", ["SavedModel", "ONNX"])
def test_mixed_precision_predicts_the_same_within_its_rounding(form, halves, tmp_path):
    names = [name for name in exporting.LAYERS if name not in exporting.RANDOM]
    model, ends = exporting.together(names)
    assert model.output.dtype == "float16"
    x = exporting.samples(exporting.IMAGE)
    expected = keras.ops.convert_to_numpy(model(x, training=False)).astype("float32")
    found = np.asarray(exporting.FORMATS[form](model, tmp_path)(x), "float32")
    # A layer, and what shapes its inputs, round to 11 bits four times.
    few = {"rtol": 4 * 2**-11, "atol": 4 * 2**-11}
    parts = (np.split(array, ends, axis=1) for array in (found, expected))
    for name, got, want in zip(names, *parts, strict=True):
        np.testing.assert_allclose(got, want, **few, err_msg=name)


@pytest.mark.slow
@exporting.on_tensorflow
def test_onnx_mixes_up_the_types_of_bfloat16(tmp_path):
    layer = keras.layers.Dense(3, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input(exporting.VECTOR), layer])
    model(exporting.samples(exporting.VECTOR))
    with pytest.raises(Exception, match="Type Error"):
        exporting.ONNX(model, tmp_path)


@pytest.mark.slow
@exporting.on_tensorflow
@pytest.mark.parametrize("layer", [partial(keras.layers.Dense, 3), kt.layers.LeakyReLU])
def test_litert_refuses_mixed_precision_of_keras_own_layers_too(layer, halves, tmp_path):
    model = keras.Sequential([keras.Input(exporting.VECTOR), layer()])
    with pytest.raises(RuntimeError, match="Select TensorFlow op"):
        exporting.LiteRT(model, tmp_path)(exporting.samples(exporting.VECTOR))
