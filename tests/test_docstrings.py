"""Examples in docstrings run and print what they say; public members state their contract."""

import doctest
import importlib
import pkgutil
import re
from dataclasses import is_dataclass

import pytest

import kerastricks as kt

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(kt.__path__, "kerastricks.")
    if name not in ("kerastricks.__main__", "kerastricks.addons.__main__", "kerastricks.demo")
]
ROOMS = [
    kt.addons,
    kt.addons.activations,
    kt.addons.callbacks,
    kt.addons.image,
    kt.addons.layers,
    kt.addons.optimizers,
    kt.augment,
    kt.callbacks,
    kt.diagnosis,
    kt.initializers,
    kt.layers,
    kt.surgery,
    kt.theory,
]
PUBLIC = [getattr(room, name) for room in ROOMS for name in room.__all__]
TRICKS = [
    getattr(room, name)
    for room in (kt.initializers, kt.layers, kt.surgery, kt.theory)
    for name in room.__all__
    if callable(getattr(room, name)) and not is_dataclass(getattr(room, name))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name == "kerastricks.augment.pipeline" or ".placement" in name:
        pytest.importorskip("tensorflow")
    if name.endswith(".opencv"):
        pytest.importorskip("cv2")
    if "._check" in name:
        pytest.importorskip("libcst")
    # A module of one backend's operations is named after it.
    if (backend := re.split(r"[._]", name)[-1]) in ("tensorflow", "jax", "torch"):
        pytest.importorskip(backend)
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize(
    "member", [m for m in PUBLIC if callable(m)], ids=lambda member: member.__name__
)
def test_every_public_member_is_documented(member):
    assert member.__doc__
    methods = [m for n, m in vars(member).items() if not n.startswith("_") and callable(m)]
    for method in methods if isinstance(member, type) else []:
        assert method.__doc__, f"{member.__name__}.{method.__name__} has no docstring"


@pytest.mark.parametrize("member", TRICKS, ids=lambda member: member.__name__)
def test_the_docstring_of_a_trick_is_a_contract(member):
    for section in ("Args:", "Returns:", "Raises:", "Example:\n    >>> ", "Reference:"):
        assert f"\n    {section}" in member.__doc__, f"{member.__name__} lacks {section}"
