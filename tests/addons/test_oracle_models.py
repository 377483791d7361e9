"""Models that the real TensorFlow Addons trains and saves, opened here."""

import warnings

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

MODELS = [
    "tiny",
    "tiny_functional",
    "sequential",
    "functional",
    "nested",
    "averaged",
    "scheduled",
    "wired",
]
UNCOMPILED = {"averaged": "TensorFlow Addons had it; nothing takes its place."}
"""Models of which something is nowhere, and what the warning says."""

pytestmark = pytest.mark.filterwarnings("ignore:.*triggered tf.function retracing.*")


@pytest.fixture(scope="session")
def saved(run_oracle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    run_oracle("models.py", folder)
    assert {path.stem for path in folder.iterdir()} == set(MODELS)
    return folder


@pytest.mark.every_variant
@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("name", MODELS)
def test_a_genuine_old_model_predicts_what_it_predicted_and_trains_on(name, suffix, saved):
    with np.load(saved / f"{name}.npz") as arrays:
        x, y = ([arrays[key] for key in sorted(arrays) if key[0] == kind] for kind in "xy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = tfa.load_model(saved / f"{name}.{suffix}")
    said = [str(w.message) for w in caught if "not compiled" in str(w.message)]
    if name == "wired":
        x = dict(zip(("other", "sequence"), x, strict=True))
    elif len(x) == 1:
        x = x[0]
    for known, answer in zip(y, keras.tree.flatten(model.predict(x, verbose=0)), strict=True):
        np.testing.assert_allclose(answer, known, atol=1e-5)
    assert len(said) == (name in UNCOMPILED)
    if name in UNCOMPILED:
        assert UNCOMPILED[name] in said[0]
        model.compile("sgd", "mse")
    assert np.isfinite(
        model.fit(x, y if len(y) > 1 else y[0], epochs=1, verbose=0).history["loss"][0]
    )
