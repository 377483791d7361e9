"""The HTML report: one file, pictures included."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from kerastricks._version import __version__
from kerastricks.diagnosis.finding import grouped, headline
from kerastricks.diagnosis.record import Record


@dataclass(frozen=True)
class Section:
    """One run on the page.

    Attributes:
        title: Its heading.
        report: What was found.
        description: A sentence about the network, or nothing.
    """

    title: str
    report: Record
    description: str = ""


def write_page(
    path: str | PathLike[str],
    title: str,
    sections: Sequence[Section],
    *,
    introduction: str = "",
    table: Sequence[Sequence[str]] = (),
) -> None:
    """Write a page about one run or several.

    Args:
        path: The file; its folder must exist.
        title: The page's heading.
        sections: The runs, in order.
        introduction: A sentence under the heading.
        table: Rows of a table above the runs, the first of them its head.

    Raises:
        ImportError: If the `report` extra is not installed.
    """
    try:
        import jinja2
        import matplotlib as _  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "HTML reports need jinja2 and matplotlib, which are not installed. "
            "Run: pip install 'kerastricks[report]'"
        ) from error
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(
        files("kerastricks.diagnosis").joinpath("page.html").read_text(encoding="utf-8")
    )
    text = template.render(
        title=title,
        introduction=introduction,
        table=table,
        sections=[_context(section) for section in sections],
        version=__version__,
    )
    Path(path).write_text(text, encoding="utf-8")


def _context(section: Section) -> dict[str, Any]:
    report = section.report
    return {
        "title": section.title,
        "description": section.description,
        "healthy": report.healthy,
        "observed": report.observed or bool(report.findings),
        "roots": [
            {
                "headline": headline([root]),
                "severity": root.severity,
                "message": root.message,
                "remedy": root.remedy,
                "evidence": _evidence(root.evidence),
                "consequences": [headline(group) for group in grouped(report.consequences(root))],
            }
            for root in report.root_causes
        ],
        "unobserved": report.unobserved,
        "steps": [moment.step for moment in report.timeline.moments],
        "figures": _figures(report),
    }


def _figures(report: Record) -> dict[str, Any]:
    import markupsafe

    from kerastricks.diagnosis import figures

    timeline = report.timeline
    if not timeline.moments:
        return {}
    drawn = {"loss": figures.loss_over_time(timeline, report.root_causes)}
    if timeline.hidden:
        drawn["units"] = figures.units_over_time(timeline)
        drawn["scale"] = figures.scale_through_depth(timeline)
    if timeline.moments[0].gradient:
        drawn["gradient"] = figures.gradient_through_depth(timeline)
    # Drawn by matplotlib, which escapes the names that it writes.
    return {name: markupsafe.Markup(svg) for name, svg in drawn.items()}


def _evidence(evidence: dict[str, Any]) -> dict[str, str]:
    return {name.replace("_", " "): _text(value) for name, value in evidence.items()}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return " to ".join(_text(each) for each in value)
    return str(value)
