"""Loss, output activation and labels that do not fit each other.

A cross entropy wants probabilities, or logits and to be told so; a regression loss subtracts
whatever shapes broadcast. What an output is, is measured: a layer may end with a softmax that its
`activation` does not tell. Which mismatch stops training and which only hinders it was tried with
Keras 3.15 on its three backends; Keras' cross entropies divide a row by its sum and clip it, which
is why sigmoid outputs train under them and negative ones do not. What is squashed twice on its way
to a probability, or rectified before, is read from the layers that the output ends with. Shapes
that cannot be compared are found before that, by themselves.

Labels beyond what the output can give are `unreachable_targets`, also under `from_logits=True`;
softmax over one unit is `constant_output`. A loss that Keras does not have is not judged.

Where an output and a loss that go together follow from what is seen, the evidence names them, as
`healthy_loss`, `healthy_from_logits`, `healthy_activation` and `healthy_units`.
"""

from collections.abc import Callable, Iterator

from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.observation import Loss, OutputStatistics
from kerastricks.diagnosis.rules._mismatches.binary import binary
from kerastricks.diagnosis.rules._mismatches.categorical import categorical
from kerastricks.diagnosis.rules._mismatches.distributions import divergence, poisson
from kerastricks.diagnosis.rules._mismatches.endings import BINARY, CATEGORICAL, REGRESSION
from kerastricks.diagnosis.rules._mismatches.mismatch import Mismatch, finite, name_of
from kerastricks.diagnosis.rules._mismatches.regression import regression
from kerastricks.diagnosis.rules._mismatches.shapes import ENTRYWISE, misshapen
from kerastricks.diagnosis.rules._mismatches.squashed import squashed
from kerastricks.diagnosis.rules._window import Window

_JUDGES: dict[str, Callable[[OutputStatistics, Loss], Mismatch | None]] = {
    **dict.fromkeys(CATEGORICAL, categorical),
    **dict.fromkeys(BINARY, binary),
    **dict.fromkeys(REGRESSION, regression),
    "poisson": poisson,
    "kl_divergence": divergence,
    **dict.fromkeys(ENTRYWISE, misshapen),
}


def loss_mismatch(window: Window) -> Iterator[Finding]:
    """Find outputs whose loss is made for another activation, or for other labels."""
    for output in window[-1].outputs:
        judge = None if output.loss is None else _JUDGES.get(output.loss.name)
        if output.loss is None or judge is None or not finite(output.prediction):
            continue
        mismatch = judge(output, output.loss) or squashed(window[-1], output)
        if mismatch is None:
            continue
        yield Finding(
            condition="loss_mismatch",
            layer=output.path,
            severity=mismatch.severity,
            onset=window[0].step,  # a run does not change what it was compiled with
            message=mismatch.message,
            remedy=mismatch.remedy,
            evidence={
                "loss": output.loss.name,
                "from_logits": output.loss.from_logits,
                "activation": name_of(output),
                "units": output.units,
                "samples": output.prediction.samples,
                **mismatch.evidence,
            },
        )
