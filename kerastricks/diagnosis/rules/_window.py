"""Questions that several rules ask of a window of observations."""

from collections.abc import Callable, Sequence

from kerastricks.diagnosis.observation import LayerStatistics, Observation, WeightStatistics

Window = Sequence[Observation]

LOOK_BACK = 64


def layer_at(observation: Observation, path: str) -> LayerStatistics | None:
    """The statistics of one layer, or None when it was not called in that step."""
    return next((layer for layer in observation.layers if layer.path == path), None)


def weight_at(observation: Observation, path: str) -> WeightStatistics | None:
    """The statistics of one weight, or None when its gradient was not seen in that step."""
    return next((weight for weight in observation.weights if weight.path == path), None)


def unbroken_run(window: Window, holds: Callable[[Observation], bool]) -> list[Observation]:
    """The observations at the window's end over which something has held without a break.

    Looks back over `LOOK_BACK` observations at most; who remembers earlier findings knows when a
    longer run began.
    """
    run: list[Observation] = []
    for observation in reversed(window[-LOOK_BACK:]):
        if not holds(observation):
            break
        run.append(observation)
    return run[::-1]
