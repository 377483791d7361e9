"""Predictions with their uncertainty, from the ensemble that dropout trains."""

import random
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks.layers import DropBlock2D, DropPath
from kerastricks.surgery._compiled_once import put_down, taken
from kerastricks.surgery._model import (
    Forward,
    checked_model,
    layers_within,
    replaced,
    restored,
)
from kerastricks.theory._checks import checked_integer

_DROPOUTS = (
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.AlphaDropout,
    DropBlock2D,
    DropPath,
)


@dataclass(frozen=True)
class Uncertainty:
    """What an ensemble of predictions says about each sample.

    Attributes:
        mean: The mean prediction, of the shape of the model's output.
        standard_deviation: The standard deviation over the passes (dividing by their number), of
            the same shape and in the unit of the output.
        entropy: Entropy of the mean prediction in nats, the total uncertainty: of the shape of the
            output without its last axis, or of the output's shape for yes-or-no events. None if
            the output is no probability.
        mutual_information: The part of `entropy` in which the passes disagree (BALD), in nats:
            what more training data could remove. High for samples unlike the training data; the
            rest, `entropy - mutual_information`, is noise in the data. None where `entropy` is.
    """

    mean: Any
    standard_deviation: Any
    entropy: Any = None
    mutual_information: Any = None


def predict_with_uncertainty(
    model: Any,
    x: Any,
    passes: int = 50,
    *,
    binary: bool = False,
    batch_size: int = 512,
    seed: int | None = None,
    verbose: int | str = "auto",
) -> Any:
    """Predict with dropout on, many times, and say how far the predictions agree.

    Use it on a model trained with dropout, to find samples on which it should not be trusted, to
    choose the samples to label next, or to average an ensemble. Do not use it on a model whose
    dropout was added after training, and do not read the standard deviation as an error bar of the
    data: it is the disagreement of the networks, without the noise of the targets.

    With y_t the output of pass t of T = `passes`, each with dropout masks of its own:

        mean = sum_t y_t / T            standard_deviation = sqrt(sum_t (y_t - mean)^2 / T)

    and if the y_t are probabilities over the last axis, where H(p) = -sum_k p_k log(p_k):

        entropy = H(mean)               mutual_information = H(mean) - sum_t H(y_t) / T

    All layers of the dropout family are on, also those inside of other layers, such as the one of
    `MultiHeadAttention`: `Dropout`, `SpatialDropout1D` to `3D`, `GaussianDropout`, `AlphaDropout`,
    `DropPath`, `DropBlock2D`, and their subclasses, such as this package's. All else is in
    inference mode, batch normalization above all. Dropout that is not a layer (`dropout=` of
    recurrent and of `Attention` layers) is off.

    The passes are rows of one batch, so that a compiled function makes many at once. It is
    compiled at the first call and used again by later ones with as many `passes` and batches of
    that size, whatever happened to the weights; a model with other layers, or with other numbers,
    strings or functions in their attributes, is compiled anew. The model, its statistics, its
    seeds and its own compiled functions stay as they are.

    Args:
        model: A built `keras.Model` with dropout, compiled or not. Its inputs and outputs have the
            samples on axis 0.
        x: What `model.predict` takes as inputs: an array, a list or dict of arrays, or a dataset of
            batches. Of a dataset each batch is repeated `passes` times: use small batches.
        passes: Number of networks in the ensemble, at least 2. The error of `mean` shrinks as
            standard_deviation / sqrt(passes). Defaults to 50.
        binary: Whether outputs in [0, 1] are probabilities of yes-or-no events, as a sigmoid makes
            them. A softmax needs no word: its outputs sum to 1. Defaults to False.
        batch_size: The largest number of rows in a forward pass, when `x` is arrays; a sample
            takes `passes` rows, and one sample at a time is the least. Defaults to 512.
        seed: Integer that makes the result reproducible. Defaults to a random one, which follows
            `keras.utils.set_random_seed`.
        verbose: As in `model.predict`: `"auto"` or 1 for a progress bar, 0 for silence.

    Returns:
        An `Uncertainty` of numpy arrays, with `mean`, `standard_deviation`, `entropy` and
        `mutual_information`. For a model of several outputs, a list or dict of them, as `predict`
        gives.

    Raises:
        TypeError: If `model` is no `keras.Model`, or a number is no integer.
        ValueError: If the model is not built, if no layer in it drops anything, if a layer drops
            the same for all samples of a batch, if a number is out of range, or if there are no
            samples.

    Example:
    >>> import keras, numpy as np, kerastricks as kt
    >>> layers = [keras.layers.Dropout(0.5), keras.layers.Dense(1, kernel_initializer="ones")]
    >>> model = keras.Sequential([keras.Input((100,)), *layers])
    >>> result = kt.surgery.predict_with_uncertainty(model, np.ones((1, 100)), 1000, verbose=0)
    >>> bool(abs(result.mean - 100) < 2), bool(abs(result.standard_deviation - 10) < 2)
    (True, True)

    Reference:
        Gal, Ghahramani (2016), Dropout as a Bayesian Approximation, section 4 (mean and variance).
        Srivastava et al. (2014), Dropout, section 7.5. Houlsby, Huszar, Ghahramani, Lengyel
        (2011), Bayesian Active Learning for Classification and Preference Learning, eq. 2.

    Differs from the paper in: the noise of the targets, 1 / tau in Gal and Ghahramani's predictive
    variance, is not added.
    """
    checked_model(model)
    passes = checked_integer(passes, "passes", least=2)
    batch_size = checked_integer(batch_size, "batch_size", least=1)
    seed = random.randrange(2**31) if seed is None else checked_integer(seed, "seed", least=0)
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' is not built, so it has nothing to predict with. Train it, or "
            "load its weights, first."
        )
    drawing = _drawing(_dropouts(model), model)
    numbers = np.random.default_rng(seed).integers(2**31, size=len(drawing))
    ensemble = taken(model, passes) or _ensemble(model, passes, len(drawing))
    for generator, number in zip(ensemble.generators, numbers, strict=True):
        generator.state.assign([int(number), 0])
    with restored(model):
        results = ensemble.over(x, batch_size=max(1, batch_size // passes), verbose=verbose)
    put_down(model, passes, ensemble)
    return keras.tree.map_structure(lambda *statistics: _uncertainty(binary, *statistics), *results)


def _ensemble(model: Any, passes: int, drawing: int) -> Forward:
    """The forward pass with dropout on, and the statistics over the passes."""
    # They stand in for the layers' own instead of setting their states, because torch ignores the
    # state of a generator that was made without a seed.
    generators = tuple(keras.random.SeedGenerator(0) for _ in range(drawing))

    def forward(model: Any, inputs: Any) -> Any:
        repeated = keras.tree.map_structure(lambda leaf: ops.repeat(leaf, passes, axis=0), inputs)
        dropouts = _dropouts(model)
        with ExitStack() as patches:
            for layer in dropouts:
                patches.enter_context(replaced(layer, "call", _always_on(layer)))
            for layer, generator in zip(_drawing(dropouts, model), generators, strict=True):
                patches.enter_context(replaced(layer, "seed_generator", generator))
            outputs = model(repeated, training=False)
        by_pass = keras.tree.map_structure(lambda leaf: _by_pass(leaf, passes), outputs)
        statistics = (_mean, _deviation, _range, _entropy_of_classes, _entropy_of_events)
        return [keras.tree.map_structure(statistic, by_pass) for statistic in statistics]

    return Forward(model, forward, generators)


def _dropouts(model: Any) -> list[Any]:
    dropouts = [layer for layer in layers_within(model) if isinstance(layer, _DROPOUTS)]
    if not dropouts:
        raise ValueError(
            f"Model '{model.name}' has no dropout layer, so all passes would be equal. Expected a "
            "keras.layers.Dropout or one of its family; the `dropout` argument of recurrent and of "
            "Attention layers does not count. Train with dropout layers, or call `model.predict`."
        )
    for layer in dropouts:
        shape = getattr(layer, "noise_shape", None)
        if getattr(layer, "per", None) == "batch" or (shape is not None and shape[0] is not None):
            raise ValueError(
                f"Layer '{layer.name}' drops the same units for all samples of a batch. The passes "
                "are rows of one batch, so they would be equal. Make the layer draw for each "
                'sample: a `noise_shape` that begins with None, or `per="sample"`. Received: '
                f"noise_shape={shape}, per={getattr(layer, 'per', None)!r}."
            )
    return dropouts


def _always_on(layer: Any) -> Any:
    original = layer.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return original(inputs, training=True)

    return call


def _drawing(dropouts: list[Any], model: Any) -> list[Any]:
    """Those that draw, in an order that a copy of the model shares."""
    order = {id(variable): i for i, variable in enumerate(model.variables)}
    drawing = [layer for layer in dropouts if hasattr(layer, "seed_generator")]  # none if rate is 0
    return sorted(drawing, key=lambda layer: order[id(layer.seed_generator.state)])


def _by_pass(outputs: Any, passes: int) -> Any:
    """(samples * passes, ...) to (samples, passes, ...), in at least single precision."""
    outputs = ops.cast(outputs, keras.backend.result_type(outputs.dtype, "float32"))
    return ops.reshape(outputs, (-1, passes, *ops.shape(outputs)[1:]))


def _mean(outputs: Any) -> Any:
    return ops.mean(outputs, axis=1)


def _deviation(outputs: Any) -> Any:
    return ops.std(outputs, axis=1)


def _range(outputs: Any) -> Any:
    """For each sample: smallest entry, largest, and how far at most the last axis sums from 1."""
    rows = ops.reshape(outputs, (ops.shape(outputs)[0], -1))
    gaps = ops.abs(ops.sum(outputs, axis=-1) - 1)
    gaps = ops.reshape(gaps, (ops.shape(outputs)[0], -1))
    return ops.stack([ops.min(rows, -1), ops.max(rows, -1), ops.max(gaps, -1)], axis=-1)


def _entropy_of_classes(outputs: Any) -> Any:
    """The mean over the passes of the entropy over the last axis."""
    if len(outputs.shape) < 3:
        return outputs[:, 0]  # one number a sample: no classes, and nothing to ask for
    return ops.mean(ops.sum(_surprise(outputs, ops), axis=-1), axis=1)


def _entropy_of_events(outputs: Any) -> Any:
    """The mean over the passes of the entropy of each entry and its complement."""
    return ops.mean(_surprise(outputs, ops) + _surprise(1 - outputs, ops), axis=1)


def _surprise(p: Any, library: Any) -> Any:
    """-p log(p), which is 0 at 0; of what is no probability, any number."""
    p = library.clip(p, 0, 1)
    return -p * library.log(library.maximum(p, 1e-30))


def _uncertainty(
    binary: bool, mean: Any, deviation: Any, span: Any, of_classes: Any, of_events: Any
) -> Uncertainty:
    low, high, gap = span[:, 0].min(), span[:, 1].max(), span[:, 2].max()
    # In half precision a softmax sums to 1 up to a few units of 1 / 256.
    if low >= 0 and gap <= 1 / 32 and mean.ndim > 1 and mean.shape[-1] > 1:
        total, noise = _surprise(mean, np).sum(axis=-1), of_classes
    elif binary and low >= 0 and high <= 1:
        total, noise = _surprise(mean, np) + _surprise(1 - mean, np), of_events
    else:
        return Uncertainty(mean, deviation)
    # By Jensen's inequality it is not negative, but for rounding.
    return Uncertainty(mean, deviation, total, np.maximum(total - noise, 0))
