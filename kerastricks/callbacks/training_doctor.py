"""The doctor: every rule at once."""

from collections.abc import Iterable
from os import PathLike

from kerastricks.callbacks._monitor import Monitor
from kerastricks.diagnosis.rules import RULES


class TrainingDoctor(Monitor):
    """Watch a training run and say which layer is sick, since when, why, and what to change.

    Statistics are taken inside the compiled training step, in observed steps only, and reduced on
    the device; a step that is not observed runs the model's own train function. The doctor does
    not change the training: with the same seed, History and final weights are those of a run
    without it. It prints each finding once, and nothing about a healthy run. What can be known
    before any training, `kt.checkup` tells without it.

    Args:
        stop_on: Conditions of `kt.diagnosis.CONDITIONS`, one or several, that end the training as
            soon as one is found with more than a note: `stop_on=("non_finite", "dying_units")`.
            By default none: the training goes on.
        every: Observe each so many steps; after the first 64 not each of them is judged at once,
            unless it is out of the ordinary. By default (None) the first 64 steps, then with a gap
            that grows to 1/32 of the step number.
        budget: Largest share of the training time that observing may cost once past the dense
            start, above 0. The default gap is widened to keep within it. With `every`, the share
            that judging may cost.
        verbose: 1 to print each finding once, when it is first made; 0 to be silent.
        log_vitals: True to add numbers of the last observed step to the epoch logs, and so to the
            History: `doctor_findings` (how many above a note), `doctor_silent_units`,
            `doctor_saturation`, `doctor_update_ratio` and `doctor_gradient_norm`, see
            `kt.diagnosis.vitals`. `EarlyStopping`, `CSVLogger`, `TensorBoard` and experiment
            trackers read them when they stand behind the doctor in `callbacks`.
        log_dir: Folder for TensorBoard's event files: the same numbers at each observed step, and
            of each layer the scale of its output, silent units or saturation, of each weight
            gradient norm and update ratio. Needs the `tensorboard` extra, on any backend. By
            default none are written.
        backup_dir: Folder that keeps what was seen until `fit` has come to its end, when its file
            is removed. A training that was killed and goes on with
            `keras.callbacks.BackupAndRestore` then gives the report of one that never stopped,
            and prints no finding twice. Not the folder of `BackupAndRestore`, nor that of another
            process; the doctor best stands before it in `callbacks`. By default nothing is kept.

    Attributes:
        report: A `kerastricks.diagnosis.Report` of this `fit`, or of the last one.

    Raises:
        ImportError: If `log_dir` is given and the `tensorboard` extra is not installed.
        TypeError: If `every` or `budget` is no number.
        ValueError: If `every` or `budget` is out of range, if `stop_on` names no condition, or
            the model is not compiled.

    Example:
        >>> import keras, numpy as np
        >>> import kerastricks as kt
        >>> zeros = keras.layers.Dense(8, "relu", kernel_initializer="zeros")
        >>> model = keras.Sequential([keras.Input((4,)), zeros, keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> doctor = kt.callbacks.TrainingDoctor(verbose=0)
        >>> x = np.random.default_rng(0).normal(size=(256, 4))
        >>> history = model.fit(x, x[:, :1], verbose=0, callbacks=[doctor])
        >>> doctor.report.root_causes[0].condition
        'symmetric_units'
    """

    def __init__(
        self,
        *,
        stop_on: str | Iterable[str] = (),
        every: int | None = None,
        budget: float = 0.02,
        verbose: int = 1,
        log_vitals: bool = False,
        log_dir: str | PathLike[str] | None = None,
        backup_dir: str | PathLike[str] | None = None,
    ):
        super().__init__(
            RULES,
            stop_on=stop_on,
            every=every,
            budget=budget,
            verbose=verbose,
            log_vitals=log_vitals,
            log_dir=log_dir,
            backup_dir=backup_dir,
        )
