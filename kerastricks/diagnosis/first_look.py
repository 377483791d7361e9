"""What the first look at a training step shows that no later look will see."""

from collections.abc import Iterator

from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.plan import Plan


def missing_from(plan: Plan, seen: Observation) -> Iterator[tuple[str, str]]:
    """Name what was planned and did not come out of the step, as place and reason.

    Args:
        plan: What was to be observed.
        seen: What the first observed step has carried out.
    """
    if not seen.layers and not seen.weights:
        yield "train_step", "none of its numbers can be carried out of it"
    elif seen.loss is None:
        yield "the loss", "train_step does not call compute_loss"
    elif plan.weights and not seen.weights:
        yield "the weights", "train_step does not update them by model.optimizer"
    else:
        yield from _without_gradient(plan, seen)


def _without_gradient(plan: Plan, seen: Observation) -> Iterator[tuple[str, str]]:
    """Weights that cannot learn: no rule sees them."""
    given = {weight.path for weight in seen.weights}
    for slot in plan.weights:
        if slot.path not in given:
            yield slot.path, "gets no gradient: nothing of the loss leads back to it"
    if not plan.weights:
        yield "the gradients", "the model has no trainable weights"
    elif not any(weight.gradient for weight in seen.weights):
        reason = "all are exactly zero in the first step: see losses, sample weights, and "
        yield "the gradients", reason + "operations that have no gradient"
