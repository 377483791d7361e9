"""The places of a model that are observed: how long each one's block of numbers is, how it is read.

A block holds sums over calls, its first number how many: reading makes rates and means of them.
Those of several replicas are joined first.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.observation import (
    ColumnStatistics,
    DropoutStatistics,
    LayerStatistics,
    Loss,
    NormalizationStatistics,
    OutputStatistics,
    Vector,
    WeightStatistics,
)

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LayerSlot:
    """One observed layer: how to read its output."""

    layer: Any
    path: str
    axis: int
    units: int
    activation: Activation | None
    head: bool
    source: str | None

    @property
    def length(self) -> int:
        """Numbers that the layer contributes."""
        return statistics.LAYER_SCALARS + statistics.LAYER_ROWS * self.units

    def joined(self, blocks: Matrix, weights: Vector) -> Vector:
        """One block of those of several replicas, a row each."""
        del weights
        block: Vector = np.asarray(blocks.sum(0))
        rows = slice(statistics.LAYER_SCALARS, statistics.LAYER_SCALARS + self.units)
        deviations = slice(rows.stop, rows.stop + self.units)
        block[deviations] += _between(blocks[:, 1], blocks[:, rows])
        return block

    def read(self, block: Vector, nonfinite: int) -> LayerStatistics | None:
        """The layer's statistics; None when it was not called."""
        examples, samples = block[: statistics.LAYER_SCALARS]
        if samples == 0:
            return None
        rows = block[statistics.LAYER_SCALARS :].reshape(-1, self.units) / samples
        return LayerStatistics(
            path=self.path,
            activation=self.activation,
            head=self.head,
            source=self.source,
            examples=int(examples),
            samples=int(samples),
            mean=rows[0],
            variance=rows[1],
            events=rows[2],
            nonfinite=nonfinite,
        )


@dataclass(frozen=True, slots=True)
class WeightSlot:
    """One trainable weight: which axes of it are units, when in the forward pass it is used."""

    weight: Any
    path: str
    layer: str
    order: int
    kernel: bool
    unit_axes: tuple[int, ...] | None
    units: int

    @property
    def size(self) -> int:
        """Number of its elements."""
        return math.prod(self.weight.shape)

    @property
    def small(self) -> bool:
        """Whether it is reduced together with others."""
        return self.unit_axes is None and self.size <= statistics.SMALL

    @property
    def length(self) -> int:
        """Numbers that the weight contributes, its update aside."""
        rows = statistics.KERNEL_ROWS * self.units if self.unit_axes else 0
        return statistics.WEIGHT_SCALARS + rows

    def read(self, block: Vector, nonfinite: float, update: float) -> WeightStatistics | None:
        """The weight's statistics; None when it got no gradient.

        Args:
            block: The weight's numbers, divided by the number of replicas.
            nonfinite: How many elements of weight and gradient are not finite.
            update: The squared norm of its change.
        """
        if block[0] < 0:
            return None  # see `statistics.unseen`
        gradient, norm = block[: statistics.WEIGHT_SCALARS]
        rows: list[Vector | None] = [None, None, None]
        if self.unit_axes:
            per_unit = block[statistics.WEIGHT_SCALARS :].reshape(-1, self.units)
            squares, _, gradients, first, _, second = per_unit
            rows = [np.sqrt(squares), np.stack([first, second]), gradients]
        return WeightStatistics(
            path=self.path,
            layer=self.layer,
            kernel=self.kernel,
            units=self.units,
            norm=float(np.sqrt(norm)),
            gradient=float(np.sqrt(gradient)),
            update=float(np.sqrt(update)),
            nonfinite=int(np.ceil(nonfinite)),
            unit_gradient=rows[0],
            unit_signature=rows[1],
            unit_gradient_signature=rows[2],
        )


@dataclass(frozen=True, slots=True)
class ColumnSlot:
    """A tensor of data or predictions."""

    path: str
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def columns(self) -> int:
        """Columns that are told apart."""
        last = self.shape[-1] if self.shape else 1
        return last if last is not None and last <= statistics.MAXIMUM_COLUMNS else 1

    @property
    def length(self) -> int:
        """Numbers that the tensor contributes."""
        return statistics.COLUMN_SCALARS + statistics.COLUMN_ROWS * self.columns

    def joined(self, blocks: Matrix, weights: Vector) -> Vector:
        """One block of those of several replicas, a row each."""
        del weights
        block: Vector = np.asarray(blocks.sum(0))
        called = blocks[blocks[:, 0] > 0]
        if not len(called):
            return block
        calls, samples = called[:, :1], called[:, 1]
        rows = np.arange(statistics.COLUMN_SCALARS, self.length).reshape(-1, self.columns)
        block[rows[1]] += _between(samples, called[:, rows[0]])
        for places, end in ((3, np.min), (4, np.max), (rows[2], np.min), (rows[3], np.max)):
            each = called[:, places] / (calls if np.ndim(places) else calls[:, 0])
            block[places] = block[0] * end(each, axis=0)
        return block

    def read(self, block: Vector) -> ColumnStatistics | None:
        """The tensor's statistics; None when it was not seen."""
        calls, samples, whole, lowest, highest, nonfinite = block[: statistics.COLUMN_SCALARS]
        if calls == 0 or samples == 0:
            return None
        total, deviations, minimum, maximum = np.split(
            block[statistics.COLUMN_SCALARS :], statistics.COLUMN_ROWS
        )
        return ColumnStatistics(
            path=self.path,
            dtype=self.dtype,
            shape=self.shape,
            samples=int(samples),
            mean=total / samples,
            variance=deviations / samples,
            minimum=minimum / calls,
            maximum=maximum / calls,
            whole=float(whole / (samples * self.columns)),
            sums=(float(lowest / calls), float(highest / calls)),
            nonfinite=int(nonfinite),
        )


@dataclass(frozen=True, slots=True)
class InputSlot:
    """The layer of a first kernel, and what goes into it."""

    layer: Any
    data: ColumnSlot
    normalization: str | None


@dataclass(frozen=True, slots=True)
class OutputSlot:
    """An output of the model, and its targets."""

    path: str
    activation: Activation | None
    known: bool
    prediction: ColumnSlot
    target: ColumnSlot | None
    loss: Loss | None

    def read(
        self, prediction: ColumnStatistics, target: ColumnStatistics | None
    ) -> OutputStatistics:
        """The two beside each other."""
        return OutputStatistics(
            self.path, self.activation, self.known, prediction, target, self.loss
        )


@dataclass(frozen=True, slots=True)
class NormalizationSlot:
    """A batch normalization whose averages move."""

    layer: Any
    path: str
    axis: int
    channels: int

    @property
    def length(self) -> int:
        """Numbers that the layer contributes."""
        return statistics.MOMENT_SCALARS + 2 * statistics.MOMENT_ROWS * self.channels

    def joined(self, blocks: Matrix, weights: Vector) -> Vector:
        """One block of those of several replicas, a row each."""
        return _joined_moments(blocks, weights, self.channels)

    def read(self, block: Vector) -> NormalizationStatistics | None:
        """The layer's averages and batch; None when it was not called."""
        calls = block[0]
        if calls == 0:
            return None
        rows = np.split(block[statistics.MOMENT_SCALARS :] / calls, 2 * statistics.MOMENT_ROWS)
        return NormalizationStatistics(
            self.path, 1 - float(self.layer.momentum), float(self.layer.epsilon), *rows
        )


@dataclass(frozen=True, slots=True)
class DropoutSlot:
    """A dropout with a batch normalization behind it."""

    layer: Any
    path: str
    axis: int
    units: int
    normalization: str
    between: tuple[str, ...]

    @property
    def length(self) -> int:
        """Numbers that the layer contributes."""
        return statistics.MOMENT_SCALARS + statistics.MOMENT_ROWS * self.units

    def joined(self, blocks: Matrix, weights: Vector) -> Vector:
        """One block of those of several replicas, a row each."""
        return _joined_moments(blocks, weights, self.units)

    def read(self, block: Vector) -> DropoutStatistics | None:
        """What goes into the dropout; None when it was not called."""
        calls = block[0]
        if calls == 0:
            return None
        mean, variance = np.split(
            block[statistics.MOMENT_SCALARS :] / calls, statistics.MOMENT_ROWS
        )
        rate = float(self.layer.rate)
        return DropoutStatistics(self.path, rate, self.normalization, self.between, mean, variance)


def _between(counts: Vector, sums: Matrix) -> Vector:
    """Squared deviations of replicas' means from the mean of all, for each entry of each."""
    if not counts.sum():
        return np.zeros(sums.shape[1])
    means = sums / np.maximum(counts, 1)[:, None]
    return np.asarray(counts @ np.square(means - sums.sum(0) / counts.sum()))


def _joined_moments(blocks: Matrix, weights: Vector, units: int) -> Vector:
    """One block of several that hold one a call, then means and variances a call."""
    called = blocks[:, 0] > 0
    if not called.any():
        return np.asarray(blocks.sum(0))
    calls = blocks[:, 0].sum()
    weights = weights[called] / weights[called].sum()
    each = blocks[called] / blocks[called, :1]
    block = weights @ each
    spread = weights @ np.square(each[:, 1 : 1 + units] - block[1 : 1 + units])
    block[1 + units : 1 + 2 * units] += spread
    return np.asarray(calls * block)
