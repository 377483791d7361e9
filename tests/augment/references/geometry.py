"""Where pixels go, by scipy and PIL."""

import math

import numpy as np
from PIL import Image
from scipy import ndimage

from .random_numbers import between


def each_channel(function, x):
    return np.stack([function(x[..., channel]) for channel in range(x.shape[-1])], axis=-1)


def smoothed(x, spans):
    """Along y and x, by as much as a map shrinks there."""
    for axis, span in enumerate(spans):
        if span <= 1 + 1e-5:
            continue
        near = (span**2 - 1) / 12
        far = max(2, math.ceil(span))
        triangle = [max(0.0, 1 - abs(k) / span) for k in range(1 - far, far)]
        weights = np.array([near, 1 - 2 * near, near] if span < 2 else triangle)
        x = ndimage.correlate1d(x, weights / weights.sum(), axis=axis, mode="reflect")
    return x


def sampled(x, rows, columns):
    return each_channel(
        lambda c: ndimage.map_coordinates(c, [rows, columns], order=1, mode="reflect"), x
    )


def warped(x, matrix):
    """By a matrix from output to input, on (x, y, 1) about the center."""
    height, width, _ = x.shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2])

    def source(points):
        moved = matrix @ np.stack([*points, np.ones_like(points[0])])
        return moved[:2] / moved[2]

    steps = np.array([[0, 1e-4, 0], [0, 0, 1e-4]])
    slopes = np.diff(source(steps.reshape(2, 3)), axis=1) / 1e-4
    slopes[:, 1] += slopes[:, 0]  # the second difference is from the first point's end
    spans = np.hypot(*slopes.T)[::-1]
    y, x_out = np.mgrid[:height, :width].astype("float64")
    across, down = source(np.stack([x_out - middle[0], y - middle[1]]).reshape(2, -1))
    shape = height, width
    found = (down + middle[1]).reshape(shape), (across + middle[0]).reshape(shape)
    return sampled(smoothed(x, spans), *found)


def affine(a, b, c, d, e, f):
    return np.array([[a, b, c], [d, e, f], [0, 0, 1]])


def rotated(x, degrees):
    turn = math.radians(degrees)
    c, s = math.cos(turn), math.sin(turn)
    return warped(x, affine(c, -s, 0, s, c, 0))


def sheared(x, slope, steep=0.0):
    return warped(x, affine(1 + slope * steep, slope, 0, steep, 1, 0))


def shifted(x, down, right):
    return ndimage.shift(x, (down * x.shape[0], right * x.shape[1], 0), order=1, mode="reflect")


def windowed(x, axis, start, extent, length):
    """A part of an axis, made `length` pixels long by PIL's triangle."""
    scale = extent / length
    center = start + (np.arange(length) + 0.5) * scale - 0.5
    size = x.shape[axis]
    turned = (center + 0.5) % (2 * size)
    center = np.minimum(turned, 2 * size - turned) - 0.5
    distance = np.abs(np.arange(size) - center[:, None])
    weights = np.maximum(1 - distance / max(scale, 1.0), 0)
    return np.moveaxis(
        np.tensordot(weights / weights.sum(axis=1, keepdims=True), x, (1, axis)), 0, axis
    )


def zoomed(x, u):
    for axis, factor in enumerate((between(u[1], 0.6, 1.4), between(u[2], 0.7, 1.6))):
        size = x.shape[axis]
        x = windowed(x, axis, (size - size / factor) / 2, size / factor, size)
    return x


def resized(x, height, width):
    def one(channel):
        image = Image.fromarray(channel.astype("float32"))
        return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))

    return each_channel(one, x)


def cropped(x, u):
    top, left = (
        math.floor(n * (s - k + 1)) for n, s, k in zip(u[1:], x.shape, (7, 8), strict=False)
    )
    return x[top : top + 7, left : left + 8]


def resized_crop(x, u):
    size = x.shape[:2]
    for area, ratio in zip(u[3:13], u[13:], strict=True):
        side = math.sqrt(between(area, 0.3, 0.9) * size[0] * size[1])
        root = math.exp(between(ratio, math.log(0.75), math.log(4 / 3)) / 2)
        extent = round(side / root), round(side * root)
        if all(1 <= e <= s for e, s in zip(extent, size, strict=True)):
            break
    for axis, length in enumerate((8, 15)):
        start = math.floor(u[1 + axis] * (size[axis] - extent[axis] + 1))
        x = windowed(x, axis, start, extent[axis], length)
    return x


def flipped(x, u):
    return x[:: -1 if u[1] < 0.5 else 1, :: -1 if u[0] < 0.5 else 1]


def in_perspective(x, u):
    """The map that takes the corners to where they go, by eight linear equations."""
    height, width, _ = x.shape
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    half = np.array([width / 2, height / 2])
    goals = square * (1 - between(u[1:9].reshape(4, 2), 0.1, 0.3)) * half
    rows = []
    for (a, b), (c, d) in zip(square * half, goals, strict=True):
        rows += [[a, b, 1, 0, 0, 0, -c * a, -c * b], [0, 0, 0, a, b, 1, -d * a, -d * b]]
    forward = np.append(np.linalg.solve(np.array(rows), goals.ravel()), 1).reshape(3, 3)
    return warped(x, np.linalg.inv(forward))


def bent(x, u):
    height, width, _ = x.shape
    shorter, cells = min(height, width), 3
    grid = between(u[1:], -0.05, 0.1).reshape(cells + 3, cells + 3, 2) * shorter
    y, x_out = np.mgrid[:height, :width].astype("float64")
    at = [(y + 0.5) * cells / height + 1, (x_out + 0.5) * cells / width + 1]
    right, down = (
        ndimage.map_coordinates(grid[..., axis], at, order=3, prefilter=False, mode="nearest")
        for axis in range(2)
    )
    return sampled(x, y + down, x_out + right)
