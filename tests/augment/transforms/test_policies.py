"""Policies choose operations for each image, which are the transforms of their names."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_sample_image

import kerastricks as kt
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transforms._policy import OPERATIONS, Choice, Policy
from kerastricks.augment.transforms.auto_augment import pairs

A = kt.augment
PHOTO = load_sample_image("flower.jpg")[100:164, 200:296]
POLICIES = {
    "rand": A.RandAugment(2, 0.5),
    "trivial": A.TrivialAugment(),
    "auto": A.AutoAugment(),
}


@dataclass(frozen=True)
class Fixed(Policy):
    """The same for all images."""

    choices: tuple

    @property
    def slots(self):
        return len(self.choices)

    @property
    def draws_of_a_slot(self):
        return 1

    def choose(self, ops, uniforms, slot):
        name, amount = self.choices[slot]
        ones = ops.ones_like(uniforms[:, 0])
        return Choice(ones * OPERATIONS.index(name), ones * amount)


SINGLE = {
    "identity": (0.0, None),
    "shear_x": (0.2, A.RandomShear((np.degrees(np.arctan(0.2)),) * 2)),
    "shear_y": (-0.2, A.RandomShear(0, (np.degrees(np.arctan(-0.2)),) * 2)),
    "translate_x": (0.25, A.RandomTranslation(0, (0.25, 0.25))),
    "translate_y": (-0.25, A.RandomTranslation((-0.25, -0.25), 0)),
    "rotate": (20.0, A.RandomRotation((20, 20))),
    "brightness": (-0.4, A.RandomBrightness((0.6, 0.6))),
    "saturation": (0.5, A.RandomSaturation((1.5, 1.5))),
    "contrast": (0.5, A.RandomContrast((1.5, 1.5))),
    "sharpness": (0.5, A.RandomSharpness((1.5, 1.5))),
    "posterize": (3.0, A.RandomPosterize(3)),
    "solarize": (0.3, A.RandomSolarize(0.3)),
    "auto_contrast": (0.0, A.RandomAutoContrast()),
    "equalize": (0.0, A.RandomEqualize()),
    "invert": (0.0, A.RandomInvert(1)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_the_transform_of_its_name(run, name):
    amount, transform = SINGLE[name]
    images = np.stack([PHOTO, 60 + PHOTO // 3])
    out = run([Fixed(((name, amount),))], images).astype(int)
    expected = images if transform is None else run([transform], images)
    # Shifts along the axes are filtered otherwise by what may also turn: they round otherwise.
    assert np.abs(out - expected).max() <= 1
    assert np.mean(out != expected) < 0.02


def test_operations_follow_one_another(run):
    steps = [("solarize", 0.4), ("saturation", -0.5), ("equalize", 0.0), ("sharpness", 0.9)]
    images = PHOTO[None]
    out = run([Fixed(tuple(steps))], images).astype(int)
    for name, amount in steps:
        images = run([Fixed(((name, amount),))], images)
    np.testing.assert_array_equal(out, images)


@pytest.fixture
def drawn(ops, tensor, to_numpy):
    def drawn(policy, slot=0, count=7000):
        keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(count, dtype="int32")))
        choice = policy.choose(ops, keys.uniform(ops, 0, policy.num_draws), slot)
        return to_numpy(choice.operation).astype(int), to_numpy(choice.amount)

    return drawn


@pytest.mark.parametrize("name", ["rand", "trivial"])
def test_each_of_fourteen_is_as_likely(drawn, name):
    operation, _ = drawn(POLICIES[name])
    assert stats.chisquare(np.bincount(operation, minlength=15)[:14]).pvalue > 1e-3
    assert operation.max() == 13  # no inversion


@pytest.mark.parametrize("name", ["imagenet", "cifar10", "svhn"])
def test_pairs_are_drawn_together_and_done_at_their_own_rates(drawn, name):
    """Of the pairs as they were published: 25, each as likely."""
    policy = A.AutoAugment(name)
    table = pairs(name)
    assert table.shape == (25, 2, 4)
    count = 20000
    (first, one), (second, _) = (drawn(policy, slot, count) for slot in range(2))
    expected = np.zeros((2, len(OPERATIONS)))
    for pair in table:
        for slot in range(2):
            operation, probability, _, _ = pair[slot]
            expected[slot, int(operation)] += probability / 25
    expected[:, 0] = 1 - expected[:, 1:].sum(axis=1)
    for slot, operation in enumerate((first, second)):
        share = np.bincount(operation, minlength=len(OPERATIONS)) / count
        np.testing.assert_allclose(share, expected[slot], atol=4 * 0.5 / np.sqrt(count))
    known = {(int(a[0]), int(b[0])) for a, b in table}
    assert {(a, b) for a, b in zip(first, second, strict=True) if a and b} <= known
    signed = np.isin(first, [OPERATIONS.index(name) for name in ("rotate", "shear_x", "shear_y")])
    if signed.any():
        assert abs((one[signed] > 0).mean() - 0.5) < 0.05


def test_an_image_gets_its_whole_pair_or_nothing(drawn):
    """Of the very numbers of a policy without chance."""
    every, some = (
        np.stack([drawn(A.AutoAugment("svhn", probability), slot)[0] for slot in range(2)])
        for probability in (1, 0.3)
    )
    given = some.any(axis=0)
    np.testing.assert_array_equal(some[:, given], every[:, given])
    expected = 0.3 * every.any(axis=0).mean()
    assert abs(given.mean() - expected) <= 4 * np.sqrt(0.25 / given.size)


@pytest.mark.parametrize("policy", [A.RandAugment, A.TrivialAugment, A.AutoAugment])
def test_images_that_get_nothing_stay_bit_for_bit(run, policy):
    images = PHOTO[None, :16, :16]
    np.testing.assert_array_equal(run([policy(probability=0)], images), images)


def test_amounts_of_a_policy_are_those_of_its_magnitudes():
    posterize, rotate = pairs("imagenet")[0]
    assert (posterize[1], posterize[2]) == (0.4, 4)  # magnitude 8 of 9: 4 of 8 bits go
    assert (rotate[1], rotate[2]) == (0.6, 30)
    solarize, _ = pairs("imagenet")[1]
    assert solarize[2] == pytest.approx(1 - 5 / 9)


def test_an_unknown_policy_or_probability_is_refused():
    with pytest.raises(ValueError, match=r"AutoAugment: `policy` is one of 'imagenet'"):
        A.AutoAugment("coco")
    with pytest.raises(ValueError, match=r"AutoAugment: `probability`.*Received: probability=2"):
        A.AutoAugment(probability=2)


def test_slots_are_independent(drawn):
    first, _ = drawn(POLICIES["rand"], 0)
    second, _ = drawn(POLICIES["rand"], 1)
    table = np.zeros((14, 14))
    np.add.at(table, (first, second), 1)
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_amounts_are_those_of_the_magnitude_with_either_sign(drawn):
    operation, amount = drawn(A.RandAugment(1, 0.5))
    turned = amount[operation == OPERATIONS.index("rotate")]
    assert set(turned) == {-15.0, 15.0}
    assert abs((turned > 0).mean() - 0.5) < 0.1
    assert set(amount[operation == OPERATIONS.index("posterize")]) == {6.0}
    np.testing.assert_allclose(amount[operation == OPERATIONS.index("solarize")], 0.5)
    assert not amount[operation == OPERATIONS.index("equalize")].any()


def test_probability_is_the_share_of_operations_that_are_done(drawn):
    operation, _ = drawn(A.RandAugment(1, 0.5, probability=0.4))
    done = (operation != 0).mean()
    assert abs(done - 0.4 * 13 / 14) <= 4 * np.sqrt(0.25 / 7000)


@pytest.mark.parametrize("name", POLICIES)
def test_each_image_has_operations_of_its_own_in_any_batch(run, name):
    """In Keras 3.15 all images of a batch share them."""
    images = np.repeat(PHOTO[None], 24, axis=0)
    out = run([POLICIES[name]], images)
    assert len({image.tobytes() for image in out}) > 15
    np.testing.assert_array_equal(run([POLICIES[name]], images[:5]), out[:5])


def test_gray_images_are_served_and_two_channels_are_not(run):
    out = run([POLICIES["rand"]], np.repeat(PHOTO[None, ..., :1], 8, axis=0))
    assert len({image.tobytes() for image in out}) > 4
    with pytest.raises(ValueError, match="Received images of 2 channels"):
        run([POLICIES["rand"]], PHOTO[None, ..., :2])


def test_boxes_follow(to_numpy):
    boxes = np.array([[[10, 10, 40, 30]]] * 8, "float32")
    parts = {"images": np.repeat(PHOTO[None], 8, axis=0), "bounding_boxes": {"boxes": boxes}}
    policy = Fixed((("brightness", 0.2), ("translate_x", 0.25)))
    out = A.Pipeline([policy], seed=0, bounding_box_format="xyxy")(parts, training=True)
    moved = to_numpy(out["bounding_boxes"]["boxes"])
    np.testing.assert_allclose(moved, boxes + np.array([24, 0, 24, 0]), atol=1e-4)


def test_a_plan_counts_the_random_numbers_of_a_policy_once():
    text = A.Pipeline([A.RandAugment(2)], seed=0).explain()
    assert text.startswith("1 transform, 7 passes")
    assert "random numbers a sample: 8" in text


@pytest.mark.parametrize("arguments", [{"num_ops": 0}, {"magnitude": 2}, {"probability": -1}])
def test_arguments_out_of_bounds_are_refused(arguments):
    with pytest.raises(ValueError, match=r"RandAugment: `"):
        A.RandAugment(**arguments)
