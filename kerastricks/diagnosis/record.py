"""What was found in one run, in order: what the report says and the page shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kerastricks.diagnosis.conditions import CONDITIONS
from kerastricks.diagnosis.data import Pool
from kerastricks.diagnosis.finding import Finding, grouped
from kerastricks.diagnosis.timeline import Timeline


@dataclass(frozen=True)
class Record:
    """The findings of one training run, and which of them explain others.

    Attributes:
        findings: All findings, each root cause followed by what it explains.
        timeline: The course of the run, for the pictures.
        unobserved: What could not be seen or judged, as place and reason.
        pool: The data and the steps of the run, all observations together.
        conditions: What was looked for.
        depth: Place of each layer in the forward pass, by path.
    """

    findings: list[Finding] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    unobserved: dict[str, str] = field(default_factory=dict)
    pool: Pool = field(default_factory=Pool)
    conditions: tuple[str, ...] = CONDITIONS
    depth: Mapping[str, int] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """True when something was observed, and nothing above severity `"note"` was found.

        What is in `unobserved` was not looked at, nor what is not in `conditions`: a healthy report
        says nothing of it.
        """
        return self.observed and not self.sick

    @property
    def sick(self) -> bool:
        """True when anything above severity `"note"` was found.

        A report of a training of which nothing was observed is neither healthy nor sick.
        """
        return any(finding.severity != "note" for finding in self.findings)

    @property
    def observed(self) -> bool:
        """True when any layer or weight was seen at all."""
        return any(moment.scale or moment.gradient for moment in self.timeline.moments)

    @property
    def partial(self) -> bool:
        """True when some conditions were not looked for, as a monitor for a single concern does."""
        return not set(CONDITIONS) <= set(self.conditions)

    @property
    def root_causes(self) -> list[Finding]:
        """The findings that no other finding explains."""
        return [finding for finding in self.findings if finding.caused_by is None]

    @property
    def roots_by_condition(self) -> list[list[Finding]]:
        """The root causes, those of one condition together: twenty layers are one trouble."""
        return list(grouped(self.root_causes))

    def consequences(self, *roots: Finding) -> list[Finding]:
        """The findings that root causes explain, directly or through another."""

        def root_of(finding: Finding) -> Finding:
            return finding if finding.caused_by is None else root_of(finding.caused_by)

        explained = [f for f in self.findings if f.caused_by is not None]
        return [f for f in explained if any(root_of(f) is root for root in roots)]

    def in_order(self, group: Iterable[Finding]) -> list[Finding]:
        """Findings in the order in which their layers run, as a reader knows the model."""
        last = len(self.depth)
        return sorted(group, key=lambda f: self.depth.get(f.layer or "", last))
