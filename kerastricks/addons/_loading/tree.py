"""Reads HDF5 files that strangers wrote: nothing outside the file is touched."""

from collections.abc import Iterator
from typing import Any

import numpy as np


class Tree:
    """A group of an HDF5 file, whose members are reached by plain names.

    Links to other places, and data sets whose numbers lie in other files, are refused: opening
    them would read what the file's author chose, wherever it lies.
    """

    def __init__(self, group: Any):
        self._group = group

    def __contains__(self, name: str) -> bool:
        # `in` would follow a link, to another file as well.
        return self._group.get(name, getlink=True) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._group)

    def tree(self, path: str) -> "Tree":
        """The group at a path."""
        import h5py

        member = self._member(path)
        if not isinstance(member, h5py.Group):
            raise ValueError(f"{self._place(path)} is to be a group, and is none.")
        return Tree(member)

    def array(self, path: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """The numbers at a path, which are read only when they have this shape."""
        import h5py

        data = self._member(path)
        if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
            raise ValueError(f"{self._place(path)} is to be an array within the file, and is none.")
        if data.dtype.kind not in "fiub":
            raise ValueError(f"{self._place(path)} holds {data.dtype}, not numbers.")
        if data.shape != shape:
            raise ValueError(
                f"{self._place(path)} has the shape {data.shape}; the layer's weight has {shape}."
            )
        return np.asarray(data[()])

    def texts(self, name: str) -> list[str]:
        """A list of texts among the attributes, which Keras 2 cut into pieces when it is long."""
        pieces = [name] if name in self._group.attrs else []
        while not pieces or pieces[0] != name:
            piece = f"{name}{len(pieces)}"
            if piece not in self._group.attrs:
                break
            pieces.append(piece)
        if not pieces:
            raise ValueError(f"{self._group.name} has no {name}.")
        return [_text(entry) for piece in pieces for entry in self._group.attrs[piece]]

    def text(self, name: str) -> str | None:
        """A text among the attributes, or None."""
        value = self._group.attrs.get(name)
        return None if value is None else _text(value)

    def _member(self, path: str) -> Any:
        import h5py

        member = self._group
        # Part by part: a link on the way leads out of the file as well.
        for name in path.split("/"):
            group = isinstance(member, h5py.Group) and name not in ("", ".", "..")
            link = member.get(name, getlink=True) if group else None
            if not isinstance(link, h5py.HardLink):
                found = "is missing" if link is None else f"is {type(link).__name__}"
                raise ValueError(f"{self._place(path)} {found}; it is to lie within the file.")
            member = member[name]
        return member

    def _place(self, path: str) -> str:
        return f"{self._group.name.rstrip('/')}/{path}"


def _text(value: Any) -> str:
    text = value.decode("utf-8") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise ValueError(f"a text is expected, not {type(value).__name__}.")
    return text
