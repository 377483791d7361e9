"""How the pictures of a report are drawn, whatever is in them."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastricks._printable import printable
from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.timeline import Moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, QUIET, GRID = "#1f2933", "#7b8794", "#e4e7eb"
EARLY, LATE, ALARM = "#9fb3c8", "#0b69a3", "#c81e1e"
CHARACTERS = 110
"""That fit beside each other above a picture over time."""
LONGEST = 40
"""Characters of a name beside an axis."""
LINE = 12
"""Points from one line of names to the next."""
_STYLE = {
    "text.usetex": False,  # TeX would run what names say
    "svg.fonttype": "none",
    "svg.hashsalt": "kerastricks",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Where root causes set in: their names, what column, from what column on, in what line."""

    text: str
    column: int
    start: float
    line: int


def marks_of(moments: Sequence[Moment], root_causes: Sequence[Finding]) -> list[Mark]:
    """Root causes from left to right; names that would overlap stand in lines above each other."""
    steps = [moment.step for moment in moments]
    labels: dict[int, dict[str, None]] = {}
    for finding in root_causes:
        column = min(int(np.searchsorted(steps, finding.onset)), len(steps) - 1)
        labels.setdefault(column, {})[finding.condition] = None
    marks: list[Mark] = []
    ends: list[float] = []
    for column, names in sorted(labels.items()):
        text = ", ".join(names)
        width = len(text) * len(steps) / CHARACTERS
        start = max(0.0, min(column, len(steps) - width))
        line = next((i for i, end in enumerate(ends) if end < start), len(ends))
        ends[line : line + 1] = [start + width]
        marks.append(Mark(text, column, start, line))
    return marks


def draw_marks(axes: "Axes", marks: Sequence[Mark], title: str) -> None:
    """A line at each mark, its name above the axes, and the title above the names."""
    for mark in marks:
        axes.axvline(mark.column, color="white", linewidth=2.6, zorder=1)
        axes.axvline(mark.column, color=ALARM, linewidth=1.2, linestyle="--")
        axes.annotate(
            mark.text,
            (mark.start, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + LINE * mark.line),
            textcoords="offset points",
            va="bottom",
            color=ALARM,
        )
    axes.set_title(title, pad=6 + 72 * height_of(marks))


def height_of(marks: Sequence[Mark]) -> float:
    """Inches that the names of marks take above the axes."""
    return LINE / 72 * max((mark.line + 1 for mark in marks), default=0)


def scale_by_logarithm(axes: "Axes") -> None:
    """A logarithmic axis, with plain numbers where it spans little more than a power of ten."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 20 * low:
        few = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
        axes.yaxis.set_major_locator(few if high < 4 * low else LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())


def mark_steps(axes: "Axes", moments: Sequence[Moment]) -> None:
    """The axis of a picture over time, one column a moment."""
    columns = np.unique(np.linspace(0, len(moments) - 1, 9).round().astype(int))
    axes.set_xticks(columns, [str(moments[column].step) for column in columns])
    axes.set_xlim(-0.5, len(moments) - 0.5)
    axes.set_xlabel("training step (observed steps, evenly spaced)")


def short(path: str) -> str:
    """A path's last part; a dollar sign in it starts no formula.

    A long one is cut in the middle: names that were counted differ at their ends.
    """
    name = printable(path.rsplit("/", 1)[-1])
    if len(name) > LONGEST:
        name = f"{name[: LONGEST // 2]}…{name[1 - LONGEST // 2 :]}"
    return name.replace("$", r"\$")


def svg(draw: Any, width: float, height: float) -> str:
    """What `draw` draws on a figure and its axes, so many inches wide and high."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The reader's own font may well have what matplotlib's lacks.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure, figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None}, dpi=150)
    text = buffer.getvalue()
    # A style sheet within a page holds for all of it.
    return text[text.index("<svg") :].replace(
        '<style type="text/css">*{', "<style>.kerastricks svg *{"
    )
