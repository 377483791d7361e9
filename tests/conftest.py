"""`--variants N` runs each test with at most N of its parameters, which lie evenly among them."""

from collections import defaultdict

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--variants",
        type=int,
        metavar="N",
        help="run each test with at most N of its parameters, but for those marked every_variant",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    most = config.getoption("variants")
    if most is None:
        return
    tests = defaultdict(list)
    for item in items:
        tests[item.nodeid.partition("[")[0]].append(item)
    left_out = set()
    for variants in tests.values():
        if len(variants) > most and variants[0].get_closest_marker("every_variant") is None:
            kept = {round((k + 0.5) * len(variants) / most - 0.5) for k in range(most)}
            left_out.update(item for n, item in enumerate(variants) if n not in kept)
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
