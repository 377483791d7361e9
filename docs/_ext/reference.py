"""The reference: a page for each room of the package and each of its public names, by `__all__`."""

import ast
import importlib
import inspect
import pprint
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import converted, inline
from sphinx.util import logging
from sphinx.util.inspect import stringify_signature

from kerastricks.augment.transform import Transform
from kerastricks.diagnosis.watch import Observer

PACKAGE = "kerastricks"
API = Path(__file__).resolve().parent.parent / "api"
log = logging.getLogger(__name__)


@dataclass
class Room:
    """A module with public names."""

    module: ModuleType

    @property
    def name(self) -> str:
        """Its name within the package."""
        return self.module.__name__.removeprefix(f"{PACKAGE}.")

    @property
    def page(self) -> str:
        """Its page's path from the folder of the reference, without a suffix."""
        return self.name.replace(".", "/")

    @property
    def names(self) -> list[str]:
        """Its public names, but for rooms within it."""
        public = [name for name in self.module.__all__ if not name.startswith("__")]
        return [name for name in public if not isinstance(getattr(self.module, name), ModuleType)]

    @property
    def rooms(self) -> "list[Room]":
        """The rooms within it."""
        members = (getattr(self.module, name) for name in self.module.__all__)
        return [Room(member) for member in members if isinstance(member, ModuleType)]


def rooms_of(room: Room) -> Iterator[Room]:
    """Yields a room and all rooms within it."""
    yield room
    for inner in room.rooms:
        yield from rooms_of(inner)


def all_rooms() -> list[Room]:
    """Returns the package and its rooms."""
    return list(rooms_of(Room(importlib.import_module(PACKAGE))))


def document_of(room: Room, name: str) -> str:
    """Returns the docstring of a public name, its own; that of data stands below its assignment."""
    member = getattr(room.module, name)
    if callable(member):
        return inspect.cleandoc(member.__doc__ or "")
    return document_of_data(room.module, name)


def document_of_data(module: ModuleType, name: str) -> str:
    """Returns the string below the assignment of a name, in the module that it comes from."""
    body = ast.parse(inspect.getsource(module)).body
    for n, statement in enumerate(body):
        if isinstance(statement, ast.ImportFrom) and name in [a.name for a in statement.names]:
            return document_of_data(importlib.import_module(str(statement.module)), name)
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            below = body[n + 1] if n + 1 < len(body) else None
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                return inspect.cleandoc(str(below.value.value))
    return ""


def members_of(cls: type) -> list[str]:
    """Returns a class's public methods and properties, those that a user has a use for.

    What Keras' own classes have too, such as `build` and `on_epoch_end`, is for Keras to call;
    what transforms and observers have, for the pipeline and the probe.
    """
    if issubclass(cls, Transform):
        return []
    ours = [base for base in cls.__mro__ if base.__module__.startswith(f"{PACKAGE}.")]
    theirs = {name for base in cls.__mro__ if base not in ours for name in vars(base)}
    theirs |= set(vars(Observer))
    found = {
        name: None
        for base in ours
        for name, value in vars(base).items()
        if not name.startswith("_")
        and name not in theirs
        and (inspect.isroutine(value) or isinstance(value, (property, cached_property)))
    }
    return list(found)


def undocumented(room: Room) -> list[str]:
    """Returns the public names, and their public methods, that have no docstring."""
    lacks = []
    for name in room.names:
        member = getattr(room.module, name)
        if not document_of(room, name):
            lacks.append(name)
        if isinstance(member, type):
            lacks += [f"{name}.{m}" for m in members_of(member) if not getattr(member, m).__doc__]
    return lacks


def summary(text: str) -> str:
    """Returns the first paragraph of a docstring in one line."""
    return inline(" ".join(text.split("\n\n")[0].split()))


def title(text: str) -> list[str]:
    """Returns a heading."""
    return [text, "=" * len(text), ""]


def value_of(value: Any) -> str:
    """Returns data as it is written, where that is short and the same in each build."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: ..." for key in value) + "}"
    return pprint.pformat(value, width=88)


def page_of_name(room: Room, name: str) -> list[str]:
    """Returns the page of one public name."""
    member: Any = getattr(room.module, name)
    full = f"{room.module.__name__}.{name}"
    if isinstance(member, type):
        members = members_of(member)
        return [
            *title(name),
            f".. autoclass:: {full}",
            *([f"   :members: {', '.join(members)}"] if members else []),
            "",
        ]
    if callable(member):
        return [*title(name), f".. autofunction:: {full}", ""]
    body = list(converted(document_of(room, name).split("\n")))
    written = value_of(member).split("\n")
    return [
        *title(name),
        f".. py:data:: {full}",
        "",
        *(f"   {line}".rstrip() for line in body),
        "",
        "   .. code-block:: python",
        "",
        *(f"      {line}" for line in written),
        "",
    ]


def page_of_room(room: Room) -> list[str]:
    """Returns the page of a room: what it is, and a table of its names."""
    base = room.page.rpartition("/")[2]
    rows = [(f"{inner.module.__name__}", inner.module.__doc__ or "") for inner in room.rooms]
    rows += [(f"{room.module.__name__}.{name}", document_of(room, name)) for name in room.names]
    entries = [inner.page.rpartition("/")[2] for inner in room.rooms] + room.names
    return [
        *title(room.module.__name__),
        f".. py:module:: {room.module.__name__}",
        "",
        summary(room.module.__doc__ or ""),
        "",
        ".. list-table::",
        "   :class: names",
        "   :widths: auto",
        "",
        *(
            line
            for full, text in rows
            for line in (f"   * - :py:obj:`~{full}`", f"     - {summary(text)}")
        ),
        "",
        ".. toctree::",
        "   :hidden:",
        "",
        *(f"   {entry} <{base}/{entry}>" for entry in entries),
        "",
    ]


def pages() -> dict[str, str]:
    """Returns all pages by their path from the folder of the reference."""
    package, *rooms = all_rooms()
    written = {f"{name}.rst": page_of_name(package, name) for name in package.names}
    for room in rooms:
        written[f"{room.page}.rst"] = page_of_room(room)
        written |= {f"{room.page}/{name}.rst": page_of_name(room, name) for name in room.names}
    return {path: "\n".join(lines) for path, lines in written.items()}


def write(app) -> None:
    """Handles `builder-inited`: writes pages that have changed, deletes those of gone names."""
    written = pages()
    for path in API.rglob("*.rst"):
        if path.relative_to(API).as_posix() not in written:
            path.unlink()
    for name, text in written.items():
        path = API / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def missing(described: set[str], rooms: list[Room]) -> list[str]:
    """Returns what a reference lacks.

    Args:
        described: The full names that it describes.
        rooms: The rooms that it is of.
    """
    lacks = []
    for room in rooms:
        name = room.module.__name__
        lacks += [
            f"{name}.{n} is not in the reference"
            for n in room.names
            if f"{name}.{n}" not in described
        ]
        lacks += [f"{name}.{n} has no docstring" for n in undocumented(room)]
    return lacks


def check(app, env) -> None:
    """Handles `env-check-consistency`: warns of each public name without a description."""
    for message in missing(set(env.domains["py"].objects), all_rooms()):
        log.warning(message)


def signature_of(app, what, name, obj, options, signature, returns):
    """Handles `autodoc-process-signature`: what a class takes is what `__init__` takes.

    What the package makes and hands out, data classes, shows its attributes alone.
    """
    if what == "class" and is_dataclass(obj):
        return "", None
    if what == "class":
        taken = inspect.signature(obj.__init__)
        _, *parameters = taken.parameters.values()
        signature = stringify_signature(taken.replace(parameters=parameters), show_annotation=False)
        signature = signature.removesuffix(" -> None")
    return signature, returns


def setup(app) -> dict:
    """Connects to Sphinx."""
    app.connect("builder-inited", write, priority=200)
    app.connect("env-check-consistency", check)
    app.connect("autodoc-process-signature", signature_of)
    return {"version": "1", "parallel_read_safe": True}
