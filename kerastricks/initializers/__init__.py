"""Keras initializers that name the scale they give; one instance serves many weights."""

from kerastricks.initializers.delta_orthogonal import DeltaOrthogonal
from kerastricks.initializers.dirac import Dirac
from kerastricks.initializers.for_activation import ForActivation
from kerastricks.initializers.he import He
from kerastricks.initializers.lecun import LeCun
from kerastricks.initializers.orthogonal import Orthogonal
from kerastricks.initializers.randomized_asymmetric import RandomizedAsymmetric
from kerastricks.initializers.scaled_normal import ScaledNormal
from kerastricks.initializers.xavier import Xavier

__all__ = [
    "DeltaOrthogonal",
    "Dirac",
    "ForActivation",
    "He",
    "LeCun",
    "Orthogonal",
    "RandomizedAsymmetric",
    "ScaledNormal",
    "Xavier",
]
