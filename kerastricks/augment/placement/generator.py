"""A data set on a device, made of one on the host: what `tf.data` has for accelerators."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Tensor

AHEAD = 2
"""Batches that wait on the device."""


class Placed(tf.data.Dataset):
    """A generator on the device: it fetches an element of the host, and works on it."""

    def __init__(
        self, elements: Any, step: Callable[..., Any], device: str, element_spec: Any
    ) -> None:
        self._spec = element_spec
        flat = tf.nest.flatten(elements.element_spec)
        if not all(isinstance(each, tf.TensorSpec) for each in flat):
            raise ValueError(
                "A device takes dense tensors; make ragged labels dense with `to_tensor`. "
                f"Received elements of {elements.element_spec}"
            )
        types = {
            "output_types": [each.dtype for each in flat],
            "output_shapes": [each.shape for each in flat],
        }
        variant = tf.data.experimental.to_variant(elements)
        source = tf.raw_ops.WrapDatasetVariant(input_handle=variant)
        host = tf.constant("/device:CPU:0")
        handle = tf.TensorSpec((), tf.string)

        @tf.function(autograph=False)
        def start() -> Any:
            variant = tf.raw_ops.UnwrapDatasetVariant(input_handle=source)
            iterator = tf.raw_ops.AnonymousIterator(**types)
            made = tf.raw_ops.MakeIterator(dataset=variant, iterator=iterator)
            with tf.control_dependencies([made]):
                return tf.raw_ops.IteratorToStringHandle(resource_handle=iterator)

        @tf.function(autograph=False, input_signature=[handle])
        def fetch(name: Tensor) -> Any:
            iterator = tf.raw_ops.IteratorFromStringHandleV2(string_handle=name, **types)
            return tf.raw_ops.IteratorGetNext(iterator=iterator, **types)

        @tf.function(autograph=False, input_signature=[handle])
        def stop(name: Tensor) -> Any:
            iterator = tf.raw_ops.IteratorFromStringHandleV2(string_handle=name, **types)
            gone = tf.raw_ops.DestroyResourceOp(resource=iterator, ignore_lookup_error=True)
            with tf.control_dependencies([gone]):
                return tf.constant(0, tf.int64)

        def on_host(function: Any, args: list[Any], dtypes: list[Any]) -> Any:
            concrete = function.get_concrete_function()
            return tf.raw_ops.RemoteCall(
                target=host, args=[*args, *concrete.captured_inputs], Tout=dtypes, f=concrete
            )

        @tf.function(autograph=False)
        def begin() -> Any:
            return on_host(start, [], [tf.string])[0]

        @tf.function(
            autograph=False,
            input_signature=[handle],
            experimental_attributes={"experimental_ints_on_device": True},
        )
        def following(name: Tensor) -> Any:
            parts = on_host(fetch, [name], types["output_types"])
            known = [tf.ensure_shape(x, each.shape) for x, each in zip(parts, flat, strict=True)]
            made = step(*tf.nest.pack_sequence_as(elements.element_spec, known))
            return tf.nest.flatten(made)

        @tf.function(autograph=False, input_signature=[handle])
        def end(name: Tensor) -> Any:
            return on_host(stop, [name], [tf.int64])[0]

        functions = [each.get_concrete_function() for each in (begin, following, end)]
        out = tf.nest.flatten(element_spec)
        with tf.device(device):
            variant = tf.raw_ops.GeneratorDataset(
                init_func_other_args=functions[0].captured_inputs,
                next_func_other_args=functions[1].captured_inputs,
                finalize_func_other_args=functions[2].captured_inputs,
                init_func=functions[0],
                next_func=functions[1],
                finalize_func=functions[2],
                output_types=[each.dtype for each in out],
                output_shapes=[each.shape for each in out],
            )
            variant = tf.raw_ops.PrefetchDataset(
                input_dataset=variant,
                buffer_size=AHEAD,
                output_types=[each.dtype for each in out],
                output_shapes=[each.shape for each in out],
            )
        # What they capture must live as long as they are called.
        self._kept = elements, source
        self.functions = functions
        super().__init__(variant)

    def _inputs(self) -> list[Any]:
        return []

    @property
    def element_spec(self) -> Any:
        """The elements' structure, shapes and dtypes."""
        return self._spec
