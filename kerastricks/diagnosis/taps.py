"""Functions in the place of a model's own, which tell a tape what passes through them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from kerastricks.diagnosis import steps
from kerastricks.diagnosis.errors import in_short

_LOSS_ARGUMENTS = ("x", "y", "y_pred")

_OTHER_CHANGES = ("weight_decay", "use_ema", "gradient_accumulation_steps")
"""Attributes of an optimizer that changes weights in other ways, or elsewhere in the graph."""

_EVENTS = {
    "saw": "layer outputs",
    "saw_loss": "the loss",
    "saw_gradients": "gradients",
    "saw_move": "weight updates",
    "saw_weights": "weight updates",
    "saw_end": "weights",
}


class Taps:
    """What is tapped at present, and who listens.

    Args:
        failed: Called with place and reason when a tape fails; the step goes on.
    """

    def __init__(self, failed: Callable[[str, str], None]):
        self._failed = failed
        self._local = threading.local()
        self._patched: list[tuple[Any, str]] = []

    @property
    def count(self) -> int:
        """How many functions stand in the place of others."""
        return len(self._patched)

    def put(self, owner: Any, name: str, function: Callable[..., Any]) -> None:
        """Put a function in the place of a method."""
        # Into `__dict__`, past Keras' attribute tracking: nothing of it reaches a saved file.
        owner.__dict__[name] = function
        self._patched.append((owner, name))

    def remove(self, keep: int = 0) -> None:
        """Take away all but the first so many."""
        for owner, name in self._patched[keep:]:
            owner.__dict__.pop(name, None)
        del self._patched[keep:]

    @contextmanager
    def heard_by(self, tape: Any) -> Iterator[None]:
        """Have a tape listen, in this thread."""
        # Replicas of a distribution strategy run in threads of their own.
        self._local.tape = tape
        try:
            yield
        finally:
            self._local.tape = None

    @property
    def _heard(self) -> bool:
        return getattr(self._local, "tape", None) is not None

    def _tell(self, event: str, *details: Any) -> None:
        if not self._heard:
            return
        try:
            getattr(self._local.tape, event)(*details)
        except Exception as error:
            self._failed(_EVENTS[event], in_short(error))

    def tap_layer(self, layer: Any) -> None:
        """Tell what goes into a layer and what comes out."""
        original = layer.call

        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = original(*args, **kwargs)
            self._tell("saw", layer, (args, kwargs), outputs)
            return outputs

        self.put(layer, "call", call)

    def tap_loss(self, model: Any) -> None:
        """Tell the loss and what it is computed from, and when the step is over."""
        compute_loss, compute_metrics = model.compute_loss, model.compute_metrics

        def tapped_loss(*args: Any, **kwargs: Any) -> Any:
            loss = compute_loss(*args, **kwargs)
            given = {**dict(zip(_LOSS_ARGUMENTS, args, strict=False)), **kwargs}
            self._tell("saw_loss", *(given.get(name) for name in _LOSS_ARGUMENTS), loss)
            return loss

        def tapped_metrics(*args: Any, **kwargs: Any) -> Any:
            self._tell("saw_end")
            return compute_metrics(*args, **kwargs)

        self.put(model, "compute_loss", tapped_loss)
        self.put(model, "compute_metrics", tapped_metrics)

    def tap_optimizer(self, optimizer: Any, variables: Callable[[], list[Any] | None]) -> None:
        """Tell gradients, and weights before and after the update.

        Args:
            optimizer: A Keras optimizer.
            variables: The variables that it updates when it is not given any; None if not known.
        """
        stateless_apply, apply = optimizer.stateless_apply, optimizer.apply

        def tapped_stateless_apply(state: Any, grads: Any, weights: Any) -> Any:
            scale = steps.loss_scale(optimizer, state)
            self._tell("saw_gradients", variables() or [], weights, grads, scale)
            result = stateless_apply(state, grads, weights)
            self._tell("saw_weights", result[0].__getitem__)
            return result

        def tapped_apply(grads: Any, trainable_variables: Any = None) -> Any:
            if not self._heard:
                return apply(grads, trainable_variables)
            weights = variables() if trainable_variables is None else list(trainable_variables)
            if weights is None:
                return apply(grads)
            grads = list(grads)
            values = [ops.copy(weight) for weight in weights]
            self._tell("saw_gradients", weights, values, grads, steps.loss_scale(optimizer, None))
            result = apply(grads, weights)
            self._tell("saw_weights", lambda i: ops.convert_to_tensor(weights[i]))
            return result

        if keras.backend.backend() == "jax":
            self.put(optimizer, "stateless_apply", tapped_stateless_apply)
        else:
            self.put(optimizer, "apply", tapped_apply)
            self._tap_moves(optimizer, variables)

    def _tap_moves(self, optimizer: Any, variables: Callable[[], list[Any] | None]) -> None:
        """Tell what is subtracted from a weight, where that is all that changes the weight.

        A weight before and after takes a copy of it, and the difference takes another.
        """
        keras_own = type(optimizer).update_step.__module__.startswith("keras.")
        if not keras_own or any(getattr(optimizer, name, None) for name in _OTHER_CHANGES):
            return
        places: dict[int, Any] = {}

        def tapped(assign: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            def tapped_assign(variable: Any, value: Any) -> Any:
                if self._heard and hasattr(value, "shape"):
                    if id(variable) not in places:
                        # On TensorFlow an update is given the backend's variables.
                        places.update((id(each.value), each) for each in variables() or ())
                    weight = places.setdefault(id(variable), variable)
                    self._tell("saw_move", weight, ops.convert_to_tensor(value))
                return assign(variable, value)

            return tapped_assign

        for name in ("assign_add", "assign_sub"):
            self.put(optimizer, name, tapped(getattr(optimizer, name)))
