"""Run a pipeline on the workers of a tf.data service, which may be other machines."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import tensorflow as tf

from kerastricks.augment.placement.dataset import Augmenter, prepared
from kerastricks.augment.placement.engines import GraphEngine


def augment_through(
    pipeline: Augmenter,
    dataset: Any,
    service: str,
    *,
    num_parallel_calls: int,
    initial_epoch: int,
) -> Any:
    """Let a tf.data service augment, element by element as a single process would.

    Every worker reads and numbers the whole data set, and augments its share of the elements, one
    in so many. The elements carry their numbers back, and are put in order here. An element depends
    on its own number and on nothing else, so who made it does not matter.

    Args:
        pipeline: The pipeline.
        dataset: As `augment_dataset` takes it; it is sent to the workers, so it must not call back
            into Python.
        service: The dispatcher's address, "grpc://host:port".
        num_parallel_calls: Calls that a worker may run at once.
        initial_epoch: The number of the first epoch.

    Returns:
        A `tf.data.Dataset` of the same structure, shapes and length, in the same order.

    Raises:
        ValueError: Elements that the pipeline cannot serve, or an order that is another each time
            the data set is read.
    """
    _check_order(dataset)

    engine = GraphEngine()

    def mapped(elements: Any, function: Any) -> Any:
        return elements.map(function, num_parallel_calls=num_parallel_calls, deterministic=True)

    def shares(epoch: int, workers: int) -> Any:
        elements, step = prepared(pipeline, dataset, epoch, mapped, engine)
        order = elements.enumerate()
        return tf.data.Dataset.range(workers).flat_map(
            lambda worker: mapped(
                order.shard(workers, worker), lambda number, element: (number, step(*element))
            )
        )

    epochs, length = count(initial_epoch), int(dataset.cardinality())

    def generate() -> Iterator[Any]:
        share = shares(next(epochs), _workers(service))
        waiting: dict[int, Any] = {}
        due = 0
        for number, element in share.apply(_distributed(service, "DYNAMIC")):
            waiting[int(number)] = element
            while due in waiting:
                yield waiting.pop(due)
                due += 1
            if due == length:
                return  # the service takes seconds to say so
        if waiting:
            raise RuntimeError(
                f"Element {due} did not come back from the data service at {service}: a worker "
                "ended in the middle of its share of the epoch. Read the data set again."
            )

    signature = shares(0, 1).element_spec[1]
    out = tf.data.Dataset.from_generator(generate, output_signature=signature)
    if length >= 0:
        out = out.apply(tf.data.experimental.assert_cardinality(length))
    return out


def _check_order(dataset: Any) -> None:
    """Refuse a data set that each worker would read in another order."""
    if type(dataset).__name__ == "_ShuffleDataset":
        fixed = not getattr(dataset, "_reshuffle_each_iteration", True)
        if not fixed or not any(
            tf.get_static_value(getattr(dataset, name, None)) for name in ("_seed", "_seed2")
        ):
            raise ValueError(
                "Every worker of a data service reads the data set, so its order must be the same "
                "each time: pass `shuffle` a seed and reshuffle_each_iteration=False, or shuffle "
                "what comes out."
            )
    for each in dataset._inputs():
        _check_order(each)


def _distributed(service: str, policy: str) -> Any:
    kind = getattr(tf.data.experimental.service.ShardingPolicy, policy)
    return tf.data.experimental.service.distribute(processing_mode=kind, service=service)


def _workers(service: str) -> int:
    """How many workers there are: each of them gives a data set of one element once."""
    roll = tf.data.Dataset.from_tensors(0).apply(_distributed(service, "OFF"))
    return max(1, sum(1 for _ in roll))
