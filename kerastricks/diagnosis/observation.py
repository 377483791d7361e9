"""One look at a training step: plain numbers, the only thing that rules see."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.activations import Activation

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerStatistics:
    """What one layer put out on the batch, reduced to numbers per unit.

    A unit is one entry of the channel axis; its samples are the examples of the batch times the
    positions of a feature map, of which at most
    `kerastricks.diagnosis.statistics.MAXIMUM_POSITIONS` are seen, always the same.

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
        nonfinite: How many of the outputs that were seen were NaN or infinite.
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
        unit_gradient: Gradient norm of each unit's incoming weights (kernels only); estimated from
            `kerastricks.diagnosis.statistics.MAXIMUM_ROWS` of them where there are more, and so are
            the signatures.
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
class ColumnStatistics:
    """A tensor of data or of predictions, reduced to numbers per column.

    A column is an entry of the last axis: a feature, a color, a class. A tensor of rank 1 has
    one; one with more than `kerastricks.diagnosis.statistics.MAXIMUM_COLUMNS` is seen as one.

    Attributes:
        path: Where it was seen: the layer that took it in or put it out; the target's output.
        dtype: Its type, such as `"float32"`.
        shape: Its shape without the batch axis; None where a size is not known.
        samples: Entries a column.
        mean: Mean of each column.
        variance: Variance of each column over its samples.
        minimum: Smallest entry of each column.
        maximum: Largest entry of each column.
        whole: Share of the entries that are whole numbers.
        sums: Smallest and largest sum over a row's columns.
        nonfinite: How many entries were NaN or infinite.
    """

    path: str
    dtype: str
    shape: tuple[int | None, ...]
    samples: int
    mean: Vector
    variance: Vector
    minimum: Vector
    maximum: Vector
    whole: float
    sums: tuple[float, float]
    nonfinite: int

    @property
    def columns(self) -> int:
        """Number of columns that are told apart."""
        return len(self.mean)

    @property
    def deviation(self) -> Vector:
        """Standard deviation of each column."""
        return np.sqrt(self.variance)

    @property
    def size(self) -> float:
        """Root mean square over all entries."""
        return math.sqrt(float(np.mean(self.variance + np.square(self.mean))))


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """What a first kernel multiplies: the model's inputs, after scaling layers if it has such.

    Attributes:
        path: Path of the layer with that kernel.
        data: What went into it.
        normalization: Path of the layer that normalizes its output right away; None without one.
    """

    path: str
    data: ColumnStatistics
    normalization: str | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """What a loss wants to be given.

    Attributes:
        name: Keras' name of its function, such as `"categorical_crossentropy"`; the class or
            function's own name for one that Keras does not have.
        from_logits: Whether it applies softmax or sigmoid to the predictions itself.
        ignore_class: The label that it leaves out; None where it leaves out none.
    """

    name: str
    from_logits: bool = False
    ignore_class: int | None = None


@dataclass(frozen=True, slots=True)
class OutputStatistics:
    """One output of the model beside what it is trained to be.

    Attributes:
        path: Path of the output's layer.
        activation: The nonlinearity it ends with; None for a linear output, or an unknown one.
        known: False where the output is not a layer's own, and its activation hence not known.
        prediction: The output in training mode.
        target: The targets; None where they cannot be told to belong to this output.
        loss: The loss; None where it is not known, or there is none.
    """

    path: str
    activation: Activation | None
    known: bool
    prediction: ColumnStatistics
    target: ColumnStatistics | None
    loss: Loss | None

    @property
    def units(self) -> int | None:
        """Entries of the prediction's last axis."""
        return self.prediction.shape[-1] if self.prediction.shape else 1


@dataclass(frozen=True, slots=True)
class NormalizationStatistics:
    """The averages of a batch normalization beside the statistics of the batch.

    Attributes:
        path: The layer's path.
        alpha: Weight of the new batch in the averages, 1 - momentum.
        epsilon: What is added to the variance.
        batch_mean: Mean of the layer's input, each channel.
        batch_variance: Its variance.
        moving_mean: What inference subtracts, once this step has moved it.
        moving_variance: What inference divides by (its root), once this step has moved it.
    """

    path: str
    alpha: float
    epsilon: float
    batch_mean: Vector
    batch_variance: Vector
    moving_mean: Vector
    moving_variance: Vector


@dataclass(frozen=True, slots=True)
class DropoutStatistics:
    """A dropout whose variance shift reaches a batch normalization.

    Attributes:
        path: The dropout's path.
        rate: Share of units that it drops.
        normalization: Path of the batch normalization behind it.
        between: Paths of the layers with kernels between the two.
        mean: Mean of each unit before the dropout.
        variance: Its variance.
    """

    path: str
    rate: float
    normalization: str
    between: tuple[str, ...]
    mean: Vector
    variance: Vector


@dataclass(frozen=True, slots=True)
class Epoch:
    """The end of one epoch.

    Attributes:
        step: Training steps made by then in this `fit`.
        loss: The epoch's mean training loss.
        validation_loss: The loss on the validation data; None without any.
    """

    step: int
    loss: float
    validation_loss: float | None = None


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
        input_nonfinite: How many input elements were NaN or infinite; not counted, and 0, where
            neither the loss nor any statistic of a layer is.
        layers: Outputs, in the order in which the layers run.
        weights: Trainable weights, in the same order.
        loss_scaled: True when a loss-scaling optimizer is at work; it skips the steps whose
            scaled gradients overflow, so that non-finite gradients are no fault.
        inputs: What the first kernels multiply; in the first 128 observations only.
        outputs: The model's outputs beside their targets.
        normalizations: Batch normalizations in training, with their averages.
        dropouts: Dropouts with a batch normalization behind them.
        linear: Paths of the hidden kernels of a model that is known to compute a linear function
            of its inputs up to its output activation; empty for any other.
        epochs: The epochs that have ended, oldest first.
        closing: True when the averages are about to be used: before a validation, and at the end.
        over: True at the end.
        made: Steps made by then, which may be more than were observed; None before that.
        learning_rate: The optimizer's when `fit` began; None where it is not known.
    """

    step: int
    loss: float | None
    input_nonfinite: int
    layers: Sequence[LayerStatistics]
    weights: Sequence[WeightStatistics]
    loss_scaled: bool = False
    at_start: bool = False
    inputs: Sequence[InputStatistics] = ()
    outputs: Sequence[OutputStatistics] = ()
    normalizations: Sequence[NormalizationStatistics] = ()
    dropouts: Sequence[DropoutStatistics] = ()
    linear: tuple[str, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    closing: bool = False
    over: bool = False
    made: int | None = None
    learning_rate: float | None = None

    @property
    def kernels(self) -> tuple[WeightStatistics, ...]:
        """The kernels among the weights."""
        return tuple(weight for weight in self.weights if weight.kernel)
