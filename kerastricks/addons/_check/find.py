"""Finds in a program what it uses of TensorFlow Addons, whatever it calls it."""

from typing import Any

import libcst as cst
from libcst import metadata

from kerastricks.addons._check.use import OLD, Use
from kerastricks.addons._fates import look_up


def dotted(node: cst.CSTNode | None) -> str:
    """The words of a chain of names, `a.b.c`; empty for anything else."""
    if isinstance(node, cst.Name):
        return str(node.value)
    if isinstance(node, cst.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr.value}" if start else ""
    return ""


def below(name: str) -> str | None:
    """The part of a dotted name below `tensorflow_addons`; None for other names.

    Example:
        >>> below("tensorflow_addons.layers.TLU"), below("tensorflow_addons"), below("numpy")
        ('layers.TLU', '', None)
    """
    first, _, rest = name.partition(".")
    return rest if first == OLD else None


class Finder(cst.CSTVisitor):
    """Collects the uses of one program in `uses`."""

    METADATA_DEPENDENCIES = (metadata.PositionProvider, metadata.QualifiedNameProvider)

    def __init__(self, path: str, cell: int = 0) -> None:
        super().__init__()
        self.uses: list[Use] = []
        self._path = path
        self._cell = cell

    def visit_Import(self, node: cst.Import) -> bool:  # noqa: N802 libcst's name
        """Imports of the package or of one of its packages."""
        for alias in node.names:
            name = below(dotted(alias.name))
            if name is not None:
                root = dotted(alias.asname.name) if alias.asname else OLD
                self._add(alias, f"import {dotted(alias.name)}", name, root, imported=True)
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:  # noqa: N802 libcst's name
        """Imports of names from the package."""
        start = None if node.relative else below(dotted(node.module))
        if start is None:
            return False
        words = f"from {dotted(node.module)} import "
        if isinstance(node.names, cst.ImportStar):
            self._add(node, f"{words}*", start, "*", imported=True)
            return False
        for alias in node.names:
            name = dotted(alias.name)
            root = dotted(alias.asname.name) if alias.asname else name
            whole = f"{start}.{name}" if start else name
            self._add(alias, words + name, whole, root, imported=True)
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:  # noqa: N802 libcst's name
        """Uses such as `tfa.layers.TLU`, taken whole."""
        words = dotted(node)
        return not (words and self._meant(node, words))

    def visit_Name(self, node: cst.Name) -> None:  # noqa: N802 libcst's name
        """Uses of the package itself, as an argument say."""
        self._meant(node, node.value)

    def _meant(self, node: cst.Name | cst.Attribute, words: str) -> bool:
        name = self._name(node)
        if name is None:
            return False
        first: cst.BaseExpression = node
        while isinstance(first, cst.Attribute):
            first = first.value
        # What was imported by its own name, its import answers for.
        if look_up(self._name(first) or "") is None:
            self._add(node, words, name, words.partition(".")[0])
        return True

    def _name(self, node: cst.CSTNode) -> str | None:
        for name in self.get_metadata(metadata.QualifiedNameProvider, node, set()):
            if name.source is metadata.QualifiedNameSource.IMPORT:
                meant = below(name.name)
                if meant is not None:
                    return meant
        return None

    def _add(
        self, node: cst.CSTNode, words: str, name: str, root: str, imported: bool = False
    ) -> None:
        start: Any = self.get_metadata(metadata.PositionProvider, node).start
        use = Use(self._path, start.line, start.column + 1, self._cell, words, name, root, imported)
        self.uses.append(use)
