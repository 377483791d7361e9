"""Keras layers, one trick each: import them in the place of Keras' own."""

from kerastricks.layers.batch_normalization import BatchNormalization
from kerastricks.layers.drop_block_2d import DropBlock2D
from kerastricks.layers.drop_path import DropPath
from kerastricks.layers.dropout import Dropout
from kerastricks.layers.leaky_relu import LeakyReLU
from kerastricks.layers.monte_carlo_dropout import MonteCarloDropout
from kerastricks.layers.prelu import PReLU
from kerastricks.layers.randomized_leaky_relu import RandomizedLeakyReLU
from kerastricks.layers.tailored_relu import TailoredReLU
from kerastricks.layers.very_leaky_relu import VeryLeakyReLU

__all__ = [
    "BatchNormalization",
    "DropBlock2D",
    "DropPath",
    "Dropout",
    "LeakyReLU",
    "MonteCarloDropout",
    "PReLU",
    "RandomizedLeakyReLU",
    "TailoredReLU",
    "VeryLeakyReLU",
]
