"""Columns of data as the rules look at them: the finite ones, their size, how evenly they vary."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.observation import ColumnStatistics, Vector

MINIMUM_SAMPLES = 8
"""Fewer samples have no deviation worth the name; one has none at all."""
SMALL_SHARE = 0.25
"""Columns are uneven when at least this share of them is small beside the largest.

One odd column among many is no other unit of measurement.
"""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a tensor whose entries are finite.

    Attributes:
        index: Their places in the tensor.
        mean: Mean of each.
        deviation: Standard deviation of each.
        minimum: Smallest entry of each.
        maximum: Largest entry of each.
    """

    index: NDArray[np.int64]
    mean: Vector
    deviation: Vector
    minimum: Vector
    maximum: Vector

    @property
    def size(self) -> Vector:
        """Root mean square of each column's entries."""
        return np.hypot(self.mean, self.deviation)

    @property
    def overall_size(self) -> float:
        """Root mean square of all entries; 0 without any."""
        return float(np.sqrt(np.mean(np.square(self.size)))) if len(self.index) else 0.0

    @property
    def largest(self) -> float:
        """The largest absolute value; 0 without any."""
        ends = np.abs(np.concatenate([self.minimum, self.maximum]))
        return float(np.max(ends, initial=0.0))

    @property
    def varying(self) -> NDArray[np.bool_]:
        """Columns with more than one value, told without the rounding of their deviation."""
        return self.maximum > self.minimum


@dataclass(frozen=True, slots=True)
class Unevenness:
    """How far the widest column outdoes the narrow ones.

    Attributes:
        ratio: Its deviation over what `narrow` is.
        column: Its place.
        deviation: Its standard deviation.
        narrow: Half the range of the widest of the narrowest quarter of the columns.
    """

    ratio: float
    column: int
    deviation: float
    narrow: float


def finite_columns(data: ColumnStatistics) -> Columns:
    """The columns whose entries are all finite.

    Where sums of entries, or of squares, were too large for float32, the middle and half of the
    range stand for mean and deviation.
    """
    rows = np.stack([data.mean, data.variance, data.minimum, data.maximum]).astype(np.float64)
    finite = np.isfinite(rows[2:]).all(axis=0)
    mean, variance, minimum, maximum = rows[:, finite]
    summed = np.isfinite(mean) & np.isfinite(variance)
    mean = np.where(summed, mean, (minimum + maximum) / 2)
    deviation = np.where(summed, np.sqrt(np.where(summed, variance, 0)), (maximum - minimum) / 2)
    return Columns(np.flatnonzero(finite), mean, deviation, minimum, maximum)


def unevenness(data: ColumnStatistics) -> Unevenness | None:
    """Compare the widest column with the narrow ones; None where that cannot be judged.

    The narrow ones are given half their range, which no deviation exceeds (Popoviciu, 1935): a
    feature that is rarely on has a small deviation, but the same range as its neighbors.
    """
    columns = finite_columns(data)
    varying = np.flatnonzero(columns.varying)
    if len(varying) < 2 or data.samples < MINIMUM_SAMPLES:
        return None
    widest = varying[np.argmax(columns.deviation[varying])]
    half_ranges = np.sort(columns.maximum[varying] - columns.minimum[varying]) / 2
    narrow = float(half_ranges[math.ceil(SMALL_SHARE * len(varying)) - 1])
    deviation = float(columns.deviation[widest])
    return Unevenness(deviation / narrow, int(columns.index[widest]), deviation, narrow)
