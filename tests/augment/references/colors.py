"""Colors by their formulas, tables by PIL."""

import math

import numpy as np
from PIL import Image, ImageOps

from .geometry import each_channel
from .random_numbers import between

LUMA = np.array([0.299, 0.587, 0.114])
# scikit-image's matrix of NTSC's YIQ.
YIQ = np.array(
    [
        [0.299, 0.587, 0.114],
        [0.59590059, -0.27455667, -0.32134392],
        [0.21153661, -0.52273617, 0.31119955],
    ]
)


def gray_of(x):
    return (x @ LUMA)[..., None] if x.shape[-1] == 3 else x.mean(axis=-1, keepdims=True)


def contrasted(x, factor):
    mean = gray_of(x.mean(axis=(0, 1), keepdims=True)).mean()
    return mean + factor * (x - mean)


def saturated(x, factor):
    return x if x.shape[-1] == 1 else gray_of(x) + factor * (x - gray_of(x))


def hued(x, turns):
    if x.shape[-1] == 1:
        return x
    c, s = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    return x @ (np.linalg.inv(YIQ) @ turn @ YIQ).T


def jittered(x, u):
    x = contrasted(x * between(u[1], 0.6, 1.2), between(u[2], 0.5, 1.1))
    return hued(saturated(x, between(u[3], 0.4, 1.5)), between(u[4], -0.1, 0.2))


def equalized(x):
    def one(channel):
        return np.asarray(ImageOps.equalize(Image.fromarray(channel.astype("uint8"))))

    return each_channel(one, np.rint(x)).astype("float64")


def stretched(x):
    least, most = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    return np.where(most > least, (x - least) * 255 / np.maximum(most - least, 1), x)


def posterized(x, bits):
    return np.floor(np.rint(x) / 2 ** (8 - bits)) * 2 ** (8 - bits)


def solarized(x, threshold):
    return np.where(np.rint(x) >= 255 * threshold, 255 - np.rint(x), np.rint(x))
