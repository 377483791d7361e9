"""The house as docs/architecture.md draws it: rooms, and which way they depend on each other."""

import ast
import configparser
import importlib.metadata
from pathlib import Path

import pytest

import kerastricks as kt

PACKAGE = Path(kt.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {
    "theory": set(),
    "layers": {"theory"},
    "initializers": {"theory"},
    "addons": {"augment", "layers"},
    "augment": set(),
    "diagnosis": {"layers", "initializers", "theory"},
    "callbacks": {"diagnosis", "theory"},
    "surgery": {"diagnosis", "layers", "initializers", "theory"},
}
"""What each room may import from; `__main__` and the demo stand outside and may use all."""
BACKENDS = {"tensorflow", "jax", "torch"}


def imported(path):
    """Modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


def relative(path):
    return path.relative_to(PACKAGE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(relative(path)))
def test_dependencies_point_one_way(path):
    room = relative(path).parts[0]
    if room not in ROOMS:
        return
    allowed = ROOMS[room] | {room, "_printable", "_untrusted", "_version"}
    for module in imported(path):
        package, _, rest = module.partition(".")
        if package == "kerastricks":
            assert rest.split(".")[0] in allowed, f"{relative(path)} may not import {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(relative(path)))
def test_private_keras_and_backends_stay_in_their_places(path):
    place = relative(path)
    in_kernels = {"kernels", "_kernels"} & set(place.parts)
    in_placement = "placement" in place.parts
    for module in imported(path):
        assert not module.startswith("keras.src")
        assert module.split(".")[0] not in BACKENDS or in_kernels or in_placement
        if place.parts[0] == "theory":
            assert module.split(".")[0] != "keras"


WITHIN_AUGMENT = {
    "kernels": {""},
    "transforms": {"kernels", ""},
    "passes": {"kernels", ""},
    "placement": {"kernels", "passes", "transforms", ""},
}
"""What each folder of the room may import from; "" are the files beside the folders."""


@pytest.mark.parametrize("folder", WITHIN_AUGMENT)
def test_transforms_and_passes_do_not_know_each_other(folder):
    allowed = WITHIN_AUGMENT[folder] | {folder}
    for path in (PACKAGE / "augment" / folder).glob("*.py"):
        for module in imported(path):
            if module.startswith("kerastricks.augment."):
                place = module.split(".")[2]
                assert (place if place in WITHIN_AUGMENT else "") in allowed, f"{path}: {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(relative(path)))
def test_files_stay_readable(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450


def test_every_room_is_drawn():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(ROOMS)
    drawing = PACKAGE.parent / "docs" / "architecture.md"
    if drawing.exists():  # not beside an installed wheel
        text = drawing.read_text(encoding="utf-8")
        assert [room for room in rooms if f"{room}/" not in text] == []


def test_a_rule_is_a_file_and_a_condition():
    rules = {path.stem for path in (PACKAGE / "diagnosis" / "rules").glob("[!_]*.py")}
    assert rules == set(kt.diagnosis.RULES)
    assert rules <= set(kt.diagnosis.CONDITIONS)


def test_nothing_but_keras_and_what_it_needs_is_needed_at_run_time():
    def needed(package):
        requirements = importlib.metadata.requires(package)
        return {r.split(">")[0].strip() for r in requirements if "extra ==" not in r}

    assert needed("kerastricks") == {"keras", "numpy", "rich"}
    assert needed("kerastricks") - {"keras"} <= needed("keras")
    extras = set(importlib.metadata.metadata("kerastricks").get_all("Provides-Extra"))
    assert {"tensorflow", "jax", "torch", "report", "test", "docs"} <= extras


def test_public_names_are_listed_and_exist():
    for room in (kt, *(getattr(kt, name) for name in ROOMS)):
        assert room.__all__ == sorted(room.__all__, key=str) or room is kt.diagnosis
        assert [name for name in room.__all__ if not hasattr(room, name)] == []


def test_the_version_is_one():
    assert importlib.metadata.version("kerastricks") == kt.__version__
    config = PACKAGE.parent / "setup.cfg"
    if config.exists():
        parser = configparser.ConfigParser()
        parser.read(config)
        assert parser["metadata"]["version"] == "attr: kerastricks._version.__version__"
