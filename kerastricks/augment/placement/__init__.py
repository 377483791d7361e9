"""Where a pipeline runs: in a `tf.data.Dataset`, on the host, a device or a data service."""

from typing import Any

import numpy as np
import tensorflow as tf

from kerastricks.augment.placement.dataset import augment_dataset, check_dataset
from kerastricks.augment.placement.device import augment_on
from kerastricks.augment.placement.engines import engine_of
from kerastricks.augment.placement.epochs import Epochs, FirstEpoch
from kerastricks.augment.placement.preparation import Augmenter
from kerastricks.augment.placement.reading import readable
from kerastricks.augment.placement.service import augment_through


def placed(
    pipeline: Augmenter,
    dataset: Any,
    *,
    device: str | None,
    service: str | None,
    engine: str | None,
    num_parallel_calls: int | None,
    initial_epoch: FirstEpoch,
    unreadable: str,
) -> Any:
    """Augment where it was asked for; the arguments are those of `Pipeline.augment`."""
    if (device is not None) + (service is not None) + (engine is not None) > 1:
        raise ValueError(
            "`device`, `service` and `engine` each say where pixels are moved: pass one of them. "
            f"Received: device={device!r}, service={service!r}, engine={engine!r}"
        )
    if unreadable not in ("raise", "skip") or (unreadable == "skip" and service is not None):
        raise ValueError(
            '`unreadable` is "raise" or "skip", and "raise" through a data service. '
            f"Received: unreadable={unreadable!r}, service={service!r}"
        )
    if engine is not None:
        engine_of(engine, (None, None))
    if service is not None and not (isinstance(service, str) and "://" in service):
        raise ValueError(
            "`service` is the address of a tf.data service's dispatcher, such as "
            f'"grpc://host:5000". Received: service={service!r}'
        )
    calls = _calls(num_parallel_calls)
    epochs = Epochs(initial_epoch)
    check_dataset(pipeline, dataset)
    if unreadable == "skip":
        dataset = readable(dataset)

    def host() -> Any:
        return augment_dataset(pipeline, dataset, engine=engine, **both)

    both: dict[str, Any] = {"num_parallel_calls": calls, "epochs": epochs}
    if service is not None:
        return augment_through(pipeline, dataset, service, **both)
    return host() if device is None else augment_on(pipeline, dataset, device, host, **both)


def _calls(number: Any) -> int:
    """Read how many calls may run at once, TensorFlow's sign for "as many as serve" included."""
    if number is None:
        return int(tf.data.AUTOTUNE)
    whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
    if not whole or (number < 1 and number != tf.data.AUTOTUNE):
        raise ValueError(
            "`num_parallel_calls` is a whole number, 1 or more, or None to let `tf.data` decide. "
            f"Received: num_parallel_calls={number!r}"
        )
    return int(number)


__all__ = ["placed"]
