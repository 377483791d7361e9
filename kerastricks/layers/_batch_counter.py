"""A count that files keep and weights do not show."""

from typing import Any

import keras
from keras import ops


class BatchCounter(keras.layers.Layer):
    """Counts training batches in a variable that is part of files but no weight.

    Such a variable is the state of a seed generator: (seed, number of draws). Being a layer of its
    own gives it a place of its own in files, where Keras' layer does not look.
    """

    def __init__(self) -> None:
        super().__init__(name="batch_counter")
        self.generator = keras.random.SeedGenerator(0)
        self.built = True  # it is never called

    def counted(self, present: Any) -> Any:
        """Counts a batch if any of it is present, and returns the count as a float32 scalar."""
        state = self.generator.state
        one = ops.cast(ops.any(ops.convert_to_tensor(present)), state.dtype)
        after = ops.add(state, ops.stack([ops.zeros_like(one), one]))
        state.assign(after)
        return ops.cast(after[1], "float32")

    def raise_to(self, least: int) -> Any:
        """Sets the count to `least` if it is smaller, and returns the variable that holds it."""
        state = self.generator.state
        seed, count = ops.convert_to_numpy(state)
        state.assign([int(seed), max(int(count), least)])
        return state

    def save_own_variables(self, store: Any) -> None:
        """Writes the count."""
        store["count"] = ops.convert_to_numpy(self.generator.state)[1]

    def load_own_variables(self, store: Any) -> None:
        """Reads the count, which is 0 where a file has none because Keras' layer wrote it."""
        self.generator.state.assign([0, int(store["count"][()]) if "count" in store else 0])
