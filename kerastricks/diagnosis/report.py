"""All that was found in one run, root causes first."""

import json
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from kerastricks.diagnosis.finding import Finding, grouped, headline
from kerastricks.diagnosis.timeline import Timeline


@dataclass(frozen=True)
class Report:
    """The findings of one training run.

    Attributes:
        findings: All findings, each root cause followed by what it explains.
        timeline: The course of the run, for the pictures.
        unobserved: What could not be seen or judged, as place and reason.
    """

    findings: list[Finding] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    unobserved: dict[str, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """True when nothing above severity `"note"` was found.

        What is in `unobserved` was not looked at: a healthy report says nothing of it.
        """
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def observed(self) -> bool:
        """True when any layer or weight was seen at all."""
        return any(moment.scale or moment.gradient for moment in self.timeline.moments)

    @property
    def root_causes(self) -> list[Finding]:
        """The findings that no other finding explains."""
        return [finding for finding in self.findings if finding.caused_by is None]

    def summary(self) -> str:
        """The report as text: each root cause with its remedy, its consequences under it."""
        if not self.findings:
            lines = ["Healthy: no findings." if self.observed else "Nothing was observed."]
        else:
            lines = []
            for number, root in enumerate(self.root_causes, 1):
                lines.append(f"{number}. {headline([root])}")
                lines.append(f"   {root.message}")
                lines.append(f"   Remedy: {root.remedy}")
                for group in grouped(self.consequences(root)):
                    lines.append(f"   - explains {headline(group)}")
        for place, reason in self.unobserved.items():
            lines.append(f"Not observed: {place}: {reason}.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types, pictures left out."""
        moments = self.timeline.moments
        return {
            "healthy": self.healthy,
            "findings": [finding.to_dict() for finding in self.findings],
            "observed_steps": [moment.step for moment in moments],
            "unobserved": dict(self.unobserved),
        }

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write `to_dict()` to a file.

        Args:
            path: The file; its folder must exist.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write the report with its pictures as one self-contained page.

        Args:
            path: The file; its folder must exist.

        Raises:
            ImportError: If the `report` extra is not installed.
        """
        from kerastricks.diagnosis.page import Section, write_page

        write_page(path, "Training report", [Section("This run", self)])

    def consequences(self, root: Finding) -> list[Finding]:
        """The findings that a root cause explains, directly or through another."""

        def root_of(finding: Finding) -> Finding:
            return finding if finding.caused_by is None else root_of(finding.caused_by)

        return [f for f in self.findings if f is not root and root_of(f) is root]
