"""How AugMix changes what a network makes of images that are spoilt.

    python benchmarks/tricks/aug_mix.py

The small network of `augmentation_on_digits.py`, thirty images of each class, 400 steps, trained
plainly, on AugMix alone, and as the paper does: cross-entropy on the image itself and twelve times
the Jensen-Shannon divergence between the answers to it and to two blends of it. Tested on 800
digits, on these with noise, blur and little contrast (none of which is among AugMix' operations; a
mean of the three), and by the Jensen-Shannon divergence of the answers to a digit and to its spoilt
one, in nats: 0 is the same answer, log 2 = 0.69 the most. Three seeds.
"""

import keras
import numpy as np
from _augmented import augmented
from _common import SEEDS, run, spread, table
from augmentation_on_digits import BATCH, STEPS, A, network, padded_digits
from keras import ops

PER_CLASS = 30
WEIGHT = 12
SPOILT = (
    A.RandomNoise(0.3, probability=1),
    A.RandomGaussianBlur(1.0, probability=1),
    A.RandomContrast((0.2, 0.2)),
)


def divergence(answers, library):
    """Jensen-Shannon divergence of distributions, stacked on axis 0, for each sample."""
    middle = library.log(library.maximum(library.mean(answers, axis=0), 1e-7))
    logarithms = library.log(library.maximum(answers, 1e-7))
    return library.mean(library.sum(answers * (logarithms - middle), axis=-1), axis=0)


def loss_of_three(y, answers):
    """Cross-entropy of the first of three answers, and how far they are apart."""
    answers = ops.stack(ops.split(answers, 3, axis=-1))
    return keras.losses.categorical_crossentropy(y, answers[0]) + WEIGHT * divergence(answers, ops)


def main(quick=False):
    """Prints errors and divergences."""
    seeds, steps = (SEEDS[:1], 2) if quick else (SEEDS, STEPS)
    images, labels = padded_digits()
    found = {"plain": [], "AugMix": [], "AugMix and divergence": []}
    chosen, tests = [], []
    for seed in seeds:
        random = np.random.default_rng(seed)
        order = random.permutation(len(labels))
        classes = labels[order].argmax(axis=1)
        train = np.concatenate([order[classes == k][:PER_CLASS] for k in range(10)])
        chosen.append(random.choice(train, BATCH * steps))
        tests.append(np.setdiff1d(order, train, assume_unique=True)[:800])
    black = {"fill_mode": "constant"}
    policy = [A.AugMix(num_chains=1, chain_depth=1) if quick else A.AugMix()]
    blends = [augmented(policy, images[np.concatenate(chosen)], seed, **black) for seed in (0, 1)]
    worse = SPOILT[:1] if quick else SPOILT
    spoilt = [augmented([each], images[np.concatenate(tests)], **black) for each in worse]
    for trial, seed in enumerate(seeds):
        own = slice(trial * BATCH * steps, (trial + 1) * BATCH * steps)
        test = slice(trial * 800, (trial + 1) * 800)
        x, y = images[chosen[trial]], labels[chosen[trial]]
        right = labels[tests[trial]].argmax(axis=1)
        for name, values in found.items():
            keras.utils.set_random_seed(seed)
            model = network(steps)
            if name == "AugMix and divergence":
                three = [keras.Input((12, 12, 1)) for _ in range(3)]
                answers = keras.layers.Concatenate()([model(one) for one in three])
                training = keras.Model(three, answers)
                training.compile(model.optimizer, loss_of_three, steps_per_execution=min(steps, 20))
                training.fit([x, *(b[own] for b in blends)], y, BATCH, shuffle=False, verbose=0)
            else:
                model.fit(
                    x if name == "plain" else blends[0][own], y, BATCH, shuffle=False, verbose=0
                )
            clean = model.predict(images[tests[trial]], 800, verbose=0)
            bad = [model.predict(each[test], 800, verbose=0) for each in spoilt]
            values.append(
                [
                    100 * np.mean(clean.argmax(axis=1) != right),
                    np.mean([100 * np.mean(p.argmax(axis=1) != right) for p in bad]),
                    np.mean([divergence(np.stack([clean, p]), np) for p in bad]),
                ]
            )
    rows = [
        [name, *(spread(v, d) for v, d in zip(np.array(values).T, (1, 1, 3), strict=True))]
        for name, values in found.items()
    ]
    table(["training", "error (%)", "error, spoilt (%)", "divergence"], rows)


if __name__ == "__main__":
    run(main)
