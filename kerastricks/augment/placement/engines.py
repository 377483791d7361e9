"""What moves the pixels of a `tf.data` element: engines, which share one program."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import count
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerastricks.augment.kernels import Compiler, Ops, Size, Tensor, buffers
from kerastricks.augment.kernels import tensorflow as ops
from kerastricks.augment.passes.base import CarryOut, run_pass
from kerastricks.augment.passes.program import Divided, Engine, PlainEngine, Program
from kerastricks.augment.placement.host_calls import host_call
from kerastricks.augment.placement.parts import as_tensor, in_parts, rows_of_a_part
from kerastricks.augment.targets import Parts
from kerastricks.augment.threefry import SampleKeys

SMALL = 64 * 64
"""Pixels of an image up to which Python takes longer than OpenCV: XLA is chosen."""
_DRAWN_AT_ONCE = 64
"""Samples whose parameters are drawn by one function: multiples of it."""


Drawing: TypeAlias = Callable[[Ops, Tensor, Tensor], Any]
"""Draws on an array namespace, for an epoch and positions."""


class _Compiled:
    """A function compiled for arguments of the shapes and dtypes of its first call.

    TensorFlow would look for the right one at each call, which takes as long as a small loop.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._found: Callable[..., Any] | None = None
        self._lock = Lock()

    def __call__(self, *arguments: Any) -> Any:
        # Of a structure TensorFlow would look at each part, too.
        tensors = [as_tensor(each) for each in tf.nest.flatten(arguments)]
        if self._found is not None:
            return self._found(*tensors)
        structure = tf.nest.map_structure(lambda _: None, arguments)  # without what it holds

        def flat(*tensors: Tensor) -> Any:
            return self._function(*tf.nest.pack_sequence_as(structure, tensors))

        with self._lock:  # others wait, instead of compiling it too
            if self._found is not None:
                return self._found(*tensors)
            found = ops.jitted(flat).get_concrete_function(*tensors)  # type: ignore[attr-defined]
            try:
                out = found(*tensors)  # XLA compiles at the first call
            finally:
                self._found = found
        buffers.give_back()
        return out


class Stages:
    """Compiled stages: for images of one shape they come in the same order at each call."""

    def __init__(self) -> None:
        self._known: dict[Any, Callable[..., Tensor]] = {}

    def compiler(self, shape: Any) -> Compiler:
        """Give what compiles the stages of one call, each once for images of a shape."""
        numbers = count()
        return lambda stage: self.once((tuple(shape), next(numbers)), stage)

    def once(self, key: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile a function, or give that which was compiled under its key."""
        return self._known.setdefault(key, _Compiled(function))


def _drawing(program: Program, seed: int, size: Size, *, led: bool, frames: Any) -> Drawing:
    """Give `Program.draw` as a function of a namespace, the epoch, and positions."""

    def drawn(ops: Ops, epoch: Tensor, positions: Tensor) -> Any:
        keys = SampleKeys(seed, epoch, positions)
        return program.draw(ops, keys, size, led=led, frames=frames)

    return drawn


def _missing(positions: Tensor) -> Tensor:
    """How many positions fill up those of a tensor (B,), to a multiple of `_DRAWN_AT_ONCE`.

    Compilers treat a single sample differently, and round its numbers differently: it would then
    depend on its batch. So would it, as was measured, if drawn by TensorFlow's single kernels. And
    batches of all sizes between two multiples, the last one too, take the same compiled function.
    """
    return -tf.shape(positions)[0] % _DRAWN_AT_ONCE


def _without(drawn: Any, missing: Any) -> Any:
    """Cut off the samples that were drawn to fill up."""
    return tf.nest.map_structure(lambda x: x[: tf.shape(x)[0] - missing], drawn)


def _drawn(draw: Callable[[Tensor, Tensor], Any], epoch: Tensor, positions: Tensor) -> Any:
    """Draw for positions (B,), in a graph."""
    missing = _missing(positions)
    longer = tf.concat([positions, tf.zeros((missing,), positions.dtype)], axis=0)
    return _without(draw(epoch, longer), missing)


def _tensorflows(x: Any, dtype: Any) -> Tensor:
    """Give what was drawn in memory of TensorFlow's, and in a dtype: numpy promotes differently.

    Python's own memory could not be given back by TensorFlow's threads while the program ends.
    """
    if not isinstance(x, (np.ndarray, np.generic)):
        return tf.cast(x, dtype)
    return buffers.handed_over(buffers.cast(np.asarray(x), dtype.as_numpy_dtype))


class GraphEngine(PlainEngine):
    """The engine whose graph can be sent to another process, or to a device.

    All heavy functions are compiled: a device has no single kernel for some of them.
    """

    def __init__(self) -> None:
        super().__init__(ops, ops.compiled)

    def draw(
        self, program: Program, keys: SampleKeys, size: Size, *, led: bool, frames: Any
    ) -> Any:
        """Do as `Program.draw`."""
        if not _are_known(size, frames):
            return super().draw(program, keys, size, led=led, frames=frames)
        draw = _drawing(program, keys.seed, size, led=led, frames=frames)
        return _drawn(ops.jitted(partial(draw, ops)), keys.epoch, keys.positions)

    def move(
        self, program: Program, parts: Parts, drawn: Any, size: Size, *, led: bool, frames: Any
    ) -> Parts:
        """Do as `Program.move`."""
        targets = {name: part for name, part in parts.items() if name != "images"}
        if not targets or not _are_known(size, frames):
            return super().move(program, targets, drawn, size, led=led, frames=frames)

        @ops.jitted
        def moved(targets: Parts, drawn: Any) -> Parts:
            return program.move(ops, targets, drawn, size, led=led, frames=frames)

        out: Parts = moved(targets, drawn)
        return out


class HostEngine:
    """The engine that runs in this process, where what was compiled once stays compiled.

    A graph's iterators compile its functions anew, each for a second or so. Here the graph calls
    back: stages are functions that TensorFlow compiles on their own, and does not forget when an
    iterator ends. Other threads run meanwhile.
    """

    def __init__(self) -> None:
        self._stages = Stages()
        self._has_seen_values = False

    def draw(
        self, program: Program, keys: SampleKeys, size: Size, *, led: bool, frames: Any
    ) -> Any:
        """Do as `Program.draw`."""
        if program.is_empty or not _are_known(size, frames):
            return program.draw(ops, keys, size, led=led, frames=frames)
        drawing = _drawing(program, keys.seed, size, led=led, frames=frames)
        # The shape of what is drawn depends on the number of samples alone.
        function = tf.function(
            partial(_drawn, partial(drawing, ops)), autograph=False
        ).get_concrete_function(tf.TensorSpec((), tf.int32), tf.TensorSpec((None,), tf.int32))
        structure = function.structured_outputs
        draw = self.drawn_by(drawing)

        def on_host(epoch: Tensor, positions: Tensor) -> list[Tensor]:
            # Tensors are put together in a tenth of a millisecond, arrays in none.
            given = np.asarray(positions)
            longer = np.concatenate([given, np.zeros(-len(given) % _DRAWN_AT_ONCE, given.dtype)])
            with self.turn(size):
                found = tf.nest.flatten(draw(epoch, longer))
                return [_tensorflows(x, of.dtype) for x, of in zip(found, flat, strict=True)]

        flat = tf.nest.flatten(structure)
        found = host_call(
            on_host,
            [keys.epoch, keys.positions],
            [each.dtype for each in flat],
        )
        known = [
            ops.ensure_shape(x, of.shape)
            for x, of in zip(_without(found, _missing(keys.positions)), flat, strict=True)
        ]
        return tf.nest.pack_sequence_as(structure, known)

    def drawn_by(self, drawing: Drawing) -> Callable[[Tensor, NDArray[np.int32]], Any]:
        """Give what draws for an epoch and positions in memory: XLA, as in a service."""
        compiled = Stages()

        def draw(epoch: Tensor, positions: NDArray[np.int32]) -> Any:
            return compiled.once(len(positions), partial(drawing, ops))(epoch, positions)

        return draw

    def move(
        self, program: Program, parts: Parts, drawn: Any, size: Size, *, led: bool, frames: Any
    ) -> Parts:
        """Do as `Program.move`."""
        return program.move(ops, parts, drawn, size, led=led, frames=frames)

    def pixels(
        self, program: Program, images: Tensor, drawn: Any, dtype: str, *, led: bool, frames: Any
    ) -> Tensor:
        """Do as `Program.pixels`."""
        # Sizes that are not known beforehand may be many, and are not worth compiling for.
        known = None not in images.shape[1:]

        def run(images: Tensor, *flat: Tensor) -> Tensor:
            if not self._has_seen_values:
                program.values.check(np.asarray(images))
                self._has_seen_values = True
            given = images.shape[1:3]
            with self.turn(max(given, program.output_size(given), key=math.prod)):
                moved = program.pixels(
                    ops,
                    images,
                    tf.nest.pack_sequence_as(drawn, flat),
                    dtype,
                    led=led,
                    frames=frames,
                    carry_out=self.carry_out_of(program, images, dtype),
                    divided=self._divided(known=known),
                )
            return as_tensor(moved)

        out = host_call(run, [images, *tf.nest.flatten(drawn)], dtype)
        _, height, width, channels = images.shape
        return ops.ensure_shape(out, (None, *program.output_size((height, width)), channels))

    def turn(self, size: Size) -> AbstractContextManager[Any]:
        """What a call waits for, before it draws for images of a size, or moves their pixels."""
        del size
        return nullcontext()

    def _divided(self, *, known: bool) -> Divided:
        """Give what runs the sections of one call, each a part of the batch at a time."""
        numbers = count()

        def divided(
            work: Callable[..., Tensor],
            images: Tensor,
            drawn: Any,
            overlap: int,
            size_of: Callable[[Size], Size],
        ) -> Tensor:
            key = next(numbers), known
            return self.in_parts(work, images, drawn, size_of, overlap, key)

        return divided

    def in_parts(
        self,
        work: Callable[..., Tensor],
        images: Tensor,
        drawn: Any,
        size_of: Callable[[Size], Size],
        overlap: int,
        key: tuple[Any, bool],
    ) -> Tensor:
        """Do what takes images, parameters and a compiler, a part of the batch at a time.

        Args:
            work: It.
            images: Tensor (B + overlap, H, W, C).
            drawn: The parameters.
            size_of: Gives the size of what comes out for images of a (height, width).
            overlap: Images that lead a part, and give none.
            key: A name for it, and whether it is to be compiled.
        """
        name, compiles = key

        def part(images: Tensor, drawn: Any) -> Tensor:
            compiler = self._stages.compiler((name, *images.shape)) if compiles else None
            return work(images, drawn, compiler)

        images = as_tensor(images)
        _, height, width, channels = images.shape
        # What lies in between when images are brought to another size has pixels between both.
        pixels = math.isqrt(height * width * math.prod(size_of((height, width))))
        rows = rows_of_a_part(pixels * channels * images.dtype.size)
        return in_parts(part, images, drawn, rows, overlap)

    def carry_out_of(self, program: Program, images: Tensor, dtype: str) -> CarryOut:
        """Choose what runs the passes over images, which are to come out in a dtype."""
        del program, images, dtype
        return run_pass


def _are_known(size: Size, frames: Any) -> bool:
    """Whether the size of images, and the number of a video's frames, are known beforehand."""
    return all(isinstance(known, int) for known in (*size, 0 if frames is None else frames))


def engine_of(name: str | Engine | None, sizes: Any, *, counts: bool = False) -> Engine:
    """Choose an engine.

    Args:
        name: "xla", "opencv", None to choose, or an engine.
        sizes: (height, width) of the images, None where they are not known.
        counts: Whether levels are to be counted, which OpenCV does faster for small images too.

    Raises:
        ValueError: No such engine.
        ImportError: OpenCV is not installed.
    """
    if isinstance(name, (PlainEngine, HostEngine)):
        return name
    if name is not None and not (isinstance(name, str) and name in ("xla", "opencv")):
        raise ValueError(
            f'`engine` is "opencv", "xla", or None to choose. Received: engine={name!r}'
        )
    # The calls of OpenCV take turns in Python: of small images XLA makes more in the same time.
    small = None not in sizes and sizes[0] * sizes[1] <= SMALL
    if name == "opencv" or (name is None and (counts or not small)):
        try:
            from kerastricks.augment.placement.opencv import OpenCVEngine
        except ImportError:
            if name == "opencv":
                raise
        else:
            return OpenCVEngine()
    # Sizes that are not known beforehand may be many, and are not worth compiling for.
    return GraphEngine() if None in sizes else HostEngine()
