"""What a report's pictures need, kept small however long a run lasts."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.observation import LayerStatistics, Observation
from kerastricks.diagnosis.remembering import Remembering
from kerastricks.diagnosis.rules._learning import updates_of

MAXIMUM_POINTS = 512
"""Points in time kept; when there are more, every other one of the older half is dropped."""
MAXIMUM_UNITS = 96
"""Units shown of a layer: evenly spread when it has more."""
MAXIMUM_ROWS = 4800
"""Units shown of all layers together: fewer of each where there are many layers."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One observation, reduced to what is drawn of it.

    Attributes:
        step: The training step.
        loss: The batch loss.
        scale: Deviation of each layer's output over the samples, by path.
        units: Events of each layer's units (see `LayerStatistics.events`), by path.
        gradient: Gradient norm of each kernel, by the path of its layer.
        update: Actual update of each kernel relative to its size, as the rules on the learning
            rate judge it, by the kernel's path.
    """

    step: int
    loss: float
    scale: dict[str, float]
    units: dict[str, NDArray[np.float32]]
    gradient: dict[str, float]
    update: dict[str, float]


class Timeline(Remembering):
    """The course of a run: what is drawn of it is worked out when it is asked for.

    Until then the observations themselves are kept: the newest, which the rules look back on as
    well.
    """

    _REMEMBERED = ("_entries", "_kinds", "_hidden", "_most")

    def __init__(self) -> None:
        self._entries: list[Moment | Observation] = []
        self._kinds: dict[str, str] = {}
        self._hidden: list[str] = []
        self._most = 0

    @property
    def moments(self) -> list[Moment]:
        """Oldest first."""
        moments = [self._drawn(entry) for entry in self._entries]
        self._entries = list(moments)
        return moments

    @property
    def kinds(self) -> dict[str, str]:
        """What the units' events mean, by path: `"saturated"` or `"active"`."""
        _ = self.moments  # it may not be known yet
        return self._kinds

    @property
    def hidden(self) -> list[str]:
        """Paths of the nonlinear hidden layers, in the order in which they run."""
        _ = self.moments
        return self._hidden

    def remembered(self) -> dict[str, Any]:
        """All moments, drawn."""
        self.settle(0)
        return super().remembered()

    def add(self, observation: Observation) -> None:
        """Append an observation, thinning out the older half when there are too many."""
        self._entries.append(observation)
        if len(self._entries) > MAXIMUM_POINTS:
            half = MAXIMUM_POINTS // 2
            self._entries[:half] = [self._drawn(entry) for entry in self._entries[:half:2]]

    def settle(self, newest: int) -> None:
        """Keep no observations but the newest, and of the others what is drawn."""
        older = len(self._entries) - newest
        self._entries[:older] = [self._drawn(entry) for entry in self._entries[:older]]

    def _drawn(self, entry: Moment | Observation) -> Moment:
        if isinstance(entry, Moment):
            return entry
        for layer in entry.layers:
            if layer.activation and layer.path not in self._kinds:
                self._kinds[layer.path] = "saturated" if layer.activation.bounded else "active"
                if not layer.head:
                    self._hidden.append(layer.path)
        shown = [layer for layer in entry.layers if layer.activation and not layer.head]
        self._most = self._most or min(MAXIMUM_UNITS, MAXIMUM_ROWS // max(len(shown), 1)) or 1
        return Moment(
            step=entry.step,
            loss=math.nan if entry.loss is None else entry.loss,
            scale={layer.path: layer.scale for layer in entry.layers},
            units={layer.path: _shown(layer, self._most) for layer in shown},
            gradient={kernel.layer: kernel.gradient for kernel in entry.kernels},
            update=dict(zip((k.path for k in entry.kernels), updates_of(entry), strict=True)),
        )


def _shown(layer: LayerStatistics, most: int) -> NDArray[np.float32]:
    chosen = np.linspace(0, layer.units - 1, min(layer.units, most)).round().astype(int)
    shown: NDArray[np.float32] = layer.events[chosen].astype(np.float32)
    return shown
