"""Saves the averages that an optimizer keeps, instead of the weights."""

import os
from typing import Any

import keras
from keras import ops

from kerastricks.addons.optimizers.averaged_optimizer_wrapper import AveragedOptimizerWrapper


class AverageModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """`ModelCheckpoint` that saves the averages of the weights, not the weights.

    The model must be trained with an optimizer that keeps averages, `MovingAverage` or `SWA`, or
    another `AveragedOptimizerWrapper`. `monitor` is what training reports, with the plain weights.
    The moving statistics of batch normalization are saved as they are.

    Args:
        update_weights: Whether training goes on from the averages, which take the weights' place
            each time that saving is due, also where `save_best_only` then saves nothing. False to
            leave training alone.
        filepath: Where to save: a path that ends in `".keras"`, or in `".weights.h5"` with
            `save_weights_only`. It may have fields such as `"{epoch:02d}-{val_loss:.2f}"`.
        monitor: The value that `save_best_only` looks at. Defaults to `"val_loss"`.
        verbose: 1 to say when something is saved. Defaults to 0.
        save_best_only: Whether to save only when `monitor` has improved. Defaults to False.
        save_weights_only: Whether to save weights only, not the model. Defaults to False.
        mode: `"min"`, `"max"` or `"auto"`: which `monitor` is better. Defaults to `"auto"`.
        save_freq: `"epoch"`, or the batches between two savings, an integer. Defaults to
            `"epoch"`.
        **kwargs: Arguments of `keras.callbacks.ModelCheckpoint`, `initial_value_threshold`.

    Raises:
        TypeError: If the model's optimizer keeps no averages, or `filepath` is no path or
            `monitor` no name.
        ValueError: If `filepath` has another ending, or `save_freq` is neither.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(tfa.optimizers.MovingAverage("adam"), "mse")
    >>> callback = tfa.callbacks.AverageModelCheckpoint(False, "{epoch:02d}.weights.h5",
    ...                                                 save_weights_only=True)
    >>> # model.fit(x, y, validation_data=(x_val, y_val), callbacks=[callback])

    Differs from TensorFlow Addons in: `save_freq` can be a number of batches; Keras 3 saves to
    `".keras"` and `".weights.h5"` only.
    """

    def __init__(
        self,
        update_weights: bool,
        filepath: str,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        **kwargs: Any,
    ) -> None:
        if not isinstance(filepath, str | os.PathLike):
            raise TypeError(f"Argument `filepath` must be a path. Received: {filepath!r}.")
        if not isinstance(monitor, str):
            raise TypeError(f"Argument `monitor` must be a name. Received: {monitor!r}.")
        if save_freq != "epoch" and not (type(save_freq) is int and save_freq > 0):
            raise ValueError(
                'Argument `save_freq` must be "epoch" or a positive number of batches. '
                f"Received: {save_freq!r}."
            )
        super().__init__(
            filepath,
            monitor,
            verbose,
            save_best_only,
            save_weights_only,
            mode,
            # With 1, each batch that Keras is told of is saved; which ones, is counted here.
            save_freq if save_freq == "epoch" else 1,
            **kwargs,
        )
        self.update_weights = bool(update_weights)
        self._period = save_freq
        self._batches = 0
        self._last_batch = -1

    def set_model(self, model: Any) -> None:
        """Makes sure that the model's optimizer keeps averages."""
        super().set_model(model)
        optimizer = self._averager()
        if not isinstance(optimizer, AveragedOptimizerWrapper):
            raise TypeError(
                "`AverageModelCheckpoint` needs a model that is trained with `MovingAverage`, "
                f"`SWA` or another `AveragedOptimizerWrapper`. Received: {optimizer}."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begins to count the batches of an epoch."""
        super().on_epoch_begin(epoch, logs)
        self._last_batch = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves when enough batches have passed."""
        if self._period == "epoch":
            return
        self._batches += batch - self._last_batch
        self._last_batch = batch
        if self._batches >= self._period:
            self._batches = 0
            self._with_averages(super().on_train_batch_end, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves at the end of an epoch."""
        if self._period == "epoch":
            self._with_averages(super().on_epoch_end, epoch, logs)
        else:
            super().on_epoch_end(epoch, logs)

    def _averager(self) -> Any:
        """The optimizer that keeps the averages."""
        optimizer = self.model.optimizer
        scales = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        return optimizer.inner_optimizer if scales else optimizer

    def _with_averages(self, save: Any, *args: Any) -> None:
        """Calls a function while the model has the averages for weights."""
        weights = self.model.trainable_weights
        before = [ops.copy(weight) for weight in weights]
        self._averager().assign_average_vars(weights)
        try:
            save(*args)
        finally:
            if not self.update_weights:
                for weight, value in zip(weights, before, strict=True):
                    weight.assign(value)
