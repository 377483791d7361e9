"""All that was found in one run, root causes first."""

import html
import json
from dataclasses import dataclass
from os import PathLike
from typing import Any

from kerastricks._printable import printable
from kerastricks.diagnosis.files import write_whole
from kerastricks.diagnosis.finding import grouped, headline, worst
from kerastricks.diagnosis.page import Section, fragment, write_page
from kerastricks.diagnosis.record import Record


@dataclass(frozen=True)
class Report(Record):
    """The findings of one training run.

    Attributes:
        findings: All findings, each root cause followed by what it explains.
        timeline: The course of the run, for the pictures.
        unobserved: What could not be seen or judged, as place and reason.
        pool: The data and the steps of the run, all observations together.
        conditions: What was looked for; a monitor for a single concern looks for no more than that.
        depth: Place of each layer in the forward pass, by path.
    """

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """The report as text: each root cause with its remedy, its consequences under it."""
        lines = []
        if self.healthy:
            lines.append(self._healthy())
        elif not self.sick:
            lines.append("Nothing was observed.")
        for number, roots in enumerate(self.roots_by_condition, 1):
            lines.append(f"{number}. {headline(self.in_order(roots))}")
            lines.append(f"   {worst(roots).message}")
            lines.append(f"   Remedy: {worst(roots).remedy}")
            for group in grouped(self.consequences(*roots)):
                lines.append(f"   - explains {headline(self.in_order(group))}")
        for place, reason in self.unobserved.items():
            lines.append(f"Not observed: {place}: {reason}.")
        return "\n".join(map(printable, lines))

    def _healthy(self) -> str:
        if self.partial:
            noted = "notes only" if self.findings else "none found"
            return f"Looked for {', '.join(self.conditions)} alone: {noted}."
        return "Healthy, with notes:" if self.findings else "Healthy: no findings."

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types, pictures left out."""
        moments = self.timeline.moments
        return {
            "healthy": self.healthy,
            "conditions": list(self.conditions),
            "findings": [finding.to_dict() for finding in self.findings],
            "observed_steps": [moment.step for moment in moments],
            "unobserved": dict(self.unobserved),
        }

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write `to_dict()` to a file.

        Args:
            path: The file; its folder must exist.

        Raises:
            OSError: If it cannot be written; an older file is then as it was.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        write_whole(path, text + "\n")

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write the report with its pictures as one self-contained page.

        Args:
            path: The file; its folder must exist.

        Raises:
            ImportError: If the `report` extra is not installed.
            OSError: If it cannot be written; an older file is then as it was.
        """
        write_page(path, "Training report", [Section("This run", self)])

    def _repr_html_(self) -> str:
        """What a notebook shows: the page without its frame; the text, without the extra."""
        try:
            return fragment(Section("Training report", self))
        except ImportError:
            return f"<pre>{html.escape(self.summary())}</pre>"
