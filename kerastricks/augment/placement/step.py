"""What becomes of one element: a pure function of its numbers and its pixels."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.kernels import tensorflow as ops
from kerastricks.augment.passes.program import Engine, Program
from kerastricks.augment.targets import Parts, batched, split_element, unbatched
from kerastricks.augment.threefry import SampleKeys


def step_of(
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


def _dense(x: Any) -> Tensor:
    return x.to_tensor() if isinstance(x, tf.RaggedTensor) else x
