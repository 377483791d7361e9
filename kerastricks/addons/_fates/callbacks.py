"""The callbacks of TensorFlow Addons."""

from kerastricks.addons._fates.fate import here

FATES = {
    **here("callbacks", "AverageModelCheckpoint TimeStopping"),
    **here("callbacks", "TQDMProgressBar", "It needs tqdm: `pip install 'kerastricks[addons]'`."),
}
"""Fates by name."""
