"""What the layers that drop have in common: `rate` or `keep`, and the way that outputs scale."""

from typing import Literal, get_args

from kerastricks.layers._complement import complement
from kerastricks.theory._checks import checked_number

Scaling = Literal["inverted", "classic"]


def checked_rate(rate: float | None, keep: float | None) -> float:
    """Returns the share to drop, given that or the share that stays, and never both."""
    if (rate is None) == (keep is None):
        raise ValueError(
            "Give either `rate`, the share to drop, or `keep`, the share that stays "
            f"(keep = 1 - rate). Received: rate={rate!r}, keep={keep!r}."
        )
    if keep is None:
        return checked_number(
            rate,
            "rate",
            "in [0, 1): the share to drop",
            # A rate so small that 1 - rate rounds to 1 would drop nothing, and could not be told
            # from `keep=1`.
            lambda r: r == 0 or (0 < r < 1 and 0 < complement(r) < 1),
            "To drop nothing use rate=0 (a rate so small that 1 - rate rounds to 1 is refused); "
            "dropping everything leaves no signal and no gradient.",
        )
    return complement(
        checked_number(
            keep,
            "keep",
            "in (0, 1]: the share that stays",
            lambda k: k == 1 or (0 < k < 1 and 0 < complement(k) < 1),
            "To drop nothing use keep=1; keeping nothing, or so little that 1 - keep rounds to 1, "
            "leaves no signal and no gradient.",
        )
    )


def checked_scaling(scaling: str) -> Scaling:
    """Returns `scaling` if there is one of that name."""
    if scaling not in get_args(Scaling):
        raise ValueError(
            'Argument `scaling` must be "inverted" (scale up in training) or "classic" (scale '
            f"down at inference, as in the first papers). Received: scaling={scaling!r}."
        )
    return scaling  # type: ignore[return-value]
