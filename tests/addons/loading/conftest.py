"""Genuine files of Keras 2.15 and TensorFlow Addons 0.23, and ways to change them.

They were written by `python tests/addons/oracle/models.py FOLDER tiny tiny_functional` in the
environment of the extra `addons-oracle`, and packed by `gzip -9n`: HDF5 files are mostly zeros.
"""

import gzip
import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def old_models(tmp_path_factory):
    """The folder with tiny.h5, tiny.keras, tiny_functional.h5, tiny_functional.keras."""
    folder = tmp_path_factory.mktemp("old")
    for file in FOLDER.glob("*.gz"):
        (folder / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return folder


@pytest.fixture(scope="session")
def known_answers():
    """Inputs of a model and what it predicted where it was trained, by the model's name."""

    def known_answers(name):
        with np.load(FOLDER / f"{name}.npz") as arrays:
            return arrays["x0"], arrays["y"]

    return known_answers


@pytest.fixture
def edited(tmp_path):
    """Copies a saved model with its config changed, as JSON text, by a function."""

    def edited(old, edit):
        new = tmp_path / f"edited{old.suffix}"
        if old.suffix == ".h5":
            new.write_bytes(old.read_bytes())
            with h5py.File(new, "r+") as file:
                for key in ("model_config", "training_config"):
                    file.attrs[key] = edit(file.attrs[key])
            return new
        with zipfile.ZipFile(old) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        parts["config.json"] = edit(parts["config.json"].decode()).encode()
        with zipfile.ZipFile(new, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        return new

    return edited


@pytest.fixture
def keras_file(tmp_path):
    """Writes a `.keras` file of Keras 2 that describes a Sequential of the given layers."""

    def keras_file(layers, weights=None):
        start = {"batch_input_shape": [None, 4], "dtype": "float32", "name": "input_1"}
        layers = [{"class_name": "InputLayer", "config": start}, *layers]
        config = {"module": "keras", "class_name": "Sequential", "registered_name": None}
        config["config"] = {"name": "sequential", "layers": layers}
        stored = io.BytesIO()
        with h5py.File(stored, "w") as file:
            for name, array in (weights or {}).items():
                file[name] = array
        path = tmp_path / "written.keras"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
            archive.writestr("config.json", json.dumps(config))
            archive.writestr("model.weights.h5", stored.getvalue())
        return path

    return keras_file
