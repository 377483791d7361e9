"""Run a plan on the host, inside `tf.data`."""

from typing import Any, Protocol

from kerastricks.augment.kernels import Ops, Size, Tensor
from kerastricks.augment.targets import Parts, batched, split_element, unbatched
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.values import ValueContract


class Augmenter(Protocol):
    """What this placement asks of a pipeline: a pure function of images and keys."""

    seed: int
    values: ValueContract

    def check(self, parts: Parts) -> None:
        """Refuse what cannot be served."""

    def transform(self, ops: Ops, parts: Parts, keys: SampleKeys, compiler: Any) -> Parts:
        """Augment images (B, H, W, C), and what lies on them."""

    def output_size(self, size: Size) -> Size:
        """(height, width) of what comes out, for images of this size."""


def augment_dataset(pipeline: Augmenter, dataset: Any, num_parallel_calls: int | None) -> Any:
    """Map a pipeline over a `tf.data.Dataset`, sample by sample reproducible.

    A scan carries (epoch, position) along in order and reads no pixels; the map after it is a pure
    function of its element, so any number of calls may run at once without changing the result. The
    epoch is counted by a variable at the first element of an iteration and then travels in the
    scan, so that iterations running side by side do not disturb each other.

    Args:
        pipeline: The pipeline.
        dataset: Batched, (B, H, W, C), or one image an element, (H, W, C).
        num_parallel_calls: Calls that may run at once; None lets `tf.data` decide.

    Returns:
        A `tf.data.Dataset` of the same structure, shapes and length.

    Raises:
        TypeError: `dataset` is no `tf.data.Dataset`.
        ValueError: Elements that the pipeline cannot serve.
    """
    import tensorflow as tf

    from kerastricks.augment.kernels import tensorflow as ops

    if not isinstance(dataset, tf.data.Dataset):
        raise TypeError(
            "`augment` takes a `tf.data.Dataset`; call the pipeline itself on arrays. "
            f"Received: {type(dataset).__name__}"
        )
    parts, _ = split_element(dataset.element_spec)
    pipeline.check(parts)
    images = parts["images"]
    if not isinstance(images, tf.TensorSpec):
        raise ValueError(
            "Images in a data set are dense tensors, of one size within a batch; resize ragged "
            f"ones first, or augment them before `batch`. Received: {images}"
        )
    pipeline.values.result_dtype(images.dtype.name)
    with tf.device("CPU:0"):
        epochs = tf.Variable(0, dtype=tf.int64, trainable=False)

    @tf.autograph.experimental.do_not_convert
    def number(state: Tensor, element: Any) -> tuple[Tensor, Any]:
        epoch, position = state
        epoch = tf.cond(
            epoch < 0, lambda: tf.cast(epochs.assign_add(1) - 1, tf.int32), lambda: epoch
        )
        images = split_element(element)[0]["images"]
        count = 1 if len(images.shape) == 3 else tf.shape(images)[0]
        return (epoch, position + count), (epoch, position, element)

    @tf.autograph.experimental.do_not_convert
    def augment(epoch: Tensor, position: Tensor, element: Any) -> Any:
        parts, restore = split_element(element)
        images = parts["images"]
        single = len(images.shape) == 3
        batch = batched(parts) if single else parts
        positions = position + tf.range(tf.shape(batch["images"])[0])
        keys = SampleKeys(pipeline.seed, epoch, positions)
        result = pipeline.transform(ops, batch, keys, ops.compiled)
        *_, height, width, channels = images.shape
        size = pipeline.output_size((height, width))
        shape = (*batch["images"].shape[:1], *size, channels)
        result["images"] = ops.ensure_shape(result["images"], shape)
        return restore(unbatched(result) if single else result)

    start = (tf.constant(-1, tf.int32), tf.constant(0, tf.int32))
    mapped = dataset.scan(start, number).map(
        augment,
        num_parallel_calls=tf.data.AUTOTUNE if num_parallel_calls is None else num_parallel_calls,
        deterministic=True,
    )
    # A checkpoint of an iterator holds the scan's epoch and position, which is all that resuming
    # takes; by default TensorFlow refuses to save any iterator with a variable behind it.
    options = tf.data.Options()
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.WARN
    return mapped.with_options(options)
