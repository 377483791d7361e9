"""What a report's pictures need, kept small however long a run lasts."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kerastricks.diagnosis.observation import LayerStatistics, Observation

MAXIMUM_POINTS = 512
"""Points in time kept; when there are more, every other one of the older half is dropped."""
MAXIMUM_UNITS = 96
"""Units shown of a layer: evenly spread when it has more."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One observation, reduced to what is drawn of it.

    Attributes:
        step: The training step.
        loss: The batch loss.
        scale: Deviation of each layer's output over the samples, by path.
        units: Events of each layer's units (see `LayerStatistics.events`), by path.
        gradient: Gradient norm of each kernel, by the path of its layer.
    """

    step: int
    loss: float
    scale: dict[str, float]
    units: dict[str, NDArray[np.float32]]
    gradient: dict[str, float]


@dataclass
class Timeline:
    """The course of a run.

    Attributes:
        moments: Oldest first.
        kinds: What the units' events mean, by path: `"saturated"` or `"active"`.
        hidden: Paths of the nonlinear hidden layers, in the order in which they run.
    """

    moments: list[Moment] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)

    def add(self, observation: Observation) -> None:
        """Append an observation, thinning out the older half when there are too many."""
        for layer in observation.layers:
            if layer.activation and layer.path not in self.kinds:
                self.kinds[layer.path] = "saturated" if layer.activation.bounded else "active"
                if not layer.head:
                    self.hidden.append(layer.path)
        self.moments.append(
            Moment(
                step=observation.step,
                loss=math.nan if observation.loss is None else observation.loss,
                scale={layer.path: layer.scale for layer in observation.layers},
                units={
                    layer.path: _shown(layer)
                    for layer in observation.layers
                    if layer.activation and not layer.head
                },
                gradient={kernel.layer: kernel.gradient for kernel in observation.kernels},
            )
        )
        if len(self.moments) > MAXIMUM_POINTS:
            half = MAXIMUM_POINTS // 2
            self.moments[:half] = self.moments[:half:2]


def _shown(layer: LayerStatistics) -> NDArray[np.float32]:
    chosen = np.linspace(0, layer.units - 1, min(layer.units, MAXIMUM_UNITS)).round().astype(int)
    shown: NDArray[np.float32] = layer.events[chosen].astype(np.float32)
    return shown
