"""Says what to use instead of a name of TensorFlow Addons that is not here."""

from collections.abc import Callable
from typing import Any

from kerastricks.addons._fates import FATES, ROOT, grouped, look_up


def explainer(place: str) -> Callable[[str], Any]:
    """A `__getattr__` for the package `place` ("layers", or "" for the top) of the addons."""

    def explain(name: str) -> Any:
        path = f"{place}.{name}" if place else name
        raise AttributeError(_explanation(path) or f"module {ROOT!r} has no {path!r}")

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
