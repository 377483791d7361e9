"""What a remedy looks at, and what it answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.report import Report
from kerastricks.surgery._anatomy import Anatomy
from kerastricks.surgery._compile_changes import OutputsOf
from kerastricks.surgery._edits import Edits


@dataclass(frozen=True)
class Treatment:
    """What can be done about the findings of one condition.

    Attributes:
        condition: The condition.
        layer: Path of the first layer with it; None for the whole model.
        remedy: What is done; where nothing can be, what somebody has to do instead.
        edits: The changes; None where the remedy cannot be applied.
        necessary: Whether losses with and without it cannot be compared: it poses another task.
        critical: Whether a finding of that condition is.
    """

    condition: str
    layer: str | None
    remedy: str
    edits: Edits | None = None
    necessary: bool = False
    critical: bool = False


@dataclass(frozen=True)
class Case:
    """A sick model and what was found.

    Attributes:
        anatomy: The model.
        report: The report of its training, or checkup.
    """

    anatomy: Anatomy
    report: Report

    @property
    def model(self) -> keras.Model:
        """The sick model."""
        return self.anatomy.model

    @cached_property
    def outputs(self) -> OutputsOf:
        """What it was compiled with for each output."""
        return OutputsOf(self.model)

    @cached_property
    def optimizer(self) -> dict[str, Any]:
        """The config of its optimizer; empty without one."""
        optimizer = getattr(self.model, "optimizer", None)
        return {} if optimizer is None else dict(optimizer.get_config())

    @property
    def compiles(self) -> bool:
        """Whether what it is compiled with can be changed."""
        return type(self.model).compile is keras.Model.compile

    def owners(self, findings: list[Finding]) -> list[keras.Layer]:
        """The layers of findings, each once; those that cannot be exchanged are left out."""
        layers = [self.anatomy.layer(finding.layer) for finding in findings]
        return list({id(layer): layer for layer in layers if layer is not None}.values())


Remedy = Callable[[Case, list[Finding]], Iterator[Treatment]]
"""From the findings of one condition, at least one, to what to do about them."""


def treated(findings: list[Finding], remedy: str, edits: Edits, **changes: Any) -> Treatment:
    """A treatment of these findings."""
    critical = any(finding.severity == "critical" for finding in findings)
    return Treatment(
        findings[0].condition, findings[0].layer, remedy, edits, critical=critical, **changes
    )


def omitted(finding: Finding, reason: str) -> Treatment:
    """A finding that has to be treated by somebody else."""
    return Treatment(finding.condition, finding.layer, f"{reason} {finding.remedy}")


def told(layers: list[keras.Layer]) -> str:
    """Names layers: all of few, the ends of many."""
    names = [str(layer.name) for layer in layers]
    if len(names) <= 3:
        return ", ".join(names)
    return f"{len(names)} layers ({names[0]} … {names[-1]})"


def removed(layer: Any) -> None:
    """What takes the place of a layer that is taken out: nothing."""
    del layer
