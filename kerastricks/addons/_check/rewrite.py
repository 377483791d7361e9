"""Rewrites the imports for which nothing else in the program needs to change."""

from collections.abc import Iterable

import libcst as cst

from kerastricks.addons._check.find import below, dotted
from kerastricks.addons._check.use import OLD, Use
from kerastricks.addons._fates import COVERED, FATES, ROOT, look_up


def safe_roots(uses: Iterable[Use]) -> set[str]:
    """Names of the program whose import may be rewritten: all that is done with them holds.

    The package handed on as an object, a star, or a name that is not here: then what the program
    does with it is not known, or would break, and the import is left.
    """
    safe: dict[str, bool] = {}
    for use in uses:
        holds = _rebinds(use) if use.imported else use.unchanged and use.name not in {"", *FATES}
        safe[use.root] = safe.get(use.root, True) and holds
    return {root for root, holds in safe.items() if holds}


def _rebinds(use: Use) -> bool:
    """Whether what an import binds is here, under whatever path it was imported from."""
    if use.root == "*":
        return False
    if use.name in {"", *COVERED}:
        return True
    found = look_up(use.name)
    if found is None:
        # `import tensorflow_addons.layers.wrappers` binds the package itself.
        return use.root == OLD and use.name.partition(".")[0] in COVERED
    return not found.rest and found.fate.use == f"{ROOT}.{found.name}"


class Rewriter(cst.CSTTransformer):
    """Changes the module that an import names, and nothing else.

    Args:
        safe: The names of the program that may be bound anew.
    """

    def __init__(self, safe: set[str]) -> None:
        super().__init__()
        self._safe = safe

    def leave_Import(  # noqa: N802 libcst's name
        self, original_node: cst.Import, updated_node: cst.Import
    ) -> cst.Import:
        """`import tensorflow_addons as tfa`."""
        names = [self._alias(alias) for alias in updated_node.names]
        return updated_node.with_changes(names=names)

    def leave_ImportFrom(  # noqa: N802 libcst's name
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom:
        """`from tensorflow_addons.layers import TLU`: only when all its names are safe."""
        node = updated_node
        start = None if node.relative else below(dotted(node.module))
        if start is None or isinstance(node.names, cst.ImportStar):
            return node
        places = set()
        for alias in node.names:
            name = dotted(alias.name)
            root = dotted(alias.asname.name) if alias.asname else name
            whole = f"{start}.{name}" if start else name
            found = look_up(whole)
            if root not in self._safe or (found is None and whole not in COVERED):
                return node
            places.add((found.name if found else whole).rpartition(".")[0])
        if len(places) != 1:
            return node
        return node.with_changes(module=_module(f"{ROOT}.{places.pop()}".rstrip(".")))

    def _alias(self, alias: cst.ImportAlias) -> cst.ImportAlias:
        name = below(dotted(alias.name))
        root = dotted(alias.asname.name) if alias.asname else OLD
        if name is None or root not in self._safe:
            return alias
        if alias.asname:
            return alias.with_changes(name=_module(f"{ROOT}.{name}".rstrip(".")))
        # Without `as` the name of the package itself is bound, whichever part is imported.
        return alias.with_changes(name=_module(ROOT), asname=cst.AsName(name=cst.Name(OLD)))


def _module(name: str) -> cst.Attribute | cst.Name:
    node: cst.Attribute | cst.Name | None = None
    for part in name.split("."):
        node = cst.Name(part) if node is None else cst.Attribute(node, cst.Name(part))
    assert node is not None
    return node
