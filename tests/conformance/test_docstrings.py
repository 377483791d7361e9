"""The examples in the docstrings of layers, initializers and theory run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import kerastricks as kt

ROOMS = [kt.initializers, kt.layers, kt.theory]
MODULES = [
    name
    for room in ROOMS
    for _, name, _ in pkgutil.iter_modules(room.__path__, f"{room.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize(
    "member",
    [
        getattr(room, name)
        for room in ROOMS
        for name in room.__all__
        if callable(getattr(room, name))
    ],
    ids=lambda member: member.__name__,
)
def test_the_docstring_is_a_contract(member):
    for section in ("Args:", "Returns:", "Raises:", "Example:\n    >>> ", "Reference:"):
        assert f"\n    {section}" in member.__doc__, f"{member.__name__} lacks {section}"
