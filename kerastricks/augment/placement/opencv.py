"""The engine on OpenCV: the program's passes, each image with the loops that OpenCV has for it.

Antialiased resampling along the axes, which OpenCV lacks, is XLA's, and Pillow's for images of
sizes that are not known beforehand.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from itertools import count
from threading import RLock
from typing import Any

import numpy as np

from kerastricks.augment.antialias import smoothing_weight, spans
from kerastricks.augment.kernels import Compiler, Ops, Size, Tensor, buffers, opencv, rectangles
from kerastricks.augment.kernels import numpy as small
from kerastricks.augment.kernels import tensorflow as ops
from kerastricks.augment.passes.base import CarryOut, Pass, run_pass
from kerastricks.augment.passes.color import ColorPass
from kerastricks.augment.passes.pixel import PixelPass
from kerastricks.augment.passes.program import Divided, Program
from kerastricks.augment.passes.table import TablePass
from kerastricks.augment.passes.warp import WarpPass
from kerastricks.augment.placement.engines import SMALL, Drawing, HostEngine
from kerastricks.augment.transforms.random_gaussian_blur import RandomGaussianBlur, gaussian_weight
from kerastricks.augment.transforms.random_sharpness import Sharpening
from kerastricks.augment.values import ValueContract

_DTYPES = ("uint8", "float32")
_SLACK = 1e-3
"""By how much of a pixel rounding may lead beyond an image."""


class OpenCVEngine(HostEngine):
    """Run what OpenCV has a fast loop for there, and the rest as the other engine does.

    uint8 images of the range 0 to 255, and float32 ones, of up to four channels. What a sample's
    draw leaves as it is costs a copy.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turns = RLock()
        self._compiles = False

    def drawn_by(self, drawing: Drawing) -> Callable[[Tensor, Any], Any]:
        """Draw by numpy, which takes as long and need not be compiled."""
        return lambda epoch, positions: drawing(small, np.asarray(epoch), positions)

    def turn(self, size: Size) -> AbstractContextManager[Any]:
        """Let calls with small images take turns: else they wait at each loop for Python's lock.

        Those in which XLA works too let others go on meanwhile.
        """
        return nullcontext() if self._compiles else self._turn(size)

    def _turn(self, size: Size) -> AbstractContextManager[Any]:
        return self._turns if math.prod(size) <= SMALL else nullcontext()

    def carry_out_of(self, program: Program, images: Tensor, dtype: str) -> CarryOut:
        """Choose OpenCV for what it serves."""
        source = images.dtype.name
        range_of_bytes = program.values.value_range == (0.0, 255.0)
        served = source in _DTYPES and dtype in _DTYPES and images.shape[-1] <= 4
        served = served and (source != "uint8" or range_of_bytes)
        return self._carry_out if served else run_pass

    def _carry_out(
        self, step: Pass, ops: Ops, images: Any, drawn: Any, dtype: str, compiler: Any
    ) -> Any:
        """Do as `Pass.run`."""
        # A room for the result stays one: it is handed over without a copy.
        array = np.asanyarray(images)
        known = compiler is not None
        runner = _runner(step, array, dtype, sizes_are_known=known)
        if runner is not None:
            size = array.shape[1:3]
            with self._turn(max(size, step.output_size(size), key=math.prod)):
                if array.dtype == "uint8" and dtype == "float32" and not _keeps_levels(step):
                    array = buffers.cast(array, "float32")
                found = runner(step, array, drawn, self._small(step, array))
                if found is not None:
                    return _finished(found, step.values, dtype)

        self._compiles = True

        def work(images: Tensor, drawn: Any, compiler: Compiler | None) -> Any:
            return step.run(ops, images, drawn, dtype, compiler, self._carry_out)

        # From here on nothing may be written in its place: chains read it one after the other.
        return self.in_parts(work, images, drawn, step.output_size, 0, (id(step), known))

    def _divided(self, *, known: bool) -> Divided:
        """Divide what begins with a mix; of other sections each pass writes in the last's place."""
        in_parts = super()._divided(known=known)

        def divided(work: Any, images: Tensor, drawn: Any, overlap: int, size_of: Any) -> Any:
            if overlap:
                return in_parts(work, images, drawn, overlap, size_of)
            return work(images, drawn, self._stages.compiler(images.shape) if known else None)

        return divided

    def _small(self, step: Pass, images: Any) -> Compiler:
        """Compile what a runner works out for images of this shape."""
        key = id(step), *images.shape
        numbers = count()
        return lambda function: self._stages.once((*key, next(numbers)), function)


def _finished(images: Any, values: ValueContract, dtype: str) -> Any:
    """Clip floats to the range, and give the dtype."""
    if images.dtype == "uint8":
        return images if dtype == "uint8" else buffers.cast(images, dtype)
    np.clip(images, *values.value_range, out=images)
    if dtype != "uint8":
        return images
    return buffers.cast(np.rint(images, out=images), dtype)


def _keeps_levels(step: Pass) -> bool:
    """Whether bytes come out of bytes, whatever dtype is asked for."""
    return isinstance(step, TablePass) or (isinstance(step, WarpPass) and step.copies)


def _runner(
    step: Pass, images: Any, dtype: str, *, sizes_are_known: bool
) -> Callable[..., Any] | None:
    """What carries a pass out by OpenCV, if anything does."""
    if isinstance(step, WarpPass):
        # Where each pixel of a bent image comes from is worth compiling, for images of one size.
        bends_many_sizes = step.is_elastic and not sizes_are_known
        size = images.shape[1:3]
        if step.copies:
            return _copy
        if step.keeps_axes:
            if sizes_are_known and step.minification(size) is not None:
                return None  # XLA's loop is faster, where it is worth compiling
            bytes_alone = images.dtype == dtype == "uint8" and images.shape[-1] in (1, 3)
            # Where an image is wrapped round, what is at its border reads from the opposite one.
            return _straight if bytes_alone and step.border.fill_mode != "wrap" else None
        if step.is_elastic and max(*size, *step.output_size(size)) > opencv.LONGEST_OF_REMAP:
            return None
        return None if bends_many_sizes else _warp
    if isinstance(step, ColorPass):
        return _color
    if isinstance(step, TablePass):
        return _table
    if isinstance(step, PixelPass):
        transform = step.transforms[0][1]
        if isinstance(transform, RandomGaussianBlur):
            return _blur
        if isinstance(transform, Sharpening):
            return _sharpness
    return None


def _warp(step: WarpPass, images: Any, drawn: Any, compiler: Any) -> Any:
    matrices, grids = drawn
    size = images.shape[1:3]
    output_size = step.output_size(size)
    whole = reduce(np.matmul, (np.asarray(each, "float64") for each in matrices))
    if step.shrinks(size):
        images = opencv.convolve(images, _smoothing(spans(np, whole)), step.border)
    if grids:
        x, y = compiler(lambda drawn: step.places(ops, drawn, size))(drawn)
        return opencv.remap(images, x.numpy(), y.numpy(), step.border)
    from_corner, to_corner = _shift(size), _shift(output_size)
    corner = from_corner @ whole @ np.linalg.inv(to_corner)
    return opencv.warp(images, corner, output_size, step.border)


def _copy(step: WarpPass, images: Any, drawn: Any, compiler: Any) -> Any:
    windows, mirrored, size = _windows(step, images, drawn)
    whole = np.rint(windows).astype("int64")
    return rectangles.copy(images, whole, mirrored, size, step.border)


def _straight(step: WarpPass, images: Any, drawn: Any, compiler: Any) -> Any:
    """Resample rectangles of images of many sizes; None where one goes beyond its image."""
    windows, mirrored, size = _windows(step, images, drawn)
    _, height, width, _ = images.shape
    ends = np.array([width, height, width, height], "float64")
    if (windows < -_SLACK).any() or (windows > ends + _SLACK).any():
        return None
    return rectangles.resample(images, np.clip(windows, 0, ends), mirrored, size)


def _windows(step: WarpPass, images: Any, drawn: Any) -> tuple[Any, Any, Any]:
    """The rectangles that fill the output where rows stay rows, which are mirrored, its size."""
    (matrices,), _ = drawn
    height, width = step.output_size(images.shape[1:3])
    matrix = np.asarray(matrices, "float64")
    scale, shift = matrix[:, [0, 1], [0, 1]], matrix[:, :2, 2]
    middle = shift + np.array(images.shape[2:0:-1]) / 2
    half = np.abs(scale) * np.array([width, height]) / 2
    return np.concatenate([middle - half, middle + half], axis=1), scale < 0, (height, width)


def _shift(size: Any) -> Any:
    """From places about the center to places from the first pixel."""
    return np.array([[1, 0, (size[1] - 1) / 2], [0, 1, (size[0] - 1) / 2], [0, 0, 1]], "float64")


def _smoothing(along: Any) -> Any:
    """Kernels along x and y, as `antialias.smooth_axis` has them, of images that shrink."""
    widths = np.maximum(1.0, along)
    shrinking = np.flatnonzero(widths.max(axis=0) > 1.0 + 1e-6)
    down, across = (
        _kernels(smoothing_weight, each, np.maximum(1, np.ceil(each) - 1).astype("int64"))
        for each in widths[:, shrinking]
    )
    return dict(zip(shrinking.tolist(), zip(across, down, strict=True), strict=True))


def _kernels(weight: Callable[..., Any], widths: Any, radii: Any) -> list[Any]:
    """The weights, by distance, of all pixels within radii (B,)."""
    most = int(radii.max(initial=0))
    distance = np.abs(np.arange(-most, most + 1)).astype("float64")[None]
    weights = weight(np, widths[:, None] + np.zeros_like(distance), distance)
    parts = [row[most - r : most + r + 1] for row, r in zip(weights, radii, strict=True)]
    return [(part / part.sum()).astype("float32") for part in parts]


def _color(step: ColorPass, images: Any, uniforms: Any, compiler: Any) -> Any:
    channels = images.shape[-1]
    step.check(channels)
    kind = 3 if channels == 3 else 1
    values = step.values
    mean = None
    if step.needs_mean:
        mean = (opencv.means(images) - values.low) / values.span
        mean = mean if kind == 3 else mean.mean(axis=1, keepdims=True)
    uniforms = tuple(map(np.asarray, uniforms))
    matrix, offset = step.color(small, uniforms, mean, kind)
    if kind == 1:
        matrix = matrix * np.eye(channels, dtype="float32")
        offset = np.repeat(offset, channels, axis=1)
    shift = offset * values.span + values.low - matrix.sum(axis=2) * values.low
    return opencv.mix_channels(images, matrix, shift)


def _table(step: TablePass, images: Any, uniforms: Any, compiler: Any) -> Any:
    levels = images
    if images.dtype != "uint8":
        scaled = (images - step.values.low) * (255.0 / step.values.span)
        levels = np.rint(np.clip(scaled, 0, 255)).astype("uint8")
    uniforms = tuple(map(np.asarray, uniforms))
    counted = None
    if step.needs_counts:
        counted = opencv.counts(levels, step.reads_counts(small, uniforms))
    tables = step.table(small, uniforms, counted)
    found = opencv.look_up(levels, tables.astype("uint8"))
    if images.dtype == "uint8":
        return found
    return found.astype("float32") * np.float32(step.values.span / 255.0) + step.values.low


def _sharpness(step: PixelPass, images: Any, factors: Any, compiler: Any) -> Any:
    return opencv.sharpen(images, np.asarray(factors))


def _blur(step: PixelPass, images: Any, sigma: Any, compiler: Any) -> Any:
    widths = np.asarray(sigma, "float64")
    radii = (3.0 * widths + 0.5).astype("int64")
    kernels = _kernels(gaussian_weight, widths, radii)
    blurred = {number: (kernels[number],) * 2 for number in np.flatnonzero(radii).tolist()}
    return opencv.convolve(images, blurred, step.border)
