"""The layers against the real TensorFlow Addons, and the weights that it wrote."""

import importlib.util
import json
from fnmatch import fnmatch
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

UNIT = {"float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}
"""The distance from 1 to the next number."""

DIFFERENCES = {
    "GELU-exact/float64": "the real one's constants pass through float32",
    "InstanceNormalization-from-end/*": "the real one leaves out the wrong axis",
    "SpatialPyramidPooling2D*/float64": "the real one pools in float32, whatever the layer's type",
}


@pytest.fixture(scope="module")
def cases():
    path = Path(__file__).parent / "oracle" / "layers.py"
    spec = importlib.util.spec_from_file_location("oracle_layers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ours(cases):
    return cases.compute(tfa)


@pytest.fixture(scope="module")
def real(oracle):
    return oracle("layers")


def test_outputs_gradients_and_states(ours, real):
    numbers = {k: v for k, v in real.items() if v.dtype.kind in "fb" and not k.startswith("file/")}
    assert set(numbers) == {k for k, v in ours.items() if v.dtype.kind in "fb"}
    wrong, differing = [], set()
    for key, expected in numbers.items():
        name, dtype, step, _ = key.split("/")
        # Sums of tens of products; a step multiplies what earlier ones have left of roundings.
        unit = UNIT[dtype.removeprefix("mixed_")] * (8 if dtype == "mixed_float16" else 32)
        scale = max(1.0, np.abs(expected.astype("float64")).max())
        same = ours[key].shape == expected.shape and np.allclose(
            ours[key], expected, rtol=unit, atol=unit * scale * 4 ** int(step)
        )
        pattern = next((p for p in DIFFERENCES if fnmatch(f"{name}/{dtype}", p)), None)
        if pattern is None and not same:
            wrong.append(key)
        if pattern is not None and not same:
            differing.add(pattern)
    assert wrong == []
    assert differing == set(DIFFERENCES)


def test_weights_have_their_names_shapes_types_and_order(ours, real):
    described = [key for key in real if key.endswith("/weights")]
    assert len(described) > 60
    for key in described:
        expected = json.loads(str(real[key]))
        if key.startswith("Snake"):
            assert expected[0].pop(0) == "Variable"  # it was given no name there
            expected[0].insert(0, "frequency")
        assert json.loads(str(ours[key])) == expected, key


def test_old_configs_make_the_same_layer(cases, real):
    for name, (make, _) in cases.cases(tfa).items():
        old = json.loads(str(real[f"{name}/config"]))
        layer = make("float32", name)
        again = type(layer).from_config(old)
        expected = layer.get_config()
        if "groups" in expected:
            expected["groups"] = again.groups if name.startswith("Instance") else old["groups"]
        actual = again.get_config()
        assert comparable(actual) == comparable(expected), name


def comparable(config):
    """Rounded as Keras 2's float32 numbers are.

    Without seeds, which it writes as null, and the shape that a wrapped layer was built for.
    """
    return json.loads(json.dumps(config), object_hook=without_state)


def without_state(config):
    return {
        key: round(value, 7) if isinstance(value, float) else value
        for key, value in config.items()
        if key not in ("seed", "build_config")
    }


@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_old_weights_are_read(cases, real, kind, tmp_path):
    for name in cases.FILES:
        make, x = cases.cases(tfa)[name]
        model = keras.Sequential([keras.Input(x.shape[1:]), make("float32", name)])
        path = tmp_path / (f"{name}.weights.h5" if kind == "keras" else f"{name}.h5")
        path.write_bytes(real[f"file/{name}/{kind}"].tobytes())
        model.load_weights(path)
        predictions = model.predict(x.astype("float32"), verbose=0)
        expected = real[f"file/{name}/predictions"]
        np.testing.assert_allclose(predictions, expected, rtol=1e-5, atol=1e-5, err_msg=name)
