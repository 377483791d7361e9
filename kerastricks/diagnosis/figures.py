"""The pictures of a report, as inline SVG."""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.timeline import Moment, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, GRID = "#1f2933", "#7b8794", "#e4e7eb"
EARLY, LATE, ALARM = "#9fb3c8", "#0b69a3", "#c81e1e"
_STYLE = {
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


def units_over_time(timeline: Timeline) -> str:
    """Heat map of every hidden unit over the run: one row a unit, one column an observed step."""
    layers = [path for path in timeline.hidden if path in timeline.moments[-1].units]
    height = 1.2 + 0.32 * max(len(layers), 2)

    def draw(figure: "Figure", axes: "Axes") -> None:
        blocks = [_block(timeline.moments, path, timeline.kinds[path]) for path in layers]
        image = axes.imshow(
            np.concatenate(blocks), aspect="auto", cmap="magma", vmin=0, vmax=1, rasterized=True
        )
        edges = np.cumsum([0, *(len(block) for block in blocks)])
        for edge in edges[1:-1]:
            axes.axhline(edge - 0.5, color="white", linewidth=0.8)
        axes.set_yticks((edges[:-1] + edges[1:]) / 2 - 0.5, [_short(path) for path in layers])
        axes.tick_params(axis="y", length=0)
        axes.grid(False)
        _step_ticks(axes, timeline.moments)
        kinds = {timeline.kinds[path] for path in layers}
        black, share = {
            frozenset({"saturated"}): ("always saturated", "not saturated"),
            frozenset({"active"}): ("never above zero", "above zero"),
        }.get(frozenset(kinds), ("saturated or never above zero", "not saturated or above zero"))
        axes.set_title(f"Units over time: bright is responsive, black is {black}")
        bar = figure.colorbar(image, ax=axes, pad=0.015, fraction=0.03, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.set_label(f"share of samples {share}")

    return _svg(draw, width=9.0, height=height)


def scale_through_depth(timeline: Timeline) -> str:
    """Deviation of each hidden layer's output over the samples, early and late in the run."""
    return _through_depth(
        timeline,
        title="Activation scale per layer",
        label="deviation over the samples",
        values=lambda moment: [moment.scale.get(path, math.nan) for path in timeline.hidden],
        names=timeline.hidden,
    )


def gradient_through_depth(timeline: Timeline) -> str:
    """Norm of each kernel's gradient, early and late in the run."""
    names = list(timeline.moments[0].gradient)
    return _through_depth(
        timeline,
        title="Gradient size per layer",
        label="norm of the kernel's gradient",
        values=lambda moment: [moment.gradient.get(path, math.nan) for path in names],
        names=names,
    )


def loss_over_time(timeline: Timeline, root_causes: Sequence[Finding]) -> str:
    """The batch loss, with a mark where each root cause set in."""

    def draw(figure: "Figure", axes: "Axes") -> None:
        del figure
        steps = [moment.step for moment in timeline.moments]
        losses = [m.loss if math.isfinite(m.loss) else math.nan for m in timeline.moments]
        axes.plot(range(len(steps)), losses, color=LATE, linewidth=1.4)
        if any(loss > 0 for loss in losses):
            axes.set_yscale("log")
        labels: dict[int, list[str]] = {}
        for finding in root_causes:
            names = labels.setdefault(int(np.searchsorted(steps, finding.onset)), [])
            if finding.condition not in names:
                names.append(finding.condition)
        for column, names in labels.items():
            axes.axvline(column, color=ALARM, linewidth=1, linestyle="--")
            axes.annotate(
                ", ".join(names),
                (column, 1),
                xycoords=("data", "axes fraction"),
                xytext=(4, -3),
                textcoords="offset points",
                va="top",
                color=ALARM,
            )
        _step_ticks(axes, timeline.moments)
        axes.set_title("Loss, and where each root cause set in")

    return _svg(draw, width=9.0, height=2.2)


def _through_depth(timeline: Timeline, *, title: str, label: str, values: Any, names: Any) -> str:
    def draw(figure: "Figure", axes: "Axes") -> None:
        del figure
        moments = timeline.moments
        middle = len(moments) // 2
        colors = {0: EARLY, middle: "#3e8dc4", len(moments) - 1: LATE}  # one of each place
        for moment, color in ((moments[place], color) for place, color in colors.items()):
            numbers = np.array(values(moment), dtype=float)
            drawable = np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan)
            axes.plot(drawable, "o-", color=color, markersize=3.5, label=f"step {moment.step}")
        axes.set_yscale("log")
        axes.set_xticks(range(len(names)), [_short(n) for n in names], rotation=40, ha="right")
        axes.set_ylabel(label)
        axes.set_title(title)
        axes.legend(frameon=False, fontsize=8)

    return _svg(draw, width=4.6, height=2.9)


def _block(moments: Sequence[Moment], path: str, kind: str) -> Any:
    """Rows of a layer's units, ordered by how they end, columns of moments."""
    blank = np.full_like(moments[-1].units[path], np.nan)
    rows = np.stack([moment.units.get(path, blank) for moment in moments], axis=1)
    if kind == "saturated":
        rows = 1 - rows
    return rows[np.argsort(rows[:, -1], kind="stable")]


def _step_ticks(axes: "Axes", moments: Sequence[Moment]) -> None:
    columns = np.unique(np.linspace(0, len(moments) - 1, 9).round().astype(int))
    axes.set_xticks(columns, [str(moments[column].step) for column in columns])
    axes.set_xlim(-0.5, len(moments) - 0.5)
    axes.set_xlabel("training step (observed steps, evenly spaced)")


def _short(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _svg(draw: Any, width: float, height: float) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure, figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None}, dpi=150)
    text = buffer.getvalue()
    # A style sheet within a page holds for all of it.
    return text[text.index("<svg") :].replace(
        '<style type="text/css">*{', "<style>.kerastricks svg *{"
    )
