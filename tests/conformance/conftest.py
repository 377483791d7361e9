"""The table of all layers. A new layer joins every law by one line in LAYERS."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import pytest

import kerastricks as kt


class Member(NamedTuple):
    """How to make a layer, and what is known of it."""

    make: Callable[..., keras.Layer]
    twin: Callable[..., keras.Layer] | None = None  # Keras' layer of the same name
    equal: bool = True  # whether the twin computes the same
    same_draws: bool = True  # whether it also does in training, with the same seed
    same_config: bool = True  # whether the twin's config makes the layer
    shape: tuple[int, ...] = (5, 3)  # of a sample
    random: bool = False  # whether inference draws random numbers
    delegated: bool = False  # whether Keras' own code computes it, with what that lacks


LAYERS = {
    "BatchNormalization": Member(
        kt.layers.BatchNormalization,
        keras.layers.BatchNormalization,
    ),
    "BatchNormalization-alpha": Member(
        partial(kt.layers.BatchNormalization, alpha=0.1, epsilon=1e-5),
        partial(keras.layers.BatchNormalization, momentum=0.9, epsilon=1e-5),
    ),
    "BatchNormalization-axis": Member(
        partial(kt.layers.BatchNormalization, 1, alpha=0.5, scale=False),
        partial(keras.layers.BatchNormalization, 1, momentum=0.5, scale=False),
    ),
    "BatchNormalization-images": Member(
        kt.layers.BatchNormalization, keras.layers.BatchNormalization, shape=(4, 6, 3)
    ),
    "BatchNormalization-debiased": Member(
        partial(kt.layers.BatchNormalization, average="debiased"),
        keras.layers.BatchNormalization,
        equal=False,
    ),
    "BatchNormalization-cumulative": Member(
        partial(kt.layers.BatchNormalization, average="cumulative", unbiased_variance=True),
        keras.layers.BatchNormalization,
        equal=False,
    ),
    "BatchNormalization-unbiased": Member(
        partial(kt.layers.BatchNormalization, unbiased_variance=True),
        keras.layers.BatchNormalization,
        equal=False,
    ),
    "BatchNormalization-ghost": Member(
        partial(kt.layers.BatchNormalization, virtual_batch_size=4),
        keras.layers.BatchNormalization,
        equal=False,
    ),
    "Dropout": Member(
        partial(kt.layers.Dropout, 0.3, seed=1),
        partial(keras.layers.Dropout, 0.3, seed=1),
        same_draws=False,
    ),
    "Dropout-channels": Member(
        partial(kt.layers.Dropout, 0.3, (None, 1, None), 1),
        partial(keras.layers.Dropout, 0.3, (None, 1, None), 1),
        same_draws=False,
    ),
    "Dropout-classic": Member(
        partial(kt.layers.Dropout, keep=0.7, scaling="classic", seed=1),
        partial(keras.layers.Dropout, 0.3, seed=1),
        equal=False,
    ),
    "DropBlock2D": Member(
        partial(kt.layers.DropBlock2D, 0.3, block_size=3, seed=1), shape=(6, 7, 3)
    ),
    "DropPath": Member(partial(kt.layers.DropPath, 0.3, seed=1)),
    "DropPath-batch": Member(partial(kt.layers.DropPath, 0.3, per="batch", seed=1)),
    "LeakyReLU": Member(kt.layers.LeakyReLU, keras.layers.LeakyReLU),
    "LeakyReLU-slope": Member(
        partial(kt.layers.LeakyReLU, 0.01), partial(keras.layers.LeakyReLU, 0.01)
    ),
    "MonteCarloDropout": Member(
        partial(kt.layers.MonteCarloDropout, 0.3, seed=1),
        partial(keras.layers.Dropout, 0.3, seed=1),
        equal=False,
        random=True,
    ),
    "PReLU": Member(
        kt.layers.PReLU,
        partial(keras.layers.PReLU, alpha_initializer=keras.initializers.Constant(0.25)),
    ),
    "PReLU-shared": Member(
        partial(kt.layers.PReLU, shared_axes=[1], alpha_regularizer="l2"),
        partial(
            keras.layers.PReLU,
            alpha_initializer=keras.initializers.Constant(0.25),
            shared_axes=[1],
            alpha_regularizer="l2",
        ),
    ),
    "RandomizedLeakyReLU": Member(partial(kt.layers.RandomizedLeakyReLU, seed=1)),
    "TailoredReLU": Member(partial(kt.layers.TailoredReLU, 50)),
    "VeryLeakyReLU": Member(
        kt.layers.VeryLeakyReLU,
        partial(keras.layers.LeakyReLU, 1 / 5.5),
        same_config=False,  # it has no slope to set
    ),
}
if "renorm" in inspect.signature(keras.layers.BatchNormalization).parameters:
    LAYERS["BatchNormalization-renorm"] = Member(
        partial(kt.layers.BatchNormalization, renorm=True),
        partial(keras.layers.BatchNormalization, renorm=True),
        delegated=True,
    )
if keras.backend.backend() == "tensorflow":  # the only one that Keras synchronizes
    LAYERS["BatchNormalization-synchronized"] = Member(
        partial(kt.layers.BatchNormalization, synchronized=True),
        partial(keras.layers.BatchNormalization, synchronized=True),
    )


@pytest.fixture(scope="session")
def layers_table():
    return LAYERS


def pytest_generate_tests(metafunc):
    tables = {
        "member": LAYERS,
        "twinned": {name: m for name, m in LAYERS.items() if m.twin},
        "equal": {name: m for name, m in LAYERS.items() if m.twin and m.equal},
    }
    for argument, table in tables.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, table.values(), ids=list(table))
