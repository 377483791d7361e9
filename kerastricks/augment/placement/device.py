"""Run a pipeline on an accelerator, as the last stage of a `tf.data.Dataset`."""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import tensorflow as tf

from kerastricks.augment.placement.dataset import mapper
from kerastricks.augment.placement.engines import GraphEngine
from kerastricks.augment.placement.epochs import Epochs
from kerastricks.augment.placement.generator import Placed
from kerastricks.augment.placement.preparation import Augmenter, prepared

_missing: set[str] = set()
"""Devices whose absence was told."""


def augment_on(
    pipeline: Augmenter,
    dataset: Any,
    device: str,
    host: Callable[[], Any],
    *,
    num_parallel_calls: int,
    epochs: Epochs,
) -> Any:
    """Augment on a device: batches go there as they are, and are augmented there.

    Args:
        pipeline: The pipeline.
        dataset: As `augment_dataset` takes it.
        device: A logical device of TensorFlow, such as "GPU:0".
        host: Gives the data set that is augmented on the host.
        num_parallel_calls: Calls that may run at once on the host.
        epochs: Numbers the iterations.

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
    mapped = mapper(num_parallel_calls)
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
        super().__init__(tf.data.experimental.to_variant(self._host))

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
        return Placed(self._elements, self._step, self._device, self.element_spec)

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
