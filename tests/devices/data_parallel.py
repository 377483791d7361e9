"""Trainings on two host devices of JAX's, beside the same on one."""

import contextlib
import sys

import jax
import keras
from trained import CASES, assert_alike, assert_resumes, trained

assert len(jax.devices()) == 2


@contextlib.contextmanager
def distributed():
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    yield


for name in sys.argv[1:]:
    keras.distribution.set_distribution(None)
    if name == "resumed":
        assert_resumes(distributed)
    else:
        one = trained(CASES[name])
        assert_alike(one, trained(CASES[name], distributed))
    print(f"{name}: as on one device")
