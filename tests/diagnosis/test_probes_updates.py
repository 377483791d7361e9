"""The update that is reported is how far each weight moved, whatever moved it."""

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from kerastricks.callbacks import TrainingDoctor

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.01),
    "weight decay": lambda: optimizers.AdamW(0.01, weight_decay=0.5),
    "averages": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=1),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "assigned": lambda: optimizers.Ftrl(0.1),
    "clipped": lambda: optimizers.RMSprop(0.01, clipnorm=1e-3),
    "accumulated": lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
}


class After(keras.callbacks.Callback):
    """The weights after the step; `fit` may change them once more when it ends."""

    def on_train_batch_end(self, batch, logs=None):
        self.weights = values(self.model)


def values(model):
    weights = model.trainable_weights
    return {each.path: np.array(keras.ops.convert_to_numpy(each), float) for each in weights}


@pytest.mark.compiling
@pytest.mark.parametrize(
    ("name", "constraint"),
    [*((name, None) for name in OPTIMIZERS), ("adam", "unit_norm"), ("assigned", "unit_norm")],
)
def test_updates_are_the_distances_that_the_weights_moved(name, constraint, listening):
    if name == "averages" and keras.backend.backend() == "jax":
        pytest.skip("Keras fails in the second fit with use_ema on JAX")
    keras.utils.set_random_seed(0)
    # 5000 elements, the second kernel, stand alone; all others are reduced together.
    hidden = layers.Dense(500, "tanh", kernel_constraint=constraint)
    model = keras.Sequential([keras.Input((10,)), layers.LayerNormalization(), hidden])
    model.add(layers.Dense(10))
    model.compile(OPTIMIZERS[name](), "mse")
    doctor = TrainingDoctor(verbose=0, every=1)
    spy = listening(doctor)
    x = np.random.default_rng(0).normal(size=(16, 10)).astype("float32")
    after = After()
    for _ in range(2):
        before = values(model)
        model.fit(x, x, batch_size=16, verbose=0, callbacks=[doctor, after])
        seen = {weight.path: weight.update for weight in spy.seen[-1].weights}
        assert seen.keys() == before.keys()
        for path, weight in after.weights.items():
            # Each element of a weight near 1 is rounded to 2^-24 when it is stored.
            rounding = np.sqrt(weight.size) * 2.0**-23
            moved = np.linalg.norm(weight - before[path])
            assert seen[path] == pytest.approx(moved, rel=1e-4, abs=rounding)


@pytest.mark.parametrize(
    ("build", "rate"),
    [
        (lambda: optimizers.SGD(0.25), 0.25),
        (lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.25)), 0.25),
        (lambda: optimizers.SGD(optimizers.schedules.CosineDecay(0.25, 10)), None),
    ],
)
def test_the_learning_rate_with_which_fit_began(build, rate, listening):
    """Not that of a schedule, which is another in every step."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(build(), "mse")
    doctor = TrainingDoctor(verbose=0)
    spy = listening(doctor)
    lower = keras.callbacks.LearningRateScheduler(lambda epoch, now: now / 5)
    later = [] if rate is None else [lower]
    x = np.ones((8, 3), "float32")
    model.fit(x, x[:, :1], batch_size=4, epochs=2, verbose=0, callbacks=[doctor, *later])
    assert [seen.learning_rate for seen in spy.seen] == [rate] * 4
