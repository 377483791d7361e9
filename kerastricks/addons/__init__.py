"""TensorFlow Addons on Keras 3: `import kerastricks.addons as tfa` keeps old code running."""

from kerastricks.addons import activations, callbacks, image, layers, optimizers
from kerastricks.addons._uncovered import explainer

__all__ = ["activations", "callbacks", "image", "layers", "optimizers"]

__getattr__ = explainer("")
