"""Tricks that make deep networks train, as Keras 3 parts, and a doctor that watches training."""

from kerastricks import (
    addons,
    augment,
    callbacks,
    diagnosis,
    initializers,
    layers,
    surgery,
    theory,
)
from kerastricks._version import __version__
from kerastricks.diagnosis.checkup import checkup

__all__ = [
    "__version__",
    "addons",
    "augment",
    "callbacks",
    "checkup",
    "diagnosis",
    "initializers",
    "layers",
    "surgery",
    "theory",
]
