"""Batch normalization statistics of the whole population, at fixed weights."""

from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.surgery._batch_statistics import batch_normalizations, normalizing_by_the_batch
from kerastricks.surgery._model import (
    Forward,
    checked_model,
    layers_within,
    replaced,
    restored,
)
from kerastricks.theory._checks import checked_integer


def recalibrate_batch_norm(
    model: Any,
    dataset: Any,
    *,
    steps: int | None = 200,
    batch_size: int = 32,
    verbose: int | str = "auto",
) -> Any:
    """Measure the statistics of batch normalization anew, at the weights that the model has now.

    Use it after training, or before validating in the middle of it, when inference is worse than
    training: the moving averages lag behind fast weights, a short training left part of their
    start in them, dropout in front shifted the variance (here dropout is off, as at inference),
    or the model moved to other data. Do not use it on fewer than some hundred samples, where the
    averages know more than the data at hand.

    Over batches i with n_i entries a channel, mean mu_i and variance var_i:

        moving_mean     = sum(n_i * mu_i) / sum(n_i)
        moving_variance = sum(n_i * (var_i + (mu_i - moving_mean)^2)) / sum(n_i)

    which is mean and variance of all entries together. While the batches pass, batch
    normalization uses the statistics of each batch, as in training, and every other layer is in
    inference mode. So deeper layers see what they see in training, and one pass is enough; give
    batches of the size used in training, well mixed (data in arrays are read in their order:
    shuffle them first if they are sorted).

    The model is changed in place, and only in its moving statistics (with `renorm`, its averages
    too): weights, optimizer, seeds and `momentum` stay. If anything fails, all is as before. The
    averages "debiased" and "cumulative" of this package's layer also count batches: where that
    count is below the number of batches measured, it becomes that number, so that the next batch
    in training counts as one more, instead of replacing what was measured.

    Layers with `trainable=False`, which do not learn statistics in training, keep theirs, and so
    do layers that the model does not run at inference. A layer that is used several times gets
    the statistics of all its inputs together. Entries that a mask hides do not count. With
    `unbiased_variance` the variance divides by sum(n_i) - 1; `virtual_batch_size` plays no part.

    Each call compiles the forward pass anew, which takes longer than a few small batches do: give
    all the data at once.

    Args:
        model: A built `keras.Model` with batch normalization of Keras or of this package, compiled
            or not.
        dataset: What `model.predict` takes: arrays, a `tf.data.Dataset`, `keras.utils.PyDataset`,
            torch `DataLoader` or generator. Batches are inputs, or `(inputs, targets)` or
            `(inputs, targets, weights)`, of which the inputs are used.
        steps: The largest number of batches to read, at least 1, or None for all of them.
            Defaults to 200.
        batch_size: Samples in a batch, when `dataset` is arrays. At least 1; defaults to 32.
        verbose: As in `model.predict`: `"auto"` or 1 for a progress bar, 0 for silence.

    Returns:
        The same model.

    Raises:
        TypeError: If `model` is no `keras.Model`, or a number is no integer.
        ValueError: If the model is not built, has no batch normalization to recalibrate, if a
            number is out of range, if there are no samples, or if statistics are not finite.

    Example:
    >>> import keras, numpy as np, kerastricks as kt
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
    >>> x = np.array([[1.0], [3.0], [5.0], [7.0], [9.0], [11.0]])
    >>> model = kt.surgery.recalibrate_batch_norm(model, x, batch_size=4, verbose=0)
    >>> [round(float(value[0]), 4) for value in model.get_weights()[2:]]
    [6.0, 11.6667]

    Reference:
        Wu, Johnson (2021), Rethinking "Batch" in BatchNorm, section 3 (PreciseBN). Ioffe,
        Szegedy (2015), Batch Normalization, algorithm 2, steps 8 to 10.

    Differs from the papers in: layers other than batch normalization run in inference mode, so
    that the statistics are those of the network without dropout (Li et al., 2019, Understanding
    the Disharmony between Dropout and Batch Normalization by Variance Shift). The variance divides
    by n, as in Keras.
    """
    checked_model(model)
    steps = None if steps is None else checked_integer(steps, "steps", least=1)
    batch_size = checked_integer(batch_size, "batch_size", least=1)
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' is not built, so it has no statistics to measure. Train it, or "
            "load its weights, before recalibrating."
        )
    layers = _layers_to_measure(model)
    calls: list[Any] = []

    def forward(model: Any, inputs: Any) -> Any:
        rows: list[Any] = []
        calls.clear()  # traced again, for a batch of another size

        def recording(layer: Any) -> Any:
            def record(*values: Any) -> None:
                calls.append(layer)
                # One row a batch: `predict` joins rows.
                rows.append(ops.expand_dims(ops.stack(values), 0))

            return normalizing_by_the_batch(layer, record)

        with ExitStack() as patches:
            for layer in layers:
                patches.enter_context(replaced(layer, "call", recording(layer)))
            model(inputs, training=False)
        return rows

    with restored(model) as kept:
        results = Forward(model, forward).over(
            dataset, batch_size=batch_size, steps=steps, verbose=verbose
        )
        if not calls:
            raise ValueError(
                f"Model '{model.name}' runs none of its batch normalization at inference, so there "
                "is nothing to measure. Call recalibrate_batch_norm on the part that does."
            )
        for layer in dict.fromkeys(calls):
            rows = np.concatenate(
                [result for result, called in zip(results, calls, strict=True) if called is layer]
            )
            kept += _set_statistics(layer, *_pooled(layer, rows))
            counter = getattr(layer, "batch_counter", None)
            if counter is not None:
                # As in training, a batch without any entry does not count.
                kept.append(counter.raise_to(int(rows[:, 2].any(axis=-1).sum())))
    return model


def _layers_to_measure(model: Any) -> list[Any]:
    layers = layers_within(model)
    measured = batch_normalizations(layers)
    if measured:
        return measured
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        raise ValueError(
            f"All batch normalization in model '{model.name}' is frozen (trainable=False), which "
            "keeps its statistics. Set `layer.trainable = True` on the layers to recalibrate, and "
            "freeze them again afterwards."
        )
    raise ValueError(
        f"Model '{model.name}' has no batch normalization: no layer in it is a "
        "keras.layers.BatchNormalization, so there are no statistics to recalibrate. If one was "
        "folded into the layer before it, recalibrate first and fold then."
    )


def _pooled(layer: Any, rows: Any) -> tuple[Any, Any]:
    """Mean and variance of all entries, from (mean, variance, count) of each batch."""
    means, variances, counts = np.moveaxis(rows.astype(np.float64), 1, 0)
    total = counts.sum(axis=0)
    if not total.all():
        raise ValueError(
            f"Layer '{layer.path}' saw no entry that is not masked, so it has no statistics. Check "
            "the mask, or set `layer.trainable = False` to leave its statistics alone."
        )
    mean = (counts * means).sum(axis=0) / total
    # Deviations from the mean, not E[x^2] - E[x]^2, which cancels.
    variance = (counts * (variances + (means - mean) ** 2)).sum(axis=0) / total
    if getattr(layer, "unbiased_variance", False):
        variance *= total / np.maximum(total - 1, 1)
    if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
        raise ValueError(
            f"The input of layer '{layer.path}' has a mean or variance that is not finite. Look "
            "for NaN or infinity in the data and in the weights of the layers before it."
        )
    return mean, variance


def _set_statistics(layer: Any, mean: Any, variance: Any) -> list[Any]:
    """Writes them wherever the layer keeps them, and returns the variables."""
    values = [(layer.moving_mean, mean), (layer.moving_variance, variance)]
    if getattr(layer, "renorm", False):
        deviation = np.sqrt(variance + layer.epsilon)
        values += [(layer.renorm_mean, mean)]
        values += [(layer.renorm_stddev, deviation), (layer.moving_stddev, deviation)]
    for variable, value in values:
        variable.assign(value)
    return [variable for variable, _ in values]
