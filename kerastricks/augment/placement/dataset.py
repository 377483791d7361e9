"""Run a pipeline in `tf.data`."""

from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.kernels import tensorflow as ops
from kerastricks.augment.passes.program import Engine, Program
from kerastricks.augment.placement.engines import engine_of
from kerastricks.augment.placement.sequence import numbered, with_leaders
from kerastricks.augment.targets import Parts, batched, split_element, unbatched
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.values import ValueContract


class Augmenter(Protocol):
    """What this placement asks of a pipeline."""

    seed: int
    values: ValueContract
    program: Program

    def check(self, parts: Parts) -> None:
        """Refuse what cannot be served."""

    def dtype_of(self, dtype: Any) -> str:
        """The dtype that images of a dtype come out in."""


def augment_dataset(
    pipeline: Augmenter,
    dataset: Any,
    *,
    engine: str | None,
    num_parallel_calls: int,
    initial_epoch: int,
) -> Any:
    """Map a pipeline over a `tf.data.Dataset`, sample by sample reproducible.

    Scans carry (epoch, position) along in order, and the last samples where there is a mix, and
    read no other pixels. The map after them is a pure function of its element, so any number of
    calls may run at once without changing the result. The epoch is counted by a variable at the
    first element of an iteration and then travels along, so that iterations running side by side do
    not disturb each other.

    Args:
        pipeline: The pipeline.
        dataset: Batched, (B, H, W, C) or (B, T, H, W, C), or one image an element, (H, W, C).
        engine: "xla", "opencv", or None to choose.
        num_parallel_calls: Calls that may run at once.
        initial_epoch: The number of the first epoch.

    Returns:
        A `tf.data.Dataset` of the same structure, shapes and length.

    Raises:
        ValueError: Elements that the pipeline cannot serve.
    """
    with tf.device("CPU:0"):
        epochs = tf.Variable(initial_epoch, dtype=tf.int64, trainable=False)

    def mapped(elements: Any, function: Callable[..., Any]) -> Any:
        return elements.map(function, num_parallel_calls=num_parallel_calls, deterministic=True)

    elements, step = prepared(pipeline, dataset, epochs, mapped, engine)
    # A checkpoint of an iterator holds the scans' states, which is all that resuming takes; by
    # default TensorFlow refuses to save any iterator with a variable behind it.
    options = tf.data.Options()
    options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.WARN
    return mapped(elements, step).with_options(options)


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


def prepared(
    pipeline: Augmenter,
    dataset: Any,
    epoch: Any,
    mapped: Callable[[Any, Callable[..., Any]], Any],
    engine: str | Engine | None,
) -> tuple[Any, Callable[..., Any]]:
    """Number the elements, and give the pure function that augments one.

    Args:
        pipeline: The pipeline.
        dataset: The data set.
        epoch: A variable that counts them, or the number of the one and only.
        mapped: Maps a function over a data set, where it must be done before the elements are
            handed to the function that is returned.
        engine: As `engine_of` takes it.
    """
    program, seed = pipeline.program, pipeline.seed
    mixes = program.mixes > 0
    images = split_element(dataset.element_spec, mixes=mixes)[0]["images"]
    dtype = pipeline.dtype_of(images.dtype.name)
    elements = numbered(dataset, epoch)
    sizes = images.shape[-3:-1]
    ragged = isinstance(images, tf.RaggedTensorSpec)
    if (ragged or None in sizes) and (mixes or ragged):
        # Images of many sizes are brought to one before they meet.
        head, program = program.split()
        given = dtype if program.is_empty else images.dtype.name
        step = _step(head, seed, given, engine_of(engine, (None, None)), by_row=ragged)
        if None in head.output_size((None, None)):
            raise ValueError(
                "Images of many sizes become one batch, or mix, once they are of one size: put "
                "`Resize`, `RandomCrop` or `RandomResizedCrop` into the pipeline"
                f"{', before the mix' if mixes else ''}, or augment them before `batch`. "
                f"Received images of shape {images.shape}"
            )
        _check_ragged(split_element(dataset.element_spec, mixes=mixes)[0])
        elements = mapped(elements, lambda *element: (*element[:2], step(*element)))
        if program.is_empty:
            return elements, lambda epoch, position, element: element
        sizes = head.output_size((None, None))
    step = _step(program, seed, dtype, engine_of(engine, sizes))
    return (with_leaders(elements, program.mixes) if mixes else elements), step


def _step(
    program: Program,
    seed: int,
    dtype: str,
    engine: Engine,
    *,
    by_row: bool = False,
) -> Callable[..., Any]:
    """Give the function that augments one element.

    Args:
        program: What is to be done.
        seed: The pipeline's seed.
        dtype: The dtype that images come out in.
        engine: Moves the pixels.
        by_row: Whether images are ragged, and augmented one by one.
    """
    mixes = program.mixes

    def batch_augmented(epoch: Tensor, positions: Tensor, batch: Parts) -> Parts:
        keys = SampleKeys(seed, epoch, positions)
        return program.transform(ops, batch, keys, dtype, led=mixes > 0, engine=engine)

    def rows_augmented(epoch: Tensor, position: Tensor, batch: Parts) -> Parts:
        def row(number: Tensor) -> Parts:
            one = tf.nest.map_structure(lambda x: _dense(x[number])[None], batch)
            out = unbatched(batch_augmented(epoch, position + number[None], one))
            return {**out, "images": ops.ensure_shape(out["images"], (*size, channels))}

        *_, channels = batch["images"].shape
        size = program.output_size((None, None))
        count = batch["images"].nrows(tf.int32)
        one = tf.function(row, autograph=False)
        traced = one.get_concrete_function(tf.TensorSpec((), tf.int32)).structured_outputs
        spec = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), traced)
        rows: Parts = tf.map_fn(one, tf.range(count), fn_output_signature=spec)
        return rows

    def augment(epoch: Tensor, position: Tensor, *rest: Any) -> Any:
        *leaders, element = rest
        parts, restore = split_element(element, mixes=mixes > 0)
        images = parts["images"]
        single = len(images.shape) == 3
        batch = batched(parts) if single else parts
        if by_row:
            return restore(rows_augmented(epoch, position, batch))
        positions = position + tf.range(tf.shape(batch["images"])[0])
        if mixes:
            before = tf.maximum(position - tf.range(mixes, 0, -1), 0)
            positions = tf.concat([before, positions], axis=0)
            batch = tf.nest.map_structure(lambda *both: tf.concat(both, axis=0), leaders[0], batch)
        result = batch_augmented(epoch, positions, batch)
        *_, height, width, channels = images.shape
        size = program.output_size((height, width))
        shape = (*((1,) if single else images.shape[:-3]), *size, channels)
        result["images"] = ops.ensure_shape(result["images"], shape)
        return restore(unbatched(result) if single else result)

    unconverted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(augment)
    return unconverted


def _check_ragged(parts: Parts) -> None:
    """Refuse what would be of as many shapes after the images are of one."""
    for name, part in parts.items():
        for spec in tf.nest.flatten(part):
            pixels = name in ("images", "segmentation_masks")
            if isinstance(spec, tf.RaggedTensorSpec) and not pixels:
                raise ValueError(
                    f"{name!r} of a ragged batch are ragged themselves. Make them dense, with -1 "
                    "for the labels of boxes that are none (`to_tensor(-1)`), or augment before "
                    f"`batch`. Received: {spec}"
                )


def _dense(x: Any) -> Tensor:
    return x.to_tensor() if isinstance(x, tf.RaggedTensor) else x
