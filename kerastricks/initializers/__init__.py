"""Keras initializers that name the scale they give; one instance serves many weights."""

from kerastricks.initializers.he import He
from kerastricks.initializers.scaled_normal import ScaledNormal
from kerastricks.initializers.xavier import Xavier

__all__ = [
    "He",
    "ScaledNormal",
    "Xavier",
]
