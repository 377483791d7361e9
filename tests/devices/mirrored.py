"""Trainings on two logical devices of TensorFlow's, beside the same on one."""

import sys
from contextlib import nullcontext

import keras
import numpy as np
import tensorflow as tf
from trained import (
    CASES,
    RTOL,
    STEPS,
    assert_alike,
    assert_resumes,
    assert_same_looks,
    data,
    healthy,
    sick,
    trained,
)

import kerastricks as kt

(processor,) = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, two)
strategy = tf.distribute.MirroredStrategy(
    ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
)


def alike(build):
    one = trained(build)
    assert bool(one["told"]) == (build is sick)
    assert_alike(one, trained(build, strategy.scope))


def infinite(seen):
    """Places of numbers that are not finite, such as the bounds of an activation without any."""
    return [name for name, numbers in seen.items() if not np.isfinite(numbers).all()]


def uneven():
    """The last batch has one example, and one of the replicas none."""

    def one_more(scale):
        x, y = data(scale)
        return np.concatenate([x, x[:1]]), np.concatenate([y, y[:1]])

    one, several = (trained(healthy, scope, one_more) for scope in (nullcontext, strategy.scope))
    assert several["findings"] == one["findings"] == []
    assert several["unobserved"] == one["unobserved"] == {}
    for step in (STEPS, 2 * STEPS + 1):
        assert several["seen"][step]["/layers/0/samples"] == 1
        assert infinite(several["seen"][step]) == infinite(one["seen"][step])
    # Before that they are alike; in it Keras lets each replica's mean weigh the same.
    assert_same_looks(one["seen"][:STEPS], several["seen"][:STEPS])


def augmented():
    """Batches are augmented, then divided.

    Within a strategy Keras takes a batch to build the model, which begins an epoch of the pipeline.
    """
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3), "uint8")
    transforms = [kt.augment.RandomFlip("horizontal"), kt.augment.RandomRotation(15)]

    def history(scope, initial_epoch):
        pipeline = kt.augment.Pipeline(transforms, seed=1, output_dtype="float32")
        batches = tf.data.Dataset.from_tensor_slices((images, images[:, 0, 0, 0] / 255)).batch(8)
        augmented = pipeline.augment(batches, initial_epoch=initial_epoch)
        keras.utils.set_random_seed(0)
        with scope():
            model = keras.Sequential(
                [
                    keras.layers.Rescaling(1 / 255),
                    keras.layers.Conv2D(4, 3, activation="relu"),
                    keras.layers.GlobalAveragePooling2D(),
                    keras.layers.Dense(1),
                ]
            )
            model.compile("sgd", "mse")
        return model.fit(augmented, epochs=2, verbose=0).history["loss"]

    np.testing.assert_allclose(history(strategy.scope, 0), history(nullcontext, 1), rtol=RTOL)


def resumed():
    assert_resumes(strategy.scope)


OTHERS = {"uneven": uneven, "augmented": augmented, "resumed": resumed}
for name in sys.argv[1:]:
    alike(CASES[name]) if name in CASES else OTHERS[name]()
    print(f"{name}: as on one device")
