"""The optimizers and learning rate schedules of TensorFlow Addons, by their names there."""

import keras

from kerastricks.addons._uncovered import explainer
from kerastricks.addons.optimizers.adamw import AdamW
from kerastricks.addons.optimizers.averaged_optimizer_wrapper import AveragedOptimizerWrapper
from kerastricks.addons.optimizers.cyclical_learning_rate import (
    CyclicalLearningRate,
    ExponentialCyclicalLearningRate,
    Triangular2CyclicalLearningRate,
    TriangularCyclicalLearningRate,
)
from kerastricks.addons.optimizers.lamb import LAMB
from kerastricks.addons.optimizers.lookahead import Lookahead
from kerastricks.addons.optimizers.moving_average import MovingAverage
from kerastricks.addons.optimizers.rectified_adam import RectifiedAdam
from kerastricks.addons.optimizers.sgdw import SGDW
from kerastricks.addons.optimizers.swa import SWA
from kerastricks.addons.optimizers.weight_decay import (
    DecoupledWeightDecayExtension,
    extend_with_decoupled_weight_decay,
)

__all__ = [
    "LAMB",
    "SGDW",
    "SWA",
    "AdamW",
    "AveragedOptimizerWrapper",
    "CyclicalLearningRate",
    "DecoupledWeightDecayExtension",
    "ExponentialCyclicalLearningRate",
    "Lookahead",
    "MovingAverage",
    "RectifiedAdam",
    "Triangular2CyclicalLearningRate",
    "TriangularCyclicalLearningRate",
    "extend_with_decoupled_weight_decay",
]

__getattr__ = explainer(
    "optimizers",
    {
        "MultiOptimizer": (
            "`MultiOptimizer` is an adapter over `keras.optimizers.MultiOptimizer`, which Keras "
            f"{keras.__version__} does not have: update Keras."
        )
    },
)

if hasattr(keras.optimizers, "MultiOptimizer"):
    from kerastricks.addons.optimizers.multi_optimizer import MultiOptimizer

    __all__ += ["MultiOptimizer"]
