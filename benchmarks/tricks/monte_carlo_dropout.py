"""Dropout on, batch normalization off: `MonteCarloDropout` beside training=True.

    python benchmarks/tricks/monte_carlo_dropout.py

Two hidden layers of 256 ReLUs with batch normalization, then dropout of one half behind the
second, trained on 200 digits; three seeds, which also draw the digits. The same weights answer
for the test digits in batches of 10: with one scaled pass (`Dropout`), with the mean of 50 passes
of `MonteCarloDropout`, and with the mean of 50 passes of the `Dropout` model called with
`training=True`, where batch normalization takes its statistics from the ten. Once the batches are
shuffled, once each holds one class. "moved" is how far the calls, one for each batch, moved the
moving means, over the moving deviations, in the mean.
"""

from collections import defaultdict

import keras
import numpy as np
from _common import SEEDS, digits, numpy_of, restart, run, spread, table, train

import kerastricks as kt


def network(dropout):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        start = kt.initializers.He()
        model.add(keras.layers.Dense(256, use_bias=False, kernel_initializer=start))
        model.add(kt.layers.BatchNormalization(alpha=0.1))
        model.add(keras.layers.ReLU())
    model.add(dropout(0.5))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


def carry_over(model, other):
    for one, twin in zip(model.layers, other.layers, strict=True):
        if one.weights and not isinstance(one, keras.layers.Dropout):
            twin.set_weights(one.get_weights())


def main(quick: bool = False) -> None:
    """Prints errors, and what the calls left behind."""
    seeds, steps, passes = (SEEDS[:1], 5, 2) if quick else (SEEDS, 400, 50)
    model, sampled = network(kt.layers.Dropout), network(kt.layers.MonteCarloDropout)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    results = defaultdict(list)
    for seed in seeds:
        x, y, x_test, y_test = digits(seed, 200)
        restart(model, seed)
        train(model, x, y, steps, seed)
        carry_over(model, sampled)
        kept = model.get_weights()
        for order, places in (
            ("shuffled", np.arange(len(y_test))),
            ("one class a batch", np.argsort(y_test, kind="stable")),
        ):
            batches = np.array_split(places, len(places) // 10)
            for name, answer, count in (
                ("one scaled pass", lambda b: model(b, training=False), 1),
                ("MonteCarloDropout", lambda b: sampled(b, training=False), passes),
                ("training=True", lambda b: model(b, training=True), passes),
            ):
                wrong = 0
                before = [numpy_of(norm.moving_mean) for norm in norms]
                for batch in batches:
                    # Copies of a batch have its statistics, and each copy its own masks.
                    answers = numpy_of(answer(np.tile(x_test[batch], (count, 1))))
                    mean = answers.reshape(count, len(batch), -1).mean(axis=0)
                    wrong += np.sum(mean.argmax(axis=1) != y_test[batch])
                moved = np.mean(
                    [
                        np.abs(numpy_of(norm.moving_mean) - old)
                        / np.sqrt(numpy_of(norm.moving_variance))
                        for norm, old in zip(norms, before, strict=True)
                    ]
                )
                results[order, name].append((100 * wrong / len(y_test), moved))
                model.set_weights(kept)
    rows = []
    for (order, name), values in results.items():
        wrong, moved = np.array(values).T
        rows.append((order, name, spread(wrong), spread(moved)))
    table(("batches", "answer", "test error, %", "moved"), rows)


if __name__ == "__main__":
    run(main)
