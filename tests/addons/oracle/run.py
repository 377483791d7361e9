"""Computes the cases of `<area>.py` with the real TensorFlow Addons: run.py AREA FILE."""

import importlib
import sys

import numpy as np
import tensorflow_addons as tfa

if __name__ == "__main__":
    cases = importlib.import_module(sys.argv[1])
    np.savez(sys.argv[2], **cases.compute(tfa))
