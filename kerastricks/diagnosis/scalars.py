"""An observed run as TensorBoard scalars, written by TensorBoard itself, without TensorFlow."""

import math
from collections.abc import Iterator
from os import PathLike, fspath
from typing import Any

import numpy as np

from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.vitals import vitals


class ScalarWriter:
    """Write each observation of a run into TensorBoard's event files.

    Args:
        log_dir: The folder of the event files; made where it does not exist.

    Raises:
        ImportError: If the `tensorboard` extra is not installed.
    """

    def __init__(self, log_dir: str | PathLike[str]):
        self._writer = require_writer()(fspath(log_dir))

    def add(self, observation: Observation, *, step: int, findings: int) -> None:
        """Write one observation.

        Args:
            observation: One look at a training step.
            step: Its place on TensorBoard's axis.
            findings: How many findings above a note are known by then.
        """
        self._writer.add_scalar("doctor/findings", findings, step)
        for tag, value in _scalars(observation):
            if not math.isnan(value):
                self._writer.add_scalar(tag, value, step)

    def flush(self) -> None:
        """Have what was added so far seen by a TensorBoard that is open."""
        self._writer.flush()

    def close(self) -> None:
        """Write the rest, and end."""
        self._writer.close()


def require_writer() -> Any:
    """TensorBoard's own writer.

    Raises:
        ImportError: If the `tensorboard` extra is not installed.
    """
    try:
        from tensorboard.summary import Writer
    except ImportError as error:
        raise ImportError(
            "Argument `log_dir` needs tensorboard, which is not installed. "
            "Run: pip install 'kerastricks[tensorboard]'"
        ) from error
    return Writer


def _scalars(observation: Observation) -> Iterator[tuple[str, float]]:
    """Tags and values: TensorBoard shows together what is the same up to the first slash."""
    if observation.loss is not None:
        yield "doctor/loss", observation.loss
    for name, value in vitals(observation).items():
        yield name.replace("_", "/", 1), value
    for layer in observation.layers:
        yield f"scale/{layer.path}", layer.scale
        if layer.saturated is not None:
            yield f"saturation/{layer.path}", float(np.mean(layer.saturated))
        if layer.active is not None:
            yield f"silent_units/{layer.path}", float(np.mean(layer.active == 0))
    for weight in observation.weights:
        yield f"gradient_norm/{weight.path}", weight.gradient
        yield f"update_ratio/{weight.path}", weight.update_ratio
