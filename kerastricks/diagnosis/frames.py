"""What the functions that are being run know of `fit`: that it is under way, what it was given."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

_KERAS = str(Path(keras.__file__).parent)
# Names under which `fit`, and the methods of the list itself, know the list of callbacks.
_LISTS = ("callbacks", "self")


def callback_list() -> Any:
    """The list of callbacks that `fit` is calling, and lets go of when it is left; or None."""
    owners = (frame.f_locals.get("self") for frame in _from(sys._getframe(1)))
    return next((x for x in owners if isinstance(x, keras.callbacks.CallbackList)), None)


def in_fit(callbacks: Any) -> bool:
    """True when `fit` is under way with this list of callbacks.

    A function of the user's own may hold a list that it has made itself, long after `fit` is over.
    """
    frames = (frame for frame in _from(sys._getframe(1)) if _is_of_keras(frame))
    return any(callbacks is frame.f_locals.get(name) for frame in frames for name in _LISTS)


def called_by(name: str) -> bool:
    """True when the function that asks was called by one of this name."""
    return sys._getframe(2).f_code.co_name == name


def given_to_fit() -> tuple[Any, Any, int]:
    """Inputs, targets and batch size of the `fit` that was called last.

    Raises:
        LookupError: If no `fit` is under way.
    """
    for frame in _from(sys._getframe(1)):
        if frame.f_code.co_name == "fit" and _is_of_keras(frame):
            variables = frame.f_locals
            if "epoch_iterator" in variables:  # else it is what Keras has put around `fit`
                return variables["x"], variables["y"], variables["batch_size"] or 32
    raise LookupError("no `fit` is under way")


def _is_of_keras(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_KERAS)


def _from(frame: types.FrameType | None) -> Iterator[types.FrameType]:
    """A function that is being run, the one that called it, and so on."""
    # The functions of this file are left out: a frame whose variables have been looked at keeps
    # them, and theirs hold frames. That would be a circle, which lives on when `fit` is left.
    while frame is not None:
        yield frame
        frame = frame.f_back
