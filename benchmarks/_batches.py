"""A batch of `tf.data` over and over, as often as one asks."""

import tensorflow as tf


def consumer(augment, element):
    """What takes a number of batches that `augment` makes of an element.

    The data set begins and ends anew each time, so that nothing works on in the turn of another.
    """
    # Captured: a constant within the function would be copied at each beginning.
    element = tf.nest.map_structure(tf.constant, element)
    limit = tf.Variable(0, dtype=tf.int64)
    counted = tf.data.Dataset.range(2**62).take_while(lambda number: number < limit)
    augmented = augment(counted.map(lambda _: element))

    def consume(count):
        limit.assign(count)
        for _ in augmented:
            pass

    return consume
