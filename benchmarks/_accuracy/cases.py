"""Which runs there are: every fault and every healthy network on its data, in both halves."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from _accuracy.bases import BASES
from _accuracy.faults import FAULTS
from _accuracy.healthy import HEALTHY, USUAL
from _accuracy.recipe import Recipe
from _accuracy.tasks import SEEDS

HALVES = tuple(SEEDS)


@dataclass(frozen=True)
class Case:
    """A run to be made.

    Attributes:
        name: What it is called; no other case has the same name.
        half: `"choose"` or `"frozen"`.
        recipe: How it is made.
        fault: Name of the fault; None for a healthy run.
        twin: Name of the healthy twin; its own for a healthy run.
    """

    name: str
    half: str
    recipe: Recipe
    fault: str | None
    twin: str


@cache
def cases(half: str) -> tuple[Case, ...]:
    """The runs of one half, twins before the runs that are compared with them."""
    return (*_twins(half), *_zoo(half), *_sick(half))


def _twins(half: str) -> Iterator[Case]:
    for base, fields in BASES.items():
        for seed in SEEDS[half][fields["data"]]:
            name = f"twin, {base}, {seed}"
            yield Case(name, half, Recipe(seed=seed, **fields), None, name)


def _zoo(half: str) -> Iterator[Case]:
    for number, (kind, (data_sets, change)) in enumerate(HEALTHY.items()):
        for data in data_sets.split():
            seed = SEEDS[half][data][number % 2]
            name = f"{kind}, {data}, {seed}"
            recipe = Recipe(seed=seed, **{**USUAL[data], **change})
            yield Case(name, half, recipe, None, name)


def _sick(half: str) -> Iterator[Case]:
    for number, (fault, entry) in enumerate(FAULTS.items()):
        for base in entry.bases:
            # By place: a new fault comes last, so that the others keep their seeds.
            seed = SEEDS[half][BASES[base]["data"]][number % 2]
            recipe = replace(Recipe(seed=seed, **BASES[base]), **entry.change)
            yield Case(f"{fault}, {base}, {seed}", half, recipe, fault, f"twin, {base}, {seed}")
