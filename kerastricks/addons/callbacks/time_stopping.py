"""Stops training when its time is up."""

import datetime
import time
from typing import Any, Self

import keras


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class TimeStopping(keras.callbacks.Callback):
    """Stops training at the end of the first epoch that ends after a given time.

    For machines that are lent for some hours. An epoch that has begun is finished, so leave time
    for one. The time counts from the start of `fit`, each time anew.

    Args:
        seconds: The time in seconds, 0 or more. Defaults to 86400, one day.
        verbose: 1 to say so when training was stopped. Defaults to 0.

    Raises:
        ValueError: If `seconds` is negative or NaN.

    Example:
    >>> import keras, numpy as np
    >>> import kerastricks.addons as tfa
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> callback = tfa.callbacks.TimeStopping(seconds=0, verbose=1)
    >>> x = np.ones((4, 1), "float32")
    >>> _ = model.fit(x, x, epochs=9, verbose=0, callbacks=[callback])
    Timed stopping at epoch 1 after training for 0:00:00

    Differs from TensorFlow Addons in: a clock that is set while training runs does not matter;
    a second `fit` does not repeat the message of the first; `get_config` works.
    """

    def __init__(self, seconds: float = 86400, verbose: int = 0) -> None:
        super().__init__()
        if not seconds >= 0:
            raise ValueError(
                f"Argument `seconds` must be a number, and not negative. Received: {seconds}."
            )
        self.seconds = seconds
        self.verbose = verbose
        self.stopped_epoch: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts the clock."""
        self.stopped_epoch = None
        self.stopping_time = time.monotonic() + self.seconds

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops training when the time is up."""
        if time.monotonic() >= self.stopping_time:
            self.model.stop_training = True
            self.stopped_epoch = epoch

    def on_train_end(self, logs: Any = None) -> None:
        """Says when training was stopped."""
        if self.stopped_epoch is not None and self.verbose > 0:
            spent = datetime.timedelta(seconds=self.seconds)
            print(f"Timed stopping at epoch {self.stopped_epoch + 1} after training for {spent}")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"seconds": self.seconds, "verbose": self.verbose}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the callback from its arguments."""
        return cls(**config)
