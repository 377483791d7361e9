"""Another output or loss, where the two do not fit each other or the targets."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from kerastricks.diagnosis.activations import activation_of
from kerastricks.diagnosis.finding import Finding
from kerastricks.diagnosis.losses import loss_of
from kerastricks.diagnosis.observation import ColumnStatistics
from kerastricks.surgery._anatomy import has_settable_activation, is_activation
from kerastricks.surgery._compile_changes import CompileChanges
from kerastricks.surgery._edits import Edits
from kerastricks.surgery._remedies._case import Case, Treatment, omitted, treated
from kerastricks.surgery._remedies.targets import begin_at_zero, is_off_scale, rescaled_output

_SIZES = ("units", "filters")
_WANTED = ("healthy_loss", "healthy_from_logits", "healthy_activation", "healthy_units")
_SPARSE = "sparse_categorical_crossentropy"
_TOO_MANY = 10
"""More classes than the present units times this are rather a mark among the labels."""
_WITH_A_UNIT = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")


def fitting_output(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Make output and loss what the findings' evidence says that they should be."""
    for finding in findings:
        wanted = {name: finding.evidence[name] for name in _WANTED if name in finding.evidence}
        try:
            output = _Output(case, finding)
            if not wanted and output.has_signs_for_labels():
                treatment = output.treatment(
                    {"healthy_loss": "hinge", "healthy_activation": "linear"}
                )
                yield replace(treatment, remedy=f"{treatment.remedy}, {_SIGNS}")
            elif not wanted:
                yield omitted(finding, "The data have to change, or the code.")
            else:
                yield output.treatment(wanted)
        except _RefusedError as refused:
            yield omitted(finding, str(refused))


def linear_output(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Take a rectifier off the output of a regression, where it died."""
    for finding in findings:
        activation = activation_of(case.anatomy.layer(finding.layer))
        if activation is None or not activation.rectifier:
            continue
        try:
            output = _Output(case, finding)
        except _RefusedError:
            continue
        loss = loss_of(output.given)
        if output.ends_the_model() and loss is not None and loss.name in _WITH_A_UNIT:
            yield output.treatment({"healthy_activation": "linear"})


def scaled_targets(case: Case, findings: list[Finding]) -> Iterator[Treatment]:
    """Let the head learn standardized targets, and scale its outputs back."""
    for finding in findings:
        try:
            yield _Output(case, finding).scaled_back()
        except _RefusedError as refused:
            yield omitted(finding, str(refused))


_SIGNS = "for labels -1 and 1; better, with probabilities and accuracy: y = (y + 1) / 2, as it was"


class _RefusedError(Exception):
    """Why an output cannot be changed."""


class _Output:
    """One output of the model, on the way to what it should be."""

    def __init__(self, case: Case, finding: Finding) -> None:
        layer = case.anatomy.layer(finding.layer)
        if layer is None:
            raise _RefusedError("Its output is put out by no layer that can be exchanged.")
        number = case.outputs.number(layer.name)
        if number is None:
            raise _RefusedError("It cannot be told which of the losses belongs to this output.")
        self.case, self.finding, self.layer, self.number = case, finding, layer, number
        self.given = case.outputs.losses(case.model.loss)[number]
        self.chain = case.anatomy.ending(layer)

    def ends_the_model(self) -> bool:
        """Whether the finding's layer is one with which an output ends."""
        return any(head is self.chain[0] for head in self.case.anatomy.heads if self.chain)

    def has_signs_for_labels(self) -> bool:
        """Whether the labels of a binary cross entropy are -1 and 1, each of which squares to 1."""
        data, loss = self._targets(), loss_of(self.given)
        if data is None or loss is None or loss.name != "binary_crossentropy":
            return False
        squares = np.square(data.mean) + data.variance
        ends = np.all(data.minimum == -1) and np.all(data.maximum == 1)
        return bool(ends and np.allclose(squares, 1, atol=1e-5))

    def treatment(self, wanted: dict[str, Any]) -> Treatment:
        name, logits, loss = self._loss(wanted)
        units = self._units(wanted.get("healthy_units"), name)
        activation = wanted.get("healthy_activation")
        edits, told = Edits(), []
        if units is not None:
            edits |= self._with_units(units)
            told.append(f"{units} units")
        if activation is not None:
            edits |= self._with_activation(str(activation))
            told.append(f"activation {activation}")
        if loss is not None:
            if not self.case.compiles:
                raise _RefusedError("The model has a `compile` of its own.")
            edits |= Edits(compile=CompileChanges(losses={self.number: loss}))
            told.append(f"loss {name}" + (" from logits" if logits else ""))
        data = self._targets()
        if name in _WITH_A_UNIT and activation == "linear" and data and is_off_scale(data):
            scaling, how = rescaled_output(self.case, self.finding, name)
            edits |= scaling or Edits()
            told.append(how)
        remedy = f"{self.layer.name}: {', '.join(told)}"
        return treated([self.finding], remedy, edits, necessary=True)

    def scaled_back(self) -> Treatment:
        """Behind a rectifier, no mean is added, and none is needed where targets begin at zero.

        Where they do not, the rectifier is taken off: it keeps some of them out of reach, or keeps
        the outputs from a floor that is far from all of them.
        """
        edits, told, data = Edits(), [], self._targets()
        rectified = activation_of(self.layer) is not None
        if rectified and data is not None and not begin_at_zero(data):
            edits |= self._with_activation("linear")
            told.append(f"{self.layer.name}: activation linear, which has no floor")
            rectified = False
        loss = str(self.finding.evidence.get("loss"))
        scaling, how = rescaled_output(self.case, self.finding, loss, shifted=not rectified)
        if scaling is None:
            raise _RefusedError(how)
        remedy = ", ".join([*told, how])
        return treated([self.finding], remedy, edits | scaling, necessary=True)

    def _targets(self) -> ColumnStatistics | None:
        """What the run's targets were like."""
        return self.case.report.pool.targets.get(str(self.finding.layer))

    def _loss(self, wanted: dict[str, Any]) -> tuple[str, bool, Any]:
        """Name of the loss, whether it takes logits, and itself if it is another one."""
        known = loss_of(self.given)
        if known is None:
            raise _RefusedError("The output has no loss.")
        name = wanted.get("healthy_loss", known.name)
        logits = bool(wanted.get("healthy_from_logits", known.from_logits))
        if (name, logits) == (known.name, known.from_logits):
            return name, logits, None
        if name == known.name and isinstance(self.given, keras.losses.Loss):
            config = {**self.given.get_config(), "from_logits": logits}
            return name, logits, type(self.given).from_config(config)
        if not logits:
            return name, logits, name
        kind = getattr(keras.losses, name.title().replace("_", ""))
        return name, logits, kind(from_logits=True)

    def _units(self, wanted: int | None, loss: str) -> int | None:
        """The number of units, with one for each class that was seen in the run; None as it is."""
        data = self._targets()
        units = self._size()[1]
        if loss == _SPARSE and data is not None and data.columns == 1:
            largest, known = float(data.maximum[0]), loss_of(self.given)
            if data.nonfinite or not math.isfinite(largest):
                raise _RefusedError("Some labels are no finite numbers, and name no class.")
            if known is None or largest != known.ignore_class:
                wanted = max(wanted or units or 0, int(largest) + 1)
            classes = wanted or 0
            if classes > max(units or 0, data.samples):
                raise _RefusedError(
                    f"The largest label asks for {classes} classes, of {data.samples} samples."
                )
            # A single unit is that of two classes, or of a number: it says nothing of how many.
            if units is not None and 1 < units < classes / _TOO_MANY:
                raise _RefusedError(f"The largest label asks for {classes} classes, not {units}.")
        return None if wanted == units else wanted

    def _size(self) -> tuple[str | None, int | None]:
        """How the last kernel's layer calls its number of units, and what it is."""
        config = self.chain[0].get_config() if self.chain else {}
        name = next((name for name in _SIZES if name in config), None)
        return name, None if name is None else config[name]

    def _with_units(self, units: int) -> Edits:
        name, _ = self._size()
        if name is None or self.case.anatomy.is_frozen(self.chain[0]):
            raise _RefusedError("Its last kernel has no number of units that may be set.")
        kernel = id(self.chain[0])
        return Edits(configs={kernel: {name: units}}, starts=frozenset([kernel]))

    def _with_activation(self, wanted: str) -> Edits:
        """The outermost activation becomes the one that is wanted; there are none before it."""
        carriers = [layer for layer in self.chain if activation_of(layer) is not None]
        if not all(is_activation(layer) or has_settable_activation(layer) for layer in carriers):
            raise _RefusedError("The config of its last layer names no activation.")
        if carriers:
            names = ["linear"] * (len(carriers) - 1) + [wanted]
            pairs = zip(carriers, names, strict=True)
            return Edits(activations={id(layer): name for layer, name in pairs})
        if self.chain and has_settable_activation(self.chain[0]):
            return Edits(activations={id(self.chain[0]): wanted})
        if wanted == "linear" and not self.chain:
            raise _RefusedError("It is not known what its output ends with.")
        if wanted == "linear":
            return Edits()
        if not self.case.anatomy.can_insert_at(self.layer):
            raise _RefusedError(
                "Only the code of this model can put an activation behind its output."
            )
        name = self.case.anatomy.unused(f"{self.layer.name}_activation")

        def make() -> keras.Layer:
            return keras.layers.Activation(wanted, name=name, dtype=self.layer.dtype_policy)

        return Edits(after={id(self.layer): (make,)})
