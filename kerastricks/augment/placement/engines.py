"""What moves the pixels of a `tf.data` element: engines, which share one program."""

from collections.abc import Callable
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
        # For images of one shape the stages are the same, in the same order, at each call.
        numbers = count()

        def compiler(stage: Callable[..., Tensor]) -> Callable[..., Tensor]:
            key = tuple(images.shape), next(numbers)
            if key not in self._stages:
                self._stages[key] = ops.compiled(stage)
            return self._stages[key]

        return program.pixels(ops, images, drawn, dtype, led=led, frames=frames, compiler=compiler)


def engine_of(name: str | None, sizes: Any) -> Engine:
    """Choose an engine.

    Args:
        name: "xla", "graph", or None to choose.
        sizes: (height, width) of the images, None where they are not known.
    """
    if name == "graph" or None in sizes:
        return in_graph
    return Hosted()
