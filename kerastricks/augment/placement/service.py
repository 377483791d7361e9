"""Run a pipeline on the workers of a tf.data service, which may be other machines."""

from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.placement.dataset import mapper, resumable
from kerastricks.augment.placement.epochs import Epochs
from kerastricks.augment.placement.host_calls import host_call
from kerastricks.augment.placement.preparation import Augmenter
from kerastricks.augment.placement.reader import Place, Reader
from kerastricks.augment.placement.sequence import numbered
from kerastricks.augment.placement.shares import check_order, shares


def augment_through(
    pipeline: Augmenter,
    dataset: Any,
    service: str,
    *,
    num_parallel_calls: int,
    epochs: Epochs,
) -> Any:
    """Let a tf.data service augment, element by element as a single process would.

    Every worker reads and numbers the whole data set, and augments its share of the elements, one
    in so many. They are read in turn, so that the slowest sets the pace. An element depends on its
    own number and on nothing else, so who made it does not matter: here elements are asked for by
    (epoch, number), and those numbers are all that an iterator's checkpoint holds.

    Args:
        pipeline: The pipeline.
        dataset: As `augment_dataset` takes it; it is sent to the workers, so it must not call back
            into Python.
        service: The dispatcher's address, "grpc://host:port".
        num_parallel_calls: Calls that a worker may run at once.
        epochs: Numbers the iterations.

    Returns:
        A `tf.data.Dataset` of the same structure, shapes and length, in the same order.

    Raises:
        ValueError: Elements that the pipeline cannot serve, or an order that is another each time
            the data set is read.
    """
    check_order(dataset)
    mapped = mapper(num_parallel_calls)
    length = int(dataset.cardinality())

    def dealt(place: Place, workers: int) -> Any:
        return shares(pipeline, dataset, mapped, place, workers)

    spec = dealt((0, 0), 1).element_spec[-1]
    flat = tf.nest.flatten(spec)
    reader = Reader(service, dealt, length)

    def is_there(epoch: Tensor, number: Tensor, _: Tensor) -> Tensor:
        found = host_call(reader.is_there, [epoch, number], tf.bool)
        return tf.ensure_shape(found, ())

    def element(epoch: Tensor, number: Tensor, _: Tensor) -> Any:
        types = [each.dtype if isinstance(each, tf.TensorSpec) else each for each in flat]
        parts = host_call(reader.element, [epoch, number], types)
        known = [
            tf.ensure_shape(part, each.shape) if isinstance(each, tf.TensorSpec) else part
            for part, each in zip(parts, flat, strict=True)
        ]
        return tf.nest.pack_sequence_as(spec, known)

    numbers = numbered(tf.data.Dataset.range(tf.int64.max), epochs, lambda _: 1)
    out = numbers.take_while(is_there).map(element)
    if length >= 0:
        out = out.apply(tf.data.experimental.assert_cardinality(length))
    return resumable(out)
