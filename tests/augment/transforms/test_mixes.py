"""MixUp and CutMix: two samples become one, with all that belongs to them."""

import re

import keras
import numpy as np
import pytest
from scipy import stats

import kerastricks as kt
from kerastricks.augment.beta import beta, beta_quantiles
from kerastricks.augment.kernels import compiled
from kerastricks.augment.threefry import SampleKeys

MIXES = [kt.augment.MixUp((0.5, 0.9)), kt.augment.CutMix()]
LABELS = np.eye(6, dtype="float32")


@pytest.fixture
def mixed(images, to_numpy):
    def mixed(transforms, element, **kwargs):
        pipeline = kt.augment.Pipeline(transforms, seed=0, **kwargs)
        out = pipeline({"images": images, **element}, training=True)
        return keras.tree.map_structure(to_numpy, out)

    return mixed


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (0.1, 0.1),
        (0.2, 0.2),
        (1, 1),
        (1.5, 1.5),
        (30, 30),
        (2000, 2000),
        (0.3, 2),
        (1, 2),
        (7, 0.5),
    ],
)
def test_shares_are_beta_distributed(ops, tensor, to_numpy, a, b):
    uniform = (np.arange(20_000) + 0.5).astype("float32") / 20_000
    uniforms = tensor(uniform)
    shares = to_numpy(beta(ops, uniforms, (a, a), uniforms, b / a)).astype("float64")
    assert 0 <= shares.min() <= shares.max() <= 1
    # float32 has no numbers that are closer to 1.
    apart = shares < 1 - 1e-4
    found = stats.beta(a, b).cdf(shares)
    assert np.abs(found - uniform)[apart].max() < 1 / 1000
    exact = beta_quantiles(a, b)
    places = np.linspace(0, 1, 2049)
    apart = exact < 1 - 1e-4
    np.testing.assert_allclose(stats.beta(a, b).cdf(exact)[apart], places[apart], atol=2e-5)


@pytest.mark.parametrize(
    ("low", "high", "ratio"), [(0.1, 1, 1), (1, 1.001, 1), (2, 900, 1), (0.2, 3, 4)]
)
def test_each_sample_may_have_an_alpha_of_its_own(ops, tensor, to_numpy, low, high, ratio):
    uniform, place = np.random.default_rng(0).uniform(size=(2, 20_000)).astype("float32")
    shares = beta(ops, tensor(uniform), (low, high), tensor(place), ratio)
    shares = to_numpy(shares).astype("float64")
    assert 0 <= shares.min() <= shares.max() <= 1
    apart = shares < 1 - 1e-4
    alpha = low + place * (high - low)
    found = stats.beta(alpha, ratio * alpha).cdf(shares)
    assert np.abs(found - uniform)[apart].max() < 1 / 2048 + 1 / 5000


@pytest.fixture
def drawn(ops, tensor, to_numpy):
    """A mix's random numbers, and what it draws of them."""

    def drawn(mix, size=(4000, 4000)):
        keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(4000, dtype="int32")))
        uniforms = keys.uniform(ops, 0, mix.num_draws)
        draw = (compiled if ops is keras.ops else (lambda f: f))(
            lambda uniforms: mix.draw(ops, uniforms, size)
        )
        found = draw(uniforms)
        return to_numpy(uniforms), keras.tree.map_structure(to_numpy, found)

    return drawn


def test_a_range_of_alpha_is_drawn_from_uniformly_for_each_sample(drawn):
    uniforms, shares = drawn(kt.augment.MixUp((0.3, 4)))
    alpha = 0.3 + 3.7 * uniforms[:, 2]
    assert stats.kstest(uniforms[:, 2], "uniform").pvalue > 1e-3
    found = stats.beta(alpha, alpha).cdf(shares)
    np.testing.assert_allclose(found, uniforms[:, 1], atol=1e-3)
    uniforms, (_, top, _, bottom) = drawn(kt.augment.CutMix((0.3, 4)))
    whole = (top > 0) & (bottom < 4000)
    assert whole.sum() > 1000
    alpha = 0.3 + 3.7 * uniforms[:, 4]
    areas = ((bottom - top) / 4000) ** 2
    found = stats.beta(alpha, alpha).sf(areas)
    np.testing.assert_allclose(found[whole], uniforms[whole, 1], atol=2e-3)


@pytest.mark.parametrize("mix", [kt.augment.MixUp, kt.augment.CutMix])
def test_a_number_is_the_range_of_itself(drawn, mix):
    assert mix(0.4) == mix((0.4, 0.4))
    assert mix((0.4, 2)).num_draws == mix(0.4).num_draws + 1
    wide, found = drawn(mix((0.4, 0.40001)))
    narrow, expected = drawn(mix(0.4))
    np.testing.assert_array_equal(wide[:, :-1], narrow)
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3 * other.max())


def test_a_blend_is_the_weighted_mean_of_a_sample_and_the_one_before(images, mixed):
    out = mixed([kt.augment.MixUp(1.0)], {"labels": LABELS}, output_dtype="float32")
    share = out["labels"][range(6), range(6)]
    assert len(set(share.round(4))) == 6
    np.testing.assert_allclose(out["labels"][range(6), np.arange(6) - 1], 1 - share, atol=1e-6)
    share = share[:, None, None, None]
    expected = share * images + (1 - share) * np.roll(images, 1, axis=0)
    np.testing.assert_allclose(out["images"], expected, atol=1e-3)


def test_a_paste_is_a_rectangle_of_the_sample_before(images, mixed):
    out = mixed([kt.augment.CutMix()], {"labels": LABELS})
    before = np.roll(images, 1, axis=0)
    pasted = (out["images"] == before).all(axis=-1) & (images != before).any(axis=-1)
    np.testing.assert_array_equal(out["images"][~pasted], images[~pasted])
    for sample in pasted:
        rows, columns = np.where(sample.any(1))[0], np.where(sample.any(0))[0]
        assert sample.sum() == len(rows) * len(columns)
    np.testing.assert_allclose(
        out["labels"][range(6), range(6)], 1 - pasted.mean(axis=(1, 2)), atol=1e-6
    )
    assert 0.1 < pasted.mean() < 0.9


@pytest.mark.parametrize("mix", MIXES)
def test_a_probability_of_zero_changes_nothing(images, mixed, mix):
    boxes = {"boxes": np.tile(np.float32([[1, 1, 9, 6]]), (6, 1, 1)), "labels": np.ones((6, 1))}
    element = {"labels": LABELS, "bounding_boxes": boxes}
    never = type(mix)(mix.alpha, probability=0)
    out = mixed([never], element, bounding_box_format="xyxy")
    np.testing.assert_array_equal(out["images"], images)
    np.testing.assert_array_equal(out["labels"], LABELS)
    np.testing.assert_array_equal(out["bounding_boxes"]["boxes"][:, :1], boxes["boxes"])
    np.testing.assert_array_equal(out["bounding_boxes"]["labels"], [[1, -1]] * 6)
    np.testing.assert_array_equal(out["bounding_boxes"]["boxes"][:, 1:], 0)


def test_a_damaged_neighbor_does_no_harm_to_an_image_that_is_not_mixed(to_numpy):
    """Past the first batch, of which NaN is refused."""
    images = np.random.default_rng(0).uniform(0, 255, (3, 4, 4, 1)).astype("float32")
    pipeline = kt.augment.Pipeline([kt.augment.MixUp(probability=0)], seed=0)
    pipeline({"images": images, "labels": images[:, 0, 0]})
    images[1] = np.nan
    out = to_numpy(pipeline({"images": images, "labels": images[:, 0, 0]})["images"])
    np.testing.assert_array_equal(out[[0, 2]], images[[0, 2]])


def test_what_is_left_of_a_box_counts_across_a_mix(to_numpy):
    """0.7 of it, then 0.4, whatever stands between the two."""
    images = np.zeros((2, 10, 10, 1), "uint8")
    boxes = {"boxes": np.tile(np.float32([[0, 0, 10, 10]]), (2, 1, 1)), "labels": np.ones((2, 1))}
    shift = kt.augment.RandomTranslation(height=(0, 0), width=(0.3, 0.3))
    for share, kept in ((0.45, -1), (0.35, 1)):
        pipeline = kt.augment.Pipeline(
            [shift, kt.augment.MixUp(probability=0), shift],
            seed=0,
            bounding_box_format="xyxy",
            minimum_visibility=share,
        )
        out = pipeline({"images": images, "bounding_boxes": boxes}, training=True)
        assert to_numpy(out["bounding_boxes"]["labels"])[:, 0].tolist() == [kept] * 2


@pytest.mark.parametrize("mix", MIXES)
def test_without_training_nothing_is_mixed(images, mix, to_numpy):
    pipeline = kt.augment.Pipeline([mix], seed=0)
    out = pipeline({"images": images, "labels": LABELS}, training=False)
    np.testing.assert_array_equal(to_numpy(out["images"]), images)
    np.testing.assert_array_equal(to_numpy(out["labels"]), LABELS)


@pytest.mark.parametrize("mix", MIXES)
def test_integer_labels_are_refused(images, mix):
    pipeline = kt.augment.Pipeline([mix], seed=0)
    with pytest.raises(TypeError, match=r"one-hot vectors.*Received labels of dtype int"):
        pipeline({"images": images, "labels": np.arange(6)}, training=True)


@pytest.mark.parametrize("mix", MIXES)
def test_keypoints_are_refused(images, mix):
    pipeline = kt.augment.Pipeline([mix], seed=0)
    points = np.zeros((6, 2, 2), "float32")
    with pytest.raises(ValueError, match='cannot serve "keypoints"'):
        pipeline({"images": images, "keypoints": points}, training=True)


def test_class_numbers_of_masks_are_pasted_and_not_blended(images, mixed):
    masks = np.random.default_rng(0).integers(0, 9, images.shape[:3]).astype("int32")
    element = {"segmentation_masks": masks, "labels": LABELS}
    out = mixed([kt.augment.CutMix()], element)
    assert out["segmentation_masks"].dtype == masks.dtype
    before = np.roll(masks, 1, axis=0)
    pasted = (out["images"] == np.roll(images, 1, axis=0)).all(-1) & (
        images != np.roll(images, 1, axis=0)
    ).any(-1)
    np.testing.assert_array_equal(out["segmentation_masks"], np.where(pasted, before, masks))
    with pytest.raises(TypeError, match=r"one-hot in floating point.*Received masks of int32"):
        mixed([kt.augment.MixUp()], element)
    shares = keras.utils.to_categorical(masks, 9).astype("float32")
    blended = mixed([kt.augment.MixUp(1.0)], {"segmentation_masks": shares, "labels": LABELS})
    share = blended["labels"][range(6), range(6)][:, None, None, None]
    expected = share * shares + (1 - share) * np.roll(shares, 1, axis=0)
    np.testing.assert_allclose(blended["segmentation_masks"], expected, atol=1e-5)


def test_a_blend_has_the_boxes_of_both(mixed):
    corners = np.random.default_rng(0).uniform(0, 5, (6, 3, 2)).astype("float32")
    boxes = {
        "boxes": np.concatenate([corners, corners + 4], axis=-1),
        "labels": np.arange(18).reshape(6, 3),
    }
    out = mixed([kt.augment.MixUp(1.0)], {"bounding_boxes": boxes}, bounding_box_format="xyxy")
    for key in boxes:
        both = np.concatenate([boxes[key], np.roll(boxes[key], 1, axis=0)], axis=1)
        np.testing.assert_allclose(out["bounding_boxes"][key], both, atol=1e-5)


def test_boxes_of_a_paste_are_those_that_are_left_to_see(images, mixed, to_numpy):
    """Of single boxes the masks say what is left of them."""
    random = np.random.default_rng(1)
    corners = random.integers(0, 7, (6, 1, 2))
    boxes = np.concatenate([corners, corners + random.integers(2, 5, (6, 1, 2))], axis=-1)
    masks = np.zeros((6, 11, 17), "int32")
    for number, (left, top, right, bottom) in enumerate(boxes[:, 0]):
        masks[number, top:bottom, left:right] = number + 1
    element = {
        "segmentation_masks": masks,
        "bounding_boxes": {
            "boxes": boxes.astype("float32"),
            "labels": np.arange(1, 7)[:, None],
        },
    }
    cut = 0
    for seed in range(8):
        pipeline = kt.augment.Pipeline(
            [kt.augment.CutMix()], seed=seed, bounding_box_format="xyxy", minimum_visibility=0.0
        )
        out = pipeline({"images": images, **element}, training=True)
        seen = to_numpy(out["segmentation_masks"])
        found = {key: to_numpy(x) for key, x in out["bounding_boxes"].items()}
        for sample in range(6):
            for label in (sample + 1, (sample - 1) % 6 + 1):
                rows, columns = np.where(seen[sample] == label)
                at = found["labels"][sample] == label
                assert at.sum() == (len(rows) > 0)
                if not len(rows):
                    continue
                hull = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                np.testing.assert_allclose(found["boxes"][sample][at][0], hull, atol=1e-4)
                cut += hull != list(boxes[label - 1, 0])
    assert cut > 10


@pytest.mark.compiling
def test_weights_and_labels_give_the_mean_of_the_losses():
    """w L(y) = s w1 L(y1) + (1 - s) w2 L(y2) for cross entropy, which is linear in y."""
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (8, 4, 4, 1)).astype("uint8")
    labels, weights = np.eye(8, dtype="float32"), random.uniform(0.1, 2, 8).astype("float32")
    weights[3] = 0
    data = tf.data.Dataset.from_tensor_slices((images, labels, weights)).batch(8)
    plain = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)
    pipeline = [kt.augment.MixUp(1.0)]
    _, out, weight = next(iter(kt.augment.Pipeline(pipeline, seed=0).augment(data)))
    _, shares = next(iter(kt.augment.Pipeline(pipeline, seed=0).augment(plain)))
    logits = random.normal(size=8)
    losses = np.log(np.exp(logits).sum()) - logits
    share = shares.numpy()[range(8), range(8)]
    before = np.maximum(np.arange(8) - 1, 0)
    expected = share * weights * losses + (1 - share) * weights[before] * losses[before]
    expected[0] = weights[0] * losses[0]
    np.testing.assert_allclose(weight.numpy() * (out.numpy() @ losses), expected, rtol=1e-4)


def test_weights_of_several_axes_are_refused():
    tf = pytest.importorskip("tensorflow")
    data = np.zeros((4, 3, 3, 1), "uint8"), np.zeros((4, 2), "float32"), np.zeros((4, 3), "float32")
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(4)
    with pytest.raises(ValueError, match="one weight a sample"):
        kt.augment.Pipeline([kt.augment.MixUp()], seed=0).augment(dataset)


@pytest.mark.compiling
@pytest.mark.parametrize(
    "transforms",
    [
        pytest.param(
            [kt.augment.RandomFlip(), kt.augment.MixUp(1.0), kt.augment.RandomRotation(20)],
            id="one",
            marks=pytest.mark.slow,
        ),
        pytest.param([kt.augment.CutMix(), kt.augment.MixUp(1.0)], id="two"),
    ],
)
def test_partners_do_not_depend_on_the_batch(transforms, to_numpy, images):
    tf = pytest.importorskip("tensorflow")
    element = {
        "images": np.concatenate([images, images[::-1]]),
        "labels": np.eye(12, dtype="float32"),
        "bounding_boxes": {"boxes": np.tile(np.float32([[1, 1, 6, 6]]), (12, 1, 1))},
    }

    def run(batch_size):
        pipeline = kt.augment.Pipeline(transforms, seed=0, bounding_box_format="xyxy")
        data = tf.data.Dataset.from_tensor_slices(element)
        if batch_size is None:
            data = pipeline.augment(data).batch(12)
        else:
            data = pipeline.augment(data.batch(batch_size))
        return tf.nest.map_structure(lambda *x: np.concatenate(x), *data)

    whole = run(12)
    for batch_size in (5, None):
        tf.nest.map_structure(np.testing.assert_array_equal, run(batch_size), whole)
    layer = kt.augment.Pipeline(transforms, seed=0, bounding_box_format="xyxy")
    out = keras.tree.map_structure(to_numpy, layer(element, training=True))
    later = sum(
        isinstance(transform, (kt.augment.MixUp, kt.augment.CutMix)) for transform in transforms
    )
    np.testing.assert_allclose(out["labels"][later:], whole["labels"][later:], atol=1e-6)
    assert (np.abs(out["images"][later:].astype(int) - whole["images"][later:]) <= 1).all()


@pytest.mark.compiling
def test_mixes_serve_labels_beside_the_dictionary_and_in_it():
    tf = pytest.importorskip("tensorflow")
    images, labels = np.zeros((4, 3, 3, 1), "uint8"), np.eye(4, dtype="float32")
    element = {"images": images, "labels": labels}, {"head": labels}
    data = tf.data.Dataset.from_tensor_slices(element).batch(4)
    inside, beside = next(iter(kt.augment.Pipeline([kt.augment.MixUp(1.0)], seed=0).augment(data)))
    np.testing.assert_array_equal(inside["labels"], beside["head"])
    assert (inside["labels"].numpy()[1:] != labels[1:]).any()


def test_samples_of_unknown_shape_are_refused():
    tf = pytest.importorskip("tensorflow")
    spec = tf.TensorSpec((8, 8, 3), tf.uint8), tf.TensorSpec((None,), tf.float32)
    data = tf.data.Dataset.from_generator(lambda: iter(()), output_signature=spec)
    pipeline = kt.augment.Pipeline([kt.augment.MixUp()], seed=0)
    with pytest.raises(ValueError, match=r"samples of one known shape"):
        pipeline.augment(data)
    spec = tf.TensorSpec((None, None, 3), tf.uint8)
    data = tf.data.Dataset.from_generator(lambda: iter(()), output_signature=spec)
    with pytest.raises(ValueError, match=r"put `Resize`.*before the mix"):
        pipeline.augment(data)


@pytest.mark.compiling
@pytest.mark.parametrize("mix", MIXES)
def test_a_mix_compiles_in_a_model(mix, images):
    model = keras.Sequential(
        [
            keras.layers.Input(images.shape[1:], dtype="uint8"),
            kt.augment.Pipeline([mix], seed=0, output_dtype="float32"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse", jit_compile=keras.backend.backend() != "torch")
    history = model.fit(images, np.zeros((6, 1)), verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("mix", [kt.augment.MixUp, kt.augment.CutMix])
@pytest.mark.parametrize(
    ("argument", "value"),
    [("alpha", 0), ("alpha", "a"), ("alpha", (0, 1)), ("alpha", (2, 1)), ("probability", 2)],
)
def test_arguments_out_of_bounds_are_refused(mix, argument, value):
    received = re.escape(f"Received: {argument}={value!r}")
    with pytest.raises(ValueError, match=f"{mix.__name__}: `{argument}`.*{received}"):
        mix(**{argument: value})
