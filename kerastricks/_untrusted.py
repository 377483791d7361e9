"""What a `.keras` file is asked before Keras opens it."""

import json
import os
import zipfile
from collections.abc import Iterator
from os import PathLike
from typing import Any

import keras

CONFIG = "config.json"
LARGEST = 64 * 2**20
"""Bytes of the description of a model. The largest published ones take a few million."""
CODE = {"Lambda", "__lambda__", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"}
"""Classes that stand for code of the file's author."""
PARTS = {
    "activations",
    "constraints",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "quantizers",
    "random",
    "regularizers",
}
"""Modules of Keras that parts of models are in; in others are functions that fetch, write and set.

Keras before 3.11 calls any of them that a file names.
"""
ON_TORCH = "backend.torch.optimizers."
"""Where Keras has the optimizers of torch."""
ELSEWHERE = {
    "AlphaDropout",
    "CustomScaleLayer",
    "LayerScale",
    "RandomHeight",
    "RandomWidth",
    "StochasticDepth",
    "ThresholdedReLU",
}
"""Layers that Keras has in `applications` and `legacy`, beside what is no part of a model."""
LOADERS = {"clone_model", "load_model", "model_from_json", "save_model", "load_weights"}


class RefusedError(ValueError):
    """A file is not opened, for what it says of itself."""


def check_archive(path: str | PathLike[str]) -> None:
    """Look at what a `.keras` file says that it holds. Nothing is made or imported.

    Raises:
        RefusedError: If it is no archive of one model, or holds more than parts of models.
    """
    if not os.path.isfile(path):
        raise RefusedError("there is no such file")
    # Keras goes by the name: what is called otherwise it would read in another way.
    if not str(path).endswith(".keras") or not zipfile.is_zipfile(path):
        raise RefusedError("it is no .keras archive, or is damaged")
    with zipfile.ZipFile(path) as archive:
        parts = [part for part in archive.infolist() if part.filename == CONFIG]
        if len(parts) != 1:
            raise RefusedError(f"there must be one {CONFIG} in it; there are {len(parts)}")
        if parts[0].file_size > LARGEST:
            raise RefusedError(f"its {CONFIG} takes {parts[0].file_size} bytes")
        config = json.loads(archive.read(parts[0]))
    for entry in _entries(config):
        _check(entry)


def _check(entry: dict[str, Any]) -> None:
    module, name, config = str(entry.get("module") or ""), entry["class_name"], entry.get("config")
    if name in CODE:
        raise RefusedError(f"it has a {name}, which is code, and code in files is not run")
    if isinstance(config, dict) and isinstance(config.get("vocabulary"), str):
        raise RefusedError(f"it has a {name} whose vocabulary is a file elsewhere")
    # Functions are described as {"module": ..., "class_name": "function", "config": name}.
    what = str(config) if name == "function" else name
    place = module.removeprefix("keras.src.").removeprefix("keras.")
    place = place.removeprefix("backend.torch.") if place.startswith(ON_TORCH) else place
    package, *inner = place.split(".")
    # A name with dots in it would lead elsewhere.
    is_part = (module == "keras" or package in PARTS) and what.isidentifier()
    is_part |= package in ("applications", "legacy", "_legacy") and name in ELSEWHERE
    if module == "keras" or module.startswith("keras."):
        if not is_part or {*inner, what} & LOADERS:
            raise RefusedError(f"it names {module}.{what}, which is no part of a model")
    # Without a module are tuples and the like; functions of "builtins" are looked up among Keras'.
    elif module not in ("", "builtins"):
        registered = what if name == "function" else str(entry.get("registered_name"))
        if registered not in keras.saving.get_custom_objects():
            raise RefusedError(f"it names {module}.{what}, which is registered nowhere")


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    """All descriptions of objects in a config, however deep."""
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            if isinstance(value.get("class_name"), str):
                yield value
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
