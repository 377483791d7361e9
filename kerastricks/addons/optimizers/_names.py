"""Which variables the regular expressions of `exclude_from_weight_decay` mean."""

import re
from typing import Any


def matches(variable: Any, patterns: list[str] | None) -> bool:
    """Whether one of the patterns is found in a variable's path.

    In Keras 2 a variable's name was its path, "dense/kernel:0"; Keras 3 calls it "kernel" and has
    the path apart. Patterns that end in ":0" go on to work.
    """
    path = getattr(variable, "path", variable.name)
    return any(re.search(p, path) or re.search(p, f"{path}:0") for p in patterns or ())
