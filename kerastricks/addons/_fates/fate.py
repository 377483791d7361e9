"""What became of a name of TensorFlow Addons: here, in Keras, or gone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ROOT = "kerastricks.addons"


@dataclass(frozen=True)
class Fate:
    """What to do about one name of TensorFlow Addons.

    Attributes:
        kind: `"here"` when `kerastricks.addons` has the name, `"keras"` when Keras itself has what
            it stood for, `"nothing"` when neither has.
        use: What to write instead, from the top package on; empty when there is nothing.
        note: How that differs from the original; or why there is nothing, and what to do.
        since: The first version of Keras that has it, where 3.10 has not.
    """

    kind: Literal["here", "keras", "nothing"]
    use: str
    note: str
    since: tuple[int, int] = (3, 10)

    def sentence(self) -> str:
        """One line that says all of it.

        Example:
            >>> in_keras("metrics.R2Score", "`multioutput` is `class_aggregation`.").sentence()
            'use keras.metrics.R2Score. `multioutput` is `class_aggregation`.'
            >>> nothing("Nobody needs it.").sentence()
            'nothing takes its place. Nobody needs it.'
        """
        if not self.use:
            return f"nothing takes its place. {self.note}"
        version = "" if self.since == (3, 10) else f" (Keras {'.'.join(map(str, self.since))} on)"
        return f"use {self.use}{version}. {self.note}".rstrip()


def here(package: str, names: str, note: str = "") -> dict[str, Fate]:
    """The fates of names of a package that is here under the same name.

    Example:
        >>> here("layers", "TLU Snake")["Snake"].use
        'kerastricks.addons.layers.Snake'
    """
    return {name: Fate("here", f"{ROOT}.{package}.{name}", note) for name in names.split()}


def in_keras(use: str, note: str = "", since: tuple[int, int] = (3, 10)) -> Fate:
    """The fate of a name that Keras has; `use` is its place within `keras`."""
    return Fate("keras", f"keras.{use}", note, since)


def nothing(note: str) -> Fate:
    """The fate of a name that neither has."""
    return Fate("nothing", "", note)


def gone(names: str | Iterable[str], note: str) -> dict[str, Fate]:
    """The fates of names that all ended for the same reason."""
    return dict.fromkeys(names.split() if isinstance(names, str) else names, nothing(note))
