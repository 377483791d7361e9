"""The pictures of a report, as inline SVG."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastricks.diagnosis.drawing import (
    EARLY,
    LATE,
    draw_marks,
    height_of,
    mark_steps,
    marks_of,
    scale_by_logarithm,
    short,
    svg,
)
from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.rules._learning import HEALTHY_UPDATE, UPDATE
from kerastricks.diagnosis.rules.exploding_gradients import UPDATE as OVERWRITTEN
from kerastricks.diagnosis.rules.learning_rate_too_low import EPOCHS, SLOW, SMALLEST
from kerastricks.diagnosis.rules.learning_rate_too_low import UPDATE as SMALL_UPDATE
from kerastricks.diagnosis.timeline import Moment, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNKNOWN = "#9aa5b1"
_SMALL_TO_LARGE = ("#2b1a66", "#b9b0e0", "#f4f2f7", "#fcd5a8", "#a63a00")
_OVER = "#5c1400"
MAXIMUM_ROW_NAMES, MAXIMUM_COLUMN_NAMES = 24, 14
"""Kernels or layers that are named along an axis: evenly spread when there are more."""
UPDATES_CAPTION = (
    f"White is usual, about {HEALTHY_UPDATE:g} (CS231n course notes); orange is larger, purple "
    f"smaller. The rules look closer where the median kernel's update is above {UPDATE:g} "
    "(learning_rate_too_high), where one step changes a kernel by as much as its size "
    f"(exploding_gradients), or where all stay below {SMALL_UPDATE:g}, or {SLOW:g} for {EPOCHS} "
    "epochs (learning_rate_too_low). A kernel near zero counts as one of a small but healthy size. "
    "Gray is not a number."
)


def units_over_time(timeline: Timeline) -> str:
    """Heat map of every hidden unit over the run: one row a unit, one column an observed step."""
    layers = [path for path in timeline.hidden if path in timeline.moments[-1].units]
    every = -(-len(layers) // MAXIMUM_ROW_NAMES) or 1
    height = 1.2 + 0.32 * min(max(len(layers), 2), MAXIMUM_ROW_NAMES)

    def draw(figure: "Figure", axes: "Axes") -> None:
        blocks = [_block(timeline.moments, path, timeline.kinds[path]) for path in layers]
        image = axes.imshow(
            np.concatenate(blocks), aspect="auto", cmap="magma", vmin=0, vmax=1, rasterized=True
        )
        edges = np.cumsum([0, *(len(block) for block in blocks)])
        for edge in edges[1:-1] if every == 1 else ():
            axes.axhline(edge - 0.5, color="white", linewidth=0.8)
        middles = (edges[:-1] + edges[1:]) / 2 - 0.5
        axes.set_yticks(middles[::every], [short(path) for path in layers[::every]])
        axes.tick_params(axis="y", length=0)
        axes.grid(False)
        mark_steps(axes, timeline.moments)
        kinds = {timeline.kinds[path] for path in layers}
        black, share = {
            frozenset({"saturated"}): ("always saturated", "not saturated"),
            frozenset({"active"}): ("never above zero", "above zero"),
        }.get(frozenset(kinds), ("saturated or never above zero", "not saturated or above zero"))
        axes.set_title(f"Units over time: bright is responsive, black is {black}")
        bar = figure.colorbar(image, ax=axes, pad=0.015, fraction=0.03, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.set_label(f"share of samples {share}")

    return svg(draw, width=9.0, height=height)


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
    marks = marks_of(timeline.moments, root_causes)

    def draw(figure: "Figure", axes: "Axes") -> None:
        del figure
        steps = [moment.step for moment in timeline.moments]
        losses = [m.loss if math.isfinite(m.loss) else math.nan for m in timeline.moments]
        axes.plot(range(len(steps)), losses, color=LATE, linewidth=1.4)
        if any(loss > 0 for loss in losses):
            scale_by_logarithm(axes)
        mark_steps(axes, timeline.moments)
        draw_marks(axes, marks, "Loss, and where each root cause set in")

    return svg(draw, width=9.0, height=2.2 + height_of(marks))


def updates_over_time(timeline: Timeline, root_causes: Sequence[Finding]) -> str:
    """Heat map of how far each step changed each kernel: one row a kernel, the first on top."""
    moments = timeline.moments
    paths = list(dict.fromkeys(path for moment in moments for path in moment.update))
    names = _kernel_names(paths)
    marks = marks_of(moments, root_causes)
    every = -(-len(paths) // MAXIMUM_ROW_NAMES)
    limits = (SMALL_UPDATE, HEALTHY_UPDATE, UPDATE, OVERWRITTEN)
    words = ("small", "usual", "large", "overwritten")
    levels = [math.log10(limit) for limit in (SMALLEST, *limits)]

    def draw(figure: "Figure", axes: "Axes") -> None:
        from matplotlib.colors import LinearSegmentedColormap

        places = np.subtract(levels, levels[0]) / (levels[-1] - levels[0])
        colors = LinearSegmentedColormap.from_list(
            "updates", list(zip(places, _SMALL_TO_LARGE, strict=True))
        ).with_extremes(bad=UNKNOWN, under=_SMALL_TO_LARGE[0], over=_OVER)
        rows = np.array([[m.update.get(path, math.nan) for m in moments] for path in paths])
        with np.errstate(divide="ignore"):
            logarithms = np.clip(np.log10(rows), levels[0] - 1, levels[-1] + 1)
        image = axes.imshow(
            logarithms,
            aspect="auto",
            cmap=colors,
            vmin=levels[0],
            vmax=levels[-1],
            interpolation="nearest",
            rasterized=True,
        )
        for edge in range(1, len(paths)) if every == 1 else ():  # else they would cover the rows
            axes.axhline(edge - 0.5, color="white", linewidth=0.8)
        axes.set_yticks(range(0, len(paths), every), names[::every])
        axes.tick_params(axis="y", length=0)
        axes.grid(False)
        mark_steps(axes, moments)
        draw_marks(axes, marks, "Update of each kernel, relative to the kernel's size")
        bar = figure.colorbar(image, ax=axes, pad=0.015, fraction=0.03, extend="both")
        bar.outline.set_visible(False)
        bar.set_ticks(
            levels[1:], labels=[f"{x:g} {word}" for x, word in zip(limits, words, strict=True)]
        )

    rows = min(max(len(paths), 4), MAXIMUM_ROW_NAMES)
    return svg(draw, width=9.0, height=1.3 + 0.24 * rows + height_of(marks))


def _kernel_names(paths: Sequence[str]) -> list[str]:
    """The layer's name; the kernel's as well where the layer has several."""
    layers = [path.rpartition("/")[0] or path for path in paths]
    return [
        short(layer) if layers.count(layer) == 1 else f"{short(layer)}/{short(path)}"
        for path, layer in zip(paths, layers, strict=True)
    ]


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
        scale_by_logarithm(axes)
        every = -(-len(names) // MAXIMUM_COLUMN_NAMES) or 1
        shown = [short(name) for name in names[::every]]
        axes.set_xticks(range(0, len(names), every), shown, rotation=40, ha="right")
        axes.set_ylabel(label)
        axes.set_title(title)
        axes.legend(frameon=False, fontsize=8)

    return svg(draw, width=4.6, height=2.9)


def _block(moments: Sequence[Moment], path: str, kind: str) -> Any:
    """Rows of a layer's units, ordered by how they end, columns of moments."""
    blank = np.full_like(moments[-1].units[path], np.nan)
    rows = np.stack([moment.units.get(path, blank) for moment in moments], axis=1)
    if kind == "saturated":
        rows = 1 - rows
    return rows[np.argsort(rows[:, -1], kind="stable")]
