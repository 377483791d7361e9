"""What a pipeline makes of images, for the experiments that need no training loop around it."""

import keras
import numpy as np
import tensorflow as tf

import kerastricks as kt


def augmented(transforms, images, seed=0, batch=640, **options):
    """Each of the images once, in order: an array, or a structure of arrays as pipelines take it.

    `options` are those of `kt.augment.Pipeline`.
    """
    pipeline = kt.augment.Pipeline(transforms, seed=seed, **options)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(batch)
    batches = list(pipeline.augment(dataset).as_numpy_iterator())
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)
