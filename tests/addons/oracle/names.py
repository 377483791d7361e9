"""The public names of each package of TensorFlow Addons."""

import importlib
import pkgutil
import types

import numpy as np

PACKAGES = (
    "activations callbacks image layers losses metrics optimizers options register rnn seq2seq "
    "text types version"
)
IMPORTED = {"Callable", "KerasTensor", "List", "Path", "Union", "Version"}
"""What the files import from elsewhere for themselves."""


def public(module):
    """Names that the module gives out, without modules and what it imports from elsewhere."""
    return sorted(
        name
        for name, value in vars(module).items()
        if (not name.startswith("_") or name == "__version__") and name not in IMPORTED
        if not isinstance(value, types.ModuleType)
        if not isinstance(value, types.FunctionType)
        or value.__module__.startswith(module.__name__)
        or module.__name__ == "tensorflow_addons"
    )


def compute(tfa):
    """Arrays of names by package; "top" for what is at the top."""
    names = {"top": [*public(tfa)]}
    for package in PACKAGES.split():
        place = "utils.types" if package == "types" else package
        names[package] = public(importlib.import_module(f"tensorflow_addons.{place}"))
    names["text"] += ["crf"]  # a file, but imported by name
    names["utils"] = [file.name for file in pkgutil.iter_modules(tfa.utils.__path__)]
    return {package: np.array(found) for package, found in names.items()}
