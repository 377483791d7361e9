"""The picture of which condition explains which, as the doctor orders findings."""

from typing import Any

from matplotlib.patches import FancyBboxPatch

from kerastricks.diagnosis.causes import _EXPLAINS as EXPLAINS
from kerastricks.diagnosis.causes import _TROUBLE_IN_TRAINING as TROUBLE
from kerastricks.diagnosis.conditions import CONDITIONS
from kerastricks.diagnosis.drawing import ALARM, INK, LATE, QUIET

PLACES = {
    "loss_mismatch": (0.0, 6.0),
    "unreachable_targets": (0.0, 5.0),
    "unnormalized_inputs": (0.0, 4.0),
    "unnormalized_targets": (0.0, 3.0),
    "symmetric_units": (0.0, 2.0),
    "poor_initialization": (0.0, 1.0),
    "learning_rate_too_high": (1.45, 5.6),
    "exploding_gradients": (1.45, 4.2),
    "saturated_units": (1.2, 2.8),
    "dying_units": (2.25, 2.8),
    "constant_output": (2.25, 1.4),
    "vanishing_gradients": (1.2, 1.4),
    "non_finite": (2.25, 4.2),
    "learning_rate_too_low": (1.2, -0.1),
    "stale_batch_statistics": (3.3, 4.9),
    "dropout_variance_shift": (3.3, 6.0),
    "overfitting": (3.3, 3.8),
    "no_nonlinearity": (3.3, 1.4),
    "not_zero_centered": (3.3, 0.7),
}
"""Where each condition stands: causes on the left, what they lead to on the right."""
assert set(PLACES) == set(CONDITIONS)
BOX = (0.72, 0.85, 2.0, 5.35)
"""Left, bottom, width and height of the box around the trouble in training."""


def cause_graph(figure: Any, axes: Any) -> None:
    """Draw an arrow from each condition to those that it explains.

    What explains all trouble in training has one arrow, to the box around it, and none within it.

    Args:
        figure: The figure.
        axes: Its axes.
    """
    del figure
    left, bottom, width, height = BOX
    style = "round,pad=0.02,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch((left, bottom), width, height, boxstyle=style, fc="#f5f7fa", ec=QUIET)
    )
    axes.text(left + width / 2, bottom + height + 0.08, "trouble in training", ha="center")
    boxes = {}
    for condition, place in PLACES.items():
        alone = not EXPLAINS.get(condition) and not any(condition in e for e in EXPLAINS.values())
        color = QUIET if alone else ALARM if condition in TROUBLE else LATE
        boxes[condition] = axes.text(
            *place,
            condition,
            ha="center",
            va="center",
            fontsize=8,
            color=INK,
            bbox={"boxstyle": "round,pad=0.35", "fc": "white", "ec": color},
        )
    for cause, effects in EXPLAINS.items():
        if cause == "non_finite":
            continue  # it explains others only where it is in the data: the caption says so
        others = set(effects) - {cause}
        if others >= set(TROUBLE) - {cause}:
            others -= set(TROUBLE)
            if cause not in TROUBLE:
                y = PLACES[cause][1]
                edge = left, min(max(y, bottom), bottom + height)
                _arrow(axes, boxes[cause], edge, LATE, 2.2)
        for effect in sorted(others):
            color = QUIET if {cause, effect} <= set(TROUBLE) else LATE
            _arrow(axes, boxes[cause], boxes[effect], color, 1.0)
    axes.set_xlim(-0.5, 3.85)
    axes.set_ylim(-0.5, 6.6)
    axes.set_axis_off()


def _arrow(axes: Any, start: Any, end: Any, color: str, width: float) -> None:
    """From a text to another one, or to a place."""
    place = end if isinstance(end, tuple) else end.get_position()
    axes.annotate(
        "",
        place,
        start.get_position(),
        arrowprops={
            "arrowstyle": "-|>",
            "color": color,
            "linewidth": width,
            "patchA": start.get_bbox_patch(),
            "patchB": None if isinstance(end, tuple) else end.get_bbox_patch(),
            "shrinkA": 2,
            "shrinkB": 2,
            "connectionstyle": "arc3,rad=0.08",
        },
        zorder=5,  # after the texts: their frames are placed when they are drawn
    )
