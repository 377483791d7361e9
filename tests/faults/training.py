"""A training with faults to find, the same however often it is run."""

import signal

import keras
import numpy as np
from keras import layers

import kerastricks as kt

EPOCHS, STEPS, BATCH = 14, 8, 8


def network():
    """Vanishing gradients from the start, averages that are behind, and units that die later."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(12, "sigmoid", kernel_initializer="random_normal") for _ in range(5)]
    normalization = layers.BatchNormalization(momentum=0.999)
    model = keras.Sequential(
        [layers.Input((6,)), normalization, layers.Dense(12, "relu"), *hidden, layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    return model


def data():
    random = np.random.default_rng(0)
    x = (random.normal(size=(STEPS * BATCH, 6)) * 3 + 5).astype("float32")
    return x, x[:, :1] / 10


class Late(keras.callbacks.Callback):
    """Kills units at the beginning of an epoch, in each run alike."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 9:
            self.model.layers[1].bias.assign(self.model.layers[1].bias - 100.0)


def doctor_of(**arguments):
    # A budget that leaves to the number of the look when it is judged, however fast the machine.
    return kt.callbacks.TrainingDoctor(every=1, budget=1e9, **arguments)


def fitted(model, callbacks, epochs=None):
    x, y = data()
    return model.fit(
        x,
        y,
        batch_size=BATCH,
        epochs=epochs or EPOCHS,
        shuffle=False,
        verbose=0,
        validation_data=(x[:16], y[:16]),
        callbacks=callbacks,
    )


def everything(report):
    """All that a report says and draws, in numbers that can be compared."""
    moments = [
        (
            moment.step,
            moment.loss,
            tuple(moment.scale.items()),
            tuple((path, tuple(units.tolist())) for path, units in moment.units.items()),
            tuple(moment.gradient.items()),
            tuple(moment.update.items()),
        )
        for moment in report.timeline.moments
    ]
    pool = report.pool
    pooled = [
        (path, each.samples, each.mean.tolist(), each.variance.tolist())
        for data in (pool.inputs, pool.targets)
        for path, each in data.items()
    ]
    return repr((report.to_dict(), moments, pooled, pool.update_ratio))


class StopError(Exception):
    pass


class Stop(keras.callbacks.Callback):
    """Breaks a training off after so many steps."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise StopError


class Told(keras.callbacks.Callback):
    """Tells of each step that was made."""

    def __init__(self, tell):
        super().__init__()
        self.tell = tell

    def on_train_batch_end(self, batch, logs=None):
        self.tell(batch)


def main(folder, tell):
    """Train as in a process that may be killed, and write the report's numbers to a file."""
    # A shell starts what runs in the background with this signal ignored, and Python leaves it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    backup = keras.callbacks.BackupAndRestore(folder / "model")
    doctor = doctor_of(backup_dir=folder / "doctor")
    fitted(network(), [Late(), doctor, backup, Told(tell)])
    (folder / "report.txt").write_text(everything(doctor.report))


if __name__ == "__main__":
    main(folder, tell)  # noqa: F821  # given by who runs this file
