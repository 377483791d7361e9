"""The operations on images give what those of the real TensorFlow Addons give."""

import importlib.util
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

import kerastricks.addons as tfa


def _cases():
    path = Path(__file__).parent / "oracle" / "image.py"
    spec = importlib.util.spec_from_file_location("oracle_image", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = _cases()
FUNCTIONS = CASES.cases(tfa)


def hwc():
    return CASES.picture("HWC")


def cut_off(ours, theirs):
    """They leave the fraction out, we round: ours is the same or one more."""
    return set(np.unique(ours.astype(int) - theirs.astype(int))) == {0, 1}


def cut_off_and_weighed(ours, theirs):
    """The smoothed image differs by one, and is weighed by 1 - factor."""
    return np.abs(ours.astype(int) - theirs.astype(int)).max() in (1, 2)


def wrapped_around(ours, theirs):
    beyond = (ours == 0) | (ours == 255)
    return (np.abs(ours.astype(int) - theirs.astype(int))[~beyond] <= 1).all()


def half_precision(ours, theirs):
    """Theirs is calculated in float16: off by a few steps of it."""
    step = np.finfo("float16").eps * np.abs(theirs).max()
    return np.abs(ours.astype(float) - theirs).max() <= 3 * step


CUT_OFF = "whole numbers are cut off there, and rounded here", cut_off
WHOLE = ("uint8", "int32", "int64")
DIFFERENCES = {
    **{f"rotate/{dtype}/bilinear/*": CUT_OFF for dtype in WHOLE},
    **{f"mean_filter2d/{dtype}": CUT_OFF for dtype in WHOLE},
    **{f"gaussian_filter2d/{dtype}": CUT_OFF for dtype in WHOLE},
    **{
        f"sharpness/uint8/{factor}/*": (CUT_OFF[0], cut_off_and_weighed)
        for factor in (0.0, 0.4, 2.5)
    },
    **dict.fromkeys(
        ("mean_filter2d/float16", "gaussian_filter2d/float16", "hsv/float16/*"),
        ("float16 is calculated in float16 there", half_precision),
    ),
    "hsv/uint8/beyond": ("whole numbers out of range wrap around there", wrapped_around),
    "wrap/far": (
        "the second repetition is missing there",
        lambda ours, theirs: np.array_equal(ours, np.roll(CASES.picture("HWC"), 6, axis=1)),
    ),
    "wrap/between": (
        "nothing lies between the last pixel and the first there",
        lambda ours, theirs: np.isclose(
            ours, (np.roll(hwc(), 2, 1) + np.roll(hwc(), 3, 1)) / 2
        ).all(),
    ),
    "equalize/fractions": (
        "a channel that stays as it is loses its fractions there",
        lambda ours, theirs: np.array_equal(np.floor(ours), theirs),
    ),
    "gaussian_filter2d/sigma 0": (
        "a sigma of 0 gives NaN there",
        lambda ours, theirs: np.isnan(theirs).all() and np.array_equal(ours, CASES.picture("HW")),
    ),
    "median_filter2d/even/bright": (
        "the sum of two uint8 overflows there",
        lambda ours, theirs: (ours[ours != theirs] >= 128).all(),
    ),
    "distances/float16/far": (
        "squares of distances have no room in float16 there",
        lambda ours, theirs: np.array_equal(ours[0], np.arange(700).astype("float16")),
    ),
    "gradient/rotate": (
        "gradients are warped back bilinearly there: not the derivative of what is computed",
        lambda ours, theirs: np.isfinite(ours).all(),
    ),
}
"""What is not the same, why, and how ours relates to theirs."""

# Kernels in C++ and sums in another order: several roundings of values up to 255.
ROUNDINGS = {"float16": 1, "float32": 8, "float64": 8}


def difference(name):
    return next((DIFFERENCES[p] for p in DIFFERENCES if fnmatch(name, p)), None)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if difference(n) is None])
def test_same_as_the_real_one(oracle, name):
    theirs, ours = oracle("image")[name.replace("/", ":")], np.asarray(FUNCTIONS[name]())
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    if theirs.dtype.kind != "f":
        np.testing.assert_array_equal(ours, theirs)
        return
    # Both interpolate images of float64 in float32.
    precision = "float32" if name.startswith("rotate/float64") else theirs.dtype.name
    step = np.finfo(precision).eps * np.abs(theirs).max(initial=1.0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDINGS[theirs.dtype.name] * step)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if difference(n) is not None])
def test_declared_differences_are_what_they_are_said_to_be(oracle, name):
    theirs, ours = oracle("image")[name.replace("/", ":")], np.asarray(FUNCTIONS[name]())
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert not np.array_equal(ours, theirs)
    _, relation = difference(name)
    assert relation(ours, theirs)


def test_every_case_is_in_the_file_that_the_real_one_wrote(oracle):
    assert set(oracle("image")) == {name.replace("/", ":") for name in FUNCTIONS}
    assert len(FUNCTIONS) > 400
