"""Settings of all tests.

`--variants N` runs each test with at most N of its parameters, which lie evenly among them. What
came of drawn examples is counted, and printed at the end.
"""

import gc
import json
from collections import Counter, defaultdict

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


@pytest.fixture(autouse=True, scope="module")
def _searched_once():
    """Keep what outlives a file of tests out of later searches for garbage, which take seconds."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def count(request):
    """Counts an outcome under the name of the test: "right", "error" (a clear one), or another."""
    tally = Counter()

    def count(outcome):
        tally[outcome] += 1

    yield count
    # Reports are what a worker of pytest-xdist hands over.
    request.node.user_properties.append(("fuzzed", json.dumps([request.node.originalname, tally])))


def pytest_terminal_summary(terminalreporter):
    total = defaultdict(Counter)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "fuzzed" and report.when == "teardown":
                    test, counts = json.loads(value)
                    total[test].update(counts)
    if not total:
        return
    terminalreporter.section("fuzzing")
    for test, counts in sorted(total.items()):
        told = [f"{counts.pop('right', 0)} right answers", f"{counts.pop('error', 0)} clear errors"]
        told += [f"{number} {outcome}" for outcome, number in counts.most_common()]
        terminalreporter.write_line(f"{test}: {', '.join(told)}")
