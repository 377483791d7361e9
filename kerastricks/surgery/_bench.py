"""Remedies tried for some steps, one after the other, on copies of a model."""

import math
import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerastricks.surgery._edits import Edits, seeded
from kerastricks.surgery._remedies._case import Treatment
from kerastricks.surgery._trials import CANNOT, Chart, Trial

BATCH_SIZE = 32
HELD_OUT = 0.2
"""Share of the samples that are not trained on; the loss on them decides."""
LARGEST_HELD_OUT = 1024
GAIN = 0.01
"""A remedy helps when it lowers that loss by more than this share of it."""
_TIE = "as good within 1 % so far, and the finding is critical"


class Bench:
    """The same batches, and the same seeds, for every copy.

    Args:
        data: Inputs and targets.
        steps: How many batches a copy is trained on.
        make: From edits to a new model.
    """

    def __init__(self, data: tuple[Any, Any], steps: int, make: Callable[[Edits], Any]) -> None:
        self._make = make
        data = keras.tree.map_structure(np.asarray, data)
        self._seed = random.randrange(2**31)
        order = np.random.default_rng(self._seed)
        count = len(keras.tree.flatten(data)[0])
        held_out = min(max(1, int(HELD_OUT * count)), LARGEST_HELD_OUT)
        shuffled = order.permutation(count)
        self._held_out = _rows(data, shuffled[:held_out])
        seen = shuffled[held_out:]
        self._batch_size = min(BATCH_SIZE, len(seen))
        needed = steps * self._batch_size
        passes = [order.permutation(seen) for _ in range(math.ceil(needed / len(seen)))]
        order_of_rows = np.concatenate(passes)[:needed]
        self._seen = _Batches(data, order_of_rows.reshape(steps, self._batch_size))

    def try_out(self, treatments: list[Treatment]) -> tuple[Edits, list[Trial]]:
        """Add one treatment after the other, and keep those that lower the loss.

        Those without which the task is not posed are added first: losses before and after them are
        not of the same kind. Those that do not help are tried together in the end, since none of
        two faults shows while the other is there.
        """
        chart = Chart()
        before: float | None = None
        useless: list[tuple[Treatment, float, float]] = []
        for treatment in sorted(treatments, key=lambda each: not each.necessary):
            if treatment.edits is None:
                chart.leave(treatment, CANNOT)
            elif chart.repeats(treatment):
                continue
            elif treatment.necessary:
                chart.keep(treatment, "necessary: losses with and without it cannot be compared")
            else:
                try:
                    before = self._loss(chart.edits) if before is None else before
                    after = self._loss(chart.edits | treatment.edits)
                except Exception as error:
                    message = " ".join(str(error).split())
                    reason = f"could not be tried: {type(error).__name__}: {message:.200}"
                    chart.leave(treatment, reason, before)
                    continue
                if _helps(before, after):
                    chart.keep(treatment, "the loss fell", before, after)
                    before = after
                elif treatment.critical and not _helps(after, before):
                    chart.keep(treatment, _TIE, before, after)
                    before = after
                else:
                    useless.append((treatment, before, after))
        self._try_together(chart, before, useless)
        return chart.edits, chart.trials

    def _try_together(
        self, chart: Chart, before: float | None, useless: list[tuple[Treatment, float, float]]
    ) -> None:
        edits = chart.edits
        for treatment, _, _ in useless:
            edits |= treatment.edits or Edits()
        if len(useless) > 1 and before is not None:
            try:
                together = self._loss(edits)
            except Exception:
                together = math.inf  # each was made alone, and they do not fit together
            if _helps(before, together):
                for treatment, _, _ in useless:
                    reason = "the loss fell, with all together that did not help alone"
                    chart.keep(treatment, reason, before, together)
                return
        for treatment, without, after in useless:
            fell = "by no more than 1 %" if after < without else "not at all"
            chart.leave(treatment, f"the loss fell {fell}", without, after)

    def _loss(self, edits: Edits) -> float:
        """The loss on held-out samples after training; infinite where it is not finite."""
        with seeded(self._seed):
            model = self._make(edits)
            _without_metrics(model)
            _seed_torch(self._seed)
            model.fit(self._seen, shuffle=False, verbose=0)
        x, y = self._held_out
        result = model.evaluate(x, y, batch_size=self._batch_size, verbose=0, return_dict=True)
        loss = float(result["loss"])
        return loss if math.isfinite(loss) else math.inf


def _helps(before: float, after: float) -> bool:
    return after < before - GAIN * abs(before) or math.inf == before > after


class _Batches(keras.utils.PyDataset):
    """Batches of rows, made when they are asked for.

    Args:
        data: Inputs and targets.
        rows: The numbers of the rows of each batch, of shape `(batches, batch_size)`.
    """

    def __init__(self, data: tuple[Any, Any], rows: Any) -> None:
        super().__init__()
        self._data = data
        self._row_numbers = rows

    def __len__(self) -> int:
        return len(self._row_numbers)

    def __getitem__(self, number: int) -> Any:
        # TensorFlow takes lists for tensors.
        return keras.tree.lists_to_tuples(_rows(self._data, self._row_numbers[number]))


def _without_metrics(model: Any) -> None:
    """Leaves out what a trial does not look at, and what may fail on the data."""
    if type(model).compile is not keras.Model.compile:
        return
    config = model.get_compile_config()
    names = ("loss_weights", "run_eagerly", "steps_per_execution", "jit_compile")
    kept = {name: config[name] for name in names if name in config}
    model.compile(
        optimizer=model.optimizer,
        loss=model.loss,
        metrics=[],  # without it, Keras keeps those that there are
        auto_scale_loss=False,  # the optimizer already scales the loss if it should
        **keras.saving.deserialize_keras_object(kept),
    )


def _seed_torch(seed: int) -> None:
    """Lets dropout draw the same, which on torch does not heed the seeds that layers keep."""
    if keras.backend.backend() != "torch":
        return
    state = np.random.get_state()
    keras.utils.set_random_seed(seed)
    np.random.set_state(state)


def _rows(data: Any, index: Any) -> Any:
    def taken(array: Any) -> Any:
        rows = array[index]
        return rows.astype(keras.config.floatx()) if rows.dtype.kind == "f" else rows

    return keras.tree.map_structure(taken, data)
