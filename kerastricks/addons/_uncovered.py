"""Says what to use instead of a name of TensorFlow Addons that is not here."""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kerastricks.addons._fates import FATES, ROOT, grouped, look_up


def explainer(place: str, others: Mapping[str, str] = MappingProxyType({})) -> Callable[[str], Any]:
    """A `__getattr__` for the package `place` ("layers", or "" for the top) of the addons.

    Args:
        place: The package's name below the addons.
        others: What to say of names that are here at times only.
    """

    def explain(name: str) -> Any:
        path = f"{place}.{name}" if place else name
        explanation = others.get(name) or _explanation(path)
        # `from package import name` drops an AttributeError, and all that it says.
        if explanation and sys._getframe(1).f_code.co_name == "_handle_fromlist":
            raise ImportError(explanation)
        raise AttributeError(explanation or f"module {ROOT!r} has no {path!r}")

    return explain


def _explanation(path: str) -> str:
    if path in FATES:
        lines = [
            f"  {', '.join(names)}: {fate.sentence()}" for fate, names in grouped(path).items()
        ]
        return f"{ROOT} has no {path!r}. For TensorFlow Addons' {path}:\n" + "\n".join(lines)
    found = look_up(path)
    if found is None or found.name != path:
        return ""
    if found.fate.kind == "here":
        return f"{ROOT}.{path} is missing. {found.fate.note}"
    return f"{ROOT} has no {path!r}: {found.fate.sentence()}"
