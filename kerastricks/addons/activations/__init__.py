"""The activation functions of TensorFlow Addons, by their names there."""

from kerastricks.addons._uncovered import explainer

__all__: list[str] = []

__getattr__ = explainer("activations")
