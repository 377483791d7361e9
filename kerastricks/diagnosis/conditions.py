"""The vocabulary of diagnosis: every condition a finding may carry."""

CONDITIONS: tuple[str, ...] = (
    "saturated_units",
    "dying_units",
    "vanishing_gradients",
    "exploding_gradients",
    "symmetric_units",
    "poor_initialization",
    "not_zero_centered",
    "unnormalized_inputs",
    "unnormalized_targets",
    "unreachable_targets",
    "constant_output",
    "loss_mismatch",
    "no_nonlinearity",
    "non_finite",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "stale_batch_statistics",
    "dropout_variance_shift",
    "overfitting",
)
"""Stable names, kept from version to version so that stored reports stay readable.

`kerastricks.diagnosis.RULES` lists the conditions that this version watches for.
"""
