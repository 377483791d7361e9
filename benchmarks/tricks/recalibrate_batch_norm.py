"""Validation before and after the statistics of batch normalization are measured anew.

    python benchmarks/tricks/recalibrate_batch_norm.py

A network with three normalized layers on the handwritten digits, in three situations: one epoch of
42 steps with alpha 0.01, so that the averages still hold a part of their start; dropout before each
normalization, which shifts the variance; and test images of another kind (half the contrast,
brighter), for which the averages are taken from training images of that kind, without labels.
Nothing is trained in between. Three seeds, which draw the split, too.
"""

import keras
import numpy as np
from _common import SEEDS, digits, numpy_of, run, spread, table, train

import kerastricks as kt


def network(alpha, rate):
    """Three hidden layers, each normalized, perhaps behind dropout."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(3):
        start = kt.initializers.He()
        model.add(keras.layers.Dense(64, use_bias=False, kernel_initializer=start))
        if rate:
            model.add(kt.layers.Dropout(rate))
        model.add(kt.layers.BatchNormalization(alpha=alpha))
        model.add(keras.layers.ReLU())
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(
        keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", steps_per_execution=2
    )
    return model


def loss_and_error(model, x, y):
    """Cross-entropy in nats, and the share of wrong answers in percent."""
    answers = numpy_of(model(x, training=False))
    loss = -np.mean(np.log(np.maximum(answers[np.arange(len(y)), y], 1e-7)))
    return float(loss), 100 * float(np.mean(answers.argmax(axis=1) != y))


def other_kind(x):
    """Half the contrast, and brighter."""
    return 0.5 * x + 0.5


SITUATIONS = {
    "42 steps, `alpha=0.01`": (0.01, 0.0, 42, lambda x: x),
    "dropout 0.5 before it": (0.1, 0.5, 420, lambda x: x),
    "other images": (0.1, 0.0, 420, other_kind),
}


def main(quick=False):
    """Prints loss and error before and after."""
    seeds = SEEDS[:1] if quick else SEEDS
    rows = []
    situations = dict(list(SITUATIONS.items())[:1]) if quick else SITUATIONS
    for name, (alpha, rate, steps, changed) in situations.items():
        found = []
        for seed in seeds:
            x, y, x_test, y_test = digits(seed)
            keras.utils.set_random_seed(seed)
            model = network(alpha, rate)
            train(model, x, y, 2 if quick else steps, seed)
            before = loss_and_error(model, changed(x_test), y_test)
            kt.surgery.recalibrate_batch_norm(model, changed(x), verbose=0)
            found.append([*before, *loss_and_error(model, changed(x_test), y_test)])
        loss, wrong, loss_after, wrong_after = np.array(found).T
        rows.append(
            [name, spread(loss), spread(loss_after), spread(wrong, 1), spread(wrong_after, 1)]
        )
    table(["situation", "loss before", "after", "error before (%)", "after (%)"], rows)


if __name__ == "__main__":
    run(main)
