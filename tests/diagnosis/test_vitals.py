import math

import numpy as np
import pytest

from kerastricks.diagnosis import vitals


def test_numbers_of_an_observation(make):
    silent = make.layer("a", events=np.r_[np.zeros(3), np.full(7, 0.5)])
    layers = [
        silent,
        make.layer("b"),
        make.layer("c", activation=make.tanh, events=0.25),
        make.layer("d", activation=make.tanh, events=1.0, head=True),
    ]
    weights = [
        make.kernel("a", norm=2.0, update=0.01, gradient=3.0),
        make.kernel("b", norm=1.0, update=0.02, gradient=4.0),
        make.kernel("c", norm=0.0, update=1.0, gradient=12.0),
    ]
    seen = vitals(make.observation(layers=layers, weights=weights))
    assert seen == {
        "doctor_silent_units": pytest.approx(0.3),
        "doctor_saturation": pytest.approx(0.25),
        "doctor_update_ratio": pytest.approx((0.005 + 0.02) / 2),
        "doctor_gradient_norm": pytest.approx(13.0),
    }


def test_what_there_is_not_is_nan(make):
    assert all(map(math.isnan, vitals(make.observation(layers=[], weights=[])).values()))
