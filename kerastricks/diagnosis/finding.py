"""One thing that is wrong, with the numbers it rests on and what to do about it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from kerastricks._printable import printable
from kerastricks.diagnosis.conditions import CONDITIONS

SEVERITIES = ("note", "warning", "critical")
"""How much a finding matters, from the least to the most."""


@dataclass(frozen=True, eq=False)
class Finding:
    """A diagnosed condition.

    Attributes:
        condition: One of `kerastricks.diagnosis.CONDITIONS`.
        layer: The layer's path, or None when the whole model is meant.
        severity: `"note"`, `"warning"` or `"critical"`.
        onset: The training step at which it was first true; 0 is before the first update.
        message: What is wrong, in one sentence with numbers.
        remedy: What to change, in code where code says it best.
        evidence: The numbers the finding rests on, sample counts and healthy range included.
        caused_by: The finding that explains this one, or None.
    """

    condition: str
    layer: str | None
    severity: str
    onset: int
    message: str
    remedy: str
    evidence: dict[str, Any] = field(default_factory=dict)
    caused_by: "Finding | None" = None

    def __post_init__(self) -> None:
        """Hold names to the vocabulary."""
        if self.condition not in CONDITIONS:
            raise ValueError(
                f"`condition` must be one of kerastricks.diagnosis.CONDITIONS: {CONDITIONS}. "
                f"Received: condition={self.condition!r}"
            )
        if self.severity not in SEVERITIES:
            raise ValueError(
                f"`severity` must be one of {SEVERITIES}. Received: severity={self.severity!r}"
            )

    @property
    def key(self) -> tuple[str, str | None]:
        """What makes two findings the same: condition and place."""
        return self.condition, self.layer

    def to_dict(self) -> dict[str, Any]:
        """The finding in JSON's types; the cause is named by condition and layer."""
        cause = self.caused_by
        return {
            "condition": self.condition,
            "layer": self.layer,
            "severity": self.severity,
            "onset": self.onset,
            "message": self.message,
            "remedy": self.remedy,
            "evidence": _without_nonfinite(self.evidence),
            "caused_by": None
            if cause is None
            else {"condition": cause.condition, "layer": cause.layer},
        }


def grouped(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Findings of one condition together, in the order in which conditions first appear."""
    findings = list(findings)
    order: dict[str, int] = {}
    for finding in findings:
        order.setdefault(finding.condition, len(order))
    for _, group in groupby(
        sorted(findings, key=lambda f: order[f.condition]), key=lambda f: f.condition
    ):
        yield list(group)


def worst(group: list[Finding]) -> Finding:
    """The first of the gravest findings."""
    return max(group, key=lambda finding: SEVERITIES.index(finding.severity))


def headline(group: list[Finding]) -> str:
    """One line for findings of one condition: what, how bad, where, since when."""
    onset = min(finding.onset for finding in group)
    since = "from the start" if onset == 0 else f"since step {onset}"
    paths = [printable(finding.layer) for finding in group if finding.layer is not None]
    if not paths:
        where = "in the model"
    elif len(paths) <= 2:
        where = "in " + " and ".join(paths)
    else:
        where = f"in {len(paths)} layers ({paths[0]} … {paths[-1]})"
    return f"{group[0].condition} ({worst(group).severity}) {where}, {since}"


def _without_nonfinite(value: Any) -> Any:
    """JSON has no NaN and no infinity: None in their place."""
    if isinstance(value, dict):
        return {name: _without_nonfinite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nonfinite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
