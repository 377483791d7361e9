"""Run a pipeline in `tf.data`."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerastricks.augment.placement.epochs import Epochs
from kerastricks.augment.placement.preparation import Augmenter, Mapper, prepared
from kerastricks.augment.targets import split_element


def augment_dataset(
    pipeline: Augmenter,
    dataset: Any,
    *,
    engine: str | None,
    num_parallel_calls: int,
    epochs: Epochs,
) -> Any:
    """Map a pipeline over a `tf.data.Dataset`, sample by sample reproducible.

    Scans carry (epoch, position) along in order, and the last samples where there is a mix, and
    read no other pixels. The map after them is a pure function of its element, so any number of
    calls may run at once without changing the result. The epoch is asked for at the first element
    of an iteration and then travels along, so that iterations running side by side do not disturb
    each other.

    Args:
        pipeline: The pipeline.
        dataset: Batched, (B, H, W, C) or (B, T, H, W, C), or one image an element, (H, W, C).
        engine: "xla", "opencv", or None to choose.
        num_parallel_calls: Calls that may run at once.
        epochs: Numbers the iterations.

    Returns:
        A `tf.data.Dataset` of the same structure, shapes and length.

    Raises:
        ValueError: Elements that the pipeline cannot serve.
    """
    mapped = mapper(num_parallel_calls)
    elements, step = prepared(pipeline, dataset, epochs, mapped, engine)
    return resumable(mapped(elements, step))


def mapper(num_parallel_calls: int) -> Mapper:
    """Give what maps a function over a data set, in order."""

    def mapped(elements: Any, function: Callable[..., Any]) -> Any:
        return elements.map(function, num_parallel_calls=num_parallel_calls, deterministic=True)

    return mapped


def resumable(dataset: Any) -> Any:
    """Let iterators be saved, whatever functions stand behind them.

    A checkpoint of an iterator holds the scans' states, which is all that resuming takes; by
    default TensorFlow refuses to save any iterator with a variable behind it.
    """
    options = tf.data.Options()
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.WARN
    return dataset.with_options(options)


def check_dataset(pipeline: Augmenter, dataset: Any) -> None:
    """Refuse what is no data set, or has elements that the pipeline cannot serve."""
    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(
            "`augment` takes a `tf.data.Dataset`; call the pipeline itself on arrays. "
            f"Received: {type(dataset).__name__}"
        )
    parts, _ = split_element(dataset.element_spec, mixes=pipeline.program.mixes > 0)
    pipeline.check(parts)
    pipeline.dtype_of(parts["images"].dtype.name)
