"""Hidden layers without an activation, which together are no more than one layer.

A product of matrices is a matrix: kernels with nothing nonlinear between them compute a linear
function of the inputs, whatever their number (Goodfellow, Bengio and Courville, "Deep Learning"
(2016), section 6.1, on why XOR needs a nonlinear hidden layer). A hidden layer that is narrower
than the output does constrain that function: it limits its rank, as in a linear autoencoder.
"""

from collections.abc import Iterator

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Observation
from kerastricks.diagnosis.rules._window import Window


def no_nonlinearity(window: Window) -> Iterator[Finding]:
    """Find a model that is known to be linear in spite of its hidden layers."""
    last = window[-1]
    hidden = last.linear
    if not hidden:
        return
    narrow = _limits_the_rank(last)
    layers = (
        "1 hidden layer computes" if len(hidden) == 1 else f"{len(hidden)} hidden layers compute"
    )
    limit = ", except that the narrowest limits its rank" if narrow else ""
    yield Finding(
        condition="no_nonlinearity",
        layer=None,
        severity="note" if narrow else "warning",
        onset=window[0].step,
        message=(
            f"{layers} nothing that one layer could not: from the inputs to the output layer the "
            f"model is a linear function{limit}."
        ),
        remedy=(
            'Give each hidden layer activation="relu", or put kt.layers.LeakyReLU() behind it; '
            "if the model is meant to be linear, one Dense layer does the same."
        ),
        evidence={
            "linear_hidden_layers": list(hidden),
            "hidden_layers": len(hidden),
            "healthy_linear_hidden_layers": 0,
        },
    )


def _limits_the_rank(observation: Observation) -> bool:
    hidden = [k.units for k in observation.kernels if k.layer in observation.linear]
    output = [k.units for k in observation.kernels if k.layer not in observation.linear]
    return bool(hidden and output) and min(hidden) < output[-1]
