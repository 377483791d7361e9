"""Run a pipeline on an accelerator, as the last stage of a `tf.data.Dataset`."""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.placement.dataset import Augmenter, prepared
from kerastricks.augment.placement.engines import GraphEngine

_AHEAD = 2
"""Batches that wait on the device."""
_missing: set[str] = set()
"""Devices whose absence was told."""


def augment_on(
    pipeline: Augmenter,
    dataset: Any,
    device: str,
    host: Callable[[], Any],
    *,
    num_parallel_calls: int,
    initial_epoch: int,
) -> Any:
    """Augment on a device: batches go there as they are, and are augmented there.

    Args:
        pipeline: The pipeline.
        dataset: As `augment_dataset` takes it.
        device: A logical device of TensorFlow, such as "GPU:0".
        host: Gives the data set that is augmented on the host.
        num_parallel_calls: Calls that may run at once on the host.
        initial_epoch: The number of the first epoch.

    Returns:
        A `tf.data.Dataset`.

    Raises:
        ValueError: Elements that the pipeline cannot serve, or a name of no device.
    """
    name = _found(device)
    if name is None:
        if device not in _missing:
            _missing.add(device)
            names = ", ".join(each.name for each in tf.config.list_logical_devices())
            warnings.warn(
                f"There is no device {device!r}: the host augments. TensorFlow sees {names}",
                stacklevel=4,  # where `Pipeline.augment` was called,
            )
        return host()
    with tf.device("CPU:0"):
        epochs = tf.Variable(initial_epoch, dtype=tf.int64, trainable=False)

    def mapped(elements: Any, function: Callable[..., Any]) -> Any:
        return elements.map(function, num_parallel_calls=num_parallel_calls, deterministic=True)

    elements, step = prepared(pipeline, dataset, epochs, mapped, GraphEngine())
    return DeviceDataset(elements, step, name)


def _found(device: str) -> str | None:
    """The full name of a device that is there."""
    try:
        wanted = tf.DeviceSpec.from_string(f"/device:{device}" if "/" not in device else device)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f'`device` is a name such as "GPU:0". Received: device={device!r}'
        ) from error
    for each in tf.config.list_logical_devices():
        spec = tf.DeviceSpec.from_string(each.name)
        if (spec.device_type, spec.device_index) == (wanted.device_type, wanted.device_index or 0):
            return str(each.name)
    return None


class DeviceDataset(tf.data.Dataset):
    """Elements that a function makes of others on a device.

    What iterates over it, as `fit` does, gets what is on the device. `map`, `prefetch`, `take`,
    `skip` and `repeat` give such a data set again. To all else, as to a distribution strategy, it
    is a data set on the host with the same elements, since TensorFlow has no other transformations
    on accelerators.

    Args:
        elements: A data set on the host.
        step: What is done on the device, a function of an element's entries.
        device: The device's full name.
    """

    def __init__(self, elements: Any, step: Callable[..., Any], device: str) -> None:
        self._elements = elements
        self._step = step
        self._device = device
        self._host = elements.map(step, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        super().__init__(self._host._variant_tensor)

    def _inputs(self) -> list[Any]:
        return [self._host]

    @property
    def element_spec(self) -> Any:
        """The elements' structure, shapes and dtypes."""
        return self._host.element_spec

    def __iter__(self) -> Any:
        with tf.device(self._device):
            return iter(self._placed)

    @cached_property
    def _placed(self) -> Any:
        """What runs on the device, traced once."""
        return _Placed(self._elements, self._step, self._device, self.element_spec)

    def map(self, map_func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Do more on the device."""
        del args, kwargs  # there is one way to run it there

        def step(*element: Any) -> Any:
            made = self._step(*element)
            return map_func(*made) if isinstance(made, tuple) else map_func(made)

        return DeviceDataset(self._elements, step, self._device)

    def prefetch(self, buffer_size: Any, name: Any = None) -> Any:
        """Give itself: batches are fetched ahead as it is."""
        return self

    def take(self, count: Any, name: Any = None) -> Any:
        """Give the first elements."""
        return DeviceDataset(self._elements.take(count), self._step, self._device)

    def skip(self, count: Any, name: Any = None) -> Any:
        """Leave the first elements out."""
        return DeviceDataset(self._elements.skip(count), self._step, self._device)

    def repeat(self, count: Any = None, name: Any = None) -> Any:
        """Go through it again, each time as a new epoch."""
        return DeviceDataset(self._elements.repeat(count), self._step, self._device)


class _Placed(tf.data.Dataset):
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
        source = tf.raw_ops.WrapDatasetVariant(input_handle=elements._variant_tensor)
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
                buffer_size=_AHEAD,
                output_types=[each.dtype for each in out],
                output_shapes=[each.shape for each in out],
            )
        # What they capture must live as long as they are called.
        self._kept = elements, source, functions
        super().__init__(variant)

    def _inputs(self) -> list[Any]:
        return []

    @property
    def element_spec(self) -> Any:
        return self._spec
