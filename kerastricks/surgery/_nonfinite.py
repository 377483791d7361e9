"""Where NaN or infinity comes up first in a forward pass."""

from typing import Any

import keras
from keras import ops


class NonFiniteWatch:
    """Watches the layers of a model while it runs on a batch.

    Attributes:
        place: Where NaN or infinity came up first, in words, or None. The input of a layer counts
            too, because between layers there are operations that are none.
        spoilt: Whether the outputs of a layer, the outputs of the model or the batch hold it. An
            input alone spoils nothing: a softmax takes away the infinity of a mask.
    """

    def __init__(self, batch: Any) -> None:
        self.batch_is_finite = not _holds_nonfinite(batch)
        self.place: str | None = None
        self.spoilt = not self.batch_is_finite
        self._last_layer: str | None = None

    def watched(self, layer: Any, call: Any) -> Any:
        """Returns a `call` for a layer that remembers what it sees."""
        name = layer.path or layer.name

        def watched_call(*args: Any, **kwargs: Any) -> Any:
            # What the batch brings along is between no layers.
            if self.place is None and self.batch_is_finite and _holds_nonfinite((args, kwargs)):
                self.place = f"in what is computed {self._since_last()} layer '{name}' runs"
            outputs = call(*args, **kwargs)
            self._look_at(outputs, f"in the output of layer '{name}'")
            self._last_layer = name
            return outputs

        return watched_call

    def look_at_outputs(self, outputs: Any) -> None:
        """Takes in what the model puts out, which may come from an operation behind all layers."""
        self._look_at(outputs, f"in what is computed {self._since_last()} the model puts it out")

    def message(self, layer: str | None = None) -> str:
        """Says where it came up first and why; `layer` is where it is known to be at the latest."""
        place = self.place or (f"in the output of layer '{layer}'" if layer else "in the inputs")
        advice = (
            "on a finite batch. Look at the weights there and at the range of the values that come "
            "in, and whether a cast to fewer bits overflows"
            if self.batch_is_finite
            else "because `batch` holds it. Clean the data (`numpy.isfinite` finds it)"
        )
        return f"NaN or infinity appears first {place}, {advice}; the model is as it was."

    def _look_at(self, outputs: Any, place: str) -> None:
        if not (self.place and self.spoilt) and _holds_nonfinite(outputs):
            self.place = self.place or place
            self.spoilt = True

    def _since_last(self) -> str:
        return f"after layer '{self._last_layer}' and before" if self._last_layer else "before"


def read(values: Any) -> Any:
    """Numpy values of a tensor, or None for a placeholder of a trace."""
    try:
        return ops.convert_to_numpy(values)
    except Exception:  # each backend refuses with an error of its own
        return None


def _holds_nonfinite(structure: Any) -> bool:
    """Whether an entry is known not to be finite."""
    for leaf in keras.tree.flatten(structure):
        if hasattr(leaf, "dtype") and "float" in str(leaf.dtype):
            finite = read(ops.all(ops.isfinite(leaf)))
            if finite is not None and not finite:
                return True
    return False
