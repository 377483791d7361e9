"""What moves the pixels of a `tf.data` element: engines, which share one program."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import Any

import tensorflow as tf

from kerastricks.augment.kernels import Size, Tensor
from kerastricks.augment.kernels import tensorflow as ops
from kerastricks.augment.program import Engine, OnOps, Program
from kerastricks.augment.targets import Parts
from kerastricks.augment.threefry import SampleKeys


class Hosted:
    """The engine that runs in this process, where what was compiled once stays compiled.

    A graph's iterators compile its functions anew, each for a second or so. Here the graph calls
    back: stages are functions that TensorFlow compiles on their own, and does not forget when an
    iterator ends. Other threads run meanwhile.
    """

    def __init__(self) -> None:
        self._stages: dict[Any, Callable[..., Tensor]] = {}

    def draw(
        self, program: Program, keys: SampleKeys, size: Size, *, led: bool, frames: Any
    ) -> Any:
        """Do as `Program.draw`."""
        if not all(isinstance(known, int) for known in (*size, 0 if frames is None else frames)):
            return program.draw(ops, keys, size, led=led, frames=frames)
        seed = keys.seed

        @partial(tf.function, autograph=False, jit_compile=True)
        def drawn(epoch: Tensor, positions: Tensor) -> Any:
            keys = SampleKeys(seed, epoch, positions)
            return program.draw(ops, keys, size, led=led, frames=frames)

        # The shape of what is drawn depends on the number of samples alone.
        function = drawn.get_concrete_function(
            tf.TensorSpec((), tf.int32), tf.TensorSpec((None,), tf.int32)
        )
        structure = function.structured_outputs
        flat = tf.nest.flatten(structure)
        found = tf.py_function(
            lambda *of: tf.nest.flatten(function(*of)),
            [keys.epoch, keys.positions],
            [each.dtype for each in flat],
        )
        known = [ops.ensure_shape(x, each.shape) for x, each in zip(found, flat, strict=True)]
        return tf.nest.pack_sequence_as(structure, known)

    def move(
        self, program: Program, parts: Parts, drawn: Any, size: Size, *, led: bool, frames: Any
    ) -> Parts:
        """Do as `Program.move`."""
        return program.move(ops, parts, drawn, size, led=led, frames=frames)

    def pixels(
        self, program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
    ) -> Tensor:
        """Do as `Program.pixels`."""

        def run(images: Tensor, *flat: Tensor) -> Tensor:
            again = tf.nest.pack_sequence_as(drawn, flat)
            return self.moved(program, images, again, dtype, led=led, frames=frames)

        out = tf.py_function(run, [images, *tf.nest.flatten(drawn)], dtype)
        _, height, width, channels = images.shape
        return ops.ensure_shape(out, (None, *program.output_size((height, width)), channels))

    def moved(
        self, program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
    ) -> Any:
        """Run the stages on tensors that are there."""
        compiler = self._compiler(images.shape)
        return program.pixels(ops, images, drawn, dtype, led=led, frames=frames, compiler=compiler)

    def _compiler(self, shape: Any) -> Callable[..., Any]:
        """Compile stages, once for images of a shape: they come in the same order at each call."""
        numbers = count()

        def compiler(stage: Callable[..., Tensor]) -> Callable[..., Tensor]:
            key = tuple(shape), next(numbers)
            if key not in self._stages:
                self._stages[key] = ops.compiled(stage)
            return self._stages[key]

        return compiler


def engine_of(name: str | Engine | None, sizes: Any) -> Engine:
    """Choose an engine.

    Args:
        name: "xla", "opencv", "graph" for what can be sent elsewhere, None to choose, or an engine.
        sizes: (height, width) of the images, None where they are not known.

    Raises:
        ValueError: No such engine.
        ImportError: OpenCV is not installed.
    """
    if name is not None and not isinstance(name, str):
        return name
    if name not in (None, "xla", "opencv", "graph"):
        raise ValueError(
            f'`engine` is "opencv", "xla", or None to choose. Received: engine={name!r}'
        )
    if name == "opencv" or (name is None and _has_opencv()):
        try:
            from kerastricks.augment.placement.opencv import OpenCV
        except ImportError as missing:
            raise ImportError(
                '`engine="opencv"` needs OpenCV 5: pip install "kerastricks[opencv]"'
            ) from missing
        return OpenCV()
    # Sizes that are not known beforehand may be many, and are not worth compiling for.
    return OnOps(ops, ops.compiled) if name == "graph" or None in sizes else Hosted()


def _has_opencv() -> bool:
    """Whether OpenCV is there, of a version whose warps are exact."""
    try:
        return int(version("opencv-python-headless").split(".")[0]) >= 5
    except PackageNotFoundError:
        return False
