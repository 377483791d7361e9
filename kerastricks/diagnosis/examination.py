"""Holds observations against the rules and remembers what was found."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from kerastricks.diagnosis.causes import explain
from kerastricks.diagnosis.data import Pool
from kerastricks.diagnosis.errors import in_short
from kerastricks.diagnosis.finding import SEVERITIES, Finding
from kerastricks.diagnosis.observation import (
    Epoch,
    LayerStatistics,
    Observation,
    WeightStatistics,
)
from kerastricks.diagnosis.remembering import Remembering
from kerastricks.diagnosis.report import Report
from kerastricks.diagnosis.rules import RULES, Rule
from kerastricks.diagnosis.rules._window import LOOK_BACK
from kerastricks.diagnosis.timeline import Timeline

WINDOW = 512
"""Observations that the rules may look back on."""
MEMORY = 64 * 2**20
"""Bytes up to which a whole window is kept as it was seen. Where it would take more, observations
older than `LOOK_BACK` are outlined: which units fired, and how each weight and loss moved."""
STATES = (
    "saturated_units",
    "dying_units",
    "vanishing_gradients",
    "symmetric_units",
    "constant_output",
)
"""Conditions that may pass; the others are events, and stay as they were found."""
RECOVERED_LOOKS = 4
"""Observations in a row without the condition after which it has passed."""
JUDGED_WHEN_CLOSING = ("stale_batch_statistics",)
"""Conditions that are judged, and may pass, only when what was learned is about to be used."""
JUDGED_WHEN_AN_EPOCH_ENDS = ("dying_units", "learning_rate_too_low", "overfitting")
"""Conditions that the mean losses of epochs tell; all others are known since the last step seen."""
JUDGED_AFTER_FAILURE = ("unreachable_targets", "loss_mismatch")
"""Conditions that make a training step fail, and that outputs and targets alone tell."""


class Examination(Remembering):
    """The doctor's memory of one training run.

    Args:
        rules: Rules by name; all of them by default.
    """

    _REMEMBERED = (
        "_failures", "_findings", "_present", "_absent", "_large", "_epochs", "_healed"
    )  # fmt: skip

    def __init__(self, rules: Mapping[str, Rule] = RULES):
        self._rules = rules
        self._failures: dict[str, str] = {}
        self._window: deque[Observation] = deque(maxlen=WINDOW)
        self._findings: dict[tuple[str, str | None], Finding] = {}
        self._present: set[tuple[str, str | None]] = set()
        self._absent: dict[tuple[str, str | None], tuple[int, int]] = {}
        self._first: Observation | None = None
        self._large: bool | None = None
        self._depth: dict[str, int] = {}
        self._timeline = Timeline()
        self._pool = Pool()
        self._epochs: list[Epoch] = []
        self._healed: dict[tuple[str, str | None], int | None] = {}

    def remembered(self) -> dict[str, Any]:
        """What has followed from all looks; see `window` for those that are looked back on."""
        parts = {"timeline": self._timeline.remembered(), "pool": self._pool.remembered()}
        return {**super().remembered(), **parts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the looks are recalled after this."""
        super().restore(state)
        self._timeline.restore(state["timeline"])
        self._pool.restore(state["pool"])

    @property
    def window(self) -> list[tuple[Observation, bool]]:
        """The looks that rules look back on, and whether each is whole."""
        whole = len(self._window) - LOOK_BACK if self._large else 0
        numbered = enumerate(self._window)
        return [(seen, n >= whole or seen is self._first) for n, seen in numbered]

    def recall(self, observation: Observation, epochs: int, *, within: bool) -> None:
        """Look back on a look of an earlier process, whose consequences are known.

        Args:
            observation: The look, or an outline of it.
            epochs: How many epochs had ended.
            within: Whether it is among those looked back on; else it is the first.
        """
        observation = replace(observation, epochs=tuple(self._epochs[:epochs]))
        self._depth = running_order(observation, self._depth)
        if self._first is None:
            self._first = observation
        if within:
            self._window.append(observation)

    def note(self, observation: Observation) -> None:
        """Take in an observation that is not judged itself: it is looked back on, and drawn."""
        self._take_in(observation)
        self._attempt("data", lambda: self._pool.add_data(observation))

    def _take_in(self, observation: Observation) -> None:
        observation = replace(observation, epochs=tuple(self._epochs))
        if self._first is None:
            self._first = observation
        self._window.append(observation)
        self._attempt("pictures", lambda: self._timeline.add(observation))
        if len(self._window) > LOOK_BACK:
            self._attempt("memory", lambda: self._bound(-LOOK_BACK - 1))

    def _attempt(self, what: str, action: Callable[[], None]) -> None:
        """Do something beside judging; when it fails, the rules go on, and the report says so."""
        try:
            action()
        except Exception as error:
            self._failures[f"the {what} of the run"] = in_short(error)

    def _bound(self, place: int) -> None:
        """Outline what is at a place of the window, where observations are large."""
        if self._large is None and self._first is not None:
            self._large = WINDOW * size_of(self._first) > MEMORY
        if self._large:
            self._timeline.settle(LOOK_BACK)
            if self._window[place] is not self._first:
                self._window[place] = outlined(self._window[place])

    def add(self, observation: Observation) -> list[Finding]:
        """Judge one more observation.

        Returns:
            The findings that were not known before; each is returned once in a run.
        """
        self._take_in(observation)
        observation = self._window[-1]
        self._attempt("data", lambda: self._pool.add(observation))
        self._depth = running_order(observation, self._depth)
        new, present = self._remember(self._judge(list(self._window), self._rules))
        self._present = present
        for key in self._findings:
            # What cannot be judged any more has not recovered.
            since, looks = self._absent.get(key, (observation.step, 0))
            if key in present or not math.isfinite(observation.loss or 0.0):
                self._absent.pop(key, None)
            else:
                self._absent[key] = since, looks + 1
        return new

    def end_epoch(self, epoch: Epoch) -> list[Finding]:
        """Judge the end of an epoch.

        Returns:
            The findings that were not known before.
        """
        self._epochs.append(epoch)
        new, _ = self._judge_again(JUDGED_WHEN_AN_EPOCH_ENDS)
        return new

    def close(self, *, over: bool, made: int | None = None) -> list[Finding]:
        """Judge what is about to be used: before a validation, and when the training ends.

        Args:
            over: Whether the training ends.
            made: Steps made so far; as many as were observed, by default.

        Returns:
            The findings that were not known before.
        """
        new, present = self._judge_again(JUDGED_WHEN_CLOSING, closing=True, over=over, made=made)
        kept = {key for key in self._present if key[0] not in JUDGED_WHEN_CLOSING}
        self._present = kept | present
        for key in self._findings:
            if key[0] in JUDGED_WHEN_CLOSING and self._window:
                gone = key not in self._present
                self._healed[key] = self._window[-1].step if gone else None
        return new

    def add_failed(self, observation: Observation) -> list[Finding]:
        """Judge by outputs and targets why a step failed.

        Args:
            observation: Of the step that failed; nothing but outputs and targets is known of it.

        Returns:
            The findings that were not known before.
        """
        window = [*self._window, observation]
        new, _ = self._remember(self._judge(window, self._only(JUDGED_AFTER_FAILURE)))
        return new

    def _judge_again(
        self, conditions: Iterable[str], **state: Any
    ) -> tuple[list[Finding], set[tuple[str, str | None]]]:
        """Judge the last observation once more, by what has become known since."""
        if not self._window:
            return [], set()
        last = replace(self._window[-1], epochs=tuple(self._epochs), **state)
        window = [*list(self._window)[:-1], last]
        return self._remember(self._judge(window, self._only(conditions)))

    def _only(self, conditions: Iterable[str]) -> dict[str, Rule]:
        return {name: rule for name, rule in self._rules.items() if name in conditions}

    def _remember(
        self, findings: Iterable[Finding]
    ) -> tuple[list[Finding], set[tuple[str, str | None]]]:
        """Note what was found; returns what is new, and the keys of all."""
        new, present = [], set()
        for finding in findings:
            present.add(finding.key)
            known = self._findings.get(finding.key)
            noted = known is not None and known.severity == "note" != finding.severity
            if known is None or noted:  # a note that has become more is told, with its own onset
                new.append(finding)
                self._findings[finding.key] = finding
            elif finding.key in self._present or _graver(finding, known):
                # Still true, or worse: newer numbers, the same beginning and what helps with it;
                # what helps against what is judged at the end is known at the end.
                last_word = finding.condition in JUDGED_WHEN_CLOSING
                remedy = finding.remedy if last_word else known.remedy
                kept = replace(finding, onset=known.onset, remedy=remedy)
                self._findings[finding.key] = kept
        return new, present

    @property
    def findings(self) -> list[Finding]:
        """What was found, as it stands, and not yet explained by one another."""
        return [self._as_it_stands(finding) for finding in self._findings.values()]

    def report(self, unobserved: Mapping[str, str]) -> Report:
        """What is known by now.

        Args:
            unobserved: What the probe could not see, as path and reason.
        """
        return Report(
            findings=explain(self.findings, self._depth),
            timeline=self._timeline,
            pool=self._pool,
            unobserved={**unobserved, **self._failures},
            conditions=tuple(self._rules),
            depth=self._depth,
        )

    def _as_it_stands(self, finding: Finding) -> Finding:
        """The finding, as a note when its condition has passed."""
        since, looks = self._absent.get(finding.key, (0, 0))
        passed = finding.condition in STATES and looks >= RECOVERED_LOOKS
        healed = self._healed.get(finding.key)
        if healed is not None:
            since, passed = healed, True
        if not passed:
            return finding
        return replace(
            finding,
            severity="note",
            message=f"{finding.message} Recovered by step {since}.",
            evidence={**finding.evidence, "recovered_at_step": since},
        )

    def _judge(self, window: list[Observation], rules: Mapping[str, Rule]) -> list[Finding]:
        # The first observation stays in sight: rules compare with the start.
        if self._first is not None and window[0].step != self._first.step:
            window.insert(0, self._first)
        found: list[Finding] = []
        for name, rule in rules.items():
            try:
                found.extend(rule(window))
            except Exception as error:
                # A faulty rule must not end a training run, nor keep the others from judging.
                self._failures[f"rule {name}"] = in_short(error)
        return found


def running_order(observation: Observation, known: dict[str, int]) -> dict[str, int]:
    """Place of each layer in the forward pass, by path: that of its output or of its weights.

    An observation has two lists in this order. A layer of which only the weights are seen, such
    as a cell in a loop, stands behind the one whose weights come before its own.

    Args:
        observation: What was seen.
        known: The order so far; what is new is put in between.
    """
    seen = [layer.path for layer in observation.layers]
    weighed = [weight.layer for weight in observation.weights]
    if known.keys() >= {*seen, *weighed}:
        return known
    order = _merged(_merged(list(known), seen), weighed)
    return {path: place for place, path in enumerate(order)}


def _merged(order: list[str], paths: list[str]) -> list[str]:
    """An order with more paths in it, each behind the one that comes before it."""
    gaps = {path: place for place, path in enumerate(order, 1)}
    added: list[list[str]] = [[] for _ in range(len(order) + 1)]
    gap = 0
    for path in paths:
        if path not in gaps:
            added[gap].append(path)
            gaps[path] = gap
        gap = gaps[path]
    return [*added[0], *chain(*([path, *new] for path, new in zip(order, added[1:], strict=True)))]


def size_of(observation: Observation) -> int:
    """About the bytes of an observation: numbers of units, as they come and as they are read."""
    layers = sum(3 * layer.units for layer in observation.layers)
    kernels = sum(6 * kernel.units for kernel in observation.kernels)
    normalizations = sum(4 * len(seen.batch_mean) for seen in observation.normalizations)
    dropouts = sum(2 * len(seen.mean) for seen in observation.dropouts)
    return (4 + 8) * (layers + kernels + normalizations + dropouts)


def outlined(observation: Observation) -> Observation:
    """What rules ask of an observation longer ago than `LOOK_BACK`, a byte a unit."""
    return replace(
        observation,
        layers=tuple(_outlined_layer(layer) for layer in observation.layers),
        weights=tuple(_outlined_weight(weight) for weight in observation.weights),
        inputs=(),
        outputs=tuple(observation.outputs),
        normalizations=(),
        dropouts=(),
    )


def _outlined_layer(layer: LayerStatistics) -> LayerStatistics:
    # One array for all three: no rule asks for means or variances of so long ago.
    fired: Any = layer.events != 0
    return replace(layer, mean=fired, variance=fired, events=fired)


def _outlined_weight(weight: WeightStatistics) -> WeightStatistics:
    return replace(weight, unit_gradient=None, unit_signature=None, unit_gradient_signature=None)


def _graver(finding: Finding, known: Finding) -> bool:
    return SEVERITIES.index(finding.severity) > SEVERITIES.index(known.severity)
