"""What moves the pixels of a `tf.data` element: engines, which share one program."""

import math
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import tensorflow as tf

from kerastricks.augment.kernels import Compiler, Size, Tensor
from kerastricks.augment.kernels import tensorflow as ops
from kerastricks.augment.passes.base import CarryOut, run_pass
from kerastricks.augment.passes.program import Divided, Engine, PlainEngine, Program
from kerastricks.augment.placement.host_calls import host_call
from kerastricks.augment.placement.parts import as_tensor, in_parts, rows_of_a_part
from kerastricks.augment.targets import Parts
from kerastricks.augment.threefry import SampleKeys

_SMALL = 64 * 64
"""Pixels of an image up to which XLA is chosen."""


class _Compiled:
    """A function compiled for arguments of the shapes and dtypes of its first call.

    TensorFlow would look for the right one at each call, which takes as long as a small loop.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._found: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        # Of a structure TensorFlow would look at each part, too.
        tensors = [as_tensor(each) for each in tf.nest.flatten(arguments)]
        if self._found is None:

            def flat(*tensors: Tensor) -> Any:
                return self._function(*tf.nest.pack_sequence_as(arguments, tensors))

            self._found = ops.jitted(flat).get_concrete_function(*tensors)  # type: ignore[attr-defined]
        return self._found(*tensors)


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
        if key not in self._known:
            self._known[key] = _Compiled(function)
        return self._known[key]


def compiled_draw(
    program: Program, seed: int, size: Size, *, led: bool, frames: Any
) -> Callable[[Tensor, Tensor], Any]:
    """Compile `Program.draw` into a function of the epoch and of positions, of one more than asked.

    Compilers treat a single sample differently, and round its numbers differently: it would then
    depend on its batch. So would it, as was measured, if drawn by single kernels.
    """

    @ops.jitted
    def drawn(epoch: Tensor, positions: Tensor) -> Any:
        keys = SampleKeys(seed, epoch, positions)
        return program.draw(ops, keys, size, led=led, frames=frames)

    return drawn


def _drawn(draw: Callable[[Tensor, Tensor], Any], epoch: Tensor, positions: Tensor) -> Any:
    """Draw for positions (B,), in a graph."""
    longer = tf.concat([positions, positions[-1:]], axis=0)
    return tf.nest.map_structure(lambda x: x[:-1], draw(epoch, longer))


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
        draw = compiled_draw(program, keys.seed, size, led=led, frames=frames)
        return _drawn(draw, keys.epoch, keys.positions)

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
        draw = compiled_draw(program, keys.seed, size, led=led, frames=frames)
        # The shape of what is drawn depends on the number of samples alone.
        function = tf.function(partial(_drawn, draw), autograph=False).get_concrete_function(
            tf.TensorSpec((), tf.int32), tf.TensorSpec((None,), tf.int32)
        )
        structure = function.structured_outputs

        def on_host(epoch: Tensor, positions: Tensor) -> list[Tensor]:
            # Slices of tensors take a tenth of a millisecond each, those of arrays nothing.
            longer = np.asarray(positions)
            longer = np.concatenate([longer, longer[-1:]])
            return list(tf.nest.flatten(draw(epoch, tf.constant(longer))))

        flat = tf.nest.flatten(structure)
        found = host_call(
            on_host,
            [keys.epoch, keys.positions],
            [each.dtype for each in flat],
        )
        # The last is cut off here: of an array TensorFlow keeps a copy that may be Python's memory,
        # which a thread could not give back while the program ends.
        known = [ops.ensure_shape(x[:-1], of.shape) for x, of in zip(found, flat, strict=True)]
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
        # Sizes that are not known beforehand may be many, and are not worth compiling for.
        known = None not in images.shape[1:]

        def run(images: Tensor, *flat: Tensor) -> Tensor:
            if not self._has_seen_values:
                program.values.check(np.asarray(images))
                self._has_seen_values = True
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
    small = None not in sizes and sizes[0] * sizes[1] <= _SMALL
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
