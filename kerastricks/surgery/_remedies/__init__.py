"""Remedies: from findings of one condition to edits of the model, one remedy a file."""

from collections.abc import Iterator

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.rules.non_finite import is_in_data
from kerastricks.surgery._remedies._case import Case, Remedy, Treatment, omitted, told
from kerastricks.surgery._remedies.activations import (
    leaky_network,
    leaky_units,
    leaky_where_the_start_is_sound,
    rectified_layers,
    tame_activations,
)
from kerastricks.surgery._remedies.dropout import dropout_moved
from kerastricks.surgery._remedies.initializers import initializers_mended, suited_initializers
from kerastricks.surgery._remedies.inputs import scaled_inputs
from kerastricks.surgery._remedies.learning_rate import (
    faster,
    gentler_where_deep,
    slower,
    slower_where_steps_were_large,
)
from kerastricks.surgery._remedies.moving_averages import following_averages
from kerastricks.surgery._remedies.normalization import mended_normalizations, normalized_layers
from kerastricks.surgery._remedies.output import fitting_output, linear_output, scaled_targets

REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "loss_mismatch": (fitting_output,),
    "unreachable_targets": (fitting_output,),
    "unnormalized_inputs": (scaled_inputs,),
    "unnormalized_targets": (scaled_targets,),
    "symmetric_units": (suited_initializers,),
    "poor_initialization": (
        mended_normalizations,
        tame_activations,
        leaky_where_the_start_is_sound,
        suited_initializers,
        normalized_layers,
        gentler_where_deep,
    ),
    "learning_rate_too_high": (slower, initializers_mended),
    "learning_rate_too_low": (faster,),
    "saturated_units": (
        mended_normalizations,
        leaky_where_the_start_is_sound,
        initializers_mended,
        slower_where_steps_were_large,
    ),
    "dying_units": (
        linear_output,
        mended_normalizations,
        leaky_units,
        initializers_mended,
        slower_where_steps_were_large,
        gentler_where_deep,
    ),
    "vanishing_gradients": (
        mended_normalizations,
        leaky_where_the_start_is_sound,
        suited_initializers,
        normalized_layers,
        gentler_where_deep,
    ),
    "exploding_gradients": (tame_activations, initializers_mended, normalized_layers, slower),
    "constant_output": (fitting_output,),
    "non_finite": (tame_activations, initializers_mended, slower),
    "no_nonlinearity": (rectified_layers,),
    "stale_batch_statistics": (following_averages, slower_where_steps_were_large),
    "dropout_variance_shift": (dropout_moved,),
    "overfitting": (),
    "not_zero_centered": (),
}
"""What helps against each condition, in order; without any, somebody has to help."""
_NOTHING = "Nothing in the model's build to change."
_DATA = "The data are at fault, not the model."
_FROZEN = "Layers with trainable=False stay as they are"
BUILT_IN = ("symmetric_units", "poor_initialization")
"""Conditions that lie in how the model is built, and outlast what explains them."""
BUILT_IN_WHERE_DEEP = ("vanishing_gradients",)
"""The same in deep networks: what starves the first layers there is not only what comes in."""


def prescribed(case: Case) -> list[Treatment]:
    """What to do about a report's root causes, and what cannot be done, root causes first.

    Remedies against several conditions may change the same.
    """
    treatments: list[Treatment] = []
    for group in _groups(case):
        frozen = [layer for layer in case.owners(group) if case.anatomy.is_frozen(layer)]
        if frozen:
            at = {id(layer) for layer in frozen}
            theirs = [f for f in group if id(case.anatomy.layer(f.layer)) in at]
            treatments.append(omitted(theirs[0], f"{_FROZEN}: {told(frozen)}."))
            group = [f for f in group if id(case.anatomy.layer(f.layer)) not in at]
        if not group:
            continue
        if is_in_data(group[0]):
            treatments.append(omitted(group[0], _DATA))
            continue
        found = [t for remedy in _remedies(group[0]) for t in remedy(case, group)]
        treatments += found or [omitted(group[0], _NOTHING)]
    return treatments


def _groups(case: Case) -> Iterator[list[Finding]]:
    """The grave findings of each condition that is a root cause, or is built in."""
    grave = [finding for finding in case.report.findings if finding.severity != "note"]
    built_in = (*BUILT_IN, *(BUILT_IN_WHERE_DEEP if case.anatomy.deep else ()))
    chosen = [f.condition for f in grave if f.caused_by is None or f.condition in built_in]
    for condition in dict.fromkeys(chosen):
        yield [finding for finding in grave if finding.condition == condition]


def _remedies(finding: Finding) -> tuple[Remedy, ...]:
    if finding.condition == "constant_output" and "healthy_units_from" not in finding.evidence:
        # Measured, not built in: something before the output cuts the inputs off.
        return (
            linear_output,
            mended_normalizations,
            leaky_network,
            suited_initializers,
            slower_where_steps_were_large,
            gentler_where_deep,
        )
    return REMEDIES[finding.condition]
