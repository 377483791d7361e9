"""Makes old_digits.h5 and old_digits.npz with the real TensorFlow Addons, for notebook 8.

In an environment of its own (Python 3.11), with what the extra `addons-oracle` names:

    python -m pip install tensorflow==2.15.1 tensorflow-addons==0.23.0 scikit-learn pillow
    python examples/data/make_old_model.py

old_digits.h5 is a model that Keras 2.15 saved after eight epochs on digits. old_digits.npz has what
it said then, how the training went on there, and what some functions of TensorFlow Addons gave.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa
from sklearn.datasets import load_digits, load_sample_image

FOLDER = Path(__file__).parent
RATE = 0.01
LOSS = "sparse_categorical_crossentropy"
layers = tf.keras.layers


def digits():
    """The images, between 0 and 1: every fourth of them to test on, the others to train on."""
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
    test = np.arange(len(labels)) % 4 == 0
    return images[~test], labels[~test], images[test], labels[test]


def network():
    """A layer of TensorFlow Addons for each of Keras' own."""
    model = tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same", activation=tfa.activations.mish),
            tfa.layers.GroupNormalization(groups=2),
            layers.MaxPooling2D(),
            tfa.layers.WeightNormalization(layers.Conv2D(12, 3, padding="same")),
            tfa.layers.InstanceNormalization(),
            tfa.layers.GELU(approximate=True),
            tfa.layers.AdaptiveAveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(24),
            tfa.layers.Maxout(12),
            layers.Dense(10, activation="softmax"),
        ],
        name="old_digits",
    )
    optimizer = tfa.optimizers.RectifiedAdam(RATE)
    model.compile(optimizer, LOSS, metrics=["accuracy"])
    return model


def went_on(path, x, y, fresh, seeds=(0, 1, 2), epochs=4):
    """The losses of further epochs, each seed in an order of its own.

    With the optimizer as it was saved, or with a fresh one.
    """
    losses = []
    for seed in seeds:
        model = tf.keras.models.load_model(path)
        if fresh:
            model.compile(tfa.optimizers.RectifiedAdam(RATE), LOSS)
        rng, course = np.random.default_rng(seed), []
        for _ in range(epochs):
            order = rng.permutation(len(y))
            history = model.fit(x[order], y[order], 32, shuffle=False, verbose=0)
            course += history.history["loss"]
        losses.append(course)
    return np.array(losses)


def pictures():
    """A corner of a photograph, and what the operations made of it."""
    corner = load_sample_image("flower.jpg")[100:292:4, 200:392:4]
    return {
        "corner": corner,
        "rotate": tfa.image.rotate(corner, 0.4, "bilinear"),
        "mean_filter2d": tfa.image.mean_filter2d(corner, 3),
        "median_filter2d": tfa.image.median_filter2d(corner, 2),
        "gaussian_filter2d": tfa.image.gaussian_filter2d(corner.astype("float32"), 3, sigma=0.0),
    }


def scores(y_test, answers):
    """What losses and metrics gave for the model's answers."""
    target = tf.one_hot(y_test, 10)
    f1 = tfa.metrics.F1Score(10, average="macro")
    f1.update_state(target, answers)
    focal = tfa.losses.SigmoidFocalCrossEntropy(reduction="sum_over_batch_size")
    return {
        "F1Score": f1.result(),
        "SigmoidFocalCrossEntropy": focal(target, answers),
        "PinballLoss": tfa.losses.PinballLoss(tau=0.9)(target, answers),
    }


def main():
    """Train, save, go on, and keep what came out."""
    tf.keras.utils.set_random_seed(0)
    x, y, x_test, y_test = digits()
    model = network()
    loss = model.fit(x, y, 32, 8, verbose=0).history["loss"]
    model.save(FOLDER / "old_digits.h5")
    answers = model.predict(x_test, verbose=0)
    kept = {
        "loss": loss,
        "answers": answers,
        "went_on": went_on(FOLDER / "old_digits.h5", x, y, fresh=False),
        "started_anew": went_on(FOLDER / "old_digits.h5", x, y, fresh=True),
        **scores(y_test, answers),
        **pictures(),
    }
    np.savez_compressed(FOLDER / "old_digits.npz", **{k: np.asarray(v) for k, v in kept.items()})


if __name__ == "__main__":
    main()
