"""`load_model`: an old file in, a model of Keras 3 out."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import keras

from kerastricks._printable import in_one_line
from kerastricks._untrusted import RefusedError
from kerastricks.addons._loading.config import GRAPH, translated
from kerastricks.addons._loading.file import Saved, opened
from kerastricks.addons._loading.functions import hard_sigmoid
from kerastricks.addons._loading.graph import Graph
from kerastricks.addons._loading.objects import custom_objects as addons
from kerastricks.addons._loading.training import compile_arguments
from kerastricks.addons._loading.weights import restore


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,  # noqa: A002 the name of Keras
) -> keras.Model:
    """Opens an `.h5` or `.keras` file of Keras 2, with layers of TensorFlow Addons or without.

    The model is one of Keras 3: it predicts what it predicted, can be trained on, and saves as
    `.keras`, which `keras.models.load_model` opens where kerastricks is imported. Files that
    Keras 3 wrote are refused.

    The file is not trusted. Nothing in it is run, only classes of Keras, of this package and of
    `custom_objects` are made, and nothing outside the file is read. Give no `custom_objects` to
    files of strangers: what a class of yours does with its arguments is not known here.

    Optimizer, losses and metrics come back where Keras 3 or this package has them; the moments of
    the optimizer start anew. Where one is missing the model is not compiled, and a warning says
    which.

    Functions that Keras 2 had too are in files by name alone. So `tfa.activations.gelu`, which is
    approximate by default, was saved as "gelu", and comes back as Keras' exact one, as it did in
    Keras 2.

    Args:
        filepath: The file.
        custom_objects: Your own classes and functions by the names in the file.
        compile: Whether to compile the model as it was compiled.

    Returns:
        The model, with the weights of the file.

    Raises:
        ValueError: When the file is damaged, holds code (a `Lambda`), names a class that nobody
            knows, is no saved model, or was written by Keras 3.

    Example:
        >>> load_model("model.h5")
        Traceback (most recent call last):
        ...
        ValueError: model.h5 cannot be opened: it does not exist.
    """
    path = Path(filepath)
    known = {**addons(), GRAPH: Graph, "kerastricks.addons>hard_sigmoid": hard_sigmoid}
    known |= custom_objects or {}
    try:
        with opened(path) as saved:
            if saved.version[:1] in {*"3456789"}:
                # Not handed on: older versions of Keras 3 run what is in some files.
                raise RefusedError("Keras 3 wrote it: open it by keras.models.load_model.")
            model = _rebuilt(saved, known)
    except Exception as error:  # damaged files raise whatever their readers meet
        raise ValueError(in_one_line(f"{path} cannot be opened: {error}")) from error
    if compile and saved.training:
        _compile(model, saved.training, known)
    return model


def _rebuilt(saved: Saved, known: dict[str, Any]) -> keras.Model:
    # A copy: Keras takes configs apart.
    config = json.loads(json.dumps(translated(saved.model, known)))
    with keras.saving.CustomObjectScope(known):
        model = keras.saving.deserialize_keras_object(config, custom_objects=known, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise RefusedError(f"it holds a {type(model).__name__}, not a model.")
    if not model.built:
        shape = (saved.model.get("build_config") or saved.model["config"]).get("input_shape")
        shape = shape or saved.model["config"].get("build_input_shape")
        if shape is None:
            raise RefusedError("it holds a model that was never built.")
        model.build(tuple(shape))
    restore(model, saved.model, saved.weights, saved.h5)
    return model


def _compile(model: keras.Model, training: dict[str, Any], known: dict[str, Any]) -> None:
    try:
        model.compile(**compile_arguments(training, known))
    except Exception as error:  # whatever Keras says to a loss, a metric, an optimizer
        told = in_one_line(f"The model is not compiled: {error} Compile it anew.")
        warnings.warn(told, stacklevel=3)
