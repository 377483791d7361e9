"""Questions that several rules ask of a window of observations."""

from collections.abc import Callable, Mapping, Sequence

from kerastricks.diagnosis.observation import LayerStatistics, Observation, WeightStatistics

Window = Sequence[Observation]

LOOK_BACK = 64
"""Observations that a run is followed back; whoever remembers findings knows of longer ones."""


def layer_at(observation: Observation, path: str) -> LayerStatistics | None:
    """The statistics of one layer, or None when it was not called in that step."""
    return next((layer for layer in observation.layers if layer.path == path), None)


def weight_at(observation: Observation, path: str) -> WeightStatistics | None:
    """The statistics of one weight, or None when its gradient was not seen in that step."""
    return next((weight for weight in observation.weights if weight.path == path), None)


def unbroken_run(window: Window, holds: Callable[[Observation], bool]) -> list[Observation]:
    """The observations at the window's end over which something has held without a break."""
    run: list[Observation] = []
    for observation in reversed(window[-LOOK_BACK:]):
        if not holds(observation):
            break
        run.append(observation)
    return run[::-1]


def unbroken_runs(
    window: Window, named: Callable[[Observation], Mapping[str, object]]
) -> dict[str, list[Observation]]:
    """The same for all that is named of the newest observation, each observation read once."""
    runs: dict[str, list[Observation]] = {name: [] for name in named(window[-1])}
    unbroken = set(runs)
    for observation in reversed(window[-LOOK_BACK:]):
        unbroken &= named(observation).keys()
        if not unbroken:
            break
        for name in unbroken:
            runs[name].insert(0, observation)
    return runs
