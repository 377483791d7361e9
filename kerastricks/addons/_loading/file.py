"""Opens `.h5` and `.keras` files, and hands over what is in them without believing it."""

import io
import json
import mmap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastricks.addons._loading.heaps import check_heaps
from kerastricks.addons._loading.tree import Tree

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LARGEST_TEXT = 64 * 2**20
"""Bytes of the description of a model. The largest published ones take a few million."""
LARGEST_RATIO = 100
"""How much larger than its packed size a part may become. Keras 2 packs without compression."""


@dataclass(frozen=True)
class Saved:
    """What a file holds.

    Attributes:
        version: The version of Keras that wrote it.
        model: The model's class and config.
        training: How it was compiled, in the form of its format, or None.
        weights: The weights; by layer name in `.h5`, by attribute in `.keras`.
        h5: Whether it is an `.h5` file.
    """

    version: str
    model: dict[str, Any]
    training: dict[str, Any] | None
    weights: Tree
    h5: bool


@contextmanager
def opened(path: Path) -> Iterator[Saved]:
    """Opens a saved model. What cannot be read raises ValueError."""
    import h5py

    if path.is_dir():
        raise ValueError(
            "it is a folder. Keras 3 opens no SavedModel as a model: save it again as .h5 or "
            ".keras where it was written, or use keras.layers.TFSMLayer."
        )
    if not path.exists():
        raise ValueError("it does not exist.")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            config = _json(_part(archive, CONFIG, LARGEST_TEXT), CONFIG)
            metadata = _json(_part(archive, METADATA, LARGEST_TEXT), METADATA)
            if any(name.startswith("assets/") for name in archive.namelist()):
                raise ValueError("it has assets, such as vocabularies, which are not read here.")
            weights = _part(archive, WEIGHTS, None)
        check_heaps(weights)
        with h5py.File(io.BytesIO(weights), "r") as file:
            version = str(metadata.get("keras_version", ""))
            yield Saved(version, config, config.get("compile_config"), Tree(file), h5=False)
    elif h5py.is_hdf5(path):
        with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
            check_heaps(data)
        with h5py.File(path, "r") as file:
            root = Tree(file)
            described = root.text("model_config")
            if described is None:
                raise ValueError("it has weights but no model: there is no `model_config`.")
            trained = root.text("training_config")
            yield Saved(
                root.text("keras_version") or "",
                _json(described, "model_config"),
                None if trained is None else _json(trained, "training_config"),
                root.tree("model_weights"),
                h5=True,
            )
    else:
        raise ValueError("it is neither a .keras archive nor an HDF5 file, or is damaged.")


def _part(archive: zipfile.ZipFile, name: str, most: int | None) -> bytes:
    parts = [part for part in archive.infolist() if part.filename == name]
    if len(parts) != 1:
        raise ValueError(f"there must be one {name} in it; there are {len(parts)}.")
    size, packed = parts[0].file_size, parts[0].compress_size
    if most is not None and size > most:
        raise ValueError(f"its {name} takes {size} bytes; {most} are more than any model needs.")
    if size > LARGEST_RATIO * max(packed, 1):
        raise ValueError(f"its {name} grows from {packed} to {size} bytes: a decompression bomb.")
    return archive.read(parts[0])


def _json(text: str | bytes, name: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"its {name} is to be a JSON object, not {type(value).__name__}.")
    return value
