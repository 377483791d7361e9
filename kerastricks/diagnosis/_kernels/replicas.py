"""Replicas of TensorFlow's distribution strategies."""

from typing import Any

import tensorflow as tf


def count() -> int:
    """How many replicas make a step together; 1 outside of them."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def total(parts: list[Any]) -> list[Any]:
    """The sums of tensors over all replicas, as each replica asks for them."""
    context = tf.distribute.get_replica_context()
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, parts))


def of_first(spec: Any) -> Any:
    """What the first replica gets of a batch; outside of them, the batch."""
    return getattr(spec, "_value_specs", [spec])[0]
