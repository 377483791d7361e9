"""The activation functions of TensorFlow Addons, by their names there."""

from kerastricks.addons._uncovered import explainer
from kerastricks.addons.activations.gelu import gelu
from kerastricks.addons.activations.hardshrink import hardshrink
from kerastricks.addons.activations.lisht import lisht
from kerastricks.addons.activations.mish import mish
from kerastricks.addons.activations.rrelu import rrelu
from kerastricks.addons.activations.snake import snake
from kerastricks.addons.activations.softshrink import softshrink
from kerastricks.addons.activations.sparsemax import sparsemax
from kerastricks.addons.activations.tanhshrink import tanhshrink

__all__ = [
    "gelu",
    "hardshrink",
    "lisht",
    "mish",
    "rrelu",
    "snake",
    "softshrink",
    "sparsemax",
    "tanhshrink",
]

__getattr__ = explainer("activations")
