"""One look at a training step: plain numbers, the only thing that rules see."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.activations import Activation

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerStatistics:
    """What one layer put out on the batch, reduced to numbers per unit.

    A unit is one entry of the channel axis; its samples are the examples of the batch times the
    positions of a feature map.

    Attributes:
        path: The layer's path.
        activation: The nonlinearity it ends with; None for a linear layer.
        head: True when its output is the model's output, up to an activation.
        source: Path of the layer whose kernel feeds the nonlinearity; None when unknown.
        examples: Examples of the batch, summed over calls.
        samples: Samples per unit.
        mean: Mean output of each unit.
        variance: Variance of each unit's output over its samples.
        events: Share of samples on which each unit was saturated, for a bounded activation; on
            which it was above zero, for any other layer.
        nonfinite: How many output elements were NaN or infinite.
    """

    path: str
    activation: Activation | None
    head: bool
    source: str | None
    examples: int
    samples: int
    mean: Vector
    variance: Vector
    events: Vector
    nonfinite: int

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.mean)

    @property
    def active(self) -> Vector | None:
        """Share of samples on which each unit of a rectifier was active."""
        return self.events if self.activation and self.activation.rectifier else None

    @property
    def saturated(self) -> Vector | None:
        """Share of samples on which each unit of a bounded activation was saturated."""
        return self.events if self.activation and self.activation.bounded else None

    @property
    def scale(self) -> float:
        """Signal carried by the layer: root mean square over units of the standard deviation."""
        return math.sqrt(float(np.mean(self.variance)))


@dataclass(frozen=True, slots=True)
class WeightStatistics:
    """One trainable weight in the step: its size, its gradient, and what the optimizer did to it.

    Attributes:
        path: The weight's path.
        layer: Path of the layer that owns it.
        kernel: True for weights that multiply the layer's inputs, tables of embeddings included.
        units: Number of units of a kernel, its last axis where it is not known better; else 0.
        norm: Euclidean norm before the update.
        gradient: Euclidean norm of the gradient, loss scaling undone.
        update: Euclidean norm of the actual change, after optimizer, clipping and weight decay.
        nonfinite: How many elements of weight and gradient were NaN or infinite.
        unit_gradient: Gradient norm of each unit's incoming weights (kernels only).
        unit_signature: Each unit's incoming weights seen through two fixed random vectors, shape
            (2, units): equal weights give equal numbers (kernels only).
        unit_gradient_signature: The gradient seen through the first of them (kernels only).
    """

    path: str
    layer: str
    kernel: bool
    units: int
    norm: float
    gradient: float
    update: float
    nonfinite: int
    unit_gradient: Vector | None = None
    unit_signature: Vector | None = None
    unit_gradient_signature: Vector | None = None

    @property
    def update_ratio(self) -> float:
        """Size of the actual update relative to the weight; NaN for a weight of norm zero."""
        return self.update / self.norm if self.norm > 0 else math.nan

    @property
    def sensitivity(self) -> float:
        """How much the loss would change if the weight changed by its own size: |g| |w|."""
        return self.gradient * self.norm


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything seen in one training step.

    Attributes:
        step: The step's number in this `fit`; 0 is the one before its first update. Where Keras
            runs several steps at once (`steps_per_execution`), the last of them is seen, and a
            shorter last execution of an epoch counts in full.
        at_start: True when it was made in the first steps of a model whose optimizer had made
            none.
        loss: The batch loss, unscaled; None where the model's `train_step` hides it.
        input_nonfinite: How many input elements were NaN or infinite.
        layers: Outputs, in the order in which the layers run.
        weights: Trainable weights, in the same order.
        loss_scaled: True when a loss-scaling optimizer is at work; it skips the steps whose
            scaled gradients overflow, so that non-finite gradients are no fault.
    """

    step: int
    loss: float | None
    input_nonfinite: int
    layers: tuple[LayerStatistics, ...]
    weights: tuple[WeightStatistics, ...]
    loss_scaled: bool = False
    at_start: bool = False

    @property
    def kernels(self) -> tuple[WeightStatistics, ...]:
        """The kernels among the weights."""
        return tuple(weight for weight in self.weights if weight.kernel)
