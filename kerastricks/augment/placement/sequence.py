"""Number the samples of a data set, and hand each element the samples before it."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.placement.epochs import Epochs
from kerastricks.augment.targets import Parts, batched, split_element


def numbered(dataset: Any, epoch: Any, length: Callable[[Any], Any] | None = None) -> Any:
    """Give elements (epoch, position of the first sample, element).

    Args:
        dataset: A `tf.data.Dataset`.
        epoch: `Epochs`, asked at the first element of each iteration, or the number of the epoch.
        length: How many samples an element has; None, the default, counts its images.
    """
    counts = isinstance(epoch, Epochs)
    length = length or _samples

    @tf.autograph.experimental.do_not_convert
    def number(state: Tensor, element: Any) -> tuple[Tensor, Any]:
        epoch_now, position = state
        if counts:
            epoch_now = tf.cond(epoch_now < 0, epoch.begin, lambda: epoch_now)
            epoch_now = epoch.within(epoch_now)
        return (epoch_now, position + length(element)), (epoch_now, position, element)

    start = (tf.cast(-1 if counts else epoch, tf.int32), tf.constant(0, tf.int32))
    return dataset.scan(start, number)


def with_leaders(elements: Any, count: int) -> Any:
    """Give elements (epoch, position, leaders, element), `count` samples being carried along.

    Leaders are the samples before the element's own, all of what a pipeline changes, with a batch
    axis. Those before the first of an epoch are the first itself.

    Raises:
        ValueError: Samples that are not of one known shape.
    """
    spec = _batch_of(elements.element_spec[2])
    for part in tf.nest.flatten(spec):
        if None in part.shape[1:]:
            raise ValueError(
                "A mix takes samples of one known shape: images, labels, and what lies on them. "
                f"Received a part of shape {tuple(part.shape)}; `padded_batch` with "
                "`padded_shapes`, and `tf.ensure_shape`, help."
            )

    @tf.autograph.experimental.do_not_convert
    def carry(state: Any, given: Any) -> Any:
        epoch, position, element = given
        batch = _batch_of(element)
        first = tf.nest.map_structure(lambda x: tf.repeat(x[:1], count, axis=0), batch)
        state = tf.cond(position == 0, lambda: first, lambda: state)
        last = tf.nest.map_structure(
            lambda held, x: tf.concat([held, x[-count:]], axis=0)[-count:], state, batch
        )
        return last, (epoch, position, state, element)

    start = tf.nest.map_structure(lambda part: tf.zeros((count, *part.shape[1:]), part.dtype), spec)
    return elements.scan(start, carry)


def _samples(element: Any) -> Any:
    images = split_element(element)[0]["images"]
    if len(images.shape) == 3:
        return 1
    return images.nrows(tf.int32) if isinstance(images, tf.RaggedTensor) else tf.shape(images)[0]


def _batch_of(element: Any) -> Parts:
    """What a pipeline changes of an element, with a batch axis."""
    parts, _ = split_element(element, mixes=True)
    if len(parts["images"].shape) > 3:
        return parts
    if isinstance(parts["images"], tf.TensorSpec):
        spec: Parts = tf.nest.map_structure(lambda x: tf.TensorSpec((1, *x.shape), x.dtype), parts)
        return spec
    return batched(parts)
