"""Finds the fate of what a program writes: `layers.wrappers.WeightNormalization`, say."""

from dataclasses import dataclass

from kerastricks.addons._fates.fate import Fate
from kerastricks.addons._fates.table import FATES

COVERED = frozenset({"activations", "callbacks", "image", "layers", "optimizers"})
"""The packages that are here, some of their names not."""


@dataclass(frozen=True)
class Found:
    """A name of TensorFlow Addons in a dotted path.

    Attributes:
        name: The public name, such as `"layers.WeightNormalization"`.
        fate: What became of it.
        rest: What the path asks of it, such as `"from_config"`; mostly empty.
    """

    name: str
    fate: Fate
    rest: str = ""


def look_up(path: str) -> Found | None:
    """Finds the public name in a path below `tensorflow_addons`, past the files that define it.

    Returns:
        What was found, or None for a path of no public name, such as a whole package.

    Example:
        >>> look_up("layers.wrappers.WeightNormalization").name
        'layers.WeightNormalization'
        >>> look_up("optimizers.AdamW.from_config").rest
        'from_config'
        >>> look_up("layers"), look_up("layers.Dense")
        (None, None)
    """
    package, *parts = path.split(".")
    if package not in FATES:
        package, parts = "", [package, *parts]
    names = FATES[package]
    known = [place for place, part in enumerate(parts) if part in names]
    if not known:
        return None
    # `text.crf` is both a file and a name; a file's names come after it.
    first = known[0]
    while first + 1 in known:
        first += 1
    name = ".".join(filter(None, (package, parts[first])))
    return Found(name, names[parts[first]], ".".join(parts[first + 1 :]))


def grouped(package: str) -> dict[Fate, list[str]]:
    """The names of a package by their fate, in the order of the table.

    Example:
        >>> [names for fate, names in grouped("rnn").items()][1]
        ['ESNCell']
    """
    groups: dict[Fate, list[str]] = {}
    for name, fate in FATES[package].items():
        groups.setdefault(fate, []).append(name)
    return groups
