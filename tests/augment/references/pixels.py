"""Sharpness, noise, covers and mixes."""

import math

import numpy as np
from scipy import ndimage, stats

from .geometry import each_channel
from .random_numbers import between, pixel_noise


def sharpened(x, factor):
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    inside = x[1:-1, 1:-1]
    smooth = each_channel(lambda c: ndimage.convolve(c, kernel), x)[1:-1, 1:-1]
    out = x.copy()
    out[1:-1, 1:-1] = smooth + factor * (inside - smooth)
    return out


def noisy(x, u):
    radius, angle = pixel_noise(u[2:6], x.shape)
    normal = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
    return x + 255 * between(u[1], 0.02, 0.1) * normal


def erased(x, u):
    size = x.shape[:2]
    side = math.sqrt(between(u[1], 0.1, 0.3) * size[0] * size[1])
    root = math.exp(between(u[2], math.log(0.5), math.log(2)) / 2)
    tall, wide = min(round(side * root), size[0]), min(round(side / root), size[1])
    top, left = math.floor(u[3] * (size[0] - tall + 1)), math.floor(u[4] * (size[1] - wide + 1))
    out, (fill, _) = x.copy(), pixel_noise(u[5:9], x.shape)
    out[top : top + tall, left : left + wide] = 255 * fill[top : top + tall, left : left + wide]
    return out


def blended(x, u, partner):
    alpha = between(u[2], 0.5, 2)
    share = stats.beta(alpha, alpha).ppf(u[1])
    return share * x + (1 - share) * partner


def pasted(x, u, partner):
    side, out = math.sqrt(1 - u[1]), x.copy()
    spans = []
    for axis, size in enumerate(x.shape[:2]):
        length = round(size * side)
        start = math.floor(u[2 + axis] * size) - length // 2
        spans.append(slice(max(start, 0), min(start + length, size)))
    out[tuple(spans)] = partner[tuple(spans)]
    return out
