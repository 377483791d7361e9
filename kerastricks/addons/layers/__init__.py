"""The layers of TensorFlow Addons, by their names there."""

from kerastricks.addons._uncovered import explainer
from kerastricks.addons.layers.adaptive_pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from kerastricks.addons.layers.filter_response_normalization import FilterResponseNormalization
from kerastricks.addons.layers.gelu import GELU
from kerastricks.addons.layers.group_normalization import GroupNormalization
from kerastricks.addons.layers.instance_normalization import InstanceNormalization
from kerastricks.addons.layers.maxout import Maxout
from kerastricks.addons.layers.noisy_dense import NoisyDense
from kerastricks.addons.layers.polynomial_crossing import PolynomialCrossing
from kerastricks.addons.layers.snake import Snake
from kerastricks.addons.layers.sparsemax import Sparsemax
from kerastricks.addons.layers.spatial_pyramid_pooling import SpatialPyramidPooling2D
from kerastricks.addons.layers.spectral_normalization import SpectralNormalization
from kerastricks.addons.layers.stochastic_depth import StochasticDepth
from kerastricks.addons.layers.tlu import TLU
from kerastricks.addons.layers.weight_normalization import WeightNormalization

__all__ = [
    "GELU",
    "TLU",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "FilterResponseNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "Maxout",
    "NoisyDense",
    "PolynomialCrossing",
    "Snake",
    "Sparsemax",
    "SpatialPyramidPooling2D",
    "SpectralNormalization",
    "StochasticDepth",
    "WeightNormalization",
]

__getattr__ = explainer("layers")
