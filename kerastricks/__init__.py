"""Tricks that make deep networks train, as Keras 3 parts, and a doctor that watches training."""

from kerastricks import augment, callbacks, diagnosis, initializers, layers, surgery, theory
from kerastricks._version import __version__
from kerastricks.diagnosis.checkup import checkup

__all__ = [
    "__version__",
    "augment",
    "callbacks",
    "checkup",
    "diagnosis",
    "initializers",
    "layers",
    "surgery",
    "theory",
]
