"""Averages of batch normalization that keep up with the weights."""

from collections.abc import Iterator
from typing import Any

import keras

from kerastricks.diagnosis.finding import Finding
from kerastricks.layers.batch_normalization import BatchNormalization
from kerastricks.surgery._edits import NEW_ALPHA, Edits
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, told, treated

_KNOWN = (keras.layers.BatchNormalization, BatchNormalization)
_NOT_OURS = ("momentum", "renorm", "renorm_clipping", "renorm_momentum")


def following_averages(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Let the averages follow within some ten batches, free of where they began."""
    layers = [layer for layer in case.owners(findings) if type(layer) in _KNOWN]
    if not layers:
        yield omitted(findings[0], "It is no batch normalization of Keras or kerastricks.")
        return
    yield treated(
        findings,
        f'alpha={NEW_ALPHA}, average="debiased" in {told(layers)}',
        Edits(exchanged={id(layer): _following for layer in layers}),
    )


def _following(layer: Any) -> keras.Layer:
    config = layer.get_config()
    config = {name: value for name, value in config.items() if name not in _NOT_OURS}
    config |= {"alpha": max(1 - layer.momentum, NEW_ALPHA), "average": "debiased"}
    return BatchNormalization.from_config(config)
