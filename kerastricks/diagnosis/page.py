"""The HTML report: one file, pictures included."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from os import PathLike
from typing import Any

from kerastricks._printable import printable
from kerastricks._version import __version__
from kerastricks.diagnosis import figures
from kerastricks.diagnosis.evidence import in_words
from kerastricks.diagnosis.files import write_whole
from kerastricks.diagnosis.finding import grouped, headline, worst
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
    text = (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            introduction=introduction,
            table=table,
            sections=[_context(section) for section in sections],
            version=__version__,
        )
    )
    write_whole(path, text)


def fragment(section: Section) -> str:
    """One run as HTML with its style, to stand in another page, such as a notebook.

    Raises:
        ImportError: If the `report` extra is not installed.
    """
    environment = _environment()
    style = environment.get_template("style.css").render()
    body = environment.get_template("section.html").render(run=_context(section))
    return f'<style>{style}</style><div class="kerastricks">{body}</div>'


def _environment() -> Any:
    try:
        import jinja2
        import matplotlib as _  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "HTML reports need jinja2 and matplotlib, which are not installed. "
            "Run: pip install 'kerastricks[report]'"
        ) from error
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
    )


def _visible(value: Any) -> Any:
    """A value as it is shown: what the page itself brings, such as pictures, is left as it is."""
    return printable(value) if type(value) is str else value


def _template(name: str) -> str:
    return files("kerastricks.diagnosis").joinpath(name).read_text(encoding="utf-8")


def _context(section: Section) -> dict[str, Any]:
    report = section.report
    return {
        "title": section.title,
        "description": section.description,
        "healthy": report.healthy,
        "alone": report.conditions if report.partial else (),
        "observed": report.observed or report.sick,
        "roots": [
            {
                "headline": headline(report.in_order(roots)),
                "severity": worst(roots).severity,
                "message": worst(roots).message,
                "remedy": worst(roots).remedy,
                "evidence": [
                    (root.layer if len(roots) > 1 else "", in_words(root.evidence))
                    for root in report.in_order(roots)
                ],
                "consequences": [
                    headline(report.in_order(group))
                    for group in grouped(report.consequences(*roots))
                ],
            }
            for roots in report.roots_by_condition
        ],
        "unobserved": report.unobserved,
        "steps": [moment.step for moment in report.timeline.moments],
        "figures": _figures(report),
        "updates_caption": figures.UPDATES_CAPTION,
    }


def _figures(report: Record) -> dict[str, Any]:
    import markupsafe

    timeline = report.timeline
    if not timeline.moments:
        return {}
    drawn = {}
    if len(timeline.moments) > 1:
        drawn["loss"] = figures.loss_over_time(timeline, report.root_causes)
        if timeline.hidden:
            drawn["units"] = figures.units_over_time(timeline)
        if any(moment.update for moment in timeline.moments):
            drawn["updates"] = figures.updates_over_time(timeline, report.root_causes)
    if timeline.hidden:
        drawn["scale"] = figures.scale_through_depth(timeline)
    if timeline.moments[0].gradient:
        drawn["gradient"] = figures.gradient_through_depth(timeline)
    # Drawn by matplotlib, which escapes the names that it writes.
    return {name: markupsafe.Markup(svg) for name, svg in drawn.items()}
