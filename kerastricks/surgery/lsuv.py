"""Layer-sequential unit variance: kernels scaled by what the data make of them."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastricks._printable import printable
from kerastricks.surgery._batch_statistics import batch_normalizations, normalizing_by_the_batch
from kerastricks.surgery._model import (
    checked_model,
    layers_within,
    replaced,
    restored,
)
from kerastricks.surgery._nonfinite import NonFiniteWatch, read
from kerastricks.surgery._orthonormal import (
    CONVOLUTIONS,
    DEPTHWISE,
    SEPARABLE,
    TRANSPOSED,
    orthonormal_kernel,
)
from kerastricks.theory._checks import checked_integer, checked_number

_WITH_KERNEL = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    *CONVOLUTIONS,
    *TRANSPOSED,
    *DEPTHWISE,
    *SEPARABLE,
)
# Their inner layers run once for each time step, or with a kernel that is computed anew.
_OPAQUE = (keras.layers.RNN, keras.layers.Wrapper)


def lsuv(
    model: Any,
    batch: Any,
    *,
    orthonormal: bool = True,
    tolerance: float = 0.02,
    max_iterations: int = 10,
    seed: int | None = None,
    verbose: int = 1,
) -> Any:
    """Initialize each kernel so that its layer puts out unit variance on your data.

    Use it before training a deep network without batch normalization, whatever its topology: no
    formula for the gain is needed, because the variance is measured. Give some hundred samples,
    scaled as in training (best to mean 0 and variance 1). Do not use it on trained weights, which
    it overwrites, nor where layers are made to begin unequal, such as with zeros at the end of
    residual branches (see `orthonormal`). It is no cure for stacks of sigmoids: their outputs
    differ between units and hardly between samples, and both count as variance.

    For each layer with a kernel, in the order in which the model runs them:

        kernel = orthonormal matrix                           (if `orthonormal`)
        until abs(variance(z) - 1) <= tolerance, at most `max_iterations` times:
            kernel = kernel / sqrt(variance(z))

    where z = kernel * inputs + bias, before the activation, and the variance is that of all
    entries of z: samples, places and units. All layers in front of it are finished by then, so a
    single forward pass does it all. In this pass dropout is off, and batch normalization uses the
    statistics of the batch, as it will in the first training step; its averages do not move.

    Kernels are those of `Dense`, `EinsumDense` (also within `MultiHeadAttention`) and of the
    convolutions: plain, grouped, transposed, depthwise, and separable, where the pointwise kernel
    is scaled. A layer that is used several times is scaled at the call that Keras makes first. Left
    alone are biases, embeddings, frozen layers (`trainable=False`), kernels that are quantized or
    under LoRA, and what is inside recurrent layers and wrappers such as `TimeDistributed`.

    The model is changed in place, and nothing but its kernels: compiled state, optimizer, seeds
    and other weights stay. If anything fails, all is as before, but for a model that was not
    built, which stays built.

    Args:
        model: A `keras.Model`: Sequential, functional or subclassed. If it is not built yet, the
            batch builds it.
        batch: One batch of inputs, without targets: what the model is called with, such as an
            array, or a list or dict of arrays. Of a dataset: `next(iter(dataset))[0]`.
        orthonormal: Whether to start from orthonormal kernels, as the paper does. False keeps the
            kernels' directions and only scales them, and leaves kernels that are all zeros alone.
            Defaults to True.
        tolerance: How far the variance may stay from 1, in (0, 1). Defaults to 0.02; the paper
            takes 0.1.
        max_iterations: How often a kernel may be scaled, at least 1. Without a bias once is
            enough, up to rounding. Defaults to 10.
        seed: Integer that makes the orthonormal kernels reproducible. Defaults to a random one.
        verbose: 1 prints a line for each layer, with its variance before (with the kernel that it
            came with) and after; 0 is silent. Defaults to 1.

    Returns:
        The same model.

    Raises:
        TypeError: If `model` is no `keras.Model`, `batch` is no structure of arrays, or a number
            is of the wrong type.
        ValueError: If a number is out of range; if the batch is empty; if the batch or what a layer
            or the model puts out holds NaN or infinity, with the place where it comes up first;
            if a layer puts out a constant, or does not reach unit variance; or if the model runs
            no kernel that could be scaled.

    Example:
    >>> import keras, numpy as np, kerastricks as kt
    >>> hidden = [keras.layers.Dense(64, "relu") for _ in range(9)]
    >>> model = keras.Sequential([*hidden, keras.layers.Dense(10)])
    >>> x = np.random.default_rng(0).normal(size=(100, 64))
    >>> model = kt.surgery.lsuv(model, x, verbose=0)
    >>> round(float(model.predict(x, verbose=0).var()), 3)
    1.0

    Reference:
        Mishkin, Matas (2015), All you need is a good init, algorithm 1.

    Differs from the paper in: biases count in z, as the layer adds them; a layer that does not
    converge is an error instead of being left where it is.
    """
    checked_model(model)
    tolerance = checked_number(tolerance, "tolerance", "in (0, 1)", lambda t: 0 < t < 1)
    max_iterations = checked_integer(
        max_iterations, "max_iterations", "an integer of at least 1", 1
    )
    random = np.random.default_rng(None if seed is None else checked_integer(seed, "seed", least=0))
    watch = NonFiniteWatch(_checked_batch(batch))
    if not all(layer.built for layer in [model, *layers_within(model)]):
        model(batch, training=False)
    layers = layers_within(model, _OPAQUE)
    with restored(model) as kept, ExitStack() as patches:
        scaling = _Scaling(
            tolerance, max_iterations, random if orthonormal else None, verbose, watch
        )
        for layer in batch_normalizations(layers):
            patches.enter_context(replaced(layer, "call", normalizing_by_the_batch(layer)))
        for layer in layers:
            kernels = _kernels(layer)
            call = scaling.scaled(layer, kernels) if kernels else layer.call
            patches.enter_context(replaced(layer, "call", watch.watched(layer, call)))
        try:
            watch.look_at_outputs(model(batch, training=False))
        except _Refusal as refusal:
            raise ValueError(str(refusal)) from None
        if watch.spoilt:
            raise ValueError(watch.message())
        if not scaling.changed:
            raise ValueError(
                f"Model '{model.name}' runs no kernel that lsuv could scale: it needs a Dense, "
                "EinsumDense or convolution layer with `trainable=True`, outside of recurrent "
                "layers and wrappers."
            )
        for kernel, value in scaling.changed:
            kernel.assign(value)
            kept.append(kernel)
    return model


class _Refusal(BaseException):
    """Why the pass ends; no Exception, which Keras would wrap in a message about the call."""


class _Scaling:
    """One forward pass, in which each kernel is scaled when its layer is called first."""

    def __init__(
        self,
        tolerance: float,
        max_iterations: int,
        random: np.random.Generator | None,
        verbose: int,
        watch: NonFiniteWatch,
    ):
        self.changed: list[tuple[Any, Any]] = []
        self._tolerance = tolerance
        self._max_iterations = max_iterations
        self._random = random
        self._verbose = verbose
        self._done: set[int] = set()
        self._watch = watch

    def scaled(self, layer: Any, kernels: dict[str, Any]) -> Any:
        """Returns a `call` that finds the scaled kernel first, and runs the layer with it."""
        original = layer.call
        # Read now: within a call in mixed precision a variable reads as half precision.
        values = {
            name: np.array(ops.convert_to_numpy(kernel), np.float32)
            for name, kernel in kernels.items()
        }

        def run(*args: Any, **kwargs: Any) -> Any:
            # Nor can it be assigned there on every backend. The scope does it for this call.
            with keras.StatelessScope([(kernels[name], values[name]) for name in kernels]):
                return original(*args, **kwargs)

        def scaled_call(*args: Any, **kwargs: Any) -> Any:
            if id(layer) not in self._done:
                self._done.add(id(layer))
                with replaced(layer, "activation", keras.activations.linear):
                    if self._scale(layer, values, lambda: run(*args, **kwargs)):
                        self.changed += [(kernels[name], values[name]) for name in kernels]
            return run(*args, **kwargs)

        return scaled_call

    def _scale(self, layer: Any, values: dict[str, Any], run: Callable[[], Any]) -> bool:
        """Scales the last of the kernels in `values`; says whether anything changed."""
        if self._random is None and not all(value.any() for value in values.values()):
            self._say(f"{layer.path}: left alone, all zeros")
            return False
        before = after = self._deviation(layer, run())
        if self._random is not None:
            for name, value in values.items():
                values[name] = orthonormal_kernel(layer, name, value.shape, self._random)
            after = self._deviation(layer, run())
        last = list(values)[-1]
        for _ in range(self._max_iterations):
            self._check(layer, after)
            if abs(after**2 - 1) <= self._tolerance:
                break
            values[last] = values[last] / np.float32(after)
            after = self._deviation(layer, run())
        if not abs(after**2 - 1) <= self._tolerance:
            raise _Refusal(
                f"Layer '{layer.path}' puts out a variance of {after**2:.4g} after "
                f"{self._max_iterations} scalings of its kernel, more than {self._tolerance} away "
                "from 1. Where the bias alone has a variance near 1 or above, no kernel helps: "
                "start with biases of zero. Otherwise raise `max_iterations` or `tolerance`."
            )
        self._say(f"{layer.path}: variance {before**2:.4g} -> {after**2:.4g}")
        return True

    def _deviation(self, layer: Any, outputs: Any) -> float:
        """The standard deviation of all entries; 0 where it is no more than rounding."""
        outputs = ops.cast(outputs, "float32")
        largest = ops.max(ops.abs(outputs))
        # In units of the largest entry, lest the squares overflow.
        shares = outputs / ops.where(largest > 0, largest, 1)
        numbers = read(ops.stack([largest, ops.std(shares), ops.mean(ops.square(shares))]))
        if numbers is None:
            raise _Refusal(
                f"The output of layer '{layer.path}' cannot be read, because the layer runs within "
                "a compiled function or a loop. Set `trainable = False` on it during lsuv to leave "
                "it as it is, or call it from Keras layers that run eagerly."
            )
        scale, deviation, mean_square = (float(number) for number in numbers)
        return 0.0 if deviation <= 1e-6 * math.sqrt(mean_square) else scale * deviation

    def _check(self, layer: Any, deviation: float) -> None:
        if not math.isfinite(deviation):
            raise _Refusal(self._watch.message(layer.path))
        if deviation == 0:
            raise _Refusal(
                f"Layer '{layer.path}' puts out the same value everywhere, so its variance cannot "
                "be scaled to 1. Either its kernel is zeros, or its inputs are: from dead units "
                "in front of it, or from a batch of zeros."
            )

    def _say(self, line: str) -> None:
        if self._verbose:
            print(printable(f"lsuv: {line}"))


def _checked_batch(batch: Any) -> Any:
    leaves = [leaf for leaf in keras.tree.flatten(batch) if leaf is not None]
    strangers = [leaf for leaf in leaves if not hasattr(leaf, "shape")]
    if strangers or not leaves:
        received = strangers[0] if strangers else batch
        raise TypeError(
            "Argument `batch` must be an array, or a list or dict of arrays, such as the model is "
            f"called with. Received: batch of type {type(batch).__name__}, in which there is "
            f"{received!r:.60} (of type {type(received).__name__}). Of a dataset take one batch, "
            "`next(iter(dataset))[0]`; make lists of numbers an array, `numpy.array(batch)`."
        )
    shapes = [tuple(leaf.shape) for leaf in leaves]
    if any(0 in shape for shape in shapes):
        raise ValueError(
            "Argument `batch` must hold at least one sample; better some hundred. Received: arrays "
            f"of shape {', '.join(map(str, shapes))}."
        )
    return batch


def _kernels(layer: Any) -> dict[str, Any]:
    """The kernels of a layer that may be changed, by attribute; the last one is to be scaled."""
    if not (isinstance(layer, _WITH_KERNEL) and layer.built and layer.trainable):
        return {}
    names = ["depthwise_kernel", "pointwise_kernel"] if isinstance(layer, SEPARABLE) else ["kernel"]
    kernels = {name: getattr(layer, name) for name in names}
    # Under LoRA the kernel is a sum, and quantized it is integers.
    plain = all(isinstance(k, keras.Variable) and k.trainable for k in kernels.values())
    return kernels if plain else {}
