"""Which finding explains which: root causes first, symptoms under them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from kerastricks.diagnosis.finding import SEVERITIES, Finding
from kerastricks.diagnosis.rules.non_finite import is_in_data

Depth = Mapping[str, int]
Relation = Callable[[int, int], bool]

_ROOTS_FIRST = (
    "loss_mismatch",
    "unreachable_targets",
    "unnormalized_inputs",
    "unnormalized_targets",
    "symmetric_units",
    "poor_initialization",
    "learning_rate_too_high",
    "exploding_gradients",
    "dying_units",
    "saturated_units",
    "constant_output",
    "vanishing_gradients",
    "learning_rate_too_low",
    "no_nonlinearity",
    "dropout_variance_shift",
    "stale_batch_statistics",
    "non_finite",
    "overfitting",
    "not_zero_centered",
)
_FROM_THE_OUTPUT = ("exploding_gradients", "vanishing_gradients")
"""Conditions that run backwards through the layers; the others run forwards."""


def _anywhere(cause: int, effect: int) -> bool:
    del cause, effect
    return True


def _at_or_before(cause: int, effect: int) -> bool:
    """A blocked layer starves itself and the layers before it of gradient."""
    return effect <= cause


def _after(cause: int, effect: int) -> bool:
    return effect > cause


def _at_or_after(cause: int, effect: int) -> bool:
    return effect >= cause


def _before(cause: int, effect: int) -> bool:
    return effect < cause


_TROUBLE_IN_TRAINING = (
    "learning_rate_too_high",
    "exploding_gradients",
    "dying_units",
    "saturated_units",
    "vanishing_gradients",
    "constant_output",
    "non_finite",
)
"""What a fault of the data, the loss or the start leads to."""

_EXPLAINS: dict[str, dict[str, Relation]] = {
    "loss_mismatch": dict.fromkeys(
        (*_TROUBLE_IN_TRAINING, "unreachable_targets", "learning_rate_too_low"), _anywhere
    ),
    "unreachable_targets": dict.fromkeys(_TROUBLE_IN_TRAINING, _anywhere),
    "unnormalized_inputs": dict.fromkeys(
        (*_TROUBLE_IN_TRAINING, "poor_initialization", "stale_batch_statistics"), _anywhere
    ),
    "unnormalized_targets": dict.fromkeys(
        (*_TROUBLE_IN_TRAINING, "learning_rate_too_low"), _anywhere
    ),
    "symmetric_units": {
        **dict.fromkeys((*_TROUBLE_IN_TRAINING, "poor_initialization"), _anywhere),
        "symmetric_units": _after,
    },
    "poor_initialization": dict.fromkeys(
        (*_TROUBLE_IN_TRAINING, "learning_rate_too_low"), _anywhere
    ),
    "learning_rate_too_high": dict.fromkeys(
        (*_TROUBLE_IN_TRAINING[1:], "stale_batch_statistics"), _anywhere
    ),
    "exploding_gradients": dict.fromkeys(
        ("exploding_gradients", "dying_units", "saturated_units", "constant_output", "non_finite"),
        _anywhere,
    ),
    "dying_units": {
        "dying_units": _after,
        "vanishing_gradients": _anywhere,
        "constant_output": _at_or_after,
    },
    "saturated_units": {
        "saturated_units": _after,
        "exploding_gradients": _anywhere,
        "vanishing_gradients": _at_or_before,
        "constant_output": _at_or_after,
    },
    "constant_output": {
        "dying_units": _after,
        "saturated_units": _after,
        "vanishing_gradients": _anywhere,
    },
    "vanishing_gradients": {"vanishing_gradients": _before},
    "dropout_variance_shift": {"stale_batch_statistics": _at_or_after},
    # Only where it is in the data: see `_explains`.
    "non_finite": dict.fromkeys((*_TROUBLE_IN_TRAINING, "learning_rate_too_low"), _anywhere),
    # Validation uses the averages, training does not.
    "stale_batch_statistics": {"overfitting": _anywhere},
}
"""Cause, its effects, and where the effect lies in depth relative to its cause."""


def explain(findings: Iterable[Finding], depth: Depth) -> list[Finding]:
    """Attach to each finding the one that explains it, and order them root causes first.

    A finding is explained by one that did not begin later, whose condition may cause its own, and
    that lies in the right direction. Among several, the likelier root is taken, then the earlier
    one, then the one where the trouble enters: nearest to the output for gradients, to the input
    otherwise.

    Args:
        findings: Findings without causes.
        depth: Position of each layer in the forward pass.

    Returns:
        The findings, each root cause followed by what it explains.
    """

    def at(finding: Finding) -> int:
        # Outputs are constant from some layer on: that is where it happens.
        place = finding.evidence.get("constant_from", finding.layer)
        return -1 if place is None else depth.get(place, -1)

    # What explains nothing and is explained by nothing comes last.
    ranks = defaultdict(lambda: len(_ROOTS_FIRST), {c: i for i, c in enumerate(_ROOTS_FIRST)})

    findings = list(findings)
    blocked = [at(f) for f in findings if f.condition in ("dying_units", "saturated_units")]

    def roots_first(finding: Finding) -> tuple[int, int, int]:
        backwards = finding.condition in _FROM_THE_OUTPUT
        if is_in_data(finding):
            return -1, finding.onset, at(finding)
        if finding.condition == "saturated_units" and finding.onset == 0:
            # Large weights to begin with: what explodes behind them is their doing.
            return ranks["poor_initialization"], 1, at(finding)
        never_varied = finding.condition == "constant_output" and finding.onset == 0
        if never_varied and all(at(finding) < place for place in blocked):
            # Units behind it are always on, or dead.
            return ranks["poor_initialization"], 1, at(finding)
        return ranks[finding.condition], finding.onset, -at(finding) if backwards else at(finding)

    # Each is explained by one before it in this order, so that links cannot form a ring.
    done: list[Finding] = []
    for finding in sorted(findings, key=roots_first):
        cause = next((each for each in done if _explains(each, finding, at)), None)
        done.append(replace(finding, caused_by=cause))
    roots = [finding for finding in done if finding.caused_by is None]
    roots.sort(key=lambda f: (-SEVERITIES.index(f.severity), f.onset))
    return [each for root in roots for each in _with_consequences(root, done)]


def _explains(cause: Finding, effect: Finding, at: Callable[[Finding], int]) -> bool:
    if cause.severity == "note" and effect.severity != "note":
        return False  # what has passed does not explain what has not
    if cause.condition == "non_finite" and not is_in_data(cause):
        return False  # it is where a trouble shows
    where = _EXPLAINS.get(cause.condition, {}).get(effect.condition)
    return where is not None and cause.onset <= effect.onset and where(at(cause), at(effect))


def _with_consequences(root: Finding, findings: list[Finding]) -> list[Finding]:
    family = [root]
    for finding in findings:
        if finding.caused_by in family:
            family.append(finding)
    return family
