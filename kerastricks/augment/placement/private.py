"""Private attributes of TensorFlow's data sets: the one file of this room that touches them.

A later TensorFlow may rename them. Then a data set whose order differs from worker to worker is no
longer told from others.
"""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf


def with_its_inputs(dataset: Any) -> Iterator[Any]:
    """A data set, those that it is made of, those that these are made of, and so on."""
    yield dataset
    for each in dataset._inputs() if hasattr(dataset, "_inputs") else ():
        yield from with_its_inputs(each)


def is_shuffled_anew(dataset: Any) -> bool:
    """True for a `shuffle` whose order is another one each time, or in each process."""
    if type(dataset).__name__ != "_ShuffleDataset":
        return False
    seeds = map(
        tf.get_static_value, (getattr(dataset, "_seed", None), getattr(dataset, "_seed2", None))
    )
    return getattr(dataset, "_reshuffle_each_iteration", True) or not any(seeds)
