"""Batch normalization between kernels and activations that leaky rectifiers do not replace."""

from collections.abc import Iterator

import keras

from kerastricks.diagnosis.finding import Finding
from kerastricks.surgery._anatomy import has_settable_activation, name_of_activation
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, told, treated

_KEEP_THE_SIGNAL = ("linear", "softmax", "relu", "leaky_relu", "sigmoid", "tanh")
"""Activations that need none: rectifiers from orthogonal weights, and what they replace."""


def normalized_layers(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Normalize what each hidden kernel of a deep network puts out, for GELU and its like."""
    anatomy = case.anatomy
    heads = {id(head) for head in anatomy.heads}
    hidden = [
        kernel
        for kernel in anatomy.kernels
        if id(kernel) not in heads
        and not isinstance(kernel, keras.layers.RNN)
        and name_of_activation(anatomy.activation_layer(kernel)) not in _KEEP_THE_SIGNAL
    ]
    bare = [kernel for kernel in hidden if anatomy.normalization_behind(kernel) is None]
    if not anatomy.deep or not bare:
        return
    placed = [
        kernel
        for kernel in bare
        if anatomy.can_insert_at(kernel)
        and (anatomy.activation_layer(kernel) is not kernel or has_settable_activation(kernel))
    ]
    if not placed:
        yield omitted(findings[0], "Only the code of this model can put layers in.")
        return
    yield treated(
        findings,
        f"BatchNormalization between kernel and activation in {told(placed)}",
        Edits(normalized=frozenset(map(id, placed))),
    )
