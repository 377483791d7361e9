import math

import pytest

from kerastricks.diagnosis.rules.exploding_gradients import UPDATE, exploding_gradients


@pytest.mark.parametrize("update", [math.inf, math.nan])
def test_updates_that_are_not_finite_are_left_to_the_rule_for_them(make, update):
    """What a step of infinity says is that the one before was too large."""
    for share, found in ((1.01, 1), (0.99, 0), (update, 0)):
        weights = [make.kernel(update=3 * UPDATE * share), make.kernel("output")]
        assert len(list(exploding_gradients(make.window(1, weights=weights)))) == found
