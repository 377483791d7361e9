"""Progress bars by tqdm."""

import time
from typing import Any, Self

import keras

from kerastricks._printable import printable


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class TQDMProgressBar(keras.callbacks.Callback):
    """Shows the progress of training and evaluation in tqdm's bars, in terminals and notebooks.

    One bar for all epochs, and one for each epoch, or for an evaluation outside of `fit`. Give
    `fit` and `evaluate` `verbose=0`, lest Keras draws its own bar, too. It needs tqdm:
    `pip install kerastricks[addons]`. Bars go to standard error, the line with the epoch's number
    to standard output.

    Args:
        metrics_separator: What stands between two metrics. Defaults to `" - "`.
        overall_bar_format: tqdm's `bar_format` of the bar for all epochs.
        epoch_bar_format: tqdm's `bar_format` of the bar for an epoch; `{desc}` are the metrics.
        metrics_format: Format of one metric, from `name` and `value`. Defaults to
            `"{name}: {value:0.4f}"`.
        update_per_second: How often a bar moves at most, in a second. Defaults to 10.
        leave_epoch_progress: Whether the bars of epochs stay when they are done. Defaults to True.
        leave_overall_progress: Whether the bar for all epochs stays. Defaults to True.
        show_epoch_progress: Whether epochs and evaluations have bars. Defaults to True.
        show_overall_progress: Whether there is a bar for all epochs. Defaults to True.

    Raises:
        ImportError: If tqdm is not installed.
        ValueError: If `update_per_second` is not positive, or a format is none for what it shows.

    Example:
    >>> import kerastricks.addons as tfa
    >>> callback = tfa.callbacks.TQDMProgressBar(metrics_format="{name} {value:.1f}")
    >>> callback.format_metrics({"loss": 0.25, "accuracy": 0.5})
    'loss 0.2 - accuracy 0.5'

    Differs from TensorFlow Addons in: metrics within an epoch, and those of an evaluation, are
    Keras' own; TensorFlow Addons averages these averages once more. Data of unknown size have a
    bar; with `steps_per_execution` it counts all steps. `get_config` has all arguments.
    """

    def __init__(
        self,
        metrics_separator: str = " - ",
        overall_bar_format: str = (
            "{l_bar}{bar} {n_fmt}/{total_fmt} ETA: {remaining}s,  {rate_fmt}{postfix}"
        ),
        epoch_bar_format: str = "{n_fmt}/{total_fmt}{bar} ETA: {remaining}s - {desc}",
        metrics_format: str = "{name}: {value:0.4f}",
        update_per_second: float = 10,
        leave_epoch_progress: bool = True,
        leave_overall_progress: bool = True,
        show_epoch_progress: bool = True,
        show_overall_progress: bool = True,
    ) -> None:
        super().__init__()
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(
                "`TQDMProgressBar` needs tqdm: pip install kerastricks[addons]"
            ) from error
        if not update_per_second > 0:  # nor is NaN
            raise ValueError(
                f"Argument `update_per_second` must be positive. Received: {update_per_second}."
            )
        self.tqdm = tqdm
        self.metrics_separator = metrics_separator
        self.overall_bar_format = overall_bar_format
        self.epoch_bar_format = epoch_bar_format
        self.metrics_format = metrics_format
        self.update_per_second = update_per_second
        self.leave_epoch_progress = bool(leave_epoch_progress)
        self.leave_overall_progress = bool(leave_overall_progress)
        self.show_epoch_progress = bool(show_epoch_progress)
        self.show_overall_progress = bool(show_overall_progress)
        self.overall_progress_tqdm: Any = None
        self.epoch_progress_tqdm: Any = None
        self.is_training = False
        self._updated = time.monotonic()
        self._try_formats()

    def _try_formats(self) -> None:
        """Raises now what would break training off later."""
        try:
            self.format_metrics({"loss": 0.5})
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                'Arguments `metrics_format`, a format of "{name}" and "{value}", and '
                "`metrics_separator` must be text. Received: "
                f"metrics_format={self.metrics_format!r}, "
                f"metrics_separator={self.metrics_separator!r}."
            ) from error
        for argument in ("overall_bar_format", "epoch_bar_format"):
            text = getattr(self, argument)
            try:
                self.tqdm.format_meter(0, 1, 0, bar_format=text)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise ValueError(
                    f"Argument `{argument}` must be a `bar_format` of tqdm's. "
                    f"Received: {argument}={text!r}."
                ) from error

    def on_train_begin(self, logs: Any = None) -> None:
        """Draws the bar for all epochs."""
        self.is_training = True
        if self.show_overall_progress:
            self.overall_progress_tqdm = self.tqdm(
                desc="Training",
                total=self.params["epochs"],
                bar_format=self.overall_bar_format,
                leave=self.leave_overall_progress,
                dynamic_ncols=True,
                unit="epochs",
            )

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the bar for all epochs."""
        self.is_training = False
        if self.overall_progress_tqdm is not None:
            self.overall_progress_tqdm.close()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Draws the bar of an epoch, with its number before."""
        if self.show_epoch_progress:
            print(f"Epoch {epoch + 1}/{self.params['epochs']}")
        self._open(None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Completes the bar of an epoch, with its metrics."""
        self._complete(logs)
        if self.overall_progress_tqdm is not None:
            self.overall_progress_tqdm.update(1)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar of an epoch."""
        self._move(batch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Draws the bar of an evaluation outside of `fit`."""
        if not self.is_training:
            self._open("Evaluating")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the bar of an evaluation outside of `fit`."""
        if not self.is_training:
            self._move(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Completes the bar of an evaluation, with its metrics."""
        if not self.is_training:
            self._complete(logs)

    def _open(self, description: str | None) -> None:
        self._seen = 0
        if self.show_epoch_progress:
            self.epoch_progress_tqdm = self.tqdm(
                total=self.params["steps"],
                desc=description,
                bar_format=self.epoch_bar_format,
                leave=self.leave_epoch_progress,
                dynamic_ncols=True,
                unit="steps",
            )

    def _move(self, batch: int, logs: Any) -> None:
        self._seen = max(self._seen, batch + 1)
        now, bar = time.monotonic(), self.epoch_progress_tqdm
        if bar is not None and now - self._updated >= 1 / self.update_per_second:
            bar.desc = self.format_metrics(logs)
            bar.update(self._seen - bar.n)
            self._updated = now

    def _complete(self, logs: Any) -> None:
        bar, self.epoch_progress_tqdm = self.epoch_progress_tqdm, None
        if bar is None:
            return
        bar.desc = self.format_metrics(logs)
        # tqdm draws the last update whatever the time since the one before.
        bar.miniters = bar.mininterval = 0
        bar.update((bar.total or self._seen) - bar.n)
        bar.close()

    def format_metrics(self, logs: Any = None, factor: float = 1) -> str:
        """Returns metrics as text, in whose names what cannot be seen is spelled out.

        Args:
            logs: The values by name. Defaults to none.
            factor: What the values are divided by. Defaults to 1.
        """
        return self.metrics_separator.join(
            self.metrics_format.format(name=printable(name), value=value / factor)
            for name, value in (logs or {}).items()
            if name not in ("batch", "size")
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            "metrics_separator": self.metrics_separator,
            "overall_bar_format": self.overall_bar_format,
            "epoch_bar_format": self.epoch_bar_format,
            "metrics_format": self.metrics_format,
            "update_per_second": self.update_per_second,
            "leave_epoch_progress": self.leave_epoch_progress,
            "leave_overall_progress": self.leave_overall_progress,
            "show_epoch_progress": self.show_epoch_progress,
            "show_overall_progress": self.show_overall_progress,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes the callback from its arguments."""
        return cls(**config)
