"""What surgery does to any model: look at its layers, swap their methods, run it, put it back."""

import itertools
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import GeneratorType
from typing import Any

import keras
import numpy as np


def checked_model(model: Any) -> Any:
    """Returns `model`, or raises the error that says what a model is."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            "Argument `model` must be a keras.Model: Sequential, functional or subclassed. "
            f"Received: model={model!r} (of type {type(model).__name__})."
        )
    return model


def layers_within(model: Any, opaque: tuple[type, ...] = ()) -> list[Any]:
    """Returns every layer inside of a model, each once, however deep it lies.

    Keras lists the layers of models, but not those of composite layers such as
    `MultiHeadAttention`: those are found where Keras finds them, among the attributes.

    Args:
        model: The model; it is not in the list itself.
        opaque: Types of layers that are listed, and not looked into.
    """
    found: list[Any] = []
    seen = {id(model)}
    heap = list(vars(model).values())
    while heap:
        value = heap.pop()
        if id(value) in seen or not isinstance(value, (keras.Layer, dict, list, tuple, set)):
            continue
        seen.add(id(value))
        if isinstance(value, keras.Layer):
            found.append(value)
            heap.extend([] if isinstance(value, opaque) else vars(value).values())
        else:
            heap.extend(value.values() if isinstance(value, dict) else value)
    return found


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let an attribute of a layer be `value` for a while.

    It is written into `__dict__`, past Keras' tracking, which neither lets a built layer take on
    another layer nor forgets one.
    """
    attributes = owner.__dict__
    missing = object()
    before = attributes.get(name, missing)
    attributes[name] = value
    try:
        yield
    finally:
        if before is missing:
            attributes.pop(name, None)
        else:
            attributes[name] = before


@contextmanager
def restored(model: Any) -> Iterator[list[Any]]:
    """Give all of a model's variables, seeds included, their values back at the end.

    Yields:
        A list. The variables that are put into it keep their new values, unless an exception
        (KeyboardInterrupt included) ends the block.
    """
    # Copies: in torch and JAX an array may share its memory with the variable.
    before = {
        id(variable): (variable, np.array(keras.ops.convert_to_numpy(variable)))
        for variable in model.variables
    }
    kept: list[Any] = []
    try:
        yield kept
    except BaseException:
        kept.clear()
        raise
    finally:
        for variable in kept:
            before.pop(id(variable))
        for variable, value in before.values():
            variable.assign(value)


class Forward(keras.Model):
    """A model's forward pass with something done around it, compiled as `predict` does it.

    It knows the model by a weak reference, so that whoever keeps it does not keep the model.

    Args:
        model: The built model whose variables the function reads.
        function: From the model and a batch of inputs to a structure of tensors, which are joined
            on axis 0. To keep the promise above, it must not hold the model's layers.
        generators: Seed generators that the function uses, and the model does not know.
    """

    def __init__(
        self,
        model: Any,
        function: Callable[[Any, Any], Any],
        generators: tuple[Any, ...] = (),
    ) -> None:
        # The model itself casts its inputs, by its own policy.
        super().__init__(autocast=False)
        self.generators = list(generators)
        self._model = weakref.ref(model)
        self._function = function
        self.built = True
        if model.compiled:
            self.run_eagerly = model.run_eagerly
            self.jit_compile = model.jit_compile

    @property
    def trainable_variables(self) -> list[Any]:
        """Those of the model: where functions are pure, `predict` hands them in."""
        model = self._model()
        return [] if model is None else list(model.trainable_variables)

    @property
    def non_trainable_variables(self) -> list[Any]:
        """Those of the model, and the states of the generators."""
        model = self._model()
        variables = [] if model is None else list(model.non_trainable_variables)
        return variables + [generator.state for generator in self.generators]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Runs the function; `training` is there for Keras to hand it on to the layers."""
        del training
        return self._function(self._model(), inputs)

    def over(
        self, data: Any, *, batch_size: int, verbose: int | str, steps: int | None = None
    ) -> Any:
        """Runs the function over data.

        Args:
            data: What `model.predict` takes.
            batch_size: Of arrays; a dataset has its own.
            verbose: As in `model.predict`.
            steps: The largest number of batches.
        """
        if isinstance(data, GeneratorType):
            # Keras takes the first batch to see its type; not every Keras says if there is none.
            batches = list(itertools.islice(data, 1))
            data = (batch for part in (batches, data) for batch in part) if batches else batches
        if not _may_hold_samples(data):
            raise _no_samples(data)
        with warnings.catch_warnings():
            # A dataset may be shorter than `steps`, and the end of a generator is no surprise.
            warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
            try:
                results = self.predict(data, batch_size=batch_size, steps=steps, verbose=verbose)
            except (UnboundLocalError, StopIteration) as error:
                # Keras' way of saying that a dataset, whose length nobody knew, had no batch.
                raise _no_samples(data) from error
        if not all(len(leaf) for leaf in keras.tree.flatten(results)):
            raise _no_samples(data)
        return results


def _may_hold_samples(data: Any) -> bool:
    if isinstance(data, (list, tuple, dict)) or data is None or hasattr(data, "shape"):
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        return bool(leaves) and all(0 not in tuple(getattr(leaf, "shape", ())) for leaf in leaves)
    try:
        return len(data) != 0
    except TypeError:  # a generator, or a dataset of unknown length
        return True


def _no_samples(data: Any) -> ValueError:
    shapes = [tuple(leaf.shape) for leaf in keras.tree.flatten(data) if hasattr(leaf, "shape")]
    of = f" with arrays of shape {', '.join(map(str, shapes))}" if shapes else ""
    return ValueError(
        "The data must hold at least one sample: an array, a structure of arrays, or a dataset or "
        f"generator of batches. Received: {type(data).__name__}{of}, in which there is none. A "
        "generator that was read before is empty now."
    )
