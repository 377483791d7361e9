"""Names in inline code as links.

Public ones, such as `kt.surgery.lsuv(model, x)`, lead to the reference, conditions to their pages.
"""

import importlib
import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

FULL = re.compile(r"(?:kt|kerastricks)\.([\w.]+)(?:\(.*)?", re.DOTALL)
BARE = re.compile(r"(\w+)(?:\(.*)?", re.DOTALL)
log = logging.getLogger(__name__)


def exists(name: str) -> bool:
    """Whether the package has a module or an attribute of this name, such as `surgery.treat`."""
    parts = ["kerastricks", *name.split(".")]
    for n in range(len(parts), 0, -1):
        try:
            member = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            fields = getattr(member, "__dataclass_fields__", {})
            if part in fields:
                return True
            try:
                member = getattr(member, part)
            except AttributeError:
                return False
        return True
    return False


def candidates(text: str, docname: str) -> list[str]:
    """Returns the full names that inline code may stand for, the likeliest first.

    Args:
        text: The code, such as `kt.layers.Dropout(0.5)`; on a page of the reference also `Dropout`.
        docname: The page that it is on, such as `api/layers/LeakyReLU`.
    """
    text = " ".join(text.split())
    if match := FULL.fullmatch(text):
        return [f"kerastricks.{match[1]}"]
    if (match := BARE.fullmatch(text)) and docname.startswith("api/"):
        page = docname.removeprefix("api/").split("/")
        return [".".join(["kerastricks", *page[:n], match[1]]) for n in range(len(page), 0, -1)]
    return []


class Link(SphinxPostTransform):
    """Puts links around inline code."""

    default_priority = 400

    def run(self, **kwargs: object) -> None:
        """Looks at all inline code of a page, but for headings and what is a link already."""
        objects = self.env.domains["py"].objects
        for node in list(self.document.findall(nodes.literal)):
            ancestors = (nodes.title, nodes.reference)
            parent = node.parent
            while parent is not None and not isinstance(parent, ancestors):
                parent = parent.parent
            if parent is not None:
                continue
            page = f"conditions/{node.astext()}"
            if page in self.env.all_docs and page not in (self.env.docname, "conditions/index"):
                self.link(node, page, "")
                continue
            names = candidates(node.astext(), self.env.docname)
            found = next((name for name in names if name in objects), None)
            if found is None:
                full = names and FULL.fullmatch(" ".join(node.astext().split()))
                if full and "." in full[1] and not exists(full[1]):
                    log.warning("there is no %s", node.astext(), location=node)
                continue
            entry = objects[found]
            if entry.docname == self.env.docname and entry.objtype != "method":
                continue
            self.link(node, entry.docname, entry.node_id)

    def link(self, node: nodes.literal, docname: str, place: str) -> None:
        """Puts a link around inline code."""
        link = make_refnode(self.app.builder, self.env.docname, docname, place, [])
        node.replace_self(link)
        link += node


def setup(app) -> dict:
    """Connects to Sphinx."""
    app.add_post_transform(Link)
    return {"version": "1", "parallel_read_safe": True}
