"""What the workers of a tf.data service do: each its share of an endless row of epochs."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.placement.engines import GraphEngine
from kerastricks.augment.placement.epochs import MOST
from kerastricks.augment.placement.preparation import Augmenter, Mapper, prepared
from kerastricks.augment.placement.private import is_shuffled_anew, with_its_inputs

_JOINING = 1 << 20
"""Workers that may join in the middle."""


def shares(
    pipeline: Augmenter, dataset: Any, mapped: Mapper, start: tuple[int, int], workers: int
) -> Any:
    """Give elements (place in the row, epoch, number in the epoch, augmented element).

    A data set of `workers` shares, of which each is one source element. Its epochs follow one
    another without an end, so that what a worker compiled serves all of them.

    Args:
        pipeline: The pipeline.
        dataset: The data set.
        mapped: Maps a function over a data set.
        start: The epoch of the first element, and its number in it; those before are read, and not
            augmented.
        workers: In how many shares elements are dealt out, one in so many each.
    """
    engine = GraphEngine()
    epoch, first = start
    _, step = prepared(pipeline, dataset, epoch, mapped, engine)

    def of_epoch(now: Tensor) -> Any:
        elements, _ = prepared(pipeline, dataset, now, mapped, engine)
        done = tf.where(now == epoch, tf.constant(first, tf.int64), tf.constant(0, tf.int64))
        return elements.enumerate().skip(done)

    def made(place: Tensor, numbered: Any) -> Any:
        number, element = numbered
        return place, element[0], number, step(*element)

    row = tf.data.Dataset.range(epoch, MOST).flat_map(of_epoch).enumerate()
    # A worker that joins in the middle repeats a share: it must not end, nor take one away.
    dealt = tf.data.Dataset.range(workers + _JOINING)
    return mapped(dealt.flat_map(lambda share: row.shard(workers, share % workers)), made)


def distributed(service: str, shares: Callable[[int], Any]) -> tuple[int, Iterator[Any]]:
    """Let a service's workers make their shares, and read these in turn.

    Args:
        service: The dispatcher's address, "grpc://host:port".
        shares: Gives the data set for a number of workers.

    Returns:
        The number of workers, and an iterator over what they make.
    """
    policy = tf.data.experimental.service.ShardingPolicy
    distribute = tf.data.experimental.service.distribute
    # Each worker gives a data set of one element once.
    roll = tf.data.Dataset.from_tensors(0).apply(distribute(policy.OFF, service))
    workers = max(1, sum(1 for _ in roll))
    made = shares(workers).apply(
        distribute(
            policy.DYNAMIC,
            service,
            job_name=f"kerastricks-{uuid.uuid4().hex}",
            consumer_index=0,
            num_consumers=1,
        )
    )
    return workers, iter(made)


def check_order(dataset: Any) -> None:
    """Refuse a data set that each worker would read in another order."""
    if any(map(is_shuffled_anew, with_its_inputs(dataset))):
        raise ValueError(
            "Every worker of a data service reads the data set, so its order must be the same "
            "each time: pass `shuffle` a seed and reshuffle_each_iteration=False, or shuffle "
            "what comes out."
        )
