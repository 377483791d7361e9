"""How good the ensemble's probabilities are, against the number of passes.

    python benchmarks/tricks/monte_carlo_dropout.py

Two hidden layers of 256 ReLUs with dropout of one half, trained on 200 digits; three seeds, which
also draw the digits. The same weights answer with one scaled pass (`Dropout`) and with the mean of 1
to 100 passes of `MonteCarloDropout`. The calibration error is the mean, over ten bins of equally
many answers, of the difference between how sure the network is and how often it is right.
"""

import keras
import numpy as np
from _common import SEEDS, digits, numpy_of, restart, run, spread, table, train

import kerastricks as kt

PASSES = (1, 5, 20, 50, 100)


def network(dropout):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(2):
        model.add(keras.layers.Dense(256, "relu", kernel_initializer=kt.initializers.He()))
        model.add(dropout(0.5))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


def judged(answers, y):
    """Error in percent, log-likelihood a digit, calibration error in percent."""
    right = answers.argmax(axis=1) == y
    likelihood = np.log(answers[np.arange(len(y)), y] + 1e-12).mean()
    sure = answers.max(axis=1)
    bins = np.array_split(np.argsort(sure), 10)
    gap = np.mean([abs(sure[b].mean() - right[b].mean()) for b in bins])
    return 100 * (1 - right.mean()), likelihood, 100 * gap


def main(quick: bool = False) -> None:
    """Prints what the answers are worth."""
    seeds, steps = (SEEDS[:1], 5) if quick else (SEEDS, 400)
    model, sampled = network(kt.layers.Dropout), network(kt.layers.MonteCarloDropout)
    results = {}
    for seed in seeds:
        x, y, x_test, y_test = digits(seed, 200)
        restart(model, seed)
        train(model, x, y, steps, seed)
        for one, other in zip(model.layers, sampled.layers, strict=True):
            other.set_weights(one.get_weights() if one.name.startswith("dense") else [])
        plain = judged(numpy_of(model(x_test, training=False)), y_test)
        results.setdefault("one scaled pass", []).append(plain)
        passes = [numpy_of(sampled(x_test, training=False)) for _ in range(max(PASSES))]
        for count in PASSES:
            name = f"mean of {count} passes" if count > 1 else "a single random pass"
            answer = judged(np.mean(passes[:count], axis=0), y_test)
            results.setdefault(name, []).append(answer)
    rows = []
    for name, values in results.items():
        wrong, likelihood, gap = np.array(values).T
        rows.append((name, spread(wrong), spread(likelihood, 3), spread(gap)))
    table(("answer", "test error, %", "log-likelihood", "calibration error, %"), rows)


if __name__ == "__main__":
    run(main)
