"""Models that Keras 2 and TensorFlow Addons saved, opened in Keras 3."""

from kerastricks.addons._loading.load_model import load_model
from kerastricks.addons._loading.objects import custom_objects

__all__ = ["custom_objects", "load_model"]
