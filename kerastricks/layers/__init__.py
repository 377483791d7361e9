"""Keras layers, one trick each: import them in the place of Keras' own."""

from kerastricks.layers.batch_normalization import BatchNormalization
from kerastricks.layers.dropout import Dropout
from kerastricks.layers.leaky_relu import LeakyReLU

__all__ = [
    "BatchNormalization",
    "Dropout",
    "LeakyReLU",
]
