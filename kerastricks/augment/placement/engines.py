"""What moves the pixels of a `tf.data` element: engines, which share one program."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import Any, Protocol

import tensorflow as tf

from kerastricks.augment.kernels import Tensor
from kerastricks.augment.kernels import tensorflow as ops
from kerastricks.augment.program import Program


class Engine(Protocol):
    """Runs the passes of a program over images, inside a graph."""

    def __call__(
        self,
        program: Program,
        images: Tensor,
        drawn: Any,
        dtype: str,
        *,
        led: bool,
        frames: Any,
    ) -> Tensor:
        """Do as `Program.pixels`."""


def in_graph(
    program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
) -> Tensor:
    """Run within the graph, so that it can be sent to another process.

    Each iterator of a data set compiles its stages anew, for a second or so.
    """
    return program.pixels(ops, images, drawn, dtype, led=led, frames=frames, compiler=ops.compiled)


class Hosted:
    """Run in this process, where what was compiled once stays compiled.

    The graph calls back: the stages are functions that TensorFlow compiles on their own, and does
    not forget when an iterator ends. Other threads run meanwhile.
    """

    def __init__(self) -> None:
        self._stages: dict[Any, Callable[..., Tensor]] = {}

    def __call__(
        self, program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
    ) -> Tensor:
        """Do as `Program.pixels`."""

        def run(images: Tensor, *flat: Tensor) -> Tensor:
            again = tf.nest.pack_sequence_as(drawn, flat)
            return self.pixels(program, images, again, dtype, led=led, frames=frames)

        out = tf.py_function(run, [images, *tf.nest.flatten(drawn)], dtype)
        _, height, width, channels = images.shape
        return ops.ensure_shape(out, (None, *program.output_size((height, width)), channels))

    def pixels(
        self, program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
    ) -> Tensor:
        """Run the stages on tensors that are there."""
        return program.pixels(
            ops, images, drawn, dtype, led=led, frames=frames, compiler=self._compiler(images.shape)
        )

    def _compiler(self, shape: Any) -> Callable[..., Any]:
        """Compile stages, once for images of a shape: they come in the same order at each call."""
        numbers = count()

        def compiler(stage: Callable[..., Tensor]) -> Callable[..., Tensor]:
            key = tuple(shape), next(numbers)
            if key not in self._stages:
                self._stages[key] = ops.compiled(stage)
            return self._stages[key]

        return compiler


def engine_of(name: str | None, sizes: Any) -> Engine:
    """Choose an engine.

    Args:
        name: "xla", "opencv", "graph" for what can be sent elsewhere, or None to choose.
        sizes: (height, width) of the images, None where they are not known.

    Raises:
        ValueError: No such engine.
        ImportError: OpenCV is not installed.
    """
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
    return in_graph if name == "graph" or None in sizes else Hosted()


def _has_opencv() -> bool:
    """Whether OpenCV is there, of a version whose warps are exact."""
    try:
        return int(version("opencv-python-headless").split(".")[0]) >= 5
    except PackageNotFoundError:
        return False
