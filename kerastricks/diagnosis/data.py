"""The data and the steps of a whole run, pooled: a remedy needs more than one batch tells."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from kerastricks.diagnosis.observation import ColumnStatistics, Observation
from kerastricks.diagnosis.remembering import Remembering
from kerastricks.diagnosis.rules._learning import STRETCH, median_update

POOLED_LOOKS = 128
"""Observations that are pooled; they hold 4096 samples in batches of 32."""


@dataclass
class Pool(Remembering):
    """What the observations of a run tell together.

    Attributes:
        inputs: What each first kernel multiplied, by the path of its layer.
        targets: What each output was to become, by the path of its layer.
        update_ratio: The largest average, over `STRETCH` judged observations in a row, of the
            median kernel's update relative to the kernel.
    """

    _REMEMBERED = ("inputs", "targets", "update_ratio", "_looks", "_updates")

    inputs: dict[str, ColumnStatistics] = field(default_factory=dict)
    targets: dict[str, ColumnStatistics] = field(default_factory=dict)
    update_ratio: float = 0.0
    _looks: int = 0
    _updates: deque[float] = field(default_factory=lambda: deque(maxlen=STRETCH))

    def add(self, observation: Observation) -> None:
        """Take one more observation in, its data and its update."""
        self._updates.append(median_update(observation))
        self.update_ratio = max(self.update_ratio, float(np.mean(self._updates)))
        self.add_data(observation)

    def add_data(self, observation: Observation) -> None:
        """Take in the data of one more observation."""
        if self._looks == POOLED_LOOKS:
            return
        self._looks += 1
        for inputs in observation.inputs:
            _take_in(self.inputs, inputs.path, inputs.data)
        for output in observation.outputs:
            if output.target is not None:
                _take_in(self.targets, output.path, output.target)


def _take_in(pool: dict[str, ColumnStatistics], path: str, data: ColumnStatistics) -> None:
    known = pool.get(path)
    if known is None or known.nonfinite:
        pool[path] = data
    elif not data.nonfinite and data.columns == known.columns:
        pool[path] = pooled([known, data])


def pooled(batches: Iterable[ColumnStatistics]) -> ColumnStatistics:
    """The statistics of several batches of the same columns together."""
    batches = list(batches)
    weights = np.array([batch.samples for batch in batches], float)
    means = np.stack([batch.mean for batch in batches])
    mean = np.average(means, axis=0, weights=weights)
    # Deviations from the mean, not E[x^2] - E[x]^2, which cancels.
    spread = np.stack([batch.variance for batch in batches]) + np.square(means - mean)
    smallest, largest = zip(*(batch.sums for batch in batches), strict=True)
    return replace(
        batches[0],
        samples=int(weights.sum()),
        mean=mean,
        variance=np.average(spread, axis=0, weights=weights),
        minimum=np.min([batch.minimum for batch in batches], axis=0),
        maximum=np.max([batch.maximum for batch in batches], axis=0),
        whole=float(np.average([batch.whole for batch in batches], weights=weights)),
        sums=(min(smallest), max(largest)),
        nonfinite=sum(batch.nonfinite for batch in batches),
    )
