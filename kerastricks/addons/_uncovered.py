"""Says what to use instead of a name of TensorFlow Addons that is not here."""

from collections.abc import Callable
from typing import Any

ROOT = "kerastricks.addons"


def explainer(place: str) -> Callable[[str], Any]:
    """A `__getattr__` for the package `place` ("layers", or "" for the top) of the addons."""

    def explain(name: str) -> Any:
        path = f"{place}.{name}" if place else name
        raise AttributeError(f"module {ROOT!r} has no {path!r}")

    return explain
