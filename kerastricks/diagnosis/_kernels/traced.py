"""Functions that are traced once, and called in many places of a graph of TensorFlow."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def once(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of a tensor, traced once for each shape and type; itself outside of graphs."""
    return tf.function(function, autograph=False) if tf.inside_function() else function


def inside() -> bool:
    """True where operations are written down, to be run later."""
    return bool(tf.inside_function())
