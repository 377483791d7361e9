"""The activation functions of TensorFlow Addons."""

from kerastricks.addons._fates.fate import here

FATES = here(
    "activations", "gelu hardshrink lisht mish rrelu snake softshrink sparsemax tanhshrink"
)
"""Fates by name."""
