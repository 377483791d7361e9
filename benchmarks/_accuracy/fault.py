"""A fault that is injected on purpose."""

from dataclasses import dataclass
from typing import Any

from _accuracy.states import State


@dataclass(frozen=True)
class Fault:
    """One fault at one strength.

    Attributes:
        family: One of the families of the page.
        bases: Names of `BASES`.
        change: Fields of the recipe that become other ones.
        roots: Conditions that name the cause rightly.
        state: What must be true of the run for it to be sick in this way.
        treatable: False where nothing about the model is wrong, so that no other model helps.
    """

    family: str
    bases: tuple[str, ...]
    change: dict[str, Any]
    roots: tuple[str, ...]
    state: State
    treatable: bool = True


def fault(family: str, bases: str, roots: str, state: State, **change: Any) -> Fault:
    """A fault whose bases and roots are named in one string each."""
    return Fault(family, tuple(bases.split()), change, tuple(roots.split()), state)
