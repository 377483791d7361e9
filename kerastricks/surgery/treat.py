"""A sick model, made anew with the remedies that its report asks for."""

from functools import partial
from typing import Any, Literal, overload

import keras
from rich.console import Console
from rich.table import Table

from kerastricks._printable import printable
from kerastricks.diagnosis.report import Report
from kerastricks.surgery._anatomy import Anatomy
from kerastricks.surgery._bench import Bench
from kerastricks.surgery._edits import operate
from kerastricks.surgery._model import checked_model
from kerastricks.surgery._remedies import prescribed
from kerastricks.surgery._remedies._case import Case
from kerastricks.surgery._trials import Trial, apply_all
from kerastricks.theory._checks import checked_integer


@overload
def treat(
    model: keras.Model,
    report: Report,
    *,
    reinitialize: bool = ...,
    data: tuple[Any, Any] | None = ...,
    steps: int = ...,
    return_trials: Literal[False] = ...,
    verbose: int = ...,
) -> keras.Model: ...
@overload
def treat(
    model: keras.Model,
    report: Report,
    *,
    reinitialize: bool = ...,
    data: tuple[Any, Any] | None = ...,
    steps: int = ...,
    return_trials: Literal[True],
    verbose: int = ...,
) -> tuple[keras.Model, list[Trial]]: ...
@overload
def treat(
    model: keras.Model,
    report: Report,
    *,
    reinitialize: bool = ...,
    data: tuple[Any, Any] | None = ...,
    steps: int = ...,
    return_trials: bool,
    verbose: int = ...,
) -> keras.Model | tuple[keras.Model, list[Trial]]: ...
def treat(
    model: keras.Model,
    report: Report,
    *,
    reinitialize: bool = True,
    data: tuple[Any, Any] | None = None,
    steps: int = 100,
    return_trials: bool = False,
    verbose: int = 1,
) -> keras.Model | tuple[keras.Model, list[Trial]]:
    """Returns a new compiled model in which what a report found is remedied.

    Use it after a `fit` under `kt.callbacks.TrainingDoctor`, or a `kt.checkup`, that found
    something, to go on with the same data at once: the new model takes the same `x` and `y`. Then
    put into your own code what it says that it has changed. Do not use it to tune a model that is
    healthy, of which it returns a copy with the same weights, nor where the data are at fault (NaN,
    labels that name no class): it says so, and leaves them to you.

    Each root cause in the report has its remedies. What a root cause explains heals with it; notes
    are left alone.

        condition                   what is changed
        loss_mismatch,
        unreachable_targets         loss, `from_logits`, the output's activation and units
        constant_output             the same for softmax over one unit; else as dying_units
        unnormalized_inputs         Rescaling or Normalization before the first kernel, with the
                                    data's own statistics
        unnormalized_targets        Rescaling behind the output, and a weight on the loss, so that
                                    `y` and predictions keep their unit and gradients are of order 1
        symmetric_units             initializers of Xavier or LeCun
        poor_initialization         the same; leaky_relu for sigmoid, softmax and exponential;
                                    normalizations that let nothing through
        vanishing_gradients         the same
        saturated_units,
        dying_units                 leaky_relu, initializers and normalizations that are far off,
                                    slower steps if they were large
        exploding_gradients,
        non_finite                  leaky_relu for what outgrows its input, initializers that are
                                    far off, slower steps, clipped gradients
        learning_rate_too_high,
        learning_rate_too_low       the learning rate, held to a usual range; clipped gradients;
                                    a momentum above 0.99
        no_nonlinearity             relu behind each hidden layer
        stale_batch_statistics      debiased averages that follow within ten batches
        dropout_variance_shift      dropout moved behind the last batch normalization
        overfitting                 nothing: stop earlier, with a callback

    With 8 hidden kernels or more, weights become orthogonal; without shortcuts, activations become
    leaky rectifiers with the slope that suits the depth (`kt.theory.tailored_slope`), and the
    learning rate smaller, since all layers' steps add up; before GELU and its like, batch
    normalization is put in.

    Everything else is as in `model`: optimizer and its arguments, other losses, metrics (those of
    accuracy count as a new loss does), names of outputs. The optimizer starts anew. `model` is only
    read. Models of all kinds can be treated; in a subclassed model no layers can be put in or taken
    out, and the remedies that need it are left out. What is left out is told like what is done.

    Args:
        model: The compiled model that the report is about.
        report: What `doctor.report` or `kt.checkup` returned.
        reinitialize: Whether weights start anew from the layers' initializers, because training
            has spoilt them, and the averages of batch normalizations in training with them. Layers
            with `trainable=False`, and what is not trained, such as the statistics of a
            `Normalization`, keep theirs in any case, and so does a model without anything to
            remedy. False keeps the weights of all layers that are not changed. Defaults to True.
        data: Inputs and targets, `(x, y)`, as arrays or structures of arrays. When given, each
            remedy is tried: copies with and without it are trained on the same batches of 32, and
            it is kept if it lowers the loss on a fifth of the samples that were not trained on, by
            more than 1 %. Root causes come first, and what was kept stays in for the next. All that
            did not help alone is tried together in the end, since of two faults each may hide the
            other. What fails in its trial is not kept. Remedies without which losses cannot be
            compared (output, loss, scale of the targets) are kept untried. By default (None) all
            remedies are applied.
        steps: Batches that each copy is trained on, at least 1. Defaults to 100.
        return_trials: Whether to return the list of trials, too. Defaults to False.
        verbose: 1 prints what was changed, what was tried and measured, and what was left out; 0 is
            silent. Defaults to 1.

    Returns:
        A new model, compiled and not trained. With `return_trials`, a pair of it and a list with a
        `kt.surgery.Trial` for each remedy.

    Raises:
        TypeError: If `model` is no `keras.Model`, `report` no report, `data` no pair of arrays, or
            a number of the wrong type.
        ValueError: If the model is not compiled, the report is about another model, the arrays in
            `data` are not of one length or of fewer than two samples, a number is out of range, or
            the model cannot be copied (see `kt.surgery.replace_layers`).

    Example:
    >>> import keras, numpy as np, kerastricks as kt
    >>> zeros = keras.layers.Dense(8, "relu", kernel_initializer="zeros", name="hidden")
    >>> model = keras.Sequential([keras.Input((4,)), zeros, keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).normal(size=(256, 4))
    >>> report = kt.checkup(model, x, x[:, :1])
    >>> treated, trials = kt.surgery.treat(model, report, return_trials=True, verbose=0)
    >>> [trial.condition for trial in trials]
    ['symmetric_units']
    >>> type(treated.get_layer("hidden").kernel_initializer).__name__
    'Xavier'

    Reference:
        Glorot, Bengio (2010), Understanding the difficulty of training deep feedforward neural
        networks, equation 12. He, Zhang, Ren, Sun (2015), Delving Deep into Rectifiers, section
        2.2. Saxe, McClelland, Ganguli (2014), Exact solutions to the nonlinear dynamics of learning
        in deep linear neural networks. Ioffe, Szegedy (2015), Batch Normalization. LeCun, Bottou,
        Orr, Müller (1998), Efficient BackProp, section 4. Zhang, Botev, Martens (2022), Deep
        Learning without Shortcuts, section 4 (slopes for a depth). Bishop (1995), Neural Networks
        for Pattern Recognition, section 8.2. Pascanu, Mikolov, Bengio (2013), On the difficulty of
        training recurrent neural networks (clipping).

    Differs from the papers in: remedies are combined as the report asks, and kept by a short
    greedy trial or untried, neither of which any of them describes.
    """
    anatomy = _checked(checked_model(model), report)
    steps = checked_integer(steps, "steps", "an integer of at least 1", 1)
    treatments = prescribed(Case(anatomy, report))
    make = partial(operate, anatomy, reinitialize=reinitialize)
    bench = None if data is None else Bench(_checked_data(data), steps, make)
    if bench is None:
        edits, trials = apply_all(treatments)
    else:
        edits, trials = bench.try_out(treatments)
    starts_anew = bool(reinitialize and any(trial.kept for trial in trials))
    treated = operate(anatomy, edits, reinitialize=starts_anew)
    if verbose:
        _show(trials, starts_anew)
    return (treated, trials) if return_trials else treated


def _checked(model: Any, report: object) -> Anatomy:
    if not isinstance(report, Report):
        raise TypeError(
            "Argument `report` must be a kerastricks.diagnosis.Report, such as `doctor.report` "
            "after a `fit` with callbacks=[doctor], or what `kt.checkup(model, x, y)` returns. "
            f"Received: report={report!r:.80} (of type {type(report).__name__})."
        )
    if not model.compiled:
        raise ValueError(
            "kt.surgery.treat needs a compiled model, since learning rate and loss may be at "
            f"fault. Received the uncompiled model '{model.name}'. Call model.compile(optimizer, "
            "loss) with what the report was made with."
        )
    anatomy = Anatomy(model)
    paths = [finding.layer for finding in report.findings if finding.layer is not None]
    strangers = [path for path in dict.fromkeys(paths) if not anatomy.knows(path)]
    if strangers:
        raise ValueError(
            f"The report is about another model: it names {', '.join(map(repr, strangers))}, and "
            f"model '{model.name}' has no such layer. Give the model that the report was made of; "
            "for one that was rebuilt or renamed since, make a new one: kt.checkup(model, x, y)."
        )
    return anatomy


def _checked_data(data: object) -> tuple[Any, Any]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TypeError(
            "Argument `data` must be a pair of inputs and targets, `data=(x, y)`. Received: data "
            f"of type {type(data).__name__}."
        )
    leaves = keras.tree.flatten(tuple(data))
    strangers = [leaf for leaf in leaves if not hasattr(leaf, "shape")]
    if strangers or len(leaves) < 2:
        received = strangers[0] if strangers else data
        raise TypeError(
            "Argument `data` must hold arrays, or lists or dicts of arrays. Received: "
            f"{received!r:.60}. Convert it: np.asarray(x), np.asarray(y)."
        )
    lengths = sorted({int(leaf.shape[0]) for leaf in leaves})
    if len(lengths) > 1 or lengths[0] < 2:
        raise ValueError(
            "The arrays in `data` must be of one length, at least 2. Received arrays of length "
            f"{', '.join(map(str, lengths))}."
        )
    x, y = data
    return x, y


def _show(trials: list[Trial], starts_anew: bool) -> None:
    # Names of layers are no markup.
    console = Console(highlight=False, markup=False)
    if not trials:
        console.print("treat: nothing to remedy, the model is a copy with the same weights.")
        return
    measured = any(trial.after is not None for trial in trials)
    table = Table(title="treat", title_justify="left")
    table.add_column("condition", no_wrap=True)
    for heading in ("remedy", *(("before", "after") if measured else ()), "kept"):
        table.add_column(heading, overflow="fold")
    for trial in trials:
        losses = [_number(trial.before), _number(trial.after)] if measured else []
        kept = "yes" if trial.kept else "no"
        cells = trial.condition, trial.remedy, *losses, f"{kept}, {trial.reason}"
        table.add_row(*map(printable, cells))
    console.print(table)
    if starts_anew:
        console.print(
            "All weights in training start anew; reinitialize=False keeps those of layers that "
            "are not changed."
        )


def _number(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.4g}"
