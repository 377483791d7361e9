"""TensorFlow Addons on Keras 3: `import kerastricks.addons as tfa` keeps old code running."""

from kerastricks.addons import activations, callbacks, image, layers, optimizers
from kerastricks.addons._loading import custom_objects, load_model
from kerastricks.addons._uncovered import explainer

__all__ = [
    "activations",
    "callbacks",
    "custom_objects",
    "image",
    "layers",
    "load_model",
    "optimizers",
]

__getattr__ = explainer("")
