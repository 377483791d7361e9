"""Trains models with the real TensorFlow Addons and saves them: models.py FOLDER [NAME...].

Each model leaves NAME.h5, NAME.keras and NAME.npz: its inputs x0, x1, ... and its predictions y.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

layers = tf.keras.layers


def tiny():
    """A Sequential for a fixture: an activation by name, a norm, a wrapper that has seen data."""
    model = tf.keras.Sequential(
        [
            tf.keras.Input((4, 4, 2)),
            layers.Conv2D(4, 3, activation=tfa.activations.mish),
            tfa.layers.InstanceNormalization(),
            layers.Flatten(),
            tfa.layers.WeightNormalization(layers.Dense(4), data_init=True),
            tfa.layers.Maxout(2),
        ]
    )
    model.compile(tfa.optimizers.RectifiedAdam(0.01), "mse", metrics=["mae"])
    return model


def tiny_functional():
    """A functional model for a fixture: branches, and a nested Sequential."""
    inputs = tf.keras.Input((6,))
    inner = tf.keras.Sequential(
        [tf.keras.Input((6,)), tfa.layers.WeightNormalization(layers.Dense(6))], name="inner"
    )
    branch = tfa.layers.Snake()(layers.BatchNormalization()(inner(inputs)))
    outputs = layers.Dense(3, tfa.activations.lisht)(
        tfa.layers.StochasticDepth(0.9)([inputs, branch])
    )
    model = tf.keras.Model(inputs, outputs)
    model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    return model


def sequential():
    """Normalizations and wrappers, one after the other."""
    model = tf.keras.Sequential(
        [
            layers.Conv2D(8, 3, activation=tfa.activations.mish, input_shape=(16, 16, 4)),
            tfa.layers.InstanceNormalization(),
            tfa.layers.WeightNormalization(layers.Conv2D(8, 3, padding="same", activation="relu")),
            tfa.layers.GroupNormalization(groups=2),
            tfa.layers.SpectralNormalization(layers.Conv2D(8, 3), power_iterations=2),
            tfa.layers.FilterResponseNormalization(learned_epsilon=True),
            tfa.layers.TLU(affine=True),
            tfa.layers.SpectralNormalization(layers.Conv2D(8, 1, use_bias=False)),
            tfa.layers.FilterResponseNormalization(),
            tfa.layers.TLU(),
            tfa.layers.SpatialPyramidPooling2D([1, 2]),
            layers.Flatten(),
            tfa.layers.WeightNormalization(layers.Dense(12, use_bias=False), data_init=False),
            layers.BatchNormalization(),
            tfa.layers.Maxout(6),
            tfa.layers.NoisyDense(6, activation=tfa.activations.tanhshrink),
            tfa.layers.NoisyDense(5, use_factorised=False),
            tfa.layers.Sparsemax(),
        ]
    )
    model.compile(
        tfa.optimizers.AdamW(weight_decay=1e-4, learning_rate=1e-3),
        tf.keras.losses.MeanSquaredError(),
        metrics=["accuracy"],
    )
    return model


def functional():
    """Pooling, activations, branches and shared layers."""
    image = tf.keras.Input((12, 12, 3), name="image")
    numbers = tf.keras.Input((7,), name="numbers")
    x = layers.Conv2D(6, 3, activation=tfa.activations.lisht)(image)
    shared = tfa.layers.InstanceNormalization(axis=-1, center=False)
    x = tfa.layers.StochasticDepth(0.8)(
        [x, shared(layers.SeparableConv2D(6, 3, padding="same")(x))]
    )
    x = shared(x)
    pooled = [
        layers.Flatten()(layer(x))
        for layer in (
            tfa.layers.AdaptiveAveragePooling2D((5, 2)),
            tfa.layers.AdaptiveMaxPooling2D(2),
            tfa.layers.AdaptiveAveragePooling2D(5),
        )
    ]
    line = layers.Reshape((10, 60))(x)
    pooled += [layers.Flatten()(tfa.layers.AdaptiveMaxPooling1D(5)(line))]
    pooled += [layers.Flatten()(tfa.layers.AdaptiveAveragePooling1D(2)(line))]
    cube = layers.Reshape((10, 10, 3, 2))(x)
    pooled += [layers.Flatten()(tfa.layers.AdaptiveMaxPooling3D((5, 2, 3))(cube))]
    pooled += [layers.Flatten()(tfa.layers.AdaptiveAveragePooling3D((2, 5, 1))(cube))]
    x = layers.Dense(7, tfa.activations.softshrink)(layers.Concatenate()(pooled))
    x = tfa.layers.PolynomialCrossing(use_bias=True)([numbers, x])
    x = tfa.layers.Snake(frequency_initializer="ones")(x)
    x = tfa.layers.GELU(approximate=False)(x)
    for name in ("hardshrink", "lisht", "mish", "snake", "softshrink", "tanhshrink"):
        x = layers.Activation(getattr(tfa.activations, name))(layers.Dense(7)(x))
    x = layers.Dense(7, activation=tfa.activations.rrelu)(x)
    x = layers.Dense(4, activation=tfa.activations.sparsemax)(x)
    model = tf.keras.Model([image, numbers], x)
    model.compile(
        tfa.optimizers.Lookahead(tfa.optimizers.RectifiedAdam(1e-3), sync_period=3), "mse"
    )
    return model


def nested():
    """Models in models, frozen parts, wrappers of Keras' own around layers, recurrent layers."""
    frozen = tfa.layers.WeightNormalization(layers.Dense(5, "tanh"), name="frozen")
    frozen.trainable = False
    cell = tf.keras.Sequential([tf.keras.Input((5,)), frozen, layers.BatchNormalization()])
    inner = tf.keras.Input((6, 4))
    x = layers.TimeDistributed(tfa.layers.WeightNormalization(layers.Dense(5)))(inner)
    x = layers.TimeDistributed(cell)(x)
    x = tfa.layers.WeightNormalization(layers.LSTM(5, return_sequences=True), data_init=False)(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True))(x)
    cells = layers.RNN([layers.GRUCell(4), layers.LSTMCell(3)])
    inner = tf.keras.Model(inner, cells(x), name="inner")
    outer = tf.keras.Input((6, 4))
    outputs = tfa.layers.WeightNormalization(layers.Dense(2))(inner(outer))
    model = tf.keras.Model(outer, outputs)
    rate = tf.keras.optimizers.schedules.CosineDecay(0.01, 100)
    model.compile(tfa.optimizers.SWA(tf.keras.optimizers.legacy.SGD(rate), 2, 2), "mae")
    return model


def averaged():
    """A tfa moving average over one of Keras' legacy optimizers, and a loss that is gone."""
    model = tf.keras.Sequential([layers.Dense(3, tfa.activations.mish, input_shape=(4,))])
    model.compile(
        tfa.optimizers.MovingAverage(tf.keras.optimizers.legacy.Adam(0.01)),
        tfa.losses.PinballLoss(0.3),
    )
    return model


def scheduled():
    """A Keras 2 optimizer with a schedule of TensorFlow Addons."""
    model = tf.keras.Sequential([layers.Dense(3, tfa.activations.mish, input_shape=(4,))])
    schedule = tfa.optimizers.TriangularCyclicalLearningRate(0.001, 0.01, 4)
    model.compile(tf.keras.optimizers.legacy.SGD(schedule, momentum=0.9), "mse", metrics=["mse"])
    return model


def wired():
    """Calls of all kinds: keywords, states, models called twice, two outputs."""
    sequence = tf.keras.Input((5, 4), name="sequence")
    other = tf.keras.Input((5, 4), name="other")
    attended = layers.MultiHeadAttention(2, 3)(sequence, value=other)
    encoded, *states = layers.LSTM(4, return_sequences=True, return_state=True)(attended)
    decoded = layers.LSTM(4)(encoded, initial_state=states)
    # What it would take from data are gains of 8 to 38, and it is called three times in a row: the
    # last bits of a float would show.
    normalized = tfa.layers.WeightNormalization(layers.Dense(4, "tanh"), data_init=False)
    inner = tf.keras.Sequential([tf.keras.Input((4,)), normalized])
    start = tf.keras.Input((4,))
    pair = tf.keras.Model(start, [layers.Dense(4)(start), tfa.layers.Snake()(start)])
    once, twice = pair(inner(decoded))
    again, last = pair(inner(once))
    added = layers.Add()([again, twice, layers.Dropout(0.5)(last, training=False)])
    model = tf.keras.Model({"sequence": sequence, "other": other}, [inner(added), added])
    optimizer = tf.keras.optimizers.RMSprop(1e-3)
    model.compile(optimizer, ["mse", "mae"], [["mae"], None], loss_weights=[1.0, 0.5])
    return model


MODELS = [tiny, tiny_functional, sequential, functional, nested, averaged, scheduled, wired]


def hand_over(model, name, folder):
    """Trains on noise, saves in both formats, writes what it predicts."""
    rng = np.random.default_rng(0)

    inputs = tf.nest.flatten(model.inputs)

    def draw(count):
        values = [rng.normal(size=(count, *i.shape[1:])).astype("float32") for i in inputs]
        return tf.nest.pack_sequence_as(model.input, values)

    y = [rng.dirichlet(np.ones(o.shape[-1]), size=32).astype("float32") for o in model.outputs]
    y = y[0] if len(y) == 1 else y
    model.fit(draw(32), y, batch_size=8, epochs=2, verbose=0)
    model.save(folder / f"{name}.h5")
    model.save(folder / f"{name}.keras")
    x = draw(3)
    arrays = {f"x{n}": array for n, array in enumerate(tf.nest.flatten(x))}
    for n, array in enumerate(tf.nest.flatten(model.predict(x, verbose=0))):
        arrays[f"y{n or ''}"] = array
    np.savez(folder / f"{name}.npz", **arrays)


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    for build in MODELS:
        if not names or build.__name__ in names:
            tf.keras.utils.set_random_seed(0)
            tf.keras.backend.clear_session()
            hand_over(build(), build.__name__, Path(folder))
