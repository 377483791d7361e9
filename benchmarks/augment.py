"""How many images a second augmentation takes in, beside the libraries that people use for it.

    python benchmarks/augment.py
    python benchmarks/augment.py --sizes 224 --sets nine --rounds 9

The libraries run in turn in one process, each round gives a time for a few batches of each, and the
table shows the median of the rounds and the median of the rounds' ratios to ours with quartiles:
above 1 ours is faster. Keras' layers and ours run in `tf.data`, a batch a call, in as many calls at
once as there are cores; kornia takes batches with as many threads of torch, albumentations single
images in as many threads. Images are uint8, in batches of 64; kornia's are scaled to 0..1 and back,
as it needs them.

`tf.image` is what TensorFlow has: its colors, image by image, and the kernel behind Keras' layers
with one matrix of rotation, zoom, translation and shear made by hand. "kerastricks" is ours with
the engine that it chooses: OpenCV's for images of more than 64 x 64 pixels and for RandAugment, if
OpenCV is installed, and else XLA's. "kerastricks, xla" is always XLA's.

kornia and albumentations are left out where they are not installed:
pip install kornia albumentations torch "kerastricks[opencv]"

Sets: `nine` is flip, rotation 36 degrees, zoom 0.8 to 1.2, translation 0.1, shear 6 degrees,
brightness 0.2, contrast 0.2, saturation 0.5 and hue 0.1; `crop` is RandomResizedCrop from images of
1.5 times the size, and a flip; `boxes` is `nine` without colors, on images with ten boxes each;
`randaugment` is two operations of RandAugment an image, of magnitude 9 of 30.
"""

import argparse
import importlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras
import tensorflow as tf
from _batches import consumer

import kerastricks as kt

A, K = kt.augment, keras.layers
BATCH = 64
CORES = len(os.sched_getaffinity(0))
SETS = ("nine", "crop", "boxes", "randaugment")
GEOMETRY = ("flip", "rotation", "zoom", "translation", "shear")


def ours(name, size, engine=None):
    geometry = [
        A.RandomFlip(),
        A.RandomRotation(36),
        A.RandomZoom((0.8, 1.2)),
        A.RandomTranslation(0.1, 0.1),
        A.RandomShear(6),
    ]
    colors = [
        A.RandomBrightness(0.2),
        A.RandomContrast(0.2),
        A.RandomSaturation(0.5),
        A.RandomHue(0.1),
    ]
    transforms = {
        "nine": geometry + colors,
        "crop": [A.RandomResizedCrop(size, size), A.RandomFlip()],
        "boxes": geometry,
        "randaugment": [A.RandAugment(2, 0.3)],
    }[name]
    pipeline = A.Pipeline(transforms, seed=0, bounding_box_format="xyxy")
    return lambda dataset: pipeline.augment(dataset, engine=engine)


def ours_without_opencv(name, size):
    return ours(name, size, "xla")


def keras_layers(name, size):
    if name == "crop":
        return None  # Keras has no such layer
    geometry = [
        K.RandomFlip("horizontal"),
        K.RandomRotation(0.1),
        K.RandomZoom((-0.2, 0.2)),
        K.RandomTranslation(0.1, 0.1),
        K.RandomShear(0.1, 0.1),
    ]
    colors = [
        K.RandomBrightness(0.2),
        K.RandomContrast(0.2),
        K.RandomSaturation((0.25, 0.75)),
        K.RandomHue(0.1),
    ]
    policy = [K.RandAugment(num_ops=2, factor=0.3)]
    layers = {"nine": geometry + colors, "boxes": geometry, "randaugment": policy}[name]
    if name == "boxes":
        for layer in layers:
            layer.bounding_box_format = "xyxy"

    def augment(dataset):
        for layer in layers:
            dataset = dataset.map(layer, num_parallel_calls=CORES)
        return dataset

    return augment


def tf_image(name, size):
    if name != "nine":
        return None

    def one(image):
        def uniform(low, high):
            return tf.random.uniform((), low, high)

        angle, shear, zoom = uniform(-0.628, 0.628), uniform(-0.105, 0.105), uniform(0.8, 1.2)
        turn = tf.stack([tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle)])
        a, b, c, d = tf.unstack(zoom * turn)
        b, d = b + tf.tan(shear) * a, d + tf.tan(shear) * c
        shift = 0.1 * size
        middle = (size - 1) / 2
        x = middle - a * middle - b * middle + uniform(-shift, shift)
        y = middle - c * middle - d * middle + uniform(-shift, shift)
        matrix = tf.stack([a, b, x, c, d, y, 0.0, 0.0])[None]
        image = tf.image.random_flip_left_right(image)
        image = tf.raw_ops.ImageProjectiveTransformV3(
            images=image[None],
            transforms=matrix,
            output_shape=(size, size),
            interpolation="BILINEAR",
            fill_mode="REFLECT",
            fill_value=0.0,
        )[0]
        image = tf.image.random_brightness(image, 0.2)
        image = tf.image.random_contrast(image, 0.8, 1.2)
        image = tf.image.random_saturation(image, 0.5, 1.5)
        return tf.image.random_hue(image, 0.1)

    def augment(dataset):
        return dataset.unbatch().map(one, num_parallel_calls=CORES).batch(BATCH)

    return augment


def kornia(name, size):
    if name == "boxes":
        return None
    torch, of = importlib.import_module("torch"), importlib.import_module("kornia.augmentation")
    torch.set_num_threads(CORES)
    modules = {
        "nine": lambda: [
            of.RandomHorizontalFlip(),
            of.RandomAffine(36, (0.1, 0.1), (0.8, 1.2), 6, p=1.0),
            of.ColorJiggle(0.2, 0.2, 0.5, 0.1, p=1.0),
        ],
        "crop": lambda: [of.RandomResizedCrop((size, size)), of.RandomHorizontalFlip()],
        "randaugment": lambda: [of.auto.RandAugment(n=2, m=9)],
    }[name]()
    pipeline = of.AugmentationSequential(*modules, data_keys=["input"])

    def augment(batches):
        for batch in batches:
            images = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
            with torch.no_grad():
                out = pipeline(images)
            yield (out * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()

    return augment


def albumentations(name, size):
    if name == "randaugment":
        return None  # albumentations has no such policy
    cv2, of = importlib.import_module("cv2"), importlib.import_module("albumentations")
    cv2.setNumThreads(1)
    affine = of.Affine(
        rotate=(-36, 36),
        scale=(0.8, 1.2),
        translate_percent=(-0.1, 0.1),
        shear=(-6, 6),
        border_mode=cv2.BORDER_REFLECT,
        p=1.0,
    )
    transforms = {
        "nine": [of.HorizontalFlip(), affine, of.ColorJitter(0.2, 0.2, 0.5, 0.1, p=1.0)],
        "crop": [of.RandomResizedCrop((size, size)), of.HorizontalFlip()],
        "boxes": [of.HorizontalFlip(), affine],
    }[name]
    boxes = of.BboxParams("pascal_voc", label_fields=["labels"]) if name == "boxes" else None
    pipeline = of.Compose(transforms, bbox_params=boxes)
    pool = ThreadPoolExecutor(CORES)

    def one(image):
        if boxes is None:
            return pipeline(image=image)["image"]
        return pipeline(image=image, bboxes=BOXES[0] * (size / 224), labels=np.arange(10))["image"]

    def augment(batches):
        for batch in batches:
            yield np.stack(list(pool.map(one, batch)))

    return augment


BOXES = np.concatenate(
    [corner := np.random.default_rng(1).uniform(10, 150, (1, 10, 2)), corner + 60], axis=-1
).astype("float32")
"""Ten boxes for an image of 224 pixels."""
LIBRARIES: dict[str, Callable] = {
    "kerastricks": ours,
    "kerastricks, xla": ours_without_opencv,
    "Keras' layers": keras_layers,
    "tf.image": tf_image,
    "kornia": kornia,
    "albumentations": albumentations,
}
IN_TF_DATA = ("kerastricks", "kerastricks, xla", "Keras' layers", "tf.image")


def consumer_of(library, name, size) -> Callable[[int], None] | None:
    """What takes a number of augmented batches; None where the library has no such thing.

    Each time it begins and ends anew, so that no library works in the turn of another.
    """
    augment = LIBRARIES[library](name, size)
    if augment is None:
        return None
    source = round(1.5 * size) if name == "crop" else size
    images = np.random.default_rng(0).integers(0, 256, (BATCH, source, source, 3), dtype="uint8")
    if library not in IN_TF_DATA:

        def consume(count):
            for _ in augment(images for _ in range(count)):
                pass

        return consume
    element = images
    if name == "boxes":
        boxes = np.repeat(BOXES * (size / 224), BATCH, axis=0)
        labels = np.tile(np.arange(10), (BATCH, 1))
        element = {"images": images, "bounding_boxes": {"boxes": boxes, "labels": labels}}
    return consumer(lambda dataset: augment(dataset).prefetch(1), element)


def seconds_of(consume, count):
    started = time.perf_counter()
    consume(count)
    return time.perf_counter() - started


def measured(name, size, options):
    """Images a second of each round, by library."""
    runs, counts = {}, {}
    for library in options.libraries:
        try:
            consume = consumer_of(library, name, size)
        except ImportError as missing:
            print(f"{library} is left out: {missing}")
            continue
        if consume is not None:
            runs[library] = consume
            consume(2)  # compiles
            counts[library] = max(2, round(options.seconds / (seconds_of(consume, 2) / 2)))
    rates = {library: [] for library in runs}
    for number in range(options.rounds):
        # Each begins a round in its turn: who follows whom matters.
        first = number % len(runs)
        turns = list(runs.items())
        for library, consume in turns[first:] + turns[:first]:
            rates[library].append(BATCH * counts[library] / seconds_of(consume, counts[library]))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 96, 32])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a turn (default 2)")
    options = parser.parse_args()
    print(f"Keras {keras.__version__}, TensorFlow {tf.__version__}, {CORES} cores\n")
    print("| set | pixels | library | images/s | ratio | quartiles |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in options.sets:
        for size in options.sizes:
            rates = measured(name, size, options)
            for library, each in rates.items():
                ratios = [a / b for a, b in zip(rates["kerastricks"], each, strict=True)]
                low, _, high = quantiles(ratios, n=4)
                print(
                    f"| {name} | {size} | {library} | {median(each):,.0f} | {median(ratios):.2f} "
                    f"| {low:.2f} to {high:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
