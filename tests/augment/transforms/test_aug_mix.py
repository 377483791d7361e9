import re

import keras
import numpy as np
import pytest
from scipy import stats

import kerastricks as kt
from kerastricks.augment.kernels import compiled
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transforms._policy import OPERATIONS


@pytest.fixture
def uniforms(to_numpy):
    def uniforms(transform, count=4000):
        convert = keras.ops.convert_to_tensor
        keys = SampleKeys(0, convert(np.int32(0)), convert(np.arange(count, dtype="int32")))
        return keys.uniform(keras.ops, 0, transform.num_draws)

    return uniforms


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_weights_are_dirichlet_and_beta_distributed(uniforms, to_numpy, alpha):
    mix = kt.augment.AugMix(alpha=alpha)
    weights = to_numpy(mix.weights(keras.ops, uniforms(mix)))
    assert weights.shape == (4000, 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert stats.kstest(weights[:, 0], stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    chains = weights[:, 1:] / weights[:, 1:].sum(axis=1, keepdims=True)
    for chain in range(3):
        found = stats.kstest(chains[:, chain], stats.beta(alpha, 2 * alpha).cdf)
        assert found.pvalue > 1e-3


def test_a_range_of_alpha_is_one_for_all_shares_of_a_sample(uniforms, to_numpy):
    mix = kt.augment.AugMix(alpha=(0.3, 3))
    assert mix.num_draws == kt.augment.AugMix(alpha=3).num_draws + 1
    numbers = uniforms(mix)
    weights = to_numpy(mix.weights(keras.ops, numbers)).astype("float64")
    numbers = to_numpy(numbers)
    alpha = 0.3 + 2.7 * numbers[:, -1]
    assert stats.kstest(numbers[:, -1], "uniform").pvalue > 1e-3
    found = stats.beta(alpha, alpha).cdf(weights[:, 0])
    np.testing.assert_allclose(found, numbers[:, 1], atol=1e-3)
    for chain, others in ((1, 2), (2, 1)):
        left = 1 - weights[:, :chain].sum(axis=1)
        telling = left > 0.1  # else rounding has taken digits
        assert telling.sum() > 2000
        found = stats.beta(alpha, others * alpha).cdf(weights[:, chain] / left)
        expected = numbers[:, 1 + chain]
        np.testing.assert_allclose(found[telling], expected[telling], atol=1e-3)


def test_numbers_are_ranges_from_zero_and_of_themselves():
    plain = kt.augment.AugMix(0.4, alpha=0.7)
    assert plain == kt.augment.AugMix((0, 0.4), alpha=(0.7, 0.7))


def test_every_image_draws_its_own_operations_and_depths(uniforms, to_numpy):
    mix = kt.augment.AugMix()
    choose = compiled(
        lambda uniforms: [mix.choose(keras.ops, uniforms, slot).operation for slot in range(9)]
    )
    held = np.stack([to_numpy(x) for x in choose(uniforms(mix))], axis=1).reshape(-1, 3, 3)
    depths = (held != OPERATIONS.index("identity")).sum(axis=2)
    assert stats.chisquare(np.bincount(depths.ravel(), minlength=4)[1:]).pvalue > 1e-3
    assert (held[:, :, 0] > 0).all()
    counts = np.bincount(held[:, :, 0].ravel().astype(int), minlength=len(OPERATIONS))
    assert (counts > 0).sum() == 9
    assert stats.chisquare(counts[counts > 0]).pvalue > 1e-3


def test_the_blend_is_that_of_its_chains(images, run, uniforms, to_numpy):
    """Of a chain of its own weight alone, the blend is the mean of it and the image."""
    mix = kt.augment.AugMix(0.6, num_chains=1, chain_depth=1)
    out = run([mix], images, output_dtype="float32")
    weights = to_numpy(mix.weights(keras.ops, uniforms(mix, len(images))))
    chained = (out - weights[:, :1, None, None] * images) / weights[:, 1:, None, None]
    telling = weights[:, 1] > 0.2
    assert telling.sum() >= 2
    whole = np.round(chained[telling])
    np.testing.assert_allclose(chained[telling], whole, atol=0.01)
    assert whole.min() >= 0
    assert whole.max() <= 255


def test_nothing_to_do_leaves_images(images, run):
    np.testing.assert_array_equal(run([kt.augment.AugMix(probability=0)], images), images)


@pytest.mark.parametrize("key", ["segmentation_masks", "keypoints"])
def test_what_would_lie_in_several_places_is_refused(images, key):
    targets = {"segmentation_masks": images[..., 0], "keypoints": np.zeros((6, 1, 2), "float32")}
    with pytest.raises(ValueError, match=f"AugMix cannot serve '{key}'"):
        kt.augment.Pipeline([kt.augment.AugMix()], seed=0)(
            {"images": images, key: targets[key]}, training=True
        )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("severity", 2),
        ("severity", (0.5, 0.2)),
        ("num_chains", 0),
        ("chain_depth", 1.5),
        ("alpha", 0),
        ("alpha", (0, 1)),
        ("probability", -1),
    ],
)
def test_arguments_out_of_bounds_are_refused(argument, value):
    received = re.escape(f"Received: {argument}={value!r}")
    with pytest.raises(ValueError, match=f"AugMix: `{argument}`.*{received}"):
        kt.augment.AugMix(**{argument: value})
