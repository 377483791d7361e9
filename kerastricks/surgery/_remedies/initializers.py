"""Weights that start anew from initializers that suit the activations."""

from collections.abc import Iterator

import keras

from kerastricks.diagnosis.finding import Finding
from kerastricks.surgery._anatomy import name_of_activation
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._initializers import can_start_anew, is_off
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, told, treated


def suited_initializers(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Start all kernels from initializers that suit their activations.

    The findings name where the signal is lost, or the units are equal; the way there leads through
    all layers.
    """
    kernels = [kernel for kernel in case.anatomy.kernels if can_start_anew(kernel)]
    if kernels:
        yield _start(findings, kernels)
    known = {id(layer) for layer in case.anatomy.kernels}
    for layer in case.owners(findings):
        wraps = isinstance(layer, keras.layers.Wrapper)
        if (wraps or id(layer) in known) and not can_start_anew(layer):
            yield omitted(
                next(f for f in findings if case.anatomy.layer(f.layer) is layer),
                f"The initializers of {layer.name} are those of what it is made of, and stay.",
            )


def initializers_mended(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """The same, for those kernels alone whose own initializers are far off."""
    kernels = badly_started(case)
    if kernels:
        yield _start(findings, kernels)


def badly_started(case: Case) -> list[object]:
    """The kernels whose initializers draw weights, or biases, of the wrong size."""
    heads = {id(head) for head in case.anatomy.heads}
    return [
        kernel
        for kernel in case.anatomy.kernels
        if can_start_anew(kernel)
        and is_off(
            kernel,
            name_of_activation(case.anatomy.activation_layer(kernel)),
            head=id(kernel) in heads,
        )
    ]


def _start(findings: list[Finding], kernels: list[object]) -> Treatment:
    return treated(
        findings,
        f"initializers that suit depth and activations in {told(kernels)}",
        Edits(starts=frozenset(map(id, kernels))),
    )
