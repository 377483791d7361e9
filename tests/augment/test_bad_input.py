"""What a hostile user passes: a clear error at once, and nothing silently wrong."""

import json
import re
from dataclasses import fields
from typing import get_type_hints

import keras
import numpy as np
import pytest

import kerastricks as kt

A = kt.augment
KINDS = [getattr(A, name) for name in A.__all__ if name != "Pipeline"]
NEEDED = {"height": 1, "width": 1, "degrees": 3, "scale": 0.1, "factor": 0.1, "hue": 0.1}
NO_NUMBERS = [
    float("nan"),
    float("inf"),
    "x",
    b"x",
    True,
    np.True_,
    (),
    (1,),
    (0.1, 0.2, 0.3),
    (2, 1),
    ("a", "b"),
    (0.1, float("nan")),
    (True, True),
    {"a": 1},
    1j,
    10**400,
    (0.1, 10**400),
    (1e-300, 1e300),
    np.array([0.1, 0.2]),
    [[0.1, 0.2]],
]


def made(kind, **given):
    names = {field.name for field in fields(kind)}
    defaults = {name: value for name, value in NEEDED.items() if name in names}
    if kind is A.RandomResizedCrop:
        del defaults["scale"]
    return kind(**{**defaults, **given})


@pytest.mark.every_variant
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_no_number_and_no_range_is_refused_by_every_argument(kind):
    hints = get_type_hints(kind)
    for field in fields(kind):
        for value in NO_NUMBERS:
            if field.name == "keep_aspect_ratio" and isinstance(value, (bool, np.bool_)):
                continue
            if field.name == "alpha" and str(value) == "(1e-300, 1e+300)":
                continue
            told = rf"{kind.__name__}: `{field.name}`(?s:.*)Received: {field.name}="
            with pytest.raises(ValueError, match=told):
                made(kind, **{field.name: value})
        if "float" not in str(hints[field.name]) and hints[field.name] is not bool:
            continue
        if "None" not in str(hints[field.name]):
            with pytest.raises(ValueError, match="Received"):
                made(kind, **{field.name: None})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_numbers_of_numpy_become_plain_ones(kind):
    """As files of models hold them."""
    given = {
        field.name: np.float32(0.02)
        for field in fields(kind)
        if "float" in str(get_type_hints(kind)[field.name])
    }
    transform = made(kind, **given)
    written = json.dumps(keras.saving.serialize_keras_object(transform))
    assert keras.saving.deserialize_keras_object(json.loads(written)) == transform


@pytest.mark.parametrize(
    "arguments",
    [
        (A.RandomBrightness, (0, 1001)),
        (A.RandomZoom, (0.001, 1)),
        (A.RandomZoom, (1, 101)),
        (A.RandomPerspective, 0.999),
        (A.RandomCrop, 70000, 3),
        (A.Pad, 3, 70000),
        (A.Resize, 1e300, 3),
        (A.RandomResizedCrop, 3, 3, 0.5, (1e-3, 1)),
    ],
    ids=str,
)
def test_amounts_that_would_overflow_or_take_for_ever_are_refused(arguments):
    kind, *rest = arguments
    with pytest.raises(ValueError, match=r"Received: "):
        kind(*rest)


@pytest.mark.parametrize(
    "transform", [A.RandomElastic(0, 300), A.RandAugment(40_000), A.AugMix(0.3, 60_000, 60_000)]
)
def test_transforms_that_would_share_random_numbers_are_refused(transform):
    with pytest.raises(ValueError, match="at most 131072 random numbers a sample"):
        A.Pipeline([transform], seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value_range": (0, 1e300)}, "`value_range` is the pair"),
        ({"value_range": (-3e38, 3e38)}, "`value_range` is the pair"),
        ({"value_range": (0, 1e-50)}, "`value_range` is the pair"),
        ({"value_range": (1e9, 1e9 + 1)}, "`value_range` is the pair"),
        ({"value_range": (False, True)}, "`value_range` is the pair"),
        ({"fill_value": "a"}, "`fill_value` is a number"),
        ({"fill_value": float("nan")}, "`fill_value` is a number"),
        ({"output_dtype": ["uint8"]}, "`output_dtype` is"),
        ({"seed": True}, "`seed` is an integer"),
        ({"seed": np.float32(1)}, "`seed` is an integer"),
    ],
)
def test_a_pipeline_refuses_what_it_cannot_mean(arguments, message):
    with pytest.raises(ValueError, match=rf"{message}.*Received: "):
        A.Pipeline([A.RandomFlip()], **arguments)


def test_seeds_of_numpy_are_seeds():
    assert A.Pipeline([], seed=np.int64(3)).get_config()["seed"] == 3


@pytest.mark.parametrize(
    "arguments", [{"image_shape": (3, 3)}, {"image_shape": "abc"}, {"image_shape": (0, 3, 3)}]
)
def test_plans_are_explained_for_images_that_there_are(arguments):
    with pytest.raises(ValueError, match=r"`image_shape`.*Received"):
        A.Pipeline([A.RandomFlip()], seed=0).explain(**arguments)


# What a pipeline is called with

FLOATS = np.linspace(0, 255, 6 * 12 * 16 * 3, dtype="float32").reshape(6, 12, 16, 3)
IMAGES = FLOATS.astype("uint8")
BOXES = np.tile(np.float32([1, 2, 5, 6]), (6, 2, 1))


def pipeline(*transforms, **arguments):
    arguments = {"bounding_box_format": "xyxy", **arguments}
    return A.Pipeline(transforms or [A.RandomFlip()], seed=0, **arguments)


def with_nan(x):
    x = x.copy()
    x[0, 0, 0] = np.nan
    return x


def boxed(rows, labels=None):
    boxes = np.tile(np.array(rows, "float32"), (6, 1, 1))
    given = {} if labels is None else {"labels": np.tile(labels, (6, 1))}
    return {"images": IMAGES, "bounding_boxes": {"boxes": boxes, **given}}


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        (with_nan(FLOATS), {}, "no numbers"),
        (with_nan(FLOATS.astype("float16")), {}, "no numbers"),
        (IMAGES.astype("int16") * 20, {}, "from 0 to 5100, outside of"),
        (IMAGES.astype("int32") - 100, {}, "from -100 to 155, outside of"),
        (IMAGES, {"value_range": (0, 20)}, "from 0 to 255, outside of"),
        (FLOATS, {"value_range": (0, 1)}, "from 0 to 255, outside of"),
        (-FLOATS / 2, {"value_range": (0, 255)}, "outside of value_range"),
    ],
)
@pytest.mark.parametrize("tensor", [False, True])
def test_values_that_are_wrong_are_refused_of_arrays_and_tensors(
    values, arguments, message, tensor
):
    values = keras.ops.convert_to_tensor(values) if tensor else values
    with pytest.raises(ValueError, match=message):
        pipeline(**arguments)(values, training=True)


def test_bfloat16_is_looked_at_too():
    images = keras.ops.cast(FLOATS, "bfloat16")
    with pytest.raises(ValueError, match="outside of"):
        pipeline(value_range=(0, 1))(images, training=True)
    assert keras.backend.standardize_dtype(pipeline()(images, training=True).dtype) == "bfloat16"


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (IMAGES[:, :0], ValueError, "one pixel and one channel at least"),
        (IMAGES[..., :0], ValueError, "one pixel and one channel at least"),
        (IMAGES.astype(object), ValueError, "integer or floating-point dtype"),
        (IMAGES.astype("datetime64[s]"), ValueError, "integer or floating-point dtype"),
        (IMAGES.astype(str), ValueError, "integer or floating-point dtype"),
        ((IMAGES, IMAGES), TypeError, "Images are an array"),
        ({"images": None}, TypeError, "Images are an array"),
        ({"images": IMAGES, "labels": np.zeros(5)}, ValueError, "batch for their first axis"),
        ({"images": IMAGES, "labels": np.zeros(())}, ValueError, "batch for their first axis"),
        (
            {"images": IMAGES, "labels": {"a": np.zeros(6), "b": np.zeros(5)}},
            ValueError,
            "batch for their first axis",
        ),
        ({"images": IMAGES, "segmentation_masks": None}, ValueError, "Received: NoneType"),
        ({"images": IMAGES, "keypoints": None}, ValueError, "Received: NoneType"),
        ({"images": IMAGES, "bounding_boxes": None}, ValueError, "Received: NoneType"),
        ({"images": IMAGES, "bounding_boxes": {"boxes": None}}, ValueError, "NoneType"),
        (
            {"images": IMAGES, "segmentation_masks": IMAGES[..., 0].astype(str)},
            ValueError,
            '"segmentation_masks" are of an integer',
        ),
        ({"images": IMAGES, "keypoints": BOXES[..., :2] > 3}, ValueError, "keypoints are of an"),
        ({"images": IMAGES, "keypoints": BOXES[..., :2].tolist()}, ValueError, "Received: list"),
        (
            {"images": IMAGES, "bounding_boxes": {"boxes": BOXES.astype(str)}},
            ValueError,
            '"boxes" are of an integer',
        ),
        (boxed([[1, 1, 5, 5]], np.uint8([3])), ValueError, "a dtype that holds -1"),
        (boxed([[1, 1, 5, 5]], np.array([True])), ValueError, "a dtype that holds -1"),
        (boxed([[1, 1, 5, 5]], np.array(["a"])), ValueError, "a dtype that holds -1"),
    ],
)
def test_shapes_and_dtypes_that_do_not_go_together_are_refused(inputs, error, message):
    with pytest.raises(error, match=rf"(?s){message}"):
        pipeline()(inputs, training=True)


@pytest.mark.parametrize("mix", [A.MixUp(), A.CutMix()])
def test_a_mix_refuses_labels_that_are_no_arrays(mix):
    with pytest.raises(TypeError, match=r"Labels that are mixed are arrays.*Received: 1\.0"):
        pipeline(mix)({"images": IMAGES, "labels": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}, training=True)


MISPLACED = {
    "inside out": [[5, 5, 1, 1]],
    "outside": [[100, 100, 120, 120]],
    "before": [[-9, 1, -3, 5]],
    "nan": [[np.nan, 1, 5, 5]],
    "infinite": [[1, 1, np.inf, 5]],
}


@pytest.mark.parametrize("rows", MISPLACED.values(), ids=MISPLACED)
@pytest.mark.parametrize("transform", [A.RandomFlip(), A.RandomBrightness(0.1)], ids=["move", "no"])
def test_boxes_that_are_none_are_refused_at_every_call(rows, transform):
    augment = pipeline(transform)
    augment(boxed([[1, 1, 5, 5]], np.int32([0])), training=True)
    message = r"begin before they end.*bounding_box_format='xyxy'.*Received: \[.* on 12 x 16"
    with pytest.raises(ValueError, match=message):
        augment(boxed(rows, np.int32([0])), training=True)
    with pytest.raises(ValueError, match="begin before they end"):
        augment(boxed(rows), training=True)


@pytest.mark.parametrize(
    ("rows", "label"),
    [
        ([[0, 0, 0, 0]], 0),
        ([[-1, -1, -1, -1]], None),
        ([[5, 5, 1, 1]], -1),
        ([[3, 3, 3, 9]], 0),
        ([[-2, -2, 50, 50]], 0),
    ],
    ids=["zeros", "ones", "labeled", "a line", "larger than the image"],
)
def test_padding_and_boxes_beyond_the_border_are_served(rows, label, to_numpy):
    given = boxed(rows, None if label is None else np.int32([label]))
    out = pipeline(A.RandomFlip(probability=1))(given, training=True)
    boxes = to_numpy(out["bounding_boxes"]["boxes"])
    whole = rows[0][3] == 50
    np.testing.assert_array_equal(boxes[0, 0], [0, 0, 16, 12] if whole else [0, 0, 0, 0])


def test_a_dtype_too_small_for_the_range_is_not_wrapped(to_numpy):
    """127 brightened is 127, and on no backend -128."""
    images = np.full((2, 4, 4, 3), 100, "int8")
    out = to_numpy(pipeline(A.RandomBrightness((2, 2)))(images, training=True))
    np.testing.assert_array_equal(out, np.full_like(images, 127))


@pytest.mark.parametrize(
    "transform",
    [A.RandomEqualize(), A.RandomRotation(9), A.Resize(3, 4), A.MixUp()],
    ids=lambda transform: type(transform).__name__,
)
def test_nothing_gives_nothing(transform, to_numpy):
    out = pipeline(transform)({"images": IMAGES[:0], "keypoints": BOXES[:0, :, :2]}, training=True)
    size = (3, 4) if isinstance(transform, A.Resize) else (12, 16)
    assert to_numpy(out["images"]).shape == (0, *size, 3)
    assert to_numpy(out["images"]).dtype == np.uint8
    assert to_numpy(out["keypoints"]).shape == (0, 2, 2)


def test_masks_of_truth_values_are_filled(to_numpy):
    masks = np.ones((6, 12, 16), "bool")
    shift = A.RandomTranslation((0.5, 0.5), 0)
    given = {"images": IMAGES, "segmentation_masks": masks}
    out = pipeline(shift, fill_mode="constant", fill_value=7)(given, training=True)
    found = to_numpy(out["segmentation_masks"])
    assert found.dtype == bool
    assert not found[:, :6].any()
    assert found[:, 6:].all()


# In graphs and data sets of TensorFlow


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def unknown(tf, tree):
    """Of the arrays' structure, with all that can be unknown unknown, but for the images."""

    def spec(x):
        keeps = x.ndim == 4
        return tf.TensorSpec((None, *x.shape[1:]) if keeps else (None,) * x.ndim, x.dtype)

    return keras.tree.map_structure(spec, tree)


def element_of(tf, element, *transforms, **arguments):
    specs = unknown(tf, element)
    data = tf.data.Dataset.from_generator(lambda: iter([element]), output_signature=specs)
    return next(iter(pipeline(*transforms, **arguments).augment(data)))


@pytest.mark.parametrize(
    ("element", "name"),
    [
        ((IMAGES, np.zeros((5, 2), "float32")), "labels or weights"),
        ((IMAGES, np.zeros((6, 2), "float32"), np.ones(1)), "labels or weights"),
        ({"images": IMAGES, "labels": np.zeros(1)}, "labels or weights"),
        ({"images": IMAGES, "segmentation_masks": IMAGES[:1, ..., 0]}, "segmentation_masks"),
        ({"images": IMAGES, "segmentation_masks": IMAGES[:, :5, :5, 0]}, "segmentation_masks"),
        ({"images": IMAGES, "keypoints": BOXES[:1, :, :2]}, "keypoints"),
        ({"images": IMAGES, "keypoints": BOXES[..., :3]}, "keypoints"),
        ({"images": IMAGES, "bounding_boxes": {"boxes": BOXES[:1]}}, "boxes"),
        ({"images": IMAGES, "bounding_boxes": {"boxes": BOXES[..., :3]}}, "boxes"),
        (
            {"images": IMAGES, "bounding_boxes": {"boxes": BOXES, "labels": BOXES[:, :1, 0]}},
            "the labels of boxes",
        ),
    ],
)
def test_lengths_that_turn_out_not_to_go_together_are_refused(tf, element, name):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"The lengths of {re.escape(name)}"):
        element_of(tf, element)


@pytest.mark.compiling
def test_lengths_that_turn_out_to_go_together_are_served(tf):
    element = {
        "images": IMAGES,
        "segmentation_masks": IMAGES[..., 0],
        "keypoints": BOXES[..., :2],
        "bounding_boxes": {"boxes": BOXES, "labels": BOXES[..., 0]},
        "labels": np.zeros((6, 4)),
    }
    out = element_of(tf, element, A.RandomFlip(probability=0))
    keras.tree.map_structure(lambda a, b: np.testing.assert_array_equal(a.numpy(), b), out, element)


@pytest.mark.compiling
@pytest.mark.parametrize("rows", MISPLACED.values(), ids=MISPLACED)
def test_boxes_that_are_none_are_refused_in_a_data_set(tf, rows):
    data = tf.data.Dataset.from_tensors(boxed(rows, np.int32([0])))
    with pytest.raises(tf.errors.InvalidArgumentError, match="begin before they end"):
        next(iter(pipeline().augment(data)))


@pytest.mark.compiling
def test_boxes_that_are_none_are_refused_in_a_graph(tf):
    augment = pipeline()
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the layer is in no graph of TensorFlow")
    graph = tf.function(lambda x: augment(x, training=True)["bounding_boxes"]["boxes"])
    graph(boxed([[1, 1, 5, 5]]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="begin before they end"):
        graph(boxed([[5, 5, 1, 1]]))


@pytest.mark.parametrize("engine", ["xla", "opencv"])
@pytest.mark.parametrize(
    ("images", "message"),
    [(with_nan(FLOATS), "no numbers"), (IMAGES.astype("int16") * 20, "outside of value_range")],
    ids=["nan", "int16"],
)
def test_values_that_are_wrong_are_refused_in_a_data_set(tf, images, message, engine):
    if engine == "opencv":
        pytest.importorskip("cv2")
    data = pipeline(A.RandomEqualize()).augment(tf.data.Dataset.from_tensors(images), engine=engine)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        next(iter(data))


@pytest.mark.parametrize(
    ("transform", "engine"),
    [
        (A.RandomContrast(0.2), "opencv"),
        (A.RandomEqualize(), "opencv"),
        (A.RandomFlip(), "opencv"),
        (A.RandomZoom((0.8, 0.8)), "opencv"),
        (A.RandomZoom((0.8, 0.8)), "xla"),
    ],
)
def test_nothing_gives_nothing_in_a_data_set(tf, transform, engine):
    pytest.importorskip("cv2")
    data = tf.data.Dataset.from_tensors(IMAGES[:0])
    (out,) = pipeline(transform).augment(data, engine=engine)
    assert out.shape == IMAGES[:0].shape


def test_labels_of_another_batch_are_refused_beside_images(tf):
    for element in ((IMAGES, np.zeros(5)), (IMAGES, np.zeros(6), np.zeros(5))):
        data = tf.data.Dataset.from_tensors(element)
        with pytest.raises(ValueError, match="batch for their first axis"):
            pipeline().augment(data)


def test_images_of_many_sizes_are_refused_by_the_layer(tf):
    ragged = tf.RaggedTensor.from_tensor(IMAGES, ragged_rank=2)
    with pytest.raises(TypeError, match=r"takes dense images.*Received: RaggedTensor"):
        pipeline()(ragged, training=True)
    with pytest.raises(TypeError, match=r"takes dense images.*Received: SparseTensor"):
        pipeline()(tf.sparse.from_dense(IMAGES), training=True)
