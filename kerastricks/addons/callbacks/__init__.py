"""The callbacks of TensorFlow Addons, by their names there."""

from kerastricks.addons._uncovered import explainer
from kerastricks.addons.callbacks.average_model_checkpoint import AverageModelCheckpoint
from kerastricks.addons.callbacks.time_stopping import TimeStopping
from kerastricks.addons.callbacks.tqdm_progress_bar import TQDMProgressBar

__all__ = ["AverageModelCheckpoint", "TQDMProgressBar", "TimeStopping"]

__getattr__ = explainer("callbacks")
