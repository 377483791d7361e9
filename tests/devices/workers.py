"""One of two workers of TensorFlow's, which train a model in a loop of their own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from trained import BATCH, RTOL, STEPS, data, healthy, sick

import kerastricks as kt

strategy = tf.distribute.MultiWorkerMirroredStrategy()
assert strategy.num_replicas_in_sync == 2
RANK = strategy.cluster_resolver.task_id


def made():
    keras.utils.set_random_seed(0)
    model = healthy()
    optimizer = keras.optimizers.SGD(0.05)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def step(model, optimizer, x, y, share):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(y, model(x, training=True)))
        loss = loss / share
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)


def layers():
    """Each worker has a half of every batch; the normalizations are joint."""
    x, y = data()
    with tf.device("CPU:0"):
        one = made()
        for start in range(0, len(x), BATCH):
            step(*one, x[start : start + BATCH], y[start : start + BATCH], 1)
    with strategy.scope():
        several = made()
    half = BATCH // 2
    run = tf.function(lambda x, y: strategy.run(step, (*several, x, y, 2)))
    for start in range(0, len(x), BATCH):
        own = slice(start + RANK * half, start + (RANK + 1) * half)
        run(tf.constant(x[own]), tf.constant(y[own]))
    for a, b in zip(one[0].get_weights(), several[0].get_weights(), strict=True):
        np.testing.assert_allclose(b, a, atol=RTOL * max(np.abs(a).max(), 1e-2))
    print("layers: as in one process", flush=True)


def augmentation():
    """Each worker gets its half of what the pipeline gives."""
    images = np.random.default_rng(0).integers(0, 256, (STEPS, 8, 8, 3), "uint8")
    pipeline = kt.augment.Pipeline(
        [kt.augment.RandomFlip("horizontal"), kt.augment.RandomRotation(15)], seed=1
    )
    augmented = pipeline.augment(tf.data.Dataset.from_tensor_slices(images).batch(4))
    whole = np.concatenate(
        [
            each.numpy()
            for each in pipeline.augment(tf.data.Dataset.from_tensor_slices(images).batch(4))
        ]
    )
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    own = strategy.experimental_distribute_dataset(augmented.with_options(options))
    got = np.concatenate([strategy.experimental_local_results(each)[0].numpy() for each in own])
    mine = whole.reshape(-1, 2, 2, 8, 8, 3)[:, RANK].reshape(got.shape)
    np.testing.assert_array_equal(got, mine)
    print("augmentation: a half each", flush=True)


def refused():
    """Keras' `fit` takes a batch of several workers for one tensor; no callback is called."""
    with strategy.scope():
        model, _ = made()
        model.compile("sgd", "binary_crossentropy")
    doctor = kt.callbacks.TrainingDoctor()
    with pytest.raises(ValueError, match="PerReplica"):
        model.fit(*data(), batch_size=BATCH, verbose=0, callbacks=[doctor])
    assert doctor.report.to_dict()["observed_steps"] == []
    print("fit: refused", flush=True)


def before():
    """What is wrong from the start is told outside of the strategy, in each process by itself."""
    model = sick()
    model.compile("sgd", "binary_crossentropy")
    assert kt.checkup(model, *data(40.0)).sick
    print("checkup: sick", flush=True)


for part in (layers, augmentation, refused, before):
    part()
