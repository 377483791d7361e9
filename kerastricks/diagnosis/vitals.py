"""A few numbers of one observation, for epoch logs and the tools that read them."""

import math
from statistics import median

import numpy as np

from kerastricks.diagnosis.observation import Observation


def vitals(observation: Observation) -> dict[str, float]:
    """Reduce an observation to numbers under stable names.

    Args:
        observation: One look at a training step.

    Returns:
        `doctor_silent_units`: largest share, over hidden rectifier layers, of units that fired on
        no sample of the batch; `doctor_saturation`: largest share, over hidden bounded layers, of
        saturated outputs; `doctor_update_ratio`: the median kernel's update relative to its norm;
        `doctor_gradient_norm`: Euclidean norm of all gradients. Each NaN where there is no such
        layer, kernel or gradient.
    """
    hidden = [layer for layer in observation.layers if not layer.head]
    silent = [float(np.mean(layer.active == 0)) for layer in hidden if layer.active is not None]
    saturated = [float(np.mean(x.saturated)) for x in hidden if x.saturated is not None]
    ratios = [kernel.update_ratio for kernel in observation.kernels if kernel.norm > 0]
    gradients = [weight.gradient for weight in observation.weights]
    return {
        "doctor_silent_units": max(silent, default=math.nan),
        "doctor_saturation": max(saturated, default=math.nan),
        "doctor_update_ratio": median(ratios) if ratios else math.nan,
        "doctor_gradient_norm": math.hypot(*gradients) if gradients else math.nan,
    }
