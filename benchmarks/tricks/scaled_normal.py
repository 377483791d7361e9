"""What a fixed 0.01 does to the gradient of ten convolutions: section 2.2 of He et al. (2015).

    python benchmarks/tricks/scaled_normal.py

The ten convolutions of VGG's model B: 3 x 3, of 64, 64, 128, 128, 256, 256, 512, 512, 512 and 512
filters, ReLU behind each, here on maps of 8 x 8 pixels without pooling. A random gradient enters
behind the tenth. What arrives behind the first, with weights of deviation 0.01, over what arrives
with the deviation sqrt(2 / (9 filters)) that keeps it, beside the paper's product.
"""

import math

import keras
import numpy as np
from _common import SEEDS, numpy_of, run, table

import kerastricks as kt

FILTERS = (64, 64, 128, 128, 256, 256, 512, 512, 512, 512)


def pulled_back(deviations, seed, pixels):
    """Deviation of the gradient behind the first convolution, for one that enters behind the last.

    Backward, a "same" convolution is one with the flipped kernel; random kernels need no flip. The
    slopes of random ReLUs are coins.
    """
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    gradient = rng.normal(size=(4, pixels, pixels, FILTERS[-1])).astype("float32")
    layers = list(zip(FILTERS[:-1], FILTERS[1:], deviations, strict=True))
    for into, out, deviation in reversed(layers):
        gradient *= rng.integers(2, size=gradient.shape)
        kernel = kt.initializers.ScaledNormal(deviation)((3, 3, out, into))
        gradient = numpy_of(keras.ops.conv(gradient, kernel, padding="same"))
    return gradient.std()


def main(quick: bool = False) -> None:
    """Prints one over the share of the gradient that a deviation of 0.01 leaves."""
    seeds, pixels = (SEEDS[:1], 3) if quick else (SEEDS, 8)
    right = [math.sqrt(2 / (9 * out)) for out in FILTERS[1:]]
    theory = math.prod(deviation / 0.01 for deviation in right)
    measured = [
        pulled_back(right, seed, pixels) / pulled_back([0.01] * 9, seed + 100, pixels)
        for seed in seeds
    ]
    table(
        ("one over the share that arrives", "value"),
        [
            ("product of the deviations over 0.01", f"{theory:,.0f}"),
            ("measured, seeds 0 to 2", ", ".join(f"{value:,.0f}" for value in measured)),
        ],
    )


if __name__ == "__main__":
    run(main)
