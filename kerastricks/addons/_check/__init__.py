"""What to change in programs that use TensorFlow Addons."""

from kerastricks.addons._check.command import check

__all__ = ["check"]
