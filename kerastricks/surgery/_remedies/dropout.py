"""Dropout moved to where no batch normalization learns its variance."""

from collections.abc import Iterator
from typing import Any

import keras

from kerastricks.diagnosis.finding import Finding
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, removed, told, treated


def dropout_moved(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Take dropout away from in front of batch normalization, and put it before the output."""
    anatomy = case.anatomy
    found = [anatomy.layer(finding.evidence["dropout"]) for finding in findings]
    layers: list[Any] = list({id(layer): layer for layer in found if layer is not None}.values())
    layers = [layer for layer in layers if not anatomy.is_frozen(layer)]
    if not layers:
        yield omitted(findings[0], "Its dropout cannot be exchanged.")
        return
    edits = Edits(exchanged={id(layer): removed for layer in layers})
    remedy = f"{told(layers)} removed"
    if len(anatomy.heads) == 1 and anatomy.can_insert_at(anatomy.heads[0]):
        rate, head = max(layer.rate for layer in layers), anatomy.heads[0]
        name = anatomy.unused(f"{head.name}_dropout")

        def make() -> keras.Layer:
            return keras.layers.Dropout(rate, name=name, dtype=head.dtype_policy)

        edits |= Edits(before={id(head): (make,)})
        remedy = f"{told(layers)} moved before {head.name}"
    yield treated(findings, remedy, edits)
