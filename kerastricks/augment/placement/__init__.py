"""Where a pipeline runs: in a `tf.data.Dataset`, on the host, a device or a data service."""

from kerastricks.augment.placement.dataset import augment_dataset

__all__ = ["augment_dataset"]
