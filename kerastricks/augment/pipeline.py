"""The pipeline: a Keras layer, and a stage of `tf.data`, around one plan."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import numpy as np

from kerastricks.augment.arguments import (
    check_border,
    check_seed,
    check_transforms,
)
from kerastricks.augment.box_contract import BoxContract
from kerastricks.augment.checks import check_size, is_number
from kerastricks.augment.kernels import Size, Tensor, compiled, seen
from kerastricks.augment.passes.explain import explain_program
from kerastricks.augment.passes.program import program_of
from kerastricks.augment.preview import as_picture, contact_sheet
from kerastricks.augment.target_contract import check_dense, check_images
from kerastricks.augment.targets import Parts, batched, split, unbatched
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transform import Transform
from kerastricks.augment.values import ValueContract


@keras.saving.register_keras_serializable(package="kerastricks")
class Pipeline(keras.layers.Layer):
    """Augment images at random, in as few passes over the pixels as possible.

    Use it in `tf.data` (`pipeline.augment(dataset)`) to leave the accelerator to the model, or as a
    layer in a model, where it also compiles under `jit_compile=True`. Random numbers are drawn
    first; geometric transforms next to each other are multiplied into one matrix a sample, and the
    pixels are resampled once, so five transforms blur as little as one, and cost little more.

        out = warp(images, M),  M = M_1 M_2 ... M_k  (output to input, one product a sample)

    Every sample gets its own draw, a function of (seed, epoch, position in the epoch, transform).
    In `tf.data` the n-th sample of epoch e is augmented alike whatever the batch size, the number
    of parallel calls, or a partial last batch; each iteration over the data set is a new epoch, and
    a second run of the program repeats the first. As a layer, the n-th training call plays the part
    of the epoch and the place in the batch that of the position, so the layer's first call and the
    first batch of the data set's first epoch agree, but for the first sample of a mix. The count of
    calls starts again when a model is loaded.

    Values: uint8 stays uint8 and every other dtype stays itself, unless `output_dtype` says
    otherwise. Arithmetic is float32; results are clipped to `value_range`, and rounded where the
    dtype counts in whole numbers. Pixel centers lie at whole numbers, and warps turn about the
    image center ((W - 1) / 2, (H - 1) / 2).

    With `training=False` images pass through as they are; only a given `output_dtype` is applied,
    so that a model sees one dtype in training and in use. As with Keras' own augmentation layers
    `training` is True when neither the caller nor the model says anything.

    Args:
        transforms: `RandomFlip`, `RandomRotation` and the like, in the order they apply. An empty
            list changes nothing but the dtype.
        value_range: Darkest and brightest value, (low, high). Defaults to (0, 255). Values outside
            are clipped, so declare the range that the images have, standardised ones included. The
            first batch is looked at where its numbers are there, as in a data set on the host: NaN
            and values far outside are refused.
        seed: 0 to 2**32 - 1. None, the default, picks one with Python's `random`, which
            `keras.utils.set_random_seed` governs; the pick is saved with the pipeline.
        bounding_box_format: How boxes are written: "xyxy", "yxyx", "xywh", "center_xywh",
            "center_yxhw", or "rel_" before "xyxy", "yxyx", "xywh" and "center_xywh", as in Keras.
            None, the default, where there are none.
        minimum_visibility: Share of a box's area that must be left after the cuts at borders, 0 to
            1. What is less is no box any more: zeros, labeled -1. Defaults to 0.0.
        output_dtype: The dtype that comes out; None, the default, keeps the images' own.
        fill_mode: What lies beyond the border: "reflect" (the default), "constant", "nearest" or
            "wrap", drawn in `kerastricks.augment.warp.warp`.
        fill_value: The value for "constant", within `value_range`. Defaults to 0.0.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Images (B, H, W, C) or (H, W, C), videos (B, T, H, W, C), all frames of one with
            the same draw (a single one is `video[None]`: of four axes the first is the batch), or a
            dictionary with "images" and perhaps, each without the batch for a single image:
            "labels": pass through untouched, but for `MixUp` and `CutMix`.
            "segmentation_masks" (B, H, W) or (B, H, W, K): move by the images' own matrices, each
            place with the label of the nearest pixel; dtype and labels stay.
            "bounding_boxes", a dictionary of "boxes" (B, N, 4) and perhaps "labels" (B, N), -1
            where there is no box: become the upright hull of their moved corners, cut to the image.
            What is wholly outside of it, or turned inside out, is refused where it can be seen.
            "keypoints" (B, K, 2), (x, y) in pixels, whole numbers at the centers of pixels: move
            with what they lie on, out of the image too.
        training: Whether to augment.

    Raises:
        TypeError: Something in `transforms` is no transform.
        ValueError: Any other argument out of bounds; when it runs, images, or what lies on them,
            of shapes, dtypes or values that cannot be served.

    Example:
    >>> import numpy as np
    >>> import kerastricks as kt
    >>> pipeline = kt.augment.Pipeline(
    ...     [kt.augment.RandomFlip("horizontal"), kt.augment.RandomRotation(degrees=15)], seed=0
    ... )
    >>> images = np.full((8, 32, 32, 3), 200, dtype="uint8")
    >>> out = pipeline({"images": images, "labels": np.arange(8)}, training=True)
    >>> tuple(out["images"].shape), int(np.asarray(out["images"]).min()), out["labels"].dtype
    ((8, 32, 32, 3), 200, dtype('int64'))

    Reference:
        Karras et al., "Training generative adversarial networks with limited data", 2020, appendix
        B (one composed warp a sample). Salmon et al., "Parallel random numbers: as easy as 1, 2,
        3", 2011.
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        *,
        value_range: tuple[float, float] = (0, 255),
        seed: int | None = None,
        bounding_box_format: str | None = None,
        minimum_visibility: float = 0.0,
        output_dtype: str | None = None,
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        **kwargs: Any,
    ) -> None:
        # Images keep their dtype under any dtype policy.
        super().__init__(**{**kwargs, "autocast": False})
        self.transforms = check_transforms(transforms)
        self.values = ValueContract(value_range, output_dtype)
        self.seed = check_seed(seed)
        self.boxes = BoxContract(bounding_box_format, minimum_visibility)
        self.border = check_border(fill_mode, fill_value, self.values.value_range)
        self.program = program_of(self.transforms, self.border, self.values, self.boxes)
        # It counts training calls and is state under every backend's rules; of its seed, which
        # some backends hold in 31 bits, no use is made.
        self.calls = keras.random.SeedGenerator(seed=0)
        self.run = compiled(self._run)
        self.has_seen_values = False
        self.built = True

    def __call__(self, inputs: Any, **kwargs: Any) -> Any:
        """Augment images, or the images of a dictionary and what lies on them; see the class."""
        parts, restore = split(inputs, mixes=self.program.mixes > 0)
        self.check(parts)
        check_dense(parts["images"])
        if kwargs.get("training", True):
            self._look_at(parts)
        return restore(super().__call__(parts, **kwargs))

    def _look_at(self, parts: Parts) -> None:
        """Refuse values that are wrong, of a first batch; of boxes, while they are on the host."""
        boxes, first = parts.get("bounding_boxes"), not self.has_seen_values
        self.dtype_of(parts["images"].dtype)
        if boxes and (first or isinstance(boxes["boxes"], np.ndarray)):
            self.boxes.check(boxes, parts["images"].shape[-3:-1])
        images = seen(parts["images"]) if first else None
        if images is not None:
            self.values.check(images)
            self.has_seen_values = True

    def call(self, parts: Parts, training: bool = True) -> Parts:
        """Augment images of shape (B, H, W, C) or (H, W, C), and what lies on them."""
        ops = keras.ops
        images = parts["images"]
        if images.shape[0] == 0 and len(images.shape) > 3 and training:
            # Kernels of some backends have no result for nothing.
            return self._nothing(parts)
        if not training:
            if not self.values.output_dtype:
                return parts
            finished = self.values.finish(ops, images, self.dtype_of(images.dtype))
            return {**parts, "images": finished}
        single = len(images.shape) == 3
        epoch = ops.cast(self.calls.next()[1], "int32")
        result = self.run(batched(parts) if single else parts, epoch)
        return unbatched(result) if single else result

    def _nothing(self, parts: Parts) -> Parts:
        spec = self.compute_output_spec(parts)
        nothing: Parts = keras.tree.map_structure(
            lambda x: None if x is None else keras.ops.zeros(x.shape, x.dtype), spec
        )
        return nothing

    def _run(self, parts: Parts, epoch: Tensor) -> Parts:
        positions = keras.ops.arange(keras.ops.shape(parts["images"])[0], dtype="int32")
        keys = SampleKeys(self.seed, epoch, positions)
        return self.program.transform(keras.ops, parts, keys, self.dtype_of(parts["images"].dtype))

    def check(self, parts: Parts) -> None:
        """Refuse boxes where it is not known how they are written."""
        if "bounding_boxes" in parts and self.boxes.bounding_box_format is None:
            raise ValueError(
                'A pipeline that gets "bounding_boxes" must know how they are written: pass it '
                'bounding_box_format="xyxy", or another of Keras\' formats.'
            )

    def output_size(self, size: Size) -> Size:
        """Give the (height, width) that images of a (height, width) come out in.

        Args:
            size: In pixels; None, or a scalar tensor, where it is not known.
        """
        return self.program.output_size(size)

    def dtype_of(self, dtype: Any) -> str:
        """Give the dtype that images of a dtype come out in."""
        return self.values.result_dtype(keras.backend.standardize_dtype(dtype))

    def compute_output_spec(self, parts: Any, training: bool = True) -> Any:
        """Give the shapes, and the dtype that images come out in."""
        images = check_images(parts["images"])
        dtype = self.dtype_of(images.dtype)
        *batch, height, width, channels = images.shape
        size = self.output_size((height, width))
        spec = {**parts, "images": keras.KerasTensor((*batch, *size, channels), dtype=dtype)}
        if "segmentation_masks" in parts:
            masks = parts["segmentation_masks"]
            others = masks.shape[len(batch) + 2 :]
            spec["segmentation_masks"] = keras.KerasTensor((*batch, *size, *others), masks.dtype)
        if "keypoints" in parts:
            spec["keypoints"] = keras.KerasTensor(parts["keypoints"].shape, "float32")
        if "bounding_boxes" in parts:
            # A mix has both samples' boxes: twice as many.
            times = 2**self.program.mixes
            boxes = parts["bounding_boxes"]
            spec["bounding_boxes"] = {}
            for key, x in boxes.items():
                shape = list(x.shape)
                count = shape[len(batch)]
                shape[len(batch)] = None if count is None else count * times
                kind = "float32" if key == "boxes" else x.dtype
                spec["bounding_boxes"][key] = keras.KerasTensor(shape, kind)
        return spec

    def augment(
        self,
        dataset: Any,
        *,
        device: str | None = None,
        service: str | None = None,
        engine: str | None = None,
        num_parallel_calls: int | None = None,
        initial_epoch: int | Callable[[], int] = 0,
        unreadable: str = "raise",
    ) -> Any:
        """Augment a `tf.data.Dataset`, under any Keras backend.

        Put it after `batch` (one compiled call a batch); it also serves single images (H, W, C),
        each its own sample, and ragged batches, where the pipeline brings images to one size.
        Videos come in batches, (B, T, H, W, C), for single ones (T, H, W, C) look like batches of
        images: `pipeline.augment(dataset.batch(1)).unbatch()`. `cache` belongs before it. Each
        iteration is a new epoch, `repeat` after it included; a model that Keras builds from the
        first batch spends one.

        On a device, batches go there as they are, uint8 as bytes, two of them ahead, and are
        augmented there; make it the last transformation, with all of `batch` and `repeat` before
        it. `map`, `prefetch`, `take`, `skip` and `repeat` after it go on there, so that `fit` takes
        it with `class_weight` and `steps_per_execution`; a distribution strategy gets it from the
        host. Where there is no such device, a warning says so once, and the host augments.

        Through a tf.data service the workers augment, each its share of the elements, and read and
        number all of them; the result is that of `engine="xla"`, to the bit. So the data set must
        give its elements in the same order each time it is read, and not call back into Python, as
        `from_generator` does. Workers go on with the next epoch, and are read in turn, so that the
        slowest sets the pace; of one that ended, an error tells after five minutes.

        Args:
            dataset: Elements are images, (images, labels), (images, labels, weights), or
                dictionaries as the pipeline takes them.
            device: Where to augment: a logical device of TensorFlow, such as "GPU:0". None, the
                default, is the host.
            service: The address of a tf.data service's dispatcher, "grpc://host:port".
            engine: What moves the pixels on the host: "opencv", "xla", or None, the default, for
                the faster: OpenCV where it is installed (`pip install "kerastricks[opencv]"`), but
                XLA up to 64 x 64 pixels unless levels are counted. After each pass they agree to
                one level of 255, but for what spreads levels, as equalizing does.
            num_parallel_calls: Batches in work at once; None, the default, lets `tf.data` decide.
                The result does not depend on it.
            initial_epoch: The number of the first epoch, 0 by default, which the others follow: for
                a training that goes on in a new process, as `fit(initial_epoch=...)` does. Or a
                function of no arguments that is asked for the number of each epoch as it begins.
                Elements of the first that were seen already are left out by `skip` on what comes
                out.
            unreadable: What becomes of elements that raise when they are read, as a `map` that
                decodes damaged files does: "raise", the default, or "skip", which leaves them out.
                A warning then says at the end of each iteration how many they were and which, by
                their places in the order of reading. Read single images, and `batch` what comes
                out: of a batch that raises nothing is left. Not through a service; such a data set
                has no `len`, and an iterator over it cannot be saved.

        Returns:
            A `tf.data.Dataset` of the same structure, shapes and order, and of the same length
            unless `unreadable="skip"`.

        Raises:
            TypeError: `dataset` is no `tf.data.Dataset`.
            ValueError: Elements that the pipeline cannot serve, names of no device or engine,
                several of `device`, `service` and `engine`, a data set for a service that is
                shuffled anew each time, or an `unreadable` that is neither.
            ImportError: OpenCV was asked for and is not installed.

        Example:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> import kerastricks as kt
        >>> dataset = tf.data.Dataset.from_tensor_slices(np.zeros((10, 8, 8, 3), "uint8"))
        >>> pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)
        >>> [tuple(batch.shape) for batch in pipeline.augment(dataset.batch(4))]
        [(4, 8, 8, 3), (4, 8, 8, 3), (2, 8, 8, 3)]
        """
        from kerastricks.augment.placement import placed

        return placed(
            self,
            dataset,
            device=device,
            service=service,
            engine=engine,
            num_parallel_calls=num_parallel_calls,
            initial_epoch=initial_epoch,
            unreadable=unreadable,
        )

    def explain(
        self, image_shape: tuple[int, int, int] = (224, 224, 3), dtype: str = "uint8"
    ) -> str:
        """Describe the plan: its passes, and the bytes they move.

        Args:
            image_shape: (height, width, channels) of one image.
            dtype: The images' dtype.

        Returns:
            Lines of text.

        Example:
        >>> import kerastricks as kt
        >>> pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)
        >>> print(pipeline.explain((32, 32, 3)))
        1 transform, 1 pass over the pixels
          pass 1: copy of whole pixels, one gather
            RandomFlip(mode='horizontal', probability=0.5)
            reads 3,072 bytes as uint8, writes 3,072 bytes as uint8
        for one image of 32 x 32 x 3 (height x width x channels)
        random numbers a sample: 1, Threefry-2x32 keyed by seed=0, epoch, position and transform
        """
        is_shape = isinstance(image_shape, (tuple, list)) and len(image_shape) == 3
        if not is_shape or not all(is_number(n) and n >= 1 and n == int(n) for n in image_shape):
            raise ValueError(
                "`image_shape` is the (height, width, channels) of an image, three whole numbers. "
                f"Received: image_shape={image_shape!r}"
            )
        return explain_program(self.program, image_shape, dtype, self.dtype_of(dtype), self.seed)

    def preview(self, images: Any, *, draws: int = 5) -> Any:
        """Show images and what becomes of them, a row each, the image itself on the left.

        The draws are those of the first epochs of a data set with these images at its beginning,
        but that a mix takes the last image for the first one's partner.
        Nothing of the pipeline changes.

        Args:
            images: A few images, (B, H, W, C) or (H, W, C), of any size that fits on a screen.
            draws: How often each is augmented, 1 or more. Defaults to 5.

        Returns:
            A `PIL.Image.Image`, which notebooks show, and which `.save("preview.png")` writes.

        Raises:
            ImportError: Pillow is not installed.

        Example:
        >>> import numpy as np
        >>> import kerastricks as kt
        >>> pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0)
        >>> pipeline.preview(np.zeros((3, 8, 8, 3), "uint8"), draws=4).size
        (48, 28)
        """
        draws = check_size("preview", "draws", draws, "number")
        images = keras.ops.convert_to_tensor(check_images(images))
        if len(images.shape) == 5 or images.shape[0] == 0:
            raise ValueError(
                "`preview` shows images, one or more: pass it a frame of each video. "
                f"Received: shape={tuple(images.shape)}"
            )
        batch = images[None] if len(images.shape) == 3 else images
        columns = [batch]
        for epoch in range(draws):
            seen = self.run({"images": batch}, keras.ops.convert_to_tensor(epoch, "int32"))
            columns.append(seen["images"])
        arrays = [keras.ops.convert_to_numpy(column) for column in columns]
        rows = [[column[row] for column in arrays] for row in range(len(arrays[0]))]
        return as_picture(contact_sheet(rows, self.values.value_range))

    def get_config(self) -> dict[str, Any]:
        """Give the constructor's arguments, transforms serialised."""
        config: dict[str, Any] = super().get_config()
        return {
            **config,
            "transforms": [keras.saving.serialize_keras_object(t) for t in self.transforms],
            "value_range": list(self.values.value_range),
            "seed": self.seed,
            "bounding_box_format": self.boxes.bounding_box_format,
            "minimum_visibility": self.boxes.minimum_visibility,
            "output_dtype": self.values.output_dtype,
            "fill_mode": self.border.fill_mode,
            "fill_value": self.border.fill_value,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the pipeline that `get_config` described."""
        transforms = [keras.saving.deserialize_keras_object(t) for t in config["transforms"]]
        return cls(**{**config, "transforms": transforms})
